import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { type EngineLifetimes, lifetimes } from '../../src/oidc/token-life.ts';

const ttl: EngineLifetimes = {
  ...{ accessToken: 900, idToken: 3600, authorizationCode: 120, clientCredentials: 600, pushedRequest: 60 },
  ...{ deviceCode: 600, interaction: 3600, sessionIdle: 100, sessionAbsolute: 1000 },
  ...{ sessionIdleRemembered: 200, sessionAbsoluteRemembered: 2000 },
  ...{
    refreshTokenIdle: 100,
    refreshTokenIdleRemembered: 200,
    refreshTokenFamily: 1000,
    refreshTokenFamilyRemembered: 2000,
  },
};
type Life = (ctx: object, subject: object, client?: object) => number;
const life = lifetimes(ttl) as unknown as Readonly<Record<string, Life>>;
const of = (model: string, subject: object, client: object = {}, ctx: object = {}): number => {
  const find = life[model];
  assert.ok(find);
  return find(ctx, subject, client);
};
const now = () => Math.floor(Date.now() / 1000);

before(() => mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 }));
after(() => mock.timers.reset());

describe('an access token', () => {
  const long = { latchkey_access_token_ttl: 5000 };
  const short = { latchkey_access_token_ttl: 60 };

  it('lives as long as the resource says, then the client, then the deployment', () => {
    const forResource = { resourceServer: { accessTokenTTL: 300, accessTokenFormat: 'opaque' } };
    assert.equal(of('AccessToken', forResource, long), 300);
    assert.equal(of('AccessToken', {}, long), 5000);
    assert.equal(of('AccessToken', {}), 900);
    assert.equal(of('ClientCredentials', {}), 600);
    assert.equal(of('ClientCredentials', forResource), 300);
  });

  it('that cannot be taken back is only shortened by a client', () => {
    const jwt = { resourceServer: { accessTokenFormat: 'jwt' } };
    assert.equal(of('AccessToken', jwt, long), 900);
    assert.equal(of('AccessToken', jwt, short), 60);
    assert.equal(of('AccessToken', { resourceServer: { accessTokenFormat: 'opaque' } }, long), 5000);
  });
});

it('an ID token lives as long as the deployment says, or shorter by its client', () => {
  assert.equal(of('IdToken', {}), 3600);
  assert.equal(of('IdToken', {}, { latchkey_id_token_ttl: 60 }), 60);
  assert.equal(of('IdToken', {}, { latchkey_id_token_ttl: 86_400 }), 3600);
});

it('a code lives as the deployment says, and for a minute at most under FAPI 2.0', () => {
  const ctx = (profile?: string) => ({ oidc: { isFapi: () => profile } });
  assert.equal(of('AuthorizationCode', {}, {}, ctx()), 120);
  assert.equal(of('AuthorizationCode', {}, {}, ctx('2.0')), 60);
});

describe('a session', () => {
  it('lives without use for its idle time, and never beyond its age', () => {
    assert.equal(of('Session', { transient: true, loginTs: now() }), 100);
    assert.equal(of('Session', { transient: true, loginTs: now() - 950 }), 50);
    assert.equal(of('Session', { transient: true, loginTs: now() - 5000 }), 1);
    assert.equal(of('Session', { loginTs: now() }), 200);
  });

  it('of nobody lives as long as an interaction, within its age', () => {
    assert.equal(of('Session', { transient: true }), 1000);
  });
});

describe('a refresh token', () => {
  const rotated = (idle: number) => ({
    oidc: { entities: { RotatedRefreshToken: { iat: now(), exp: now() + idle } } },
  });

  it('lives for its idle time, and never beyond the end of its family', () => {
    assert.equal(of('RefreshToken', { iiat: now() }, {}, rotated(100)), 100);
    assert.equal(of('RefreshToken', { iiat: now() - 970 }, {}, rotated(100)), 30);
    assert.equal(of('RefreshToken', { iiat: now() - 970 }, {}, rotated(30)), 30);
  });

  it('is shortened by a client and never lengthened, neither its life nor its family', () => {
    const own = (seconds: number) => ({ latchkey_refresh_token_ttl: seconds });
    assert.equal(of('RefreshToken', { iiat: now() }, own(60), rotated(100)), 60);
    assert.equal(of('RefreshToken', { iiat: now() }, own(5000), rotated(100)), 100);
    assert.equal(of('RefreshToken', { iiat: now() }, own(5000), rotated(200)), 200);
    assert.equal(of('RefreshToken', { iiat: now() - 970 }, own(60), rotated(60)), 30);
    assert.equal(of('RefreshToken', { iiat: now() - 1990 }, own(5000), rotated(200)), 10);
  });

  it('ends with the sign-in where a client says how long that counts', () => {
    const client = { latchkey_session_ttl: 150 };
    assert.equal(of('RefreshToken', { iiat: now(), authTime: now() - 100 }, client, rotated(100)), 50);
    assert.equal(of('RefreshToken', { iiat: now(), authTime: now() }, client, rotated(100)), 100);
    assert.equal(of('RefreshToken', { iiat: now(), authTime: now() - 500 }, client, rotated(100)), 1);
  });

  it('of a remembered sign-in stays remembered when it is rotated, up to the last one', () => {
    assert.equal(of('RefreshToken', { iiat: now() - 500 }, {}, rotated(200)), 200);
    assert.equal(of('RefreshToken', { iiat: now() - 1950 }, {}, rotated(50)), 50);
  });
});

it('a grant outlives the longest family of refresh tokens', () => {
  assert.ok(of('Grant', {}) > ttl.refreshTokenFamilyRemembered);
});
