import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Seal } from '../../src/crypto/seal.ts';
import type { Database } from '../../src/storage/database.ts';
import { OneTime } from '../../src/storage/one-time.ts';
import { describeOnEachDatabase } from '../support/database.ts';

const seal = new Seal('the master secret of this test, long enough');

async function expire(database: Database): Promise<void> {
  await database.em().execute("update one_time_value set expires_at = now() - interval '1 second'");
}

describeOnEachDatabase('a one-time value', (database) => {
  const oneTime = () => new OneTime({ sql: database().sql, seal });

  it('gives its content once', async () => {
    const value = await oneTime().put('ticket', { browser: 'b1' }, { ttl: 60 });
    assert.match(value, /^[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(await oneTime().take('ticket', value), { browser: 'b1' });
    assert.equal(await oneTime().take('ticket', value), null);
    assert.equal(await oneTime().find('ticket', value), null);
  });

  it('has exactly one winner of fifty parallel takers', async () => {
    for (let round = 0; round < 5; round += 1) {
      const value = await oneTime().put('ticket', { round }, { ttl: 60 });
      const taken = await Promise.all(Array.from({ length: 50 }, () => oneTime().take('ticket', value)));
      assert.deepEqual(
        taken.filter((one) => one !== null),
        [{ round }],
      );
    }
  });

  it('can be looked at without being taken', async () => {
    const value = await oneTime().put('ticket', { a: 1 }, { ttl: 60 });
    for (let count = 0; count < 3; count += 1) assert.deepEqual(await oneTime().find('ticket', value), { a: 1 });
    assert.deepEqual(await oneTime().take('ticket', value), { a: 1 });
  });

  it('of one kind is nothing as another kind', async () => {
    const value = await oneTime().put('ticket', {}, { ttl: 60 });
    assert.equal(await oneTime().take('setup-link', value), null);
    assert.notEqual(await oneTime().find('ticket', value), null);
  });

  it('is worth nothing when its time is over, and is swept then', async () => {
    const value = await oneTime().put('ticket', {}, { ttl: 60 });
    await expire(database());
    assert.equal(await oneTime().find('ticket', value), null);
    assert.equal(await oneTime().take('ticket', value), null);
    const kept = await oneTime().put('ticket', {}, { ttl: 60 });
    await oneTime().sweep();
    const rows = await database().em().execute<{ n: number }[]>('select count(*)::int as n from one_time_value');
    assert.equal(rows[0]?.n, 1);
    assert.notEqual(await oneTime().take('ticket', kept), null);
  });

  it('is stored neither itself nor with its content in clear', async () => {
    const value = await oneTime().put('ticket', { browser: 'readable-content' }, { ttl: 60 });
    const rows = await database()
      .em()
      .execute<Record<string, unknown>[]>('select t::text as row from one_time_value t');
    const dump = JSON.stringify(rows);
    assert.ok(rows.length > 0);
    assert.equal(dump.includes(value), false);
    assert.equal(dump.includes('readable-content'), false);
    assert.equal(dump.includes(Buffer.from('readable-content').toString('hex')), false);
  });

  it('ends together with the others of its kind and subject', async () => {
    const mine = await oneTime().put('link', {}, { ttl: 60, subject: 'account-1' });
    const others = await oneTime().put('link', {}, { ttl: 60, subject: 'account-2' });
    const otherKind = await oneTime().put('ticket', {}, { ttl: 60, subject: 'account-1' });
    await oneTime().revokeAll('link', 'account-1');
    assert.equal(await oneTime().take('link', mine), null);
    assert.notEqual(await oneTime().take('link', others), null);
    assert.notEqual(await oneTime().take('ticket', otherKind), null);
  });

  it('put or taken inside a transaction follows its fate', async () => {
    const failure = new Error('later step failed');
    const value = await oneTime().put('ticket', { a: 1 }, { ttl: 60 });
    let inside = '';
    await assert.rejects(
      database().transaction(async (em) => {
        assert.deepEqual(await oneTime().takeWithin(em, 'ticket', value), { a: 1 });
        assert.equal(await oneTime().takeWithin(em, 'ticket', value), null);
        inside = await oneTime().put('ticket', {}, { ttl: 60, em });
        throw failure;
      }),
      failure,
    );
    assert.equal(await oneTime().find('ticket', inside), null);
    assert.deepEqual(await oneTime().take('ticket', value), { a: 1 });
  });

  it('survives hostile input as value', async () => {
    for (const input of ['', 'x'.repeat(100_000), "' or 1=1 --", 'a\0b', '\ud800']) {
      assert.equal(await oneTime().take('ticket', input), null);
    }
  });
});
