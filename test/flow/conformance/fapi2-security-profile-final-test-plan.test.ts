// The FAPI 2.0 Security Profile, plain FAPI with OpenID Connect, private_key_jwt, DPoP and unsigned pushed requests. Case names leave out the
// prefix that all modules share, `fapi2-security-profile-final-`.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { calculateJwkThumbprint, createRemoteJWKSet, exportJWK, importJWK, jwtVerify, UnsecuredJWT } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { type ClientKey, clientAssertion, dpopProof, newKey } from '../../support/proofs.ts';
import {
  answerPrompts,
  challengeOf,
  newVerifier,
  type Parameters,
  type PromptAnswers,
  type TokenAnswer,
  tokenRequest,
} from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const REDIRECT = 'https://suite.example.com/callback';
const SECOND_REDIRECT = 'https://suite.example.com/callback?dummy1=lorem&dummy2=ipsum';
const now = (): number => Math.floor(Date.now() / 1000);

interface Party {
  readonly client: TestClient;
  readonly key: ClientKey;
  /** Of its DPoP proofs. */
  readonly dpop: ClientKey;
}

type AssertionChange = NonNullable<globalThis.Parameters<typeof clientAssertion>[3]>;
type ProofChange = NonNullable<globalThis.Parameters<typeof dpopProof>[3]>;

