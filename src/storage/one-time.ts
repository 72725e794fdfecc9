// Values that work exactly once: setup links, tickets, mailed links. Only the hash of a value is stored, with its kind inside the hash; taking
// one is a single DELETE … RETURNING, so of any number of parallel attempts one gets the content and all others get nothing.
import { hashToken, randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { EntityManager } from './database.ts';
import type { SealedTable } from './sealed-stores.ts';
import type { Sql } from './sql.ts';

export const sealedOneTimeValues: SealedTable = {
  table: 'one_time_value',
  key: 'hash',
  columns: ['kind'],
  purpose: (_hash, kind = '') => purposeOf(kind),
};

interface Stored {
  sealed: Uint8Array;
}

const TAKE = {
  name: 'one_time_take',
  text: `delete from one_time_value where hash = $1 and expires_at > now() returning sealed`,
};
const FIND = {
  name: 'one_time_find',
  text: `select sealed from one_time_value where hash = $1 and expires_at > now()`,
};
const DELETE_BY_SUBJECT = {
  name: 'one_time_delete_by_subject',
  text: `delete from one_time_value where kind = $1 and subject = $2`,
};
const SWEEP = {
  name: 'one_time_sweep',
  text: `delete from one_time_value where hash in (select hash from one_time_value where expires_at <= now() limit 1000)`,
};

interface PutOptions {
  /** Seconds until it is worthless. */
  readonly ttl: number;
  /** What it is about (an account id, …), so that all of one kind can be ended together. */
  readonly subject?: string;
  /** Inside a caller's transaction: commits and rolls back with it. */
  readonly em?: EntityManager;
}

export class OneTime {
  readonly #sql: Sql;
  readonly #seal: Seal;

  constructor(parts: { readonly sql: Sql; readonly seal: Seal }) {
    this.#sql = parts.sql;
    this.#seal = parts.seal;
  }

  /** Stores `content` under a fresh random value and returns that value: the only time it exists in clear. */
  async put(kind: string, content: object, options: PutOptions): Promise<string> {
    const value = randomToken();
    await this.putUnder(kind, value, content, options);
    return value;
  }

  /** The same with a value of the caller's, which must be random with at least 128 bits. */
  async putUnder(kind: string, value: string, content: object, options: PutOptions): Promise<void> {
    const sealed = this.#seal.seal(purposeOf(kind), JSON.stringify(content));
    const row = [hashToken(kind, value), kind, options.subject ?? null, sealed, options.ttl];
    if (options.em) {
      await options.em.execute(
        `insert into one_time_value (hash, kind, subject, sealed, expires_at)
         values (?, ?, ?, ?, now() + make_interval(secs => ?))`,
        row,
      );
      return;
    }
    await this.#sql.query(
      {
        name: 'one_time_put',
        text: `insert into one_time_value (hash, kind, subject, sealed, expires_at)
               values ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
      },
      row,
    );
  }

  /** The content, once; null when there is none, when it was taken, or when it is too old. */
  async take<T extends object>(kind: string, value: string): Promise<T | null> {
    const { rows } = await this.#sql.query<Stored>(TAKE, [hashToken(kind, value)]);
    return this.#open<T>(kind, rows[0]);
  }

  /** Looks without taking: for pages that only show what a link would do. */
  async find<T extends object>(kind: string, value: string): Promise<T | null> {
    const { rows } = await this.#sql.query<Stored>(FIND, [hashToken(kind, value)]);
    return this.#open<T>(kind, rows[0]);
  }

  /** Takes inside a transaction, so that value and consequence are one decision. */
  async takeWithin<T extends object>(em: EntityManager, kind: string, value: string): Promise<T | null> {
    const rows = await em.execute<Stored[]>(
      'delete from one_time_value where hash = ? and expires_at > now() returning sealed',
      [hashToken(kind, value)],
    );
    return this.#open<T>(kind, rows[0]);
  }

  async revokeAll(kind: string, subject: string): Promise<void> {
    await this.#sql.query(DELETE_BY_SUBJECT, [kind, subject]);
  }

  /** Deletes a bounded batch of what has expired. */
  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
  }

  #open<T extends object>(kind: string, row: Stored | undefined): T | null {
    return row ? (JSON.parse(this.#seal.openText(purposeOf(kind), row.sealed)) as T) : null;
  }
}

function purposeOf(kind: string): string {
  return `one-time:${kind}`;
}
