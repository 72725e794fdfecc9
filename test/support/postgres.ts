// Databases of a test's own on the PostgreSQL server that the machine runs: made empty, dropped at the end. TEST_POSTGRES_URL names another
// server; its role must be allowed to create databases.
import { randomBytes } from 'node:crypto';
import { entities } from '../../src/entities.ts';
import { createLog } from '../../src/log.ts';
import { Database } from '../../src/storage/database.ts';

const SERVER = process.env['TEST_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres';

export interface TestDatabase {
  readonly url: string;
  /** One statement from outside of every server under test. */
  run(statement: string): Promise<void>;
  /** Drops it, whoever is still connected. */
  drop(): Promise<void>;
}

let missing: Promise<string | undefined> | undefined;

/** Why no database can be made here; undefined when it can. */
export function postgresMissing(): Promise<string | undefined> {
  missing ??= onServer('select 1').then(
    () => undefined,
    (error: unknown) => `no PostgreSQL answers at ${new URL(SERVER).host} (${String(error)})`,
  );
  return missing;
}

/** An empty database with a name that nobody else uses. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `latchkey_test_${randomBytes(6).toString('hex')}`;
  await onServer(`create database ${name}`);
  const url = new URL(SERVER);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    run: (statement) => onServer(statement, url.href),
    drop: () => onServer(`drop database if exists ${name} with (force)`),
  };
}

async function onServer(statement: string, address = SERVER): Promise<void> {
  const server = await Database.open({
    target: { kind: 'postgres', url: address, poolSize: 1, timeout: 60_000 },
    entities,
    migrations: [],
    log: createLog('silent'),
  });
  try {
    await server.sql.query({ name: '', text: statement });
  } finally {
    await server.close();
  }
}
