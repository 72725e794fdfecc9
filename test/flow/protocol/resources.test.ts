// Access tokens for APIs: which resource a client may ask for, what people are asked, and what the token says (RFC 8707, RFC 9068, RFC 7662).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import {
  authorizationRequest,
  type Parameters,
  redeem,
  refresh,
  signIn,
  tokenRequest,
  userinfo,
} from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';

const SHOP = 'https://api.example.com';
const REPORTS = 'https://reports.example.com/v1';
const CLOSED = 'urn:example:closed';
const env = settingsFile(`
resources:
  - id: ${SHOP}
    name: Shop
    scopes: { orders:read: see your orders, orders:refund: give you your money back }
    servers: [shop-api]
  - id: ${REPORTS}
    scopes: [reports:write, reports:read]
    format: opaque
    accessTokenTtl: 5m
    clients: [nightly]
    servers: [reports-api]
  - id: ${CLOSED}
    scopes: [closed]
    algorithm: EdDSA
    clients: [somebody-else]
`);

const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

describeOnEachBackend(
  'a token for a resource',
  (latchkey) => {
    const introspect = async (client: TestClient, token: unknown) =>
      (await tokenRequest(latchkey(), '/token/introspection', client, { token: String(token) })).body;

    const verify = async (token: unknown, audience: string, algorithm: string) =>
      jwtVerify(String(token), createRemoteJWKSet(new URL('/jwks', latchkey().issuer)), {
        issuer: latchkey().issuer,
        audience,
        algorithms: [algorithm],
        typ: 'at+jwt',
      });

    /** The client with an id that the settings name, whichever case needs it first. */
    const machineNamed = async (clientId: string): Promise<TestClient> => {
      const { clients } = latchkey().app;
      const known = await clients.find(clientId);
      if (!known) return latchkey().createClient({ ...MACHINE, client_id: clientId });
      const clientSecret = await clients.rotateSecret(clientId, 0, { actor: { kind: 'cli' } });
      return { clientId, clientSecret, redirectUri: '', metadata: known.metadata };
    };

    /** Signs a new person in for one resource and exchanges the code. */
    async function tokensFor(client: TestClient, scope: string, resource: string, exchange: Parameters = {}) {
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params: { scope, resource } });
      return { account, answer: await redeem(latchkey(), client, signedIn, exchange) };
    }

    it('is made for clients that registered its scopes, and registering none of them changes nothing', async () => {
      const client = await latchkey().createClient({ scope: 'openid orders:read' });
      for (const scope of ['openid orders:read', 'openid orders:refund']) {
        const { answer } = await tokensFor(client, scope, SHOP);
        assert.equal(answer.body['scope'], scope.replace('openid ', ''), JSON.stringify(answer.body));
      }
      await assert.rejects(latchkey().createClient({ scope: 'openid unheard:of' }), /scope/);
    });

    it('is a JWT with exactly that audience, and nothing about the person but the subject', async () => {
      const client = await latchkey().createClient();
      const scope = 'openid profile email orders:read';
      const { account, answer } = await tokensFor(client, scope, SHOP, { resource: SHOP });
      assert.equal(answer.status, 200);
      assert.equal(answer.body['scope'], 'orders:read');
      const { payload, protectedHeader } = await verify(answer.body['access_token'], SHOP, 'ES256');
      assert.equal(protectedHeader.typ, 'at+jwt');
      assert.equal(typeof protectedHeader.kid, 'string');
      const { exp = 0, iat = 0, jti, auth_time: authTime, ...rest } = payload;
      assert.equal(exp - iat, 900);
      assert.equal(typeof jti, 'string');
      assert.equal(typeof authTime, 'number');
      assert.deepEqual(rest, {
        iss: latchkey().issuer,
        aud: SHOP,
        sub: account.subject,
        client_id: client.clientId,
        scope: 'orders:read',
        acr: 'urn:latchkey:aal1',
      });
    });

    it('is also what a client gets that names the resource only in its authorization request', async () => {
      const client = await latchkey().createClient();
      const { answer } = await tokensFor(client, 'openid orders:read', SHOP);
      await verify(answer.body['access_token'], SHOP, 'ES256');
    });

    it('is made for the same resource when it is written with the slash that URL parsers add', async () => {
      const client = await latchkey().createClient();
      const { answer } = await tokensFor(client, 'openid orders:read', `${SHOP}/`, { resource: `${SHOP}/` });
      await verify(answer.body['access_token'], SHOP, 'ES256');
    });

    it('is no token for userinfo, and a token for userinfo is none for the resource', async () => {
      const client = await latchkey().createClient();
      const { answer } = await tokensFor(client, 'openid orders:read', SHOP);
      assert.equal((await userinfo(latchkey(), answer.body['access_token'])).status, 401);
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
        account,
        params: { scope: 'openid orders:read' },
      });
      const plain = await redeem(latchkey(), client, signedIn);
      assert.equal(plain.body['scope'], 'openid');
      assert.equal(String(plain.body['access_token']).split('.').length, 1);
    });

    it('is refreshed for the same resource, and never for one that was not granted', async () => {
      const client = await latchkey().createClient();
      const scope = 'openid offline_access orders:read orders:refund';
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
        account,
        params: { scope, resource: SHOP, prompt: 'consent' },
      });
      const first = await redeem(latchkey(), client, signedIn);
      const second = await refresh(latchkey(), client, first.body['refresh_token']);
      assert.equal(second.body['scope'], 'orders:read orders:refund');
      await verify(second.body['access_token'], SHOP, 'ES256');
      const other = await tokenRequest(latchkey(), '/token', client, {
        grant_type: 'refresh_token',
        refresh_token: String(second.body['refresh_token']),
        resource: CLOSED,
      });
      assert.equal(other.status, 400);
      assert.equal(other.body['error'], 'invalid_target');
    });

    describe('is refused', () => {
      it('for a resource that nobody declared, or that is no absolute URI', async () => {
        const client = await latchkey().createClient();
        for (const resource of ['https://unknown.example.com', `${SHOP}/orders`, '/api', `${SHOP}#x`, `${SHOP}?x`]) {
          const { url } = authorizationRequest(latchkey().issuer, client, { scope: 'openid orders:read', resource });
          const page = await latchkey().browser().get(url);
          assert.equal(page.params['error'], 'invalid_target', resource);
          assert.equal(page.params['iss'], latchkey().issuer);
        }
      });

      it('for a resource that names other clients', async () => {
        const client = await latchkey().createClient();
        const { url } = authorizationRequest(latchkey().issuer, client, { scope: 'openid closed', resource: CLOSED });
        assert.equal((await latchkey().browser().get(url)).params['error'], 'invalid_target');
      });

      it('for a code that was made for another one', async () => {
        const client = await latchkey().createClient();
        const { answer } = await tokensFor(client, 'openid orders:read', SHOP, { resource: CLOSED });
        assert.equal(answer.status, 400);
        assert.equal(answer.body['error'], 'invalid_target');
      });

      it('to a client for itself, unless the resource names it', async () => {
        const machine = await latchkey().createClient(MACHINE);
        for (const resource of [SHOP, REPORTS, CLOSED]) {
          const params = { grant_type: 'client_credentials', resource, scope: 'orders:read reports:write closed' };
          const answer = await tokenRequest(latchkey(), '/token', machine, params);
          assert.equal(answer.status, 400);
          assert.equal(answer.body['error'], 'invalid_target');
        }
      });
    });

    it('is opaque and short-lived where the resource says so, with no more than its own scopes', async () => {
      const machine = await machineNamed('nightly');
      const server = await machineNamed('reports-api');
      const answer = await tokenRequest(latchkey(), '/token', machine, {
        grant_type: 'client_credentials',
        resource: REPORTS,
        scope: 'reports:write orders:read openid',
      });
      assert.equal(answer.status, 200);
      assert.equal(answer.body['scope'], 'reports:write');
      assert.equal(answer.body['expires_in'], 300);
      const seen = await introspect(server, answer.body['access_token']);
      assert.equal(seen['active'], true);
      assert.equal(seen['aud'], REPORTS);
      assert.equal(seen['client_id'], 'nightly');
      assert.equal(seen['scope'], 'reports:write');
      assert.equal(seen['token_type'], 'Bearer');
    });

    it('tells its API alone, and the client that has it, what it is', async () => {
      const owner = await machineNamed('somebody-else');
      const stranger = await latchkey().createClient(MACHINE);
      const otherApi = await machineNamed('shop-api');
      const jwt = await tokenRequest(latchkey(), '/token', owner, {
        grant_type: 'client_credentials',
        resource: CLOSED,
        scope: 'closed',
      });
      assert.equal(decodeProtectedHeader(String(jwt.body['access_token'])).alg, 'EdDSA');
      await verify(jwt.body['access_token'], CLOSED, 'EdDSA');
      const machine = await machineNamed('nightly');
      const opaque = await tokenRequest(latchkey(), '/token', machine, {
        grant_type: 'client_credentials',
        resource: REPORTS,
        scope: 'reports:read',
      });
      const token = opaque.body['access_token'];
      assert.equal((await introspect(machine, token))['active'], true);
      assert.deepEqual(await introspect(stranger, token), { active: false });
      assert.deepEqual(await introspect(otherApi, token), { active: false });
    });

    it('is something a person is asked for, in the words of the resource', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const params = { scope: 'openid profile orders:read unknown:scope', resource: SHOP };
      const { url } = authorizationRequest(latchkey().issuer, client, params);
      const login = await browser.get(url);
      const consent = await browser.submit(login, {
        login: account.email ?? '',
        password: 'correct horse battery staple',
      });
      assert.equal(consent.id, 'consent');
      const text = consent.html.querySelector('main')?.structuredText ?? '';
      assert.match(text, /see your orders/);
      assert.match(text, /Shop/);
      assert.doesNotMatch(text, /money back|unknown:scope/);
      await browser.submit(consent, {}, { button: ['decision', 'allow'] });

      // More of the same resource is asked for again, and only that is new.
      const more = authorizationRequest(latchkey().issuer, client, {
        scope: 'openid profile orders:read orders:refund',
        resource: SHOP,
      });
      const again = await browser.get(more.url);
      assert.equal(again.id, 'consent');
      const marked = again.html.querySelectorAll('li').filter((one) => one.querySelector('.badge'));
      assert.equal(marked.length, 1);
      assert.match(marked[0]?.structuredText ?? '', /give you your money back/);
    });

    it('is not asked for again, and not asked of people who use an app of the house', async () => {
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const params = { scope: 'openid orders:read', resource: SHOP };
      const client = await latchkey().createClient();
      await signIn(latchkey(), browser, client, { account, params });
      const { url } = authorizationRequest(latchkey().issuer, client, { ...params, prompt: 'none' });
      assert.equal(typeof (await browser.get(url)).params['code'], 'string');

      const own = await latchkey().createClient({ latchkey_first_party: true });
      const request = authorizationRequest(latchkey().issuer, own, { ...params, prompt: 'none' });
      const page = await browser.get(request.url);
      assert.equal(typeof page.params['code'], 'string', page.describe());
      const answer = await redeem(latchkey(), own, { code: page.params['code'] ?? '', verifier: request.verifier });
      assert.equal(answer.body['scope'], 'orders:read');
    });
  },
  { env },
);

describeOnEachBackend('the life of an access token', (latchkey) => {
  it('is what the client registered, where no resource says otherwise', async () => {
    const client = await latchkey().createClient({ latchkey_access_token_ttl: 120 });
    const account = await latchkey().createAccount();
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
    assert.equal((await redeem(latchkey(), client, signedIn)).body['expires_in'], 120);
  });
});
