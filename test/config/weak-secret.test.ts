import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { findWeakness, isExample } from '../../config/weak-secret.ts';

test('what a generator prints is accepted', () => {
  for (let round = 0; round < 2000; round += 1) {
    const bytes = randomBytes(32);
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      assert.equal(findWeakness(bytes.toString(encoding)), undefined, bytes.toString(encoding));
    }
  }
});

test('a secret of fewer than 32 bytes is refused with its size', () => {
  assert.match(
    findWeakness(randomBytes(24).toString('base64url').slice(0, 31)) ?? '',
    /has 31 bytes and needs at least 32/,
  );
});

test('anything that repeats a piece of itself is refused', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 16 }), (piece) => {
      const text = piece.repeat(Math.ceil(32 / piece.length) + 1);
      assert.notEqual(findWeakness(text), undefined, text);
    }),
  );
});

test('sequences and few different characters are refused', () => {
  for (const text of [
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456',
    '98765432109876543210987654321098',
    'aabbccddaabbccddaabbccdabcdabcda',
  ]) {
    assert.notEqual(findWeakness(text), undefined, text);
  }
});

test('what stands in examples is refused, whatever surrounds it', () => {
  for (const word of [
    'changeme',
    'change-me',
    'CHANGE_ME',
    'example',
    'placeholder',
    'Password',
    'secret',
    'replace-this',
    'latchkey',
  ]) {
    const text = `Zx81kTgVbn5wQeYu0RmJpFs7cDhL2a-${word}`;
    assert.match(findWeakness(text) ?? '', /example/, text);
    assert.ok(isExample(word));
  }
  assert.match(findWeakness('what `openssl rand -base64 32` prints') ?? '', /example/);
});
