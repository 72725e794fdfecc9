// Both kinds of database, migrated and empty: what must hold for storage holds for each of them.
import { after, before, describe } from 'node:test';
import { migrations } from '../../migrations/list.ts';
import { entities } from '../../src/entities.ts';
import { createLog } from '../../src/log.ts';
import { Database } from '../../src/storage/database.ts';
import { createTestDatabase, postgresMissing } from './postgres.ts';

export interface OpenDatabase {
  readonly database: Database;
  close(): Promise<void>;
}

export interface DatabaseKind {
  readonly name: 'PGlite' | 'PostgreSQL';
  /** Why it cannot be used on this machine. */
  readonly missing: string | undefined;
  /** A new one with every migration done. */
  open(): Promise<OpenDatabase>;
}

const log = createLog('silent');

export const databaseKinds: readonly DatabaseKind[] = [
  {
    name: 'PGlite',
    missing: undefined,
    async open() {
      const target = { kind: 'embedded', dataDir: 'memory://' } as const;
      const database = await Database.open({ target, entities, migrations, log });
      await database.migrate();
      return { database, close: () => database.close() };
    },
  },
  {
    name: 'PostgreSQL',
    missing: await postgresMissing(),
    async open() {
      const made = await createTestDatabase();
      const target = { kind: 'postgres', url: made.url, poolSize: 10, timeout: 20_000 } as const;
      const database = await Database.open({ target, entities, migrations, log });
      await database.migrate();
      return {
        database,
        async close() {
          await database.close();
          await made.drop();
        },
      };
    },
  },
];

/** Declares the same cases for each kind of database. @param suite gets the open database; valid only inside of hooks and cases */
export function describeOnEachDatabase(title: string, suite: (database: () => Database) => void): void {
  for (const kind of databaseKinds) {
    describe(`${title}, on ${kind.name}`, { skip: kind.missing ?? false }, () => {
      let opened: OpenDatabase | undefined;
      before(async () => {
        opened = await kind.open();
      });
      after(() => opened?.close());
      suite(() => {
        if (!opened) throw new Error('the database was not opened');
        return opened.database;
      });
    });
  }
}
