// What a client agrees to with `latchkey_profile: fapi2` (FAPI 2.0 Security Profile). The modules of the conformance plan are beside the other
// plans; here is what registering the profile means.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidRequest } from '../../../src/errors.ts';
import { type ClientKey, clientAssertion, dpopProof, newKey } from '../../support/proofs.ts';
import {
  answerPrompts,
  authorizationRequest,
  challengeOf,
  newVerifier,
  tokenRequest,
} from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';

const PROFILE = {
  latchkey_profile: 'fapi2',
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
};

describeOnEachBackend('a client of the FAPI 2.0 profile', (latchkey) => {
  const newClient = (key: ClientKey, change: Record<string, unknown> = {}) =>
    latchkey().createClient({ ...PROFILE, jwks: { keys: [key.publicJwk] }, ...change });

  describe('is registered only with', () => {
    const wrong: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
      [
        'private_key_jwt',
        { token_endpoint_auth_method: 'client_secret_basic' },
        /private_key_jwt|token_endpoint_auth_signing_alg/,
      ],
      [
        'an algorithm for its assertions',
        { token_endpoint_auth_signing_alg: undefined },
        /token_endpoint_auth_signing_alg/,
      ],
      [
        'a strong algorithm for its assertions',
        { token_endpoint_auth_signing_alg: 'RS256' },
        /token_endpoint_auth_signing_alg/,
      ],
      [
        'a strong algorithm for its ID tokens',
        { id_token_signed_response_alg: 'RS256' },
        /id_token_signed_response_alg/,
      ],
      ['PKCE', { latchkey_pkce_optional: true }, /PKCE/],
      ['https redirect URIs', { redirect_uris: ['http://app.example.com/cb'] }, /https/],
    ];
    for (const [what, change, message] of wrong) {
      it(what, async () => {
        await assert.rejects(newClient(await newKey(), change), (error: unknown) => {
          assert.ok(error instanceof InvalidRequest);
          assert.match(error.message, message);
          return true;
        });
      });
    }
  });

  it('has to push its requests and to bind its tokens, whatever else it registered', async () => {
    const key = await newKey();
    const client = await newClient(key, {
      require_pushed_authorization_requests: false,
      dpop_bound_access_tokens: false,
    });
    const { url } = authorizationRequest(latchkey().issuer, client);
    assert.equal((await latchkey().browser().get(url)).params['error'], 'invalid_request');

    const { code, verifier } = await authorize(client, key);
    const params = {
      grant_type: 'authorization_code',
      ...{ code, code_verifier: verifier, redirect_uri: client.redirectUri },
      ...(await clientAssertion(key, client.clientId, latchkey().issuer)),
    };
    const unbound = await tokenRequest(latchkey(), '/token', client, params);
    assert.equal(unbound.status, 400);
  });

  it('gets bound tokens by the whole round, and refreshes them without a new refresh token', async () => {
    const key = await newKey();
    const client = await newClient(key);
    const { code, verifier } = await authorize(client, key, 'openid offline_access');
    const first = await request(client, key, {
      grant_type: 'authorization_code',
      ...{ code, code_verifier: verifier, redirect_uri: client.redirectUri },
    });
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.equal(first.body['token_type'], 'DPoP');
    const refresh = { grant_type: 'refresh_token', refresh_token: String(first.body['refresh_token']) };
    const second = await request(client, key, refresh);
    assert.equal(second.status, 200, JSON.stringify(second.body));
    assert.equal(second.body['refresh_token'], first.body['refresh_token']);
    assert.equal((await request(client, key, refresh)).status, 200);
  });

  it('proves itself with the issuer as the only audience, and with a strong algorithm', async () => {
    const key = await newKey();
    const client = await newClient(key);
    const { issuer } = latchkey();
    for (const audience of [`${issuer}/token`, `${issuer}/request`, [issuer], [issuer, `${issuer}/token`]]) {
      const assertion = await clientAssertion(key, client.clientId, audience);
      const answer = await tokenRequest(latchkey(), '/request', client, { client_id: client.clientId, ...assertion });
      assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'], JSON.stringify(audience));
    }
  });

  it('leaves all other clients as they were', async () => {
    const client = await latchkey().createClient();
    const { url } = authorizationRequest(latchkey().issuer, client);
    assert.equal((await latchkey().browser().get(url)).id, 'login');
  });

  async function request(client: TestClient, key: ClientKey, params: Record<string, string>) {
    return tokenRequest(
      latchkey(),
      '/token',
      client,
      { ...params, ...(await clientAssertion(key, client.clientId, latchkey().issuer)) },
      { dpop: await dpopProof(key, 'POST', `${latchkey().issuer}/token`) },
    );
  }

  async function authorize(client: TestClient, key: ClientKey, scope = 'openid') {
    const verifier = newVerifier();
    const pushed = await tokenRequest(latchkey(), '/request', client, {
      ...{
        client_id: client.clientId,
        response_type: 'code',
        scope,
        redirect_uri: client.redirectUri,
        prompt: 'consent',
      },
      ...{ code_challenge: challengeOf(verifier), code_challenge_method: 'S256' },
      ...(await clientAssertion(key, client.clientId, latchkey().issuer)),
    });
    assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
    const query = new URLSearchParams({ client_id: client.clientId, request_uri: String(pushed.body['request_uri']) });
    const browser = latchkey().browser();
    const account = await latchkey().createAccount();
    const page = await answerPrompts(browser, await browser.get(`/auth?${query}`), { account });
    assert.equal(page.params['iss'], latchkey().issuer);
    assert.ok(page.params['code'], page.describe());
    return { code: page.params['code'], verifier };
  }
});

describeOnEachBackend(
  'a code of the FAPI 2.0 profile',
  (latchkey) => {
    it('lives for a minute at most, also where the deployment allows more', async () => {
      const key = await newKey();
      const client = await latchkey().createClient({ ...PROFILE, jwks: { keys: [key.publicJwk] } });
      const { provider } = latchkey().app.engine;
      const lives: number[] = [];
      provider.on('authorization_code.saved', (code) => lives.push(code.expiration));
      const push = async (one: TestClient, authentication: Record<string, string>) => {
        const verifier = newVerifier();
        const { body } = await tokenRequest(latchkey(), '/request', one, {
          ...{ client_id: one.clientId, response_type: 'code', scope: 'openid', redirect_uri: one.redirectUri },
          ...{ code_challenge: challengeOf(verifier), code_challenge_method: 'S256' },
          ...authentication,
        });
        const query = new URLSearchParams({ client_id: one.clientId, request_uri: String(body['request_uri']) });
        const browser = latchkey().browser();
        const account = await latchkey().createAccount();
        const page = await answerPrompts(browser, await browser.get(`/auth?${query}`), { account });
        assert.ok(page.params['code'], page.describe());
      };
      await push(client, await clientAssertion(key, client.clientId, latchkey().issuer));
      await push(await latchkey().createClient(), {});
      assert.deepEqual(lives, [60, 300]);
    });
  },
  { env: { LATCHKEY_AUTHORIZATION_CODE_TTL: '300' } },
);
