import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

type Row = Readonly<Record<string, unknown>>;

async function last(database: Database): Promise<Row | undefined> {
  const [row] = await database.em().execute<Row[]>('select * from audit_event order by id desc limit 1');
  return row;
}

describeOnEachDatabase('the audit', (database) => {
  const audit = () => new Audit({ database: database() });

  it('keeps who did what to whom, from where, and how it ended', async () => {
    await audit().record({
      actor: { kind: 'account', id: 'account-1' },
      action: 'session.start',
      target: { kind: 'account', id: 'account-2' },
      clientId: 'client-1',
      origin: { network: '192.0.2.1', userAgent: 'Browser', requestId: 'request-1' },
      result: 'failure',
      reason: 'wrong-password',
      note: `Asked for it\u202e by telephone\n${'x'.repeat(600)}`,
    });
    const { id, at, ...row } = (await last(database())) ?? {};
    assert.notEqual(id, undefined);
    assert.ok(Math.abs(Date.now() - new Date(String(at)).getTime()) < 60_000);
    assert.deepEqual(row, {
      actor_kind: 'account',
      actor_id: 'account-1',
      action: 'session.start',
      target_kind: 'account',
      target_id: 'account-2',
      network: '192.0.2.1',
      user_agent: 'Browser',
      client_id: 'client-1',
      request_id: 'request-1',
      result: 'failure',
      reason: 'wrong-password',
      note: `Asked for it  by telephone ${'x'.repeat(473)}`,
      // Its place in the chain comes a moment later.
      ...{ seq: null, hash: null },
    });
  });

  it('takes success for granted and leaves out what is not known', async () => {
    await audit().record({ actor: { kind: 'system' }, action: 'key.rotate' });
    const row = await last(database());
    assert.equal(row?.['result'], 'success');
    for (const column of [
      'actor_id',
      'target_kind',
      'target_id',
      'network',
      'user_agent',
      'client_id',
      'request_id',
      'reason',
      'note',
    ]) {
      assert.equal(row?.[column], null, column);
    }
  });

  it('lives and dies with the transaction of the change', async () => {
    const failure = new Error('later step failed');
    await assert.rejects(
      database().transaction(async (em) => {
        await audit().record({ actor: { kind: 'cli' }, action: 'never.happened' }, em);
        throw failure;
      }),
      failure,
    );
    const rows = await database().em().execute("select 1 from audit_event where action = 'never.happened'");
    assert.deepEqual(rows, []);
    await database().transaction((em) => audit().record({ actor: { kind: 'cli' }, action: 'did.happen' }, em));
    assert.equal((await last(database()))?.['action'], 'did.happen');
  });

  it('cannot be used to fake lines or to fill the disk', async () => {
    const origin = { userAgent: `a\r\n\u202ebad\u0000\u2028${'x'.repeat(10_000)}` };
    await audit().record({
      actor: { kind: 'anonymous' },
      action: 'session.start',
      target: { kind: 'client', id: `\u0000${'y'.repeat(10_000)}` },
      clientId: `z\n${'z'.repeat(10_000)}`,
      origin,
    });
    const row = await last(database());
    assert.equal(String(row?.['user_agent']).slice(0, 12), 'a   bad  xxx');
    assert.equal(String(row?.['user_agent']).length, 300);
    assert.equal(String(row?.['target_id']).length, 300);
    assert.equal(String(row?.['client_id']).length, 200);
    assert.doesNotMatch(JSON.stringify(row), /\\[nru]/);
  });

  it('takes text with halves of characters, which a database would refuse', async () => {
    await audit().record({
      actor: { kind: 'anonymous' },
      action: 'session.start',
      origin: { userAgent: `half \ud83d` },
    });
    assert.equal((await last(database()))?.['action'], 'session.start');
    // Cut in the middle of a pair.
    await audit().record({
      actor: { kind: 'anonymous' },
      action: 'session.start',
      origin: { userAgent: `${'x'.repeat(299)}🔑` },
    });
    assert.match(String((await last(database()))?.['user_agent']), /^x{299}/);
  });
});
