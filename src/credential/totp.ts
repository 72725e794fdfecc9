// The authenticator app: one secret per account, shared once, and codes of six digits that change every thirty seconds (RFC 6238). A time
// step is accepted once, ever, by one conditional write. It does not count failures: see lockout.ts.

import { randomUUID } from 'node:crypto';
import { generateSecret, generateURI, verify } from 'otplib';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { lockCredentials, raiseCredentialVersion } from './credential-version.ts';
import { endTrustedDevices } from './trusted-device.ts';
import { parseDigits } from './typed-code.ts';

/** RFC 4226, section 4, R6 recommends 160 bits. */
const SECRET_BYTES = 20;
const DIGITS = 6;
const PERIOD = 30;
/** Seconds that a secret waits for its first code (requirements F1). */
const PENDING_TTL = 600;

export const sealedTotp: SealedTable = { table: 'totp', key: 'account_id', purpose };
export const sealedPendingTotp: SealedTable = { table: 'totp_pending', key: 'account_id', purpose: pendingPurpose };

const BEGIN = {
  name: 'totp_begin',
  text: `insert into totp_pending (account_id, sealed, expires_at) values ($1, $2, now() + make_interval(secs => ${PENDING_TTL}))
    on conflict (account_id) do update set sealed = excluded.sealed, expires_at = excluded.expires_at`,
};
const FIND_PENDING = {
  name: 'totp_find_pending',
  text: 'select sealed from totp_pending where account_id = $1 and expires_at > now()',
};
const TAKE_PENDING = `delete from totp_pending where account_id = ? and sealed = ? and expires_at > now() returning account_id`;
const SAVE = `insert into totp (id, account_id, sealed, last_step, created_at) values (?, ?, ?, ?, now())
  on conflict (account_id) do update set id = excluded.id, sealed = excluded.sealed, last_step = excluded.last_step,
    created_at = excluded.created_at, last_used_at = null`;
const FIND_SECRET = {
  name: 'totp_find_secret',
  text: 'select id, sealed, last_step as "lastStep" from totp where account_id = $1',
};
/** The row's id goes along: a code for a secret that was replaced meanwhile counts for nothing. */
const ACCEPT = {
  name: 'totp_accept',
  text: `update totp set last_step = $2, last_used_at = now(), sealed = coalesce($3, sealed)
    where id = $1 and last_step < $2 returning id`,
};
const FIND = `select (extract(epoch from created_at) * 1000)::float8 as "createdAt",
    (extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt" from totp where account_id = ?`;
const SWEEP = {
  name: 'totp_sweep',
  text: `delete from totp_pending where account_id in
    (select account_id from totp_pending where expires_at <= now() limit 1000)`,
};

/** What the set-up page shows: the only time the secret leaves the house. */
export interface TotpSetUp {
  /** Base32, 32 characters, for typing. */
  readonly secret: string;
  /** `otpauth://…` for the QR code. */
  readonly uri: string;
}

export interface TotpView {
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

export class Totp {
  readonly #database: Database;
  readonly #seal: Seal;
  readonly #issuer: string;
  readonly #now: () => number;

  constructor(parts: {
    readonly database: Database;
    readonly seal: Seal;
    /** The name that authenticator apps show. */
    readonly issuer: string;
    /** Milliseconds since 1970. */
    readonly now?: () => number;
  }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
    this.#issuer = parts.issuer;
    this.#now = parts.now ?? Date.now;
  }

  /** A new secret that waits ten minutes for its first code; an older waiting one is gone. @param label how the app names the account */
  async begin(accountId: string, label: string): Promise<TotpSetUp> {
    const secret = generateSecret({ length: SECRET_BYTES });
    await this.#database.sql.query(BEGIN, [accountId, this.#seal.seal(pendingPurpose(accountId), secret)]);
    return this.#setUp(secret, label);
  }

  /** The same again while it waits: for a page that is shown once more. */
  async findPending(accountId: string, label: string): Promise<TotpSetUp | null> {
    const sealed = await this.#pending(accountId);
    return sealed === null ? null : this.#setUp(this.#seal.openText(pendingPurpose(accountId), sealed), label);
  }

