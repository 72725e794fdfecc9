import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashToken, isEqual, keyedHash, randomDigits, randomToken } from '../../src/crypto/random.ts';

describe('random values', () => {
  it('makes tokens of 256 bits that never repeat', () => {
    const made = new Set(Array.from({ length: 5000 }, () => randomToken()));
    assert.equal(made.size, 5000);
    for (const token of made) assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.match(randomToken(9), /^[A-Za-z0-9_-]{12}$/);
  });

  it('makes codes of exactly the asked digits, leading zeros kept, from the whole range', () => {
    const codes = Array.from({ length: 20_000 }, () => randomDigits(2));
    for (const code of codes) assert.match(code, /^\d{2}$/);
    assert.equal(new Set(codes).size, 100);
    assert.match(randomDigits(6), /^\d{6}$/);
  });
});

describe('hashes of secret values', () => {
  it('differ by kind, so that a secret of one kind is never found as another', () => {
    assert.notEqual(hashToken('setup-link', 'value'), hashToken('first-client', 'value'));
    // The border between kind and value is part of the hash.
    assert.notEqual(hashToken('ab', 'c'), hashToken('a', 'bc'));
    assert.equal(hashToken('kind', 'value'), hashToken('kind', 'value'));
    assert.match(hashToken('kind', 'value'), /^[A-Za-z0-9_-]{43}$/);
  });

  it('with a key depend on the key, on every part and on where parts end', () => {
    const key = Buffer.alloc(32, 1);
    assert.equal(keyedHash(key, 'a', 'b'), keyedHash(key, 'a', 'b'));
    assert.notEqual(keyedHash(key, 'a', 'b'), keyedHash(Buffer.alloc(32, 2), 'a', 'b'));
    assert.notEqual(keyedHash(key, 'ab', 'c'), keyedHash(key, 'a', 'bc'));
    assert.notEqual(keyedHash(key, 'ab'), keyedHash(key, 'ab', ''));
    assert.notEqual(keyedHash(key, '1:a'), keyedHash(key, '', 'a'));
  });

  it('compare texts of any length', () => {
    assert.equal(isEqual('same', 'same'), true);
    assert.equal(isEqual('same', 'sane'), false);
    assert.equal(isEqual('short', 'longer text'), false);
    assert.equal(isEqual('', ''), true);
  });
});
