import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Resources, scopeSentence } from '../../src/oidc/resources.ts';

const shop = {
  id: 'https://api.example.com/v1',
  name: 'Shop',
  scopes: { read: 'see everything', write: null },
  format: 'jwt',
  algorithm: 'ES256',
  accessTokenTtl: undefined,
  clients: undefined,
  servers: ['shop-api'],
} as const;
const resources = new Resources([shop, { ...shop, id: 'urn:example:open', servers: [] }]);

describe('resources', () => {
  it('are found by exactly their indicator', () => {
    assert.equal(resources.find('https://api.example.com/v1')?.name, 'Shop');
    assert.equal(resources.find('HTTPS://API.example.com/v1')?.name, 'Shop');
    assert.ok(resources.find('urn:example:open'));
    for (const other of [
      'https://api.example.com/v1/',
      'https://api.example.com/',
      'https://api.example.com/v1?x',
      '',
      '/v1',
    ]) {
      assert.equal(resources.find(other), null, other);
    }
  });

  it('are served by the clients that they name, for tokens with their audience only', () => {
    assert.equal(resources.isServedBy(shop.id, 'shop-api'), true);
    assert.equal(resources.isServedBy(['other', shop.id], 'shop-api'), true);
    for (const audience of [undefined, null, 7, 'urn:example:open', 'shop-api', []]) {
      assert.equal(resources.isServedBy(audience, 'shop-api'), false);
    }
    assert.equal(resources.isServedBy(shop.id, 'somebody-else'), false);
  });

  it('say a scope in their own words, or by its name', () => {
    assert.equal(scopeSentence(shop, 'read'), 'see everything');
    assert.equal(scopeSentence(shop, 'write'), 'write');
    assert.equal(scopeSentence(shop, 'toString'), 'toString');
  });
});
