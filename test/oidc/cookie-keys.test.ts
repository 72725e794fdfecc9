// Signatures of cookies: which key made one, and that nothing else passes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CookieKeys } from '../../src/oidc/cookie-keys.ts';

describe('cookie keys', () => {
  const keys = new CookieKeys(['new key', 'old key']);

  it('sign with the first and verify with all, so that a rotation signs nobody out', () => {
    assert.equal(keys.index('session=a', keys.sign('session=a')), 0);
    const old = new CookieKeys(['old key']).sign('session=a');
    assert.equal(keys.index('session=a', old), 1);
    assert.equal(keys.verify('session=a', old), true);
  });

  it('refuse the signature of another key, of another value, a shortened one and none', () => {
    const good = keys.sign('session=a');
    for (const wrong of [
      new CookieKeys(['other']).sign('session=a'),
      keys.sign('session=b'),
      good.slice(0, -2),
      '',
      'ü',
    ])
      assert.equal(keys.verify('session=a', wrong), false, wrong);
  });

  it('make signatures that fit into a cookie', () => {
    assert.match(keys.sign('session=ü'), /^[\w-]{43}$/);
  });
});
