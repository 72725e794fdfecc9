import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, findNearest } from '../../config/suggestion.ts';

test('a misspelt name finds the name that was meant', () => {
  const known = ['issuer', 'host', 'port', 'accessTokenTtl'];
  assert.equal(findNearest('isuer', known), 'issuer');
  assert.equal(findNearest('access_token_ttl', known), 'accessTokenTtl');
  assert.equal(findNearest('HOST', known), 'host');
});

test('a name that is near to nothing finds nothing', () => {
  assert.equal(findNearest('completelyDifferent', ['issuer', 'host']), undefined);
  assert.equal(findNearest('x', []), undefined);
});

test('the distance is none to itself, the same both ways, and at most the longer length', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance === 0, a === b);
      assert.equal(distance, editDistance(b, a));
      assert.ok(distance <= Math.max(a.length, b.length) && distance >= Math.abs(a.length - b.length));
    }),
  );
});
