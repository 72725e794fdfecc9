import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Seal } from '../../src/crypto/seal.ts';
import type { Database } from '../../src/storage/database.ts';
import { SealedStores, type SealedTable } from '../../src/storage/sealed-stores.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const OLD = 'the old master secret of this test, long enough';
const NEW = 'the new master secret of this test, long enough';
const LOST = 'a secret that nobody has any more, long enough';

const TABLE: SealedTable = {
  table: 'one_time_value',
  key: 'hash',
  columns: ['kind'],
  purpose: (hash, kind) => `${hash} ${kind}`,
};

async function put(database: Database, seal: Seal, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await database
      .em()
      .execute(
        `insert into one_time_value (hash, kind, sealed, expires_at) values (?, 'test', ?, now() + interval '1 hour')`,
        [name, seal.seal(`${name} test`, `content of ${name}`)],
      );
  }
}

async function contents(database: Database, seal: Seal): Promise<readonly string[]> {
  const rows = await database
    .em()
    .execute<{ hash: string; sealed: Uint8Array }[]>('select hash, sealed from one_time_value order by hash');
  return rows.map((row) => seal.openText(`${row.hash} test`, row.sealed));
}

function storesOn(database: Database, seal: Seal): SealedStores {
  return new SealedStores({ sql: database.sql, seal, tables: [TABLE], others: [] });
}

describeOnEachDatabase('sealing again', (database) => {
  it('moves what the previous secret sealed to the current one, for its purpose, once', async () => {
    await database().em().execute('delete from one_time_value');
    await put(database(), new Seal(OLD), ['a', 'b', 'c']);
    await put(database(), new Seal(NEW), ['d']);
    const stores = storesOn(database(), new Seal(NEW, OLD));
    assert.deepEqual(await stores.reseal(), [{ store: 'one_time_value', resealed: 3, unreadable: 0 }]);
    assert.deepEqual(await stores.reseal(), [{ store: 'one_time_value', resealed: 0, unreadable: 0 }]);
    assert.deepEqual(
      await contents(database(), new Seal(NEW)),
      ['a', 'b', 'c', 'd'].map((one) => `content of ${one}`),
    );
  });

  it('goes through more rows than fit into one statement', async () => {
    await database().em().execute('delete from one_time_value');
    await put(database(), new Seal(OLD), ['a']);
    const copies = `insert into one_time_value (hash, kind, sealed, expires_at)
      select 'copy' || n, 'test', sealed, expires_at from one_time_value, generate_series(1, 1500) n`;
    await database().em().execute(copies);
    // The copies were sealed for another row: they must be counted, not taken for that row's.
    await put(database(), new Seal(OLD), ['z']);
    const stores = storesOn(database(), new Seal(NEW, OLD));
    assert.deepEqual(await stores.reseal(), [{ store: 'one_time_value', resealed: 2, unreadable: 1500 }]);
  });

  it('leaves what no configured secret opens as it is, and says how much that is', async () => {
    await database().em().execute('delete from one_time_value');
    await put(database(), new Seal(LOST), ['a']);
    await put(database(), new Seal(OLD), ['b']);
    const stores = storesOn(database(), new Seal(NEW, OLD));
    assert.deepEqual(await stores.reseal(), [{ store: 'one_time_value', resealed: 1, unreadable: 1 }]);
    await database().em().execute(`delete from one_time_value where hash = 'b'`);
    assert.deepEqual(await contents(database(), new Seal(LOST)), ['content of a']);
  });

  it('never overwrites what was written meanwhile', async () => {
    await database().em().execute('delete from one_time_value');
    await put(database(), new Seal(OLD), ['a']);
    const newer = new Seal(NEW).seal('a test', 'newer content');
    const { sql } = database();
    const interfering = {
      async query<Row extends object>(statement: { name: string; text: string }, values?: readonly unknown[]) {
        if (statement.text.startsWith('update')) {
          await sql.query({ name: '', text: 'update one_time_value set sealed = $1' }, [newer]);
        }
        return sql.query<Row>(statement, values);
      },
    };
    const seal = new Seal(NEW, OLD);
    const stores = new SealedStores({ sql: interfering, seal, tables: [TABLE], others: [] });
    assert.deepEqual(await stores.reseal(), [{ store: 'one_time_value', resealed: 0, unreadable: 0 }]);
    assert.deepEqual(await contents(database(), new Seal(NEW)), ['newer content']);
  });
});