describeOnEachBackend('fapi2-security-profile-final-test-plan', (latchkey) => {
  let first: Party;
  let second: Party;
  let account: AccountRow;
  const issuer = () => latchkey().issuer;

  before(async () => {
    account = await latchkey().createAccount({ name: 'Ann Lee' });
    const party = async (alg: string): Promise<Party> => {
      const key = await newKey(alg);
      const client = await latchkey().createClient({
        latchkey_profile: 'fapi2',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: alg,
        id_token_signed_response_alg: 'ES256',
        redirect_uris: [REDIRECT, SECOND_REDIRECT],
        jwks: { keys: [key.publicJwk] },
      });
      return { client, key, dpop: await newKey() };
    };
    first = await party('PS256');
    second = await party('ES256');
  });

  const assertionOf = ({ client, key }: Party, audience: string | string[] = issuer(), change: AssertionChange = {}) =>
    clientAssertion(key, client.clientId, audience, change);

  interface PushOptions {
    readonly party?: Party;
    readonly audience?: string | string[];
    readonly assertion?: AssertionChange;
    readonly headers?: Readonly<Record<string, string>>;
  }

  /** What the suite pushes. @param change parameters to add, replace or leave out */
  const push = async (change: Parameters = {}, options: PushOptions = {}) => {
    const { party = first, headers = {} } = options;
    const verifier = newVerifier();
    const answer = await tokenRequest(
      latchkey(),
      '/request',
      party.client,
      {
        client_id: party.client.clientId,
        response_type: 'code',
        scope: 'openid',
        redirect_uri: REDIRECT,
        state: 'state',
        nonce: 'nonce',
        code_challenge: challengeOf(verifier),
        code_challenge_method: 'S256',
        ...(await assertionOf(party, options.audience, options.assertion)),
        ...change,
      },
      headers,
    );
    return { ...answer, verifier, uri: String(answer.body['request_uri']) };
  };
  const assertPushFails = async (error: RegExp, change: Parameters = {}, options: PushOptions = {}): Promise<void> => {
    const { status, body } = await push(change, options);
    assert.ok(status === 400 || status === 401, `${status} ${JSON.stringify(body)}`);
    assert.match(String(body['error']), error);
  };
  const front = (uri: string, extra: Record<string, string> = {}, party: Party = first): string =>
    `/auth?${new URLSearchParams({ client_id: party.client.clientId, request_uri: uri, ...extra })}`;
  const open = async (address: string, answers: PromptAnswers = {}, browser: Browser = latchkey().browser()) =>
    answerPrompts(browser, await browser.get(address), { account, ...answers });

  interface Code {
    readonly code: string;
    readonly verifier: string;
    readonly page: Page;
    readonly redirectUri: string;
  }

  /** From the pushed request to the code. */
  const authorize = async (change: Parameters = {}, options: PushOptions & { front?: Record<string, string> } = {}) => {
    const pushed = await push(change, options);
    assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
    const page = await open(front(pushed.uri, options.front, options.party));
    const { code } = page.params;
    assert.ok(code, page.describe());
    return { code, verifier: pushed.verifier, page, redirectUri: change['redirect_uri'] ?? REDIRECT } satisfies Code;
  };

  interface TokenOptions {
    readonly party?: Party;
    /** The DPoP header; null for none. */
    readonly proof?: string | null;
    readonly audience?: string | string[];
    readonly assertion?: AssertionChange;
  }

  const token = async (params: Parameters, options: TokenOptions = {}): Promise<TokenAnswer> => {
    const { party = first } = options;
    const proof =
      options.proof === undefined ? await dpopProof(party.dpop, 'POST', `${issuer()}/token`) : options.proof;
    return tokenRequest(
      latchkey(),
      '/token',
      party.client,
      { ...(await assertionOf(party, options.audience, options.assertion)), ...params },
      proof === null ? {} : { dpop: proof },
    );
  };
  const exchange = (got: Code, change: Parameters = {}, options: TokenOptions = {}): Promise<TokenAnswer> =>
    token(
      {
        grant_type: 'authorization_code',
        code: got.code,
        redirect_uri: got.redirectUri,
        code_verifier: got.verifier,
        ...change,
      },
      options,
    );
  const assertError = (answer: TokenAnswer, error: RegExp): void => {
    assert.ok(answer.status === 400 || answer.status === 401, `${answer.status} ${JSON.stringify(answer.body)}`);
    assert.match(String(answer.body['error']), error);
  };

  const readUserinfo = async (
    accessToken: unknown,
    change: ProofChange = {},
    { scheme = 'DPoP', key = first.dpop }: { scheme?: string; key?: ClientKey } = {},
  ) => {
    const proof = await dpopProof(key, 'GET', `${issuer()}/me`, { accessToken, ...change });
    return send(`${issuer()}/me`, { headers: { authorization: `${scheme} ${String(accessToken)}`, dpop: proof } });
  };

  /** The whole round, up to userinfo. */
  const assertRound = async (
    change: Parameters = {},
    options: PushOptions & { front?: Record<string, string> } = {},
  ) => {
    const got = await authorize(change, options);
    const party = options.party ?? first;
    const answer = await exchange(got, {}, { party });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body['token_type'], 'DPoP');
    const { payload } = await jwtVerify(
      String(answer.body['id_token']),
      createRemoteJWKSet(new URL('/jwks', issuer())),
      { issuer: issuer(), audience: party.client.clientId, algorithms: ['ES256'] },
    );
    const info = await readUserinfo(answer.body['access_token'], {}, { key: party.dpop });
    assert.equal(info.status, 200, info.text);
    return { got, answer, payload };
  };

  it('discovery-end-point-verification', async () => {
    const document = JSON.parse((await send(`${issuer()}/.well-known/openid-configuration`)).text) as Record<
      string,
      unknown
    >;
    assert.equal(document['issuer'], issuer());
    assert.equal(document['pushed_authorization_request_endpoint'], `${issuer()}/request`);
    assert.deepEqual(document['code_challenge_methods_supported'], ['S256']);
    assert.equal(document['authorization_response_iss_parameter_supported'], true);
    const lists = (name: string): string[] => document[name] as string[];
    assert.ok(lists('dpop_signing_alg_values_supported').includes('ES256'));
    assert.ok(
      lists('dpop_signing_alg_values_supported').every((alg) => ['PS256', 'ES256', 'EdDSA', 'Ed25519'].includes(alg)),
    );
    for (const alg of ['PS256', 'ES256'])
      assert.ok(lists('token_endpoint_auth_signing_alg_values_supported').includes(alg));
    assert.ok(lists('token_endpoint_auth_methods_supported').includes('private_key_jwt'));
    assert.ok(lists('response_types_supported').includes('code'));
  });

  it('happy-flow', async () => {
    for (const party of [first, second]) {
      for (const redirectUri of [REDIRECT, SECOND_REDIRECT]) {
        const { got, payload } = await assertRound({ redirect_uri: redirectUri }, { party });
        assert.ok(got.page.location?.href.startsWith(redirectUri));
        assert.equal(got.page.params['state'], 'state');
        assert.equal(got.page.params['iss'], issuer());
        assert.equal(payload['nonce'], 'nonce');
      }
    }
  });

  it('user-rejects-authentication', async () => {
    const stranger = await latchkey().createAccount();
    const { uri } = await push();
    const page = await open(front(uri), { account: stranger, decision: 'deny' });
    assert.deepEqual(
      { error: page.params['error'], state: page.params['state'], iss: page.params['iss'] },
      { error: 'access_denied', state: 'state', iss: issuer() },
    );
  });

  it('ensure-authorization-request-without-state-success', async () => {
    const { got } = await assertRound({ state: undefined });
    assert.equal('state' in got.page.params, false);
  });

  it('ensure-authorization-request-without-nonce-success', async () => {
    const { payload } = await assertRound({ nonce: undefined });
    assert.equal('nonce' in payload, false);
  });

  it('ensure-authorization-request-with-64-char-nonce-success', async () => {
    const nonce = 'n'.repeat(64);
    assert.equal((await assertRound({ nonce })).payload['nonce'], nonce);
  });

  it('ensure-authorization-request-with-long-nonce', async () => {
    const nonce = 'n'.repeat(384);
    assert.equal((await assertRound({ nonce })).payload['nonce'], nonce);
  });

  it('ensure-authorization-request-with-long-state', async () => {
    const state = 's'.repeat(384);
    assert.equal((await assertRound({ state })).got.page.params['state'], state);
  });

  it('ensure-other-scope-order-succeeds', async () => {
    await assertRound({ scope: 'profile openid' });
  });

  it('test-claims-parameter-identity-claims', async () => {
    const { payload } = await assertRound({ claims: JSON.stringify({ id_token: { name: { essential: true } } }) });
    assert.equal(payload['name'], 'Ann Lee');
  });

  it('access-token-type-header-case-sensitivity', async () => {
    const { answer } = await assertRound();
    for (const scheme of ['DPoP', 'dpop', 'DPOP', 'dPoP']) {
      assert.equal((await readUserinfo(answer.body['access_token'], {}, { scheme })).status, 200, scheme);
    }
  });

  it('check-dpop-proof-nbf-exp', async () => {
    const proof = (claims: object) => dpopProof(first.dpop, 'POST', `${issuer()}/token`, { claims: { ...claims } });
    const good = await exchange(await authorize(), {}, { proof: await proof({ nbf: now() - 10, exp: now() + 60 }) });
    assert.equal(good.status, 200, JSON.stringify(good.body));
    for (const claims of [{ exp: now() - 300 }, { nbf: now() + 300 }]) {
      assertError(await exchange(await authorize(), {}, { proof: await proof(claims) }), /^invalid_dpop_proof$/);
    }
  });

  for (const [name, offset] of [
    ['ensure-dpopproof-with-iat-10seconds-before-succeeds', -10],
    ['ensure-dpopproof-with-iat-10seconds-after-succeeds', 10],
  ] as const) {
    it(name, async () => {
      const proof = await dpopProof(first.dpop, 'POST', `${issuer()}/token`, { claims: { iat: now() + offset } });
      assert.equal((await exchange(await authorize(), {}, { proof })).status, 200);
    });
  }

  it('ensure-mismatched-dpop-jkt-fails', async () => {
    const jkt = await calculateJwkThumbprint((await newKey()).publicJwk);
    const dpop = await dpopProof(first.dpop, 'POST', `${issuer()}/request`);
    await assertPushFails(/^invalid_(?:request|dpop_proof)$/, { dpop_jkt: jkt }, { headers: { dpop } });
  });

  it('ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt', async () => {
    const dpop = await dpopProof(await newKey(), 'POST', `${issuer()}/request`);
    assertError(await exchange(await authorize({}, { headers: { dpop } })), /^invalid_(?:grant|dpop_proof)$/);
  });

  it('ensure-token-endpoint-fails-with-mismatched-dpop-jkt', async () => {
    const jkt = await calculateJwkThumbprint((await newKey()).publicJwk);
    assertError(await exchange(await authorize({ dpop_jkt: jkt })), /^invalid_(?:grant|dpop_proof)$/);
  });

  it('ensure-dpopproof-at-par-endpoint-binding-success', async () => {
    const dpop = await dpopProof(first.dpop, 'POST', `${issuer()}/request`);
    await assertRound({}, { headers: { dpop } });
  });

  it('ensure-dpop-auth-code-binding-success', async () => {
    await assertRound({ dpop_jkt: await calculateJwkThumbprint(first.dpop.publicJwk) });
  });

  it('dpop-negative-tests', async () => {
    const url = `${issuer()}/token`;
    const other = await newKey();
    const used = await dpopProof(first.dpop, 'POST', url);
    assert.equal((await exchange(await authorize(), {}, { proof: used })).status, 200);
    const good = await dpopProof(first.dpop, 'POST', url);
    const [head = '', body = ''] = good.split('.');
    for (const [what, proof] of [
      ['htm', await dpopProof(first.dpop, 'GET', url)],
      ['htu', await dpopProof(first.dpop, 'POST', `${issuer()}/me`)],
      ['typ', await dpopProof(first.dpop, 'POST', url, { header: { typ: 'JWT' } })],
      ['key', await dpopProof(first.dpop, 'POST', url, { header: { jwk: other.publicJwk } })],
      ['signature', `${head}.${body}.${'A'.repeat(86)}`],
      ['no jti', await dpopProof(first.dpop, 'POST', url, { claims: { jti: undefined } })],
      ['no iat', await dpopProof(first.dpop, 'POST', url, { claims: { iat: undefined } })],
      ['old iat', await dpopProof(first.dpop, 'POST', url, { claims: { iat: now() - 600 } })],
      ['replayed jti', used],
    ] as const) {
      const answer = await exchange(await authorize(), {}, { proof });
      assert.equal(answer.status, 400, what);
      assert.match(
        String(answer.body['error']),
        /^(?:invalid_dpop_proof|use_dpop_nonce|invalid_grant|invalid_request)$/,
        what,
      );
    }
    const { answer } = await assertRound();
    const accessToken = answer.body['access_token'];
    assert.equal((await readUserinfo(accessToken, { claims: { ath: 'x' } })).status, 401);
    assert.equal((await readUserinfo(accessToken, { claims: { ath: undefined } })).status, 401);
    assert.equal((await readUserinfo(accessToken, {}, { key: other })).status, 401);
    const jti = randomUUID();
    assert.equal((await readUserinfo(accessToken, { claims: { jti } })).status, 200);
    assert.notEqual((await readUserinfo(accessToken, { claims: { jti } })).status, 200);
  });

  for (const [name, parameter] of [
    ['ensure-different-nonce-inside-and-outside-request-object', 'nonce'],
    ['ensure-different-state-inside-and-outside-request-object', 'state'],
  ] as const) {
    it(name, async () => {
      const { got, payload } = await assertRound({}, { front: { [parameter]: 'outside' } });
      assert.equal(parameter === 'nonce' ? payload['nonce'] : got.page.params['state'], parameter);
    });
  }

  it('state-only-outside-request-object-not-used', async () => {
    const { got } = await assertRound({ state: undefined }, { front: { state: 'outside' } });
    assert.equal('state' in got.page.params, false);
  });

  for (const name of [
    'ensure-request-object-without-redirect-uri-fails',
    'ensure-redirect-uri-in-authorization-request',
  ]) {
    it(name, () => assertPushFails(/^invalid_request$/, { redirect_uri: undefined }));
  }

  it('plain-fapi-tolerate-unregistered-redirect-uri', () =>
    assertPushFails(/^invalid_request$/, { redirect_uri: 'https://suite.example.com/other' }));

  it('ensure-unsigned-authorization-request-without-using-par-fails', async () => {
    const params = {
      ...{ client_id: first.client.clientId, response_type: 'code', scope: 'openid', redirect_uri: REDIRECT },
      ...{ code_challenge: challengeOf(newVerifier()), code_challenge_method: 'S256', state: 'state' },
    };
    const page = await latchkey()
      .browser()
      .get(`/auth?${new URLSearchParams(params)}`);
    assert.equal(page.params['error'], 'invalid_request', page.describe());
  });

  it('ensure-response-type-code-idtoken-fails', () =>
    assertPushFails(/^(?:unsupported_response_type|invalid_request)$/, { response_type: 'code id_token' }));

  it('ensure-response-type-token-fails', () =>
    assertPushFails(/^(?:unsupported_response_type|invalid_request)$/, { response_type: 'token' }));

  it('ensure-client-id-in-token-endpoint', async () => {
    const answer = await exchange(await authorize(), {}, {});
    assert.equal(answer.status, 200);
    const got = await authorize();
    const assertion = await assertionOf(first);
    const foreign = await tokenRequest(
      latchkey(),
      '/token',
      second.client,
      {
        grant_type: 'authorization_code',
        ...{ code: got.code, redirect_uri: REDIRECT, code_verifier: got.verifier },
        ...assertion,
      },
      { dpop: await dpopProof(first.dpop, 'POST', `${issuer()}/token`) },
    );
    assertError(foreign, /^invalid_(?:request|client)$/);
  });

  it('ensure-holder-of-key-required', async () => {
    assertError(await exchange(await authorize(), {}, { proof: null }), /^invalid_(?:request|grant|dpop_proof)$/);
  });

  it('ensure-authorization-code-is-bound-to-client', async () => {
    assertError(await exchange(await authorize(), {}, { party: second }), /^invalid_grant$/);
  });

  it('attempt-reuse-authorization-code-after-one-second', async () => {
    const got = await authorize();
    const { body } = await exchange(got);
    await wait(1000);
    assertError(await exchange(got), /^invalid_grant$/);
    assert.equal((await readUserinfo(body['access_token'])).status, 401);
  });

  it('ensure-token-endpoint-fails-with-expired-auth-code', async () => {
    const { provider } = latchkey().app.engine;
    const lives: number[] = [];
    provider.once('authorization_code.saved', (code) => lives.push(code.expiration));
    const got = await authorize();
    assert.deepEqual(lives, [60]);
    const stored = await provider.AuthorizationCode.find(got.code);
    assert.ok(stored);
    // As if a minute had gone by.
    stored.exp = now() - 1;
    await stored.save();
    assertError(await exchange(got), /^invalid_grant$/);
  });

  it('ensure-signed-client-assertion-with-RS256-fails', async () => {
    // The very key that is registered, used with the older padding.
    const privateKey = await importJWK({ ...(await exportJWK(first.key.privateKey)), alg: 'RS256' }, 'RS256');
    assert.ok(privateKey instanceof CryptoKey);
    const rsa = { ...first.key, alg: 'RS256', privateKey };
    await assertPushFails(/^invalid_client$/, {}, { party: { ...first, key: rsa } });
  });

  it('ensure-client-assertion-in-token-endpoint', async () => {
    const none = { client_assertion: undefined, client_assertion_type: undefined };
    assertError(await exchange(await authorize(), none), /^invalid_client$/);
  });

  it('ensure-client-assertion-with-exp-is-5-minutes-in-past-fails', async () => {
    const assertion = { claims: { iat: now() - 360, exp: now() - 300 } };
    assertError(await exchange(await authorize(), {}, { assertion }), /^invalid_client$/);
  });

  it('ensure-client-assertion-with-wrong-aud-fails', async () => {
    assertError(await exchange(await authorize(), {}, { audience: 'https://other.example' }), /^invalid_client$/);
  });

  it('ensure-client-assertion-with-no-sub-fails', async () => {
    assertError(
      await exchange(await authorize(), {}, { assertion: { claims: { sub: undefined } } }),
      /^invalid_client$/,
    );
  });

  it('refresh-token', async () => {
    const got = await authorize({ scope: 'openid offline_access', prompt: 'consent' });
    const { body } = await exchange(got);
    const refresh = { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) };
    assertError(await token(refresh, { party: second }), /^invalid_grant$/);
    assertError(await token(refresh, { proof: null }), /^invalid_(?:grant|request|dpop_proof)$/);
    const good = await token(refresh);
    assert.equal(good.status, 200, JSON.stringify(good.body));
    assert.equal(good.body['token_type'], 'DPoP');
  });

  it('par-ensure-reused-request-uri-prior-to-auth-completion-succeeds', async () => {
    const pushed = await push();
    const browser = latchkey().browser();
    assert.equal((await browser.get(front(pushed.uri))).id, 'login');
    const page = await open(front(pushed.uri), {}, browser);
    assert.ok(page.params['code'], page.describe());
  });

  it('par-attempt-reuse-request_uri', async () => {
    const pushed = await push();
    assert.ok((await open(front(pushed.uri))).params['code']);
    const again = await open(front(pushed.uri));
    assert.equal(again.params['code'], undefined);
    assert.equal(again.params['error'] ?? again.error?.replaceAll('-', '_'), 'invalid_request_uri', again.describe());
  });

  it('par-attempt-to-use-expired-request_uri', async () => {
    const pushed = await push();
    assert.equal(pushed.body['expires_in'], 60);
    const { PushedAuthorizationRequest } = latchkey().app.engine.provider;
    const id = pushed.uri.split(':').at(-1) ?? '';
    const stored = await PushedAuthorizationRequest.find(id);
    assert.ok(stored);
    await stored.save(1);
    const until = Date.now() + 3000;
    let page = await latchkey().browser().get(front(pushed.uri));
    while (page.id === 'login' && Date.now() < until) {
      await wait(100);
      page = await latchkey().browser().get(front(pushed.uri));
    }
    assert.equal(page.params['error'] ?? page.error?.replaceAll('-', '_'), 'invalid_request_uri', page.describe());
  });

  it('par-attempt-to-use-request_uri-for-different-client', async () => {
    const pushed = await push();
    const page = await latchkey()
      .browser()
      .get(front(pushed.uri, {}, second));
    assert.equal(page.params['code'], undefined);
    assert.ok(page.id === 'error' || page.params['error'] !== undefined, page.describe());
  });

  it('par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted', async () => {
    const { status, body } = await push({}, { assertion: { claims: { nbf: now() + 8 } } });
    assert.equal(status, 201, JSON.stringify(body));
  });

  it('par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails', () =>
    assertPushFails(/^invalid_client$/, {}, { assertion: { claims: { nbf: now() + 70 } } }));

  it('par-authorization-request-containing-request_uri-form-param', () =>
    assertPushFails(/^(?:request_uri_not_supported|invalid_request)$/, {
      request_uri: 'urn:ietf:params:oauth:request_uri:x',
    }));

  it('par-attempt-invalid-http-method', async () => {
    const answer = await send(`${issuer()}/request`, { headers: { accept: 'application/json' } });
    assert.ok(answer.status === 404 || answer.status === 405);
  });

  for (const [name, change] of [
    ['par-ensure-pkce-required', { code_challenge: undefined, code_challenge_method: undefined }],
    ['par-plain-pkce-rejected', { code_challenge_method: 'plain' }],
  ] as const) {
    it(name, () => assertPushFails(/^invalid_request$/, change));
  }

  it('ensure-pkce-code-verifier-required', async () => {
    assertError(await exchange(await authorize(), { code_verifier: undefined }), /^invalid_grant$/);
  });

  it('incorrect-pkce-code-verifier-rejected', async () => {
    assertError(await exchange(await authorize(), { code_verifier: newVerifier() }), /^invalid_grant$/);
  });

  it('par-without-duplicate-parameters', async () => {
    const pushed = await push();
    const page = await open(front(pushed.uri));
    assert.ok(page.params['code'], page.describe());
  });

  it('par-test-array-as-audience-fails', () => assertPushFails(/^invalid_client$/, {}, { audience: [issuer()] }));

  it('par-test-par-endpoint-url-as-audience-fails', () =>
    assertPushFails(/^invalid_client$/, {}, { audience: `${issuer()}/request` }));

  it('par-test-token-endpoint-url-as-audience-fails', () =>
    assertPushFails(/^invalid_client$/, {}, { audience: `${issuer()}/token` }));

  it('an unsigned request object is not taken for a pushed request', () =>
    assertPushFails(/^(?:request_not_supported|invalid_request_object)$/, {
      request: new UnsecuredJWT({ scope: 'openid' }).encode(),
    }));
});
