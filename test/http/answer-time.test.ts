import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withFloor } from '../../src/http/answer-time.ts';

/** Timers may fire this many milliseconds early by the other clock. */
const ROUNDING = 2;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work().catch(() => undefined);
  return performance.now() - startedAt;
}

describe('an answer with a floor', () => {
  it('is not given before the floor, whether the work was quick, failed at once or threw', async () => {
    assert.ok((await timed(() => withFloor(60, 0, async () => 'quick'))) >= 60 - ROUNDING);
    assert.ok((await timed(() => withFloor(60, 0, () => Promise.reject(new Error('failed'))))) >= 60 - ROUNDING);
    assert.ok((await timed(() => withFloor(30, 30, async () => 'quick'))) >= 30 - ROUNDING);
  });

  it('hands on what the work answers or throws', async () => {
    assert.equal(await withFloor(0, 0, async () => 42), 42);
    const failure = new Error('failed');
    await assert.rejects(
      withFloor(0, 10, () => Promise.reject(failure)),
      failure,
    );
  });

  it('begins the work at once: the floor is not added to it', async () => {
    let hasBegun = false;
    const answer = withFloor(20, 0, async () => {
      hasBegun = true;
    });
    assert.equal(hasBegun, true);
    await answer;
  });
});
