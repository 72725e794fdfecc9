import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Budgets } from '../../src/credential/budget.ts';
import { Unavailable } from '../../src/errors.ts';
import type { Database } from '../../src/storage/database.ts';
import { together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

describeOnEachDatabase('a budget', (database) => {
  const budgets = () => new Budgets({ database: database(), switchedOff: false });
  const shift = (key: string, column: 'window_ends_at' | 'updated_at', seconds: number) =>
    database()
      .em()
      .execute(`update guess_counter set ${column} = ${column} - make_interval(secs => ?) where key = ?`, [
        seconds,
        key,
      ]);

  it('allows so many and tells how long the next one has to wait', async () => {
    const key = randomUUID();
    const budget = { limit: 3, window: 600 };
    for (let count = 0; count < 3; count += 1)
      assert.deepEqual(await budgets().spend(key, budget), { isAllowed: true });
    const refused = await budgets().spend(key, budget);
    assert.ok(!refused.isAllowed && refused.retryAfter > 590 && refused.retryAfter <= 600, JSON.stringify(refused));
    assert.ok((await budgets().wait(key, budget)) > 590);
  });

  it('gives exactly its number to fifty at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const key = randomUUID();
      const spendings = await together(50, () => budgets().spend(key, { limit: 7, window: 600 }));
      assert.equal(spendings.filter((one) => one.isAllowed).length, 7);
    }
  });

  it('starts anew when its window is over', async () => {
    const key = randomUUID();
    await budgets().spend(key, { limit: 1, window: 600 });
    assert.equal((await budgets().spend(key, { limit: 1, window: 600 })).isAllowed, false);
    await shift(key, 'window_ends_at', 601);
    assert.equal((await budgets().spend(key, { limit: 1, window: 600 })).isAllowed, true);
    assert.equal((await budgets().spend(key, { limit: 1, window: 600 })).isAllowed, false);
  });

  it('keeps one and the next apart, also when they come at once', async () => {
    const key = randomUUID();
    const budget = { limit: 10, window: 3600, apart: 30 };
    assert.equal((await together(20, () => budgets().spend(key, budget))).filter((one) => one.isAllowed).length, 1);
    const refused = await budgets().spend(key, budget);
    assert.ok(!refused.isAllowed && refused.retryAfter > 20 && refused.retryAfter <= 30, JSON.stringify(refused));
    await shift(key, 'updated_at', 31);
    assert.equal(await budgets().wait(key, budget), 0);
    assert.equal((await budgets().spend(key, budget)).isAllowed, true);
  });

  it('takes back one and no more', async () => {
    const key = randomUUID();
    const budget = { limit: 2, window: 600 };
    await budgets().spend(key, budget);
    await budgets().spend(key, budget);
    await budgets().giveBack(key);
    assert.deepEqual((await together(5, () => budgets().spend(key, budget))).filter((one) => one.isAllowed).length, 1);
  });

  it('has nothing to wait for when nothing was spent, and none when limits are off', async () => {
    const key = randomUUID();
    assert.equal(await budgets().wait(key, { limit: 1, window: 600 }), 0);
    const off = new Budgets({ database: database(), switchedOff: true });
    for (const spending of await together(10, () => off.spend(key, { limit: 1, window: 600 })))
      assert.ok(spending.isAllowed);
  });
});

describe('spending while the counters cannot be written', () => {
  it('is refused', async () => {
    const away = new Unavailable();
    const database = { sql: { query: () => Promise.reject(away) } } as unknown as Database;
    await assert.rejects(new Budgets({ database, switchedOff: false }).spend('key', { limit: 1, window: 1 }), away);
  });
});
