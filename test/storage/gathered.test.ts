import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gathered } from '../../src/storage/gathered.ts';

function lengths(options: { readonly refused?: string; readonly isOutage?: boolean } = {}) {
  const asked: (readonly string[])[] = [];
  const gathered = new Gathered<string, number>({
    async ask(words) {
      asked.push(words);
      if (words.includes(options.refused ?? '-')) throw new Error(`refused ${words.length}`);
      return new Map(words.filter((word) => word !== 'unknown').map((word) => [word, word.length]));
    },
    keyOf: (word) => word,
    isOutage: () => options.isOutage ?? false,
  });
  return { gathered, asked };
}

describe('questions of one turn', () => {
  it('are asked together, and each gets its own answer', async () => {
    const { gathered, asked } = lengths();
    assert.deepEqual(await Promise.all(['a', 'bb', 'unknown'].map((word) => gathered.ask(word))), [1, 2, undefined]);
    assert.deepEqual(asked, [['a', 'bb', 'unknown']]);
    assert.equal(await gathered.ask('later'), 5);
    assert.equal(asked.length, 2);
  });

  it('about the same thing never share a statement', async () => {
    const { gathered, asked } = lengths();
    await Promise.all(['a', 'a', 'b', 'a'].map((word) => gathered.ask(word)));
    assert.deepEqual(asked, [['a'], ['a', 'b'], ['a']]);
  });

  it('are never more than a hundred', async () => {
    const { gathered, asked } = lengths();
    await Promise.all(Array.from({ length: 250 }, (_, index) => gathered.ask(`w${index}`)));
    assert.deepEqual(
      asked.map((words) => words.length),
      [100, 100, 50],
    );
  });

  it('fail one by one when one of them is refused', async () => {
    const { gathered } = lengths({ refused: 'bad' });
    const [good, bad, other] = await Promise.allSettled(['good', 'bad', 'other'].map((word) => gathered.ask(word)));
    assert.deepEqual(good, { status: 'fulfilled', value: 4 });
    assert.deepEqual(other, { status: 'fulfilled', value: 5 });
    assert.equal(bad?.status === 'rejected' && (bad.reason as Error).message, 'refused 1');
  });

  it('are not tried again when nobody is there to answer', async () => {
    const { gathered, asked } = lengths({ refused: 'bad', isOutage: true });
    const outcomes = await Promise.allSettled(['good', 'bad'].map((word) => gathered.ask(word)));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(asked.length, 1);
  });
});
