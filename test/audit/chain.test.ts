import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { AuditChain } from '../../src/audit/chain.ts';
import type { Database } from '../../src/storage/database.ts';
import { together } from '../support/credentials.ts';
import { databaseKinds } from '../support/database.ts';

const KEY = 'the key of this chain, which is nowhere in the database';

interface Opened {
  readonly database: Database;
  readonly chain: AuditChain;
  run(statement: string, values?: readonly unknown[]): Promise<unknown>;
}

function chainOn(database: Database, key = KEY): AuditChain {
  return new AuditChain({ database, loadKey: async () => key });
}

async function record(database: Database, count: number): Promise<void> {
  const audit = new Audit({ database });
  for (let index = 0; index < count; index += 1) {
    await audit.record({ actor: { kind: 'account', id: `account-${index}` }, action: 'session.start' });
  }
}

for (const kind of databaseKinds) {
  const test = (title: string, run: (opened: Opened) => Promise<void>): void => {
    it(`${title}, on ${kind.name}`, { skip: kind.missing ?? false }, async (t) => {
      const { database, close } = await kind.open();
      t.after(close);
      const chain = chainOn(database);
      await record(database, 5);
      await chain.extend();
      await run({ database, chain, run: (statement, values = []) => database.em().execute(statement, [...values]) });
    });
  };

  test('a chain is whole as long as nobody touches it, and grows', async ({ database, chain }) => {
    const first = await chain.verify();
    assert.deepEqual([first.isWhole, first.seq], [true, '5']);
    await record(database, 3);
    const before = await chain.verify();
    assert.ok(before.isWhole);
    assert.equal(before.unchained, 3);
    assert.equal(await chain.extend(), 3);
    const after = await chain.verify();
    assert.ok(after.isWhole);
    assert.deepEqual([after.rows, after.unchained], [8, 0]);
    assert.notEqual(after.head, before.head);
    assert.deepEqual(await chain.head(), { seq: '8', hash: after.head });
  });

  test('twenty processes that chain together make one chain', async ({ database, chain }) => {
    await record(database, 40);
    await together(20, () => chainOn(database).extend());
    const verdict = await chain.verify();
    assert.ok(verdict.isWhole);
    assert.deepEqual([verdict.rows, verdict.unchained], [45, 0]);
  });

  for (const [what, statement] of [
    ['an action', "update audit_event set action = 'session.end' where seq = 3"],
    ['a time', "update audit_event set at = at + interval '1 microsecond' where seq = 3"],
    ['an actor', "update audit_event set actor_id = 'somebody' where seq = 3"],
    ['a result', "update audit_event set result = 'failure' where seq = 3"],
    ['a field that was empty', "update audit_event set reason = '' where seq = 3"],
    ['a note', "update audit_event set note = 'because' where seq = 3"],
    ['a hash', "update audit_event set hash = ''::bytea where seq = 3"],
  ] as const) {
    test(`${what} that was changed is found at its place`, async ({ chain, run }) => {
      await run(statement);
      assert.deepEqual(await chain.verify(), { isWhole: false, seq: '3', problem: 'changed' });
    });
  }

  test('a row that was taken away is found', async ({ chain, run }) => {
    await run('delete from audit_event where seq = 2');
    assert.deepEqual(await chain.verify(), { isWhole: false, seq: '2', problem: 'missing' });
  });

  test('two rows that changed places are found', async ({ chain, run }) => {
    await run('update audit_event set seq = 100 where seq = 2');
    await run('update audit_event set seq = 2 where seq = 3');
    await run('update audit_event set seq = 3 where seq = 100');
    assert.deepEqual(await chain.verify(), { isWhole: false, seq: '2', problem: 'changed' });
  });

  test('rows cut off at the end are found, also with the head moved back', async ({ chain, run }) => {
    await run('delete from audit_event where seq = 5');
    assert.deepEqual(await chain.verify(), { isWhole: false, seq: '5', problem: 'missing' });
    await run('update audit_chain set seq = 4, hash = (select hash from audit_event where seq = 4)');
    assert.deepEqual(await chain.verify(), { isWhole: false, seq: '4', problem: 'ends' });
  });

  test('rows cut off at the beginning are found, also with the base moved on', async ({ chain, run }) => {
    await run('update audit_chain set base_seq = 2, base_hash = (select hash from audit_event where seq = 2)');
    await run('delete from audit_event where seq <= 2');
    assert.deepEqual(await chain.verify(), { isWhole: false, seq: '5', problem: 'ends' });
  });

  test('a chain made with another key does not fit', async ({ database, run }) => {
    await run('update audit_event set seq = null, hash = null');
    await run("update audit_chain set seq = 0, hash = ''::bytea, mac = ''::bytea");
    await chainOn(database, 'a key that somebody made up').extend();
    assert.deepEqual(await chainOn(database).verify(), { isWhole: false, seq: '5', problem: 'ends' });
  });

  test('what is older than the retention goes, and the rest is whole', async ({ database, chain, run }) => {
    await run("update audit_event set seq = null, hash = null, at = now() - interval '401 days' where seq <= 2");
    await run("update audit_chain set seq = 0, hash = ''::bytea, mac = ''::bytea");
    await run('update audit_event set seq = null, hash = null');
    await chain.extend();
    assert.equal(await chain.prune(400), 2);
    assert.equal(await chain.prune(400), 0);
    const verdict = await chain.verify();
    assert.ok(verdict.isWhole);
    assert.deepEqual([verdict.rows, verdict.seq], [3, '5']);
    await record(database, 1);
    await chain.extend();
    assert.equal((await chain.verify()).isWhole, true);
  });
}
