import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Audit, type AuditRecord } from '../../src/audit/audit.ts';
import { csvLine, History } from '../../src/audit/history.ts';
import type { Database } from '../../src/storage/database.ts';
import { describeOnEachDatabase } from '../support/database.ts';

let counter = 0;

function somebody(): string {
  counter += 1;
  return `account-${counter}`;
}

async function record(database: Database, ...events: readonly Partial<AuditRecord>[]): Promise<void> {
  const audit = new Audit({ database });
  for (const event of events) await audit.record({ actor: { kind: 'system' }, action: 'key.rotate', ...event });
}

describeOnEachDatabase('the history', (database) => {
  const history = () => new History({ database: database() });

  it('shows an account what it did and what was done to it, once, newest first, and nothing of others', async () => {
    const [me, other] = [somebody(), somebody()];
    const mine = { kind: 'account', id: me } as const;
    await record(
      database(),
      { actor: mine, action: 'session.start', target: mine },
      { actor: { kind: 'account', id: other }, action: 'session.start' },
      { action: 'account.disable', target: mine },
      { action: 'client.update', target: { kind: 'client', id: me } },
    );
    const { entries, before } = await history().list({ accountId: me }, 10);
    assert.deepEqual(
      entries.map((entry) => entry.action),
      ['account.disable', 'session.start'],
    );
    assert.equal(before, null);
    assert.ok(entries[0] && entries[0].at instanceof Date);
  });

  it('turns pages without missing or repeating an event, also while new ones arrive', async () => {
    const me = somebody();
    const actor = { kind: 'account', id: me } as const;
    await record(database(), ...Array.from({ length: 25 }, (_, index) => ({ actor, reason: `n${index}` })));
    const seen: (string | null)[] = [];
    let before: string | null = null;
    do {
      const page = await history().list({ accountId: me }, 10, before);
      seen.push(...page.entries.map((entry) => entry.reason));
      ({ before } = page);
      await record(database(), { actor, reason: 'new' });
    } while (before !== null);
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, index) => `n${24 - index}`),
    );
  });

  it('filters by who, whom, what, result, address, client and time, all together', async () => {
    const me = somebody();
    const target = { kind: 'client', id: `client-${me}` };
    const event = { actor: { kind: 'account', id: me } as const, target, origin: { network: '192.0.2.77' } };
    await record(
      database(),
      { ...event, action: 'session.start', result: 'failure' },
      { ...event, action: 'session.end', clientId: 'wiki' },
      { ...event, action: 'sessions.other' },
    );
    const actions = async (filter: Parameters<History['list']>[0]): Promise<readonly string[]> =>
      (await history().list({ actorId: me, ...filter }, 10)).entries.map((entry) => entry.action);
    assert.deepEqual(await actions({ action: 'session.' }), ['session.end', 'session.start']);
    assert.deepEqual(await actions({ action: 'session.start' }), ['session.start']);
    assert.deepEqual(await actions({ action: 'session.%' }), []);
    assert.deepEqual(await actions({ result: 'failure' }), ['session.start']);
    assert.deepEqual(await actions({ clientId: 'wiki' }), ['session.end']);
    assert.equal((await actions({ targetId: target.id, network: '192.0.2.77' })).length, 3);
    assert.deepEqual(await actions({ network: '192.0.2.78' }), []);
    const hour = 3_600_000;
    assert.equal((await actions({ from: new Date(Date.now() - hour), to: new Date(Date.now() + hour) })).length, 3);
    assert.deepEqual(await actions({ from: new Date(Date.now() + hour) }), []);
    assert.deepEqual(await actions({ to: new Date(Date.now() - hour) }), []);
  });
});

it('a cell of an export is no formula and no second line, and keeps its commas and quotes', () => {
  for (const [cell, line] of [
    ['=1+1', '"\'=1+1"'],
    ['+49', '"\'+49"'],
    ['-2', '"\'-2"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['\t=1', '"\' =1"'],
    ['a,"b"', '"a,""b"""'],
    ['one\r\ntwo', 'one  two'],
    ['\u202eevil', ' evil'],
    ['plain', 'plain'],
    [null, ''],
  ] as const) {
    assert.equal(csvLine([cell]), `${line}\r\n`);
  }
});
