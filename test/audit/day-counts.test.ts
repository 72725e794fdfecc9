import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Audit } from '../../src/audit/audit.ts';
import { AuditChain } from '../../src/audit/chain.ts';
import { DayCounts } from '../../src/audit/day-counts.ts';
import { together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

describeOnEachDatabase('the counts of days', (database) => {
  it('count each event once, also when two processes chain at once, and forget what is too old', async () => {
    const parts = { database: database() };
    const audit = new Audit(parts);
    const counts = new DayCounts(parts);
    const chains = [1, 2].map(() => new AuditChain({ ...parts, loadKey: async () => 'a key of the chain' }));
    const record = (result: 'success' | 'failure') =>
      audit.record({ actor: { kind: 'system' }, action: 'counted.here', result });
    for (let index = 0; index < 7; index += 1) await record(index < 5 ? 'success' : 'failure');
    assert.deepEqual(await counts.list(['counted.here'], 7), [], 'not chained yet');
    await together(2, async (index) => chains[index]?.extend());
    await record('success');
    await together(2, async (index) => chains[index]?.extend());
    const found = await counts.list(['counted.here', 'never.was'], 1);
    assert.deepEqual(found.map(({ result, count }) => [result, count]).toSorted(), [
      ['failure', 2],
      ['success', 6],
    ]);
    assert.equal(found[0]?.day, new Date().toISOString().slice(0, 10));
    await database().em().execute("update audit_event set at = at - interval '500 days'");
    await database().em().execute('update audit_day set day = day - 500');
    await chains[0]?.prune(400);
    const left = await database().em().execute<{ count: number }[]>('select count(*)::int as count from audit_day');
    assert.equal(left[0]?.count, 0);
  });
});
