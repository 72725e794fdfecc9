// What an upstream says about a person, taken as far as it can be believed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UpstreamFailure } from '../../src/upstream/adapter.ts';
import {
  emailText,
  httpsUrl,
  identityFromClaims,
  languageTag,
  plainText,
  subjectOf,
} from '../../src/upstream/identity.ts';

describe('what an upstream says', () => {
  test('has a subject of visible ASCII, or is refused', () => {
    assert.equal(subjectOf('auth0|123'), 'auth0|123');
    assert.equal(subjectOf(583231), '583231');
    const bad = [undefined, null, '', ' ', 'a b', 'x'.repeat(256), 'é', 1.5, Number.NaN, 2 ** 60, true, {}, ['a']];
    for (const value of bad) assert.throws(() => subjectOf(value), UpstreamFailure, JSON.stringify(value));
  });

  test('is shortened to plain text of one line', () => {
    assert.equal(plainText('  Ann\u202E \u0000Example\n ', 100), 'Ann Example');
    assert.equal(plainText('👍'.repeat(20), 10), '👍'.repeat(10));
    for (const value of ['', '\u200B', 5, null, undefined, {}]) assert.equal(plainText(value, 100), null);
  });

  test('has an address as it is, or none', () => {
    assert.equal(emailText('Ann@example.com'), 'Ann@example.com');
    const bad = [
      'ann',
      'ann@',
      '@example.com',
      'ann @example.com',
      'a@b@c',
      `${'x'.repeat(250)}@e.com`,
      5,
      null,
      ['a@b.c'],
    ];
    for (const value of bad) assert.equal(emailText(value), null, JSON.stringify(value));
  });

  test('has a picture on https, without a password, or none', () => {
    assert.equal(httpsUrl('https://pictures.example.com/a.png'), 'https://pictures.example.com/a.png');
    const bad = ['http://example.com/', 'javascript:alert(1)', 'data:,', 'https://u:p@example.com/', 'x', 5, undefined];
    for (const value of bad) assert.equal(httpsUrl(value), null, JSON.stringify(value));
  });

  test('has a language that exists, or none', () => {
    assert.equal(languageTag('en_GB'), 'en-GB');
    for (const value of ['', '*', 'english please', 5, null])
      assert.equal(languageTag(value), null, JSON.stringify(value));
  });

  test('has no verified address without an address', () => {
    const identity = identityFromClaims('https://upstream.example', { sub: 'a', email: 'none', email_verified: true });
    assert.equal(identity.email, null);
    assert.equal(identity.emailVerified, false);
  });
});
