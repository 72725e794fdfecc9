// The one database: PostgreSQL by address, or PGlite in a folder when nothing is configured. The same entities and migrations run on both.
// PGlite has a single connection and an open transaction holds it, so nothing here or above may need a second one inside a transaction.

import { join } from 'node:path';
import { type Migration, Migrator } from '@mikro-orm/migrations';
import { MikroORM as EmbeddedOrm } from '@mikro-orm/pglite';
import { type EntityManager, MikroORM as PostgresOrm, UniqueConstraintViolationException } from '@mikro-orm/postgresql';
import { AppError, Unavailable } from '../errors.ts';
import type { Log } from '../log.ts';
import { takeBackLostConnections } from './lost-connection.ts';
import type { Sql, SqlResult, Statement } from './sql.ts';

export type { EntityManager };

export interface NamedMigration {
  readonly name: string;
  readonly class: new (...args: never[]) => Migration;
}

type Entities = readonly NonNullable<NonNullable<ConstructorParameters<typeof PostgresOrm>[0]>['entities']>[number][];

export interface DatabaseOptions {
  readonly target: { readonly kind: 'embedded'; readonly dataDir: string } | PostgresTarget;
  /** From src/entities.ts; rooms below it must not know one another, so the list comes from above. */
  readonly entities: Entities;
  /** In the order in which they run. */
  readonly migrations: readonly NamedMigration[];
  readonly log: Log;
}

interface PostgresTarget {
  readonly kind: 'postgres';
  readonly url: string;
  /** Connections at most; one is enough. */
  readonly poolSize: number;
  /** Milliseconds for a connection and for each statement. */
  readonly timeout?: number;
}

/** Milliseconds: a page must say within two seconds that the server is away. */
const DEFAULT_TIMEOUT = 1500;

const NO_TIMEOUT = 0;
/** What the server itself gives up after, when we are long gone. */
const STATEMENT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 5000;
/** Any number, the same in every release: migrations of one database run one process at a time. */
const MIGRATION_LOCK = 5_203_618_001;

type Orm = PostgresOrm | EmbeddedOrm;
/** Migrations take as long as they take, so on PostgreSQL they have a connection of their own without the time-outs of requests. */
type WithMigrator = <T>(work: (orm: Orm) => Promise<T>) => Promise<T>;

export class Database {
  readonly kind: 'embedded' | 'postgres';
  readonly sql: Sql;
  readonly #orm: Orm;
  readonly #migrations: readonly NamedMigration[];
  readonly #withMigrator: WithMigrator;

  private constructor(parts: {
    readonly kind: 'embedded' | 'postgres';
    readonly orm: Orm;
    readonly sql: Sql;
    readonly migrations: readonly NamedMigration[];
    readonly withMigrator: WithMigrator;
  }) {
    this.kind = parts.kind;
    this.#orm = parts.orm;
    this.sql = parts.sql;
    this.#migrations = parts.migrations;
    this.#withMigrator = parts.withMigrator;
  }