  /**
   * Puts the waiting secret in force, in place of an older one, when the code shows that the app has it. The step of that code is used up.
   * @param alongside what commits with it: audit and notice
   */
  async confirm(
    accountId: string,
    typed: string,
    alongside?: (em: EntityManager) => Promise<void>,
  ): Promise<'confirmed' | 'wrong' | 'expired'> {
    const sealed = await this.#pending(accountId);
    if (sealed === null) return 'expired';
    const secret = this.#seal.openText(pendingPurpose(accountId), sealed);
    const step = await this.#stepOf(secret, typed);
    if (step === null) return 'wrong';
    const stored = this.#seal.seal(purpose(accountId), secret);
    return this.#database.transaction(async (em) => {
      await lockCredentials(em, accountId);
      const taken = await em.execute<object[]>(TAKE_PENDING, [accountId, sealed]);
      if (taken.length !== 1) return 'expired';
      const isReplaced = (await this.find(accountId, em)) !== null;
      await em.execute(SAVE, [randomUUID(), accountId, stored, step]);
      if (isReplaced) await raiseCredentialVersion(em, accountId);
      await endTrustedDevices(em, accountId);
      await alongside?.(em);
      return 'confirmed';
    });
  }

  /** Whether this is a code of the account's app that was not used before; then it is used up, and so are all earlier ones. */
  async verify(accountId: string, typed: string): Promise<boolean> {
    const { rows } = await this.#database.sql.query<{ id: string; sealed: Uint8Array; lastStep: number }>(FIND_SECRET, [
      accountId,
    ]);
    const [row] = rows;
    if (!row) return false;
    const secret = this.#seal.openText(purpose(accountId), row.sealed);
    const step = await this.#stepOf(secret, typed, row.lastStep);
    if (step === null) return false;
    const renewed = this.#seal.isStale(row.sealed) ? this.#seal.seal(purpose(accountId), secret) : null;
    const accepted = await this.#database.sql.query<{ id: string }>(ACCEPT, [row.id, step, renewed]);
    return accepted.rows.length === 1;
  }

  async find(accountId: string, em: EntityManager = this.#database.em()): Promise<TotpView | null> {
    const [row] = await em.execute<{ createdAt: number; lastUsedAt: number | null }[]>(FIND, [accountId]);
    if (!row) return null;
    return {
      createdAt: new Date(row.createdAt),
      lastUsedAt: row.lastUsedAt === null ? null : new Date(row.lastUsedAt),
    };
  }

  /** Only through factors.ts, which keeps the last way in. @returns whether there was one */
  async remove(em: EntityManager, accountId: string): Promise<boolean> {
    await lockCredentials(em, accountId);
    await em.execute('delete from totp_pending where account_id = ?', [accountId]);
    const rows = await em.execute<object[]>('delete from totp where account_id = ? returning id', [accountId]);
    if (rows.length === 1) await raiseCredentialVersion(em, accountId);
    return rows.length === 1;
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  async #pending(accountId: string): Promise<Buffer | null> {
    const { rows } = await this.#database.sql.query<{ sealed: Uint8Array }>(FIND_PENDING, [accountId]);
    return rows[0] ? Buffer.from(rows[0].sealed) : null;
  }

  /** The time step a code belongs to: the present one or a neighbour, later than `after`. */
  async #stepOf(secret: string, typed: string, after?: number): Promise<number | null> {
    const token = parseDigits(typed, DIGITS);
    const epoch = Math.floor(this.#now() / 1000);
    // Our clock went backwards: nothing it could mean now is new, and the library takes it for a mistake of the caller's.
    if (token === null || (after !== undefined && after > Math.floor(epoch / PERIOD))) return null;
    const result = await verify({
      secret,
      token,
      digits: DIGITS,
      period: PERIOD,
      epoch,
      epochTolerance: PERIOD,
      ...(after === undefined ? {} : { afterTimeStep: after }),
    });
    return result.valid && 'timeStep' in result ? result.timeStep : null;
  }

  #setUp(secret: string, label: string): TotpSetUp {
    return { secret, uri: generateURI({ issuer: this.#issuer, label, secret, digits: DIGITS, period: PERIOD }) };
  }
}

function purpose(accountId: string): string {
  return `totp:${accountId}`;
}

function pendingPurpose(accountId: string): string {
  return `totp-pending:${accountId}`;
}
