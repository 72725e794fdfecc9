import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Lease } from '../../src/storage/lease.ts';
import { together } from '../support/credentials.ts';
import { describeOnEachDatabase } from '../support/database.ts';

describeOnEachDatabase('a lease', (database) => {
  const leases = (name: string, count: number) =>
    Array.from({ length: count }, () => new Lease({ sql: database().sql, name }));

  it('is held by one of twenty that reach for it together, who may keep it', async () => {
    const all = leases('one', 20);
    const held = await together(20, async (index) => all[index]?.hold(60));
    assert.equal(held.filter(Boolean).length, 1);
    const holder = all[held.indexOf(true)];
    assert.equal(await holder?.hold(60), true);
    assert.deepEqual((await together(20, async (index) => all[index]?.hold(60))).indexOf(true), held.indexOf(true));
  });

  it('goes on when it was given back, and only by who held it', async () => {
    const [first, second] = leases('two', 2);
    assert.equal(await first?.hold(60), true);
    await second?.release();
    assert.equal(await second?.hold(60), false);
    await first?.release();
    assert.equal(await second?.hold(60), true);
  });

  it('goes on when its holder has died', async () => {
    const [first, second] = leases('three', 2);
    assert.equal(await first?.hold(-1), true);
    assert.equal(await second?.hold(60), true);
    assert.equal(await first?.hold(60), false);
  });

  it('is one of its name', async () => {
    const [first] = leases('four', 1);
    const [other] = leases('five', 1);
    assert.deepEqual([await first?.hold(60), await other?.hold(60)], [true, true]);
  });
});
