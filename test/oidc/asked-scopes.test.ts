import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askedScopes } from '../../src/oidc/asked-scopes.ts';
import { Resources } from '../../src/oidc/resources.ts';

const API = 'https://api.example.com';
const resources = new Resources([
  {
    id: API,
    name: 'Shop',
    scopes: { 'orders:read': 'see your orders', plain: null },
    format: 'jwt',
    algorithm: 'ES256',
    accessTokenTtl: undefined,
    clients: undefined,
    servers: [],
  },
]);
const ownScopes = ['openid', 'offline_access', 'profile', 'email'];

function asked(params: Record<string, unknown>, isNew: (scope: string, resource?: string) => boolean = () => false) {
  return askedScopes({ params, ownScopes, resources }, isNew);
}
const names = (params: Record<string, unknown>) => asked(params).map((scope) => scope.name);

describe('what a client asks for', () => {
  it('is said for scopes of ours, in the order of the request, once each', () => {
    assert.deepEqual(names({ scope: 'email openid profile email offline_access' }), [
      'email',
      'profile',
      'offline_access',
    ]);
    assert.deepEqual(
      asked({ scope: 'profile offline_access' }).map((scope) => scope.group),
      ['see', 'do'],
    );
  });

  it('leaves out scopes that nobody knows, and those of a resource that was not named', () => {
    assert.deepEqual(names({ scope: 'openid unknown orders:read constructor' }), []);
    assert.deepEqual(names({}), []);
  });

  it('is said for a resource in the words of its owner, or by the scope itself', () => {
    for (const resource of [API, `${API}/`, [API]]) {
      assert.deepEqual(asked({ scope: 'openid orders:read plain toString', resource }), [
        { name: 'orders:read', group: 'do', isNew: false, label: 'see your orders', detail: 'Shop' },
        { name: 'plain', group: 'do', isNew: false, label: 'plain', detail: 'Shop' },
      ]);
    }
    assert.deepEqual(names({ scope: 'orders:read', resource: 'https://unknown.example' }), []);
  });

  it('is said for single claims by the scope that they belong to, unless that is asked for anyway', () => {
    const claims = JSON.stringify({ userinfo: { name: { essential: true } }, id_token: { email: null, acr: null } });
    assert.deepEqual(names({ scope: 'openid', claims }), ['profile', 'email']);
    assert.deepEqual(names({ scope: 'openid email', claims }), ['email', 'profile']);
    for (const broken of ['{', 'null', '7', '{"userinfo":null}']) assert.deepEqual(names({ claims: broken }), []);
  });

  it('is marked as new by scope and resource', () => {
    const marked = asked({ scope: 'email orders:read plain', resource: API }, (scope, resource) =>
      resource === undefined ? scope === 'email' : scope === 'plain' && resource === API,
    );
    assert.deepEqual(
      marked.map(({ name, isNew }) => [name, isNew]),
      [
        ['email', true],
        ['orders:read', false],
        ['plain', true],
      ],
    );
  });
});