  /** @throws Unavailable when the server cannot be reached */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { target, log } = options;
    const base = {
      entities: [...options.entities],
      extensions: [Migrator],
      migrations: {
        migrationsList: options.migrations.map((one) => ({ name: one.name, class: one.class as never })),
        tableName: 'schema_migration',
        snapshot: false,
        silent: true,
        transactional: true,
        allOrNothing: true,
      },
      // MikroORM writes to standard output by itself, where commands print JSON.
      logger: (message: string) => log.debug({ orm: message.slice(0, 300) }, 'orm'),
      ignoreDeprecations: true,
    };
    if (target.kind === 'embedded') {
      const orm = new EmbeddedOrm({
        ...base,
        dbName: target.dataDir === 'memory://' ? 'memory://' : join(target.dataDir, 'database'),
        driverOptions: { initialMemory: 128 * 1024 * 1024 },
      });
      await orm.connect();
      const client = await orm.em.getDriver().getConnection().getNativeClient();
      const sql: Sql = {
        async query<Row extends object>(statement: Statement, values: readonly unknown[] = []) {
          const result = await client.query<Row>(statement.text, [...values]);
          return { rows: result.rows, count: result.affectedRows ?? 0 } satisfies SqlResult<Row>;
        },
      };
      const { migrations } = options;
      return new Database({ kind: 'embedded', orm, sql, migrations, withMigrator: (work) => work(orm) });
    }
    const { timeout = DEFAULT_TIMEOUT } = target;
    const openPool = (poolSize: number, queryTimeout: number): PostgresOrm =>
      new PostgresOrm({
        ...base,
        clientUrl: target.url,
        pool: { min: 0, max: poolSize, idleTimeoutMillis: 30_000 },
        driverOptions: {
          application_name: 'latchkey',
          connectionTimeoutMillis: timeout,
          statement_timeout: Math.max(STATEMENT_TIMEOUT_MS, timeout),
          query_timeout: queryTimeout,
          lock_timeout: LOCK_TIMEOUT_MS,
          idle_in_transaction_session_timeout: 30_000,
          keepAlive: true,
          onPoolCreated: takeBackLostConnections,
        },
      });
    const orm = openPool(target.poolSize, timeout);
    try {
      await orm.connect();
    } catch (cause) {
      await orm.close(true).catch(() => undefined);
      throw new Unavailable('The database cannot be reached.', { code: 'database-unavailable', cause });
    }
    const pool = await orm.em.getDriver().getConnection().getNativeClient();
    const sql: Sql = {
      async query<Row extends object>(statement: Statement, values: readonly unknown[] = []) {
        try {
          const result = await pool.query<Row>({ name: statement.name, text: statement.text, values: [...values] });
          return { rows: result.rows, count: result.rowCount ?? 0 } satisfies SqlResult<Row>;
        } catch (error) {
          throw asUnavailable(error);
        }
      },
    };
    const withMigrator = async <T>(work: (own: Orm) => Promise<T>): Promise<T> => {
      const own = openPool(1, NO_TIMEOUT);
      try {
        return await work(own);
      } finally {
        await own.close();
      }
    };
    return new Database({ kind: 'postgres', orm, sql, migrations: options.migrations, withMigrator });
  }

  /** A fresh unit of work: one for each request or job, never kept. */
  em(): EntityManager {
    return this.#orm.em.fork() as EntityManager;
  }

  /**
   * Runs `work` in one transaction. Keep it short: no network call, no hashing, no waiting inside, and only the EntityManager it is given.
   * @throws Unavailable when the database is away
   */
  async transaction<T>(work: (em: EntityManager) => Promise<T>): Promise<T> {
    try {
      return await this.em().transactional(async (em) => work(em));
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  /**
   * Brings the schema up to this release, one process at a time: the others wait for the lock and then find nothing to do. Lock and
   * migrations share one transaction, so a pool of one connection is enough.
   * @returns the names of what ran
   * @throws AppError `schema-newer` when a newer release has already changed the schema
   */
  async migrate(): Promise<readonly string[]> {
    return this.#withMigrator(async ({ em, migrator }) => {
      // The migrator creates its table on a connection of its own, before and outside of our lock; only one of two racing
      // processes wins there, so the table is made here, where losing is harmless.
      await createMigrationTable(migrator);
      return em.fork().transactional(async (inner) => {
        await inner.execute('set local statement_timeout = 0');
        await inner.execute('set local lock_timeout = 0');
        await inner.execute(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
        await this.#refuseNewer(inner as EntityManager);
        const done = await migrator.up({ transaction: inner.getTransactionContext<object>() as never });
        return done.map((one) => one.name);
      });
    }).catch((error: unknown) => {
      throw asUnavailable(error);
    });
  }

  async #refuseNewer(em: EntityManager): Promise<void> {
    const known = new Set(this.#migrations.map((one) => one.name));
    const rows = await em.execute<{ name: string }[]>('select name from schema_migration order by id');
    const unknown = rows.map((row) => row.name).filter((name) => !known.has(name));
    if (unknown.length > 0) {
      throw new AppError(
        'schema-newer',
        500,
        `The database was changed by a newer release (${unknown.join(', ')}). Start that release, or restore a backup.`,
      );
    }
  }

  /**
   * What `migrate` would run.
   * @throws AppError `schema-newer`
   */
  async pendingMigrations(): Promise<readonly string[]> {
    const em = this.em();
    const [table] = await em.execute<{ found: string | null }[]>(
      "select to_regclass('schema_migration')::text as found",
    );
    if (!table?.found) return this.#migrations.map((one) => one.name);
    await this.#refuseNewer(em);
    const rows = await em.execute<{ name: string }[]>('select name from schema_migration');
    const done = new Set(rows.map((row) => row.name));
    return this.#migrations.map((one) => one.name).filter((name) => !done.has(name));
  }

  async isHealthy(): Promise<boolean> {
    try {
      await this.sql.query({ name: 'health', text: 'select 1 as one' });
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#orm.close();
  }
}

async function createMigrationTable(migrator: Orm['migrator']): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await migrator.getExecuted();
      return;
    } catch (error) {
      if (attempt >= 5 || isOutage(error)) throw error;
    }
  }
}

const OUTAGE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '08000',
  '08001',
  '08003',
  '08006',
]);
const OUTAGE_TEXT =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|pool after calling end|not queryable/i;

/** Whether an error, or what caused it, says that the database is away rather than that a statement was wrong. */
export function isOutage(error: unknown): boolean {
  for (
    let current: unknown = error, depth = 0;
    current instanceof Error && depth < 5;
    current = current.cause, depth += 1
  ) {
    if (current instanceof AppError) return current.status === 503;
    const { code } = current as { code?: unknown };
    if ((typeof code === 'string' && OUTAGE_CODES.has(code)) || OUTAGE_TEXT.test(current.message)) return true;
    if (current instanceof AggregateError && current.errors.some((one) => isOutage(one))) return true;
  }
  return false;
}

/** The error itself, or Unavailable in its place when the database is away. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof AppError || !isOutage(error)) return error;
  return new Unavailable('The database is not available right now.', { code: 'database-unavailable', cause: error });
}

/** Whether a unique index refused the write, by the index's name. */
export function isUniqueViolation(error: unknown, index?: string): boolean {
  if (!(error instanceof UniqueConstraintViolationException)) return false;
  return index === undefined || error.message.includes(`"${index}"`);
}
