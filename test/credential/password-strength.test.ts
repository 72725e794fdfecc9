import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { estimateStrength } from '../../src/credential/password-strength.ts';

describe('the strength of a password', () => {
  it('goes from guessed at once to very good', () => {
    assert.equal(estimateStrength('password', []).score, 0);
    assert.ok(estimateStrength('Password123!', []).score <= 1);
    assert.equal(estimateStrength('correct horse battery staple', []).score, 4);
    assert.equal(estimateStrength('', []).score, 0);
  });

  it('comes with what is weak and what helps, as keys of translations', () => {
    const { warning, suggestions } = estimateStrength('Password123!', []);
    assert.match(warning ?? '', /^[a-zA-Z]+$/);
    assert.ok(suggestions.length > 0);
    for (const key of suggestions) assert.match(key, /^[a-zA-Z]+$/);
    assert.deepEqual(estimateStrength('correct horse battery staple', []), {
      score: 4,
      warning: null,
      suggestions: [],
    });
  });

  it('is less for words that belong to the person', () => {
    const alone = estimateStrength('wolkenkratzerin', []);
    const own = estimateStrength('wolkenkratzerin', ['wolkenkratzerin']);
    assert.ok(own.score < alone.score, `${own.score} < ${alone.score}`);
  });

  it('takes no longer for a text without end than for its beginning', () => {
    const start = 'p@ssw0rd'.repeat(8);
    assert.deepEqual(estimateStrength(`${start}${'x'.repeat(100_000)}`, []), estimateStrength(start, []));
  });
});
