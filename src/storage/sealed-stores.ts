// Everything that lies sealed in storage, and sealing it again after the master secret was changed. Each room describes its own tables; the list
// of them is in app.ts, and a test compares it with the schema. It runs beside a serving process: each value is replaced by one conditional
// write, so what was written meanwhile is never overwritten.
import { type Seal, SealError } from '../crypto/seal.ts';
import type { Sql } from './sql.ts';

/** A table with a column `sealed`. Names are ours, never input. */
export interface SealedTable {
  readonly table: string;
  /** Primary key, or another unique column. */
  readonly key: string;
  /** Further columns that the purpose is made of. */
  readonly columns?: readonly string[];
  /** What each value is sealed for. */
  purpose(key: string, ...columns: readonly string[]): string;
}

export interface Resealed {
  readonly store: string;
  /** Values that were sealed with an older secret and are sealed with the current one now. */
  readonly resealed: number;
  /** Values that no configured secret opens: lost already, whatever happens to the secrets now. */
  readonly unreadable: number;
}

/** What is not a table. */
export interface SealedStore {
  reseal(): Promise<Resealed>;
}

/** Rows that are looked at in one statement. */
const PAGE = 1000;
/** Rows that are written at the same time: a pool is small, and people are being served. */
const AT_ONCE = 4;

interface Row {
  readonly key: string;
  /** Null for what is sealed with the current secret. */
  readonly sealed: Uint8Array | null;
  readonly [column: `c${number}`]: string;
}

export class SealedStores {
  readonly tables: readonly SealedTable[];
  readonly #others: readonly SealedStore[];
  readonly #sql: Sql;
  readonly #seal: Seal;

  constructor(parts: {
    readonly sql: Sql;
    readonly seal: Seal;
    readonly tables: readonly SealedTable[];
    readonly others: readonly SealedStore[];
  }) {
    this.#sql = parts.sql;
    this.#seal = parts.seal;
    this.tables = parts.tables;
    this.#others = parts.others;
  }

  /** Seals again whatever an older master secret has sealed. Takes as long as there are rows; repeating it is harmless. */
  async reseal(): Promise<readonly Resealed[]> {
    const done: Resealed[] = [];
    for (const table of this.tables) done.push(await this.#resealTable(table));
    for (const store of this.#others) done.push(await store.reseal());
    return done;
  }

  async #resealTable(table: SealedTable): Promise<Resealed> {
    let resealed = 0;
    let unreadable = 0;
    let after: string | undefined;
    for (;;) {
      const rows = await this.#page(table, after);
      const stale = rows.filter((row) => row.sealed !== null);
      for (let from = 0; from < stale.length; from += AT_ONCE) {
        const outcomes = await Promise.all(stale.slice(from, from + AT_ONCE).map((row) => this.#resealRow(table, row)));
        resealed += outcomes.filter((one) => one === 'resealed').length;
        unreadable += outcomes.filter((one) => one === 'unreadable').length;
      }
      after = rows.at(-1)?.key;
      if (after === undefined) return { store: table.table, resealed, unreadable };
    }
  }

  /** Only stale values travel: after a first run a second one reads keys alone. */
  async #page({ table, key, columns = [] }: SealedTable, after: string | undefined): Promise<readonly Row[]> {
    const more = columns.map((column, index) => `, ${column} as "c${index}"`).join('');
    const { rows } = await this.#sql.query<Row>(
      {
        name: `reseal_${table}_${after === undefined ? 'first' : 'next'}`,
        text: `select ${key}::text as "key"${more}, case when substring(sealed from 2 for 4) <> $1 then sealed end as "sealed"
          from ${table} ${after === undefined ? '' : `where ${key} > $2`} order by ${key} limit ${PAGE}`,
      },
      [this.#seal.keyId, ...(after === undefined ? [] : [after])],
    );
    return rows;
  }

  async #resealRow(table: SealedTable, row: Row): Promise<'resealed' | 'unreadable' | 'changed'> {
    if (row.sealed === null) return 'changed';
    const columns = (table.columns ?? []).map((_, index) => row[`c${index}`] ?? '');
    const fresh = resealValue(this.#seal, table.purpose(row.key, ...columns), row.sealed);
    if (fresh === null) return 'unreadable';
    const statement = {
      name: `reseal_${table.table}`,
      text: `update ${table.table} set sealed = $3 where ${table.key} = $1 and sealed = $2`,
    };
    const { count } = await this.#sql.query(statement, [row.key, row.sealed, fresh]);
    return count === 1 ? 'resealed' : 'changed';
  }
}

/** @returns null when no configured secret opens it for that purpose */
export function resealValue(seal: Seal, purpose: string, sealed: Uint8Array): Buffer | null {
  try {
    return seal.seal(purpose, seal.open(purpose, sealed));
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}
