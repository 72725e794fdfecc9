// Discovery is the truth: for every member of the document there is a case that does what it says, and a member without a case fails.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JWK, jwtVerify } from 'jose';
import { clientAssertion, dpopProof, newKey } from '../../support/proofs.ts';
import {
  answerPrompts,
  authorizationRequest,
  type Parameters,
  redeem,
  signIn,
  tokenRequest,
} from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type StartOptions } from '../../support/server.ts';
import { send } from '../../support/web.ts';

type Document = Readonly<Record<string, unknown>>;
type Case = (latchkey: Latchkey, value: unknown, document: Document) => Promise<void> | void;

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const HINT = { latchkey_test_client: true, latchkey_pkce_optional: true };

const texts = (value: unknown): string[] => {
  assert.ok(Array.isArray(value) && value.every((one) => typeof one === 'string'));
  return value;
};

/** The address is ours, and something answers there. */
const endpoint =
  (path: string, method: 'GET' | 'POST'): Case =>
  async (latchkey, value) => {
    assert.equal(value, `${latchkey.issuer}${path}`);
    const answer = await send(value, { method, headers: { accept: 'application/json' } });
    assert.ok(answer.status < 500 && answer.status !== 404 && answer.status !== 405, `${path} ${answer.status}`);
  };

/** A whole sign-in, up to the tokens. */
async function tokensOf(latchkey: Latchkey, metadata: Record<string, unknown> = {}, params: Parameters = {}) {
  const client = await latchkey.createClient(metadata);
  const account = await latchkey.createAccount({ name: 'Ann Lee' });
  const browser = latchkey.browser();
  const signedIn = await signIn(latchkey, browser, client, { account, params });
  return { client, account, browser, answer: await redeem(latchkey, client, signedIn) };
}

async function jwksOf(latchkey: Latchkey): Promise<{ keys: JWK[] }> {
  return JSON.parse((await send(`${latchkey.issuer}/jwks`)).text) as { keys: JWK[] };
}

/** Each way to authenticate works at a token-like endpoint. */
const authMethods =
  (path: string, params: Record<string, string>): Case =>
  async (latchkey, value) => {
    const key = await newKey();
    for (const method of texts(value)) {
      const isOpen = method === 'none';
      const client = await latchkey.createClient({
        ...(isOpen ? {} : MACHINE),
        token_endpoint_auth_method: method,
        ...(method === 'private_key_jwt' ? { jwks: { keys: [key.publicJwk] } } : {}),
      });
      const proof = method === 'private_key_jwt' ? await clientAssertion(key, client.clientId, latchkey.issuer) : {};
      const answer = await tokenRequest(latchkey, path, client, { ...params, ...proof });
      // A public client is known, but gets no token for itself.
      if (path === '/token' && isOpen) assert.equal(answer.body['error'], 'invalid_request');
      else assert.equal(answer.status, 200, `${method} ${JSON.stringify(answer.body)}`);
    }
  };

const assertionAlgorithms =
  (path: string, params: Record<string, string>): Case =>
  async (latchkey, value) => {
    for (const alg of texts(value)) {
      const key = await newKey(alg);
      const client = await latchkey.createClient({
        ...MACHINE,
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: alg,
        jwks: { keys: [key.publicJwk] },
      });
      const proof = await clientAssertion(key, client.clientId, latchkey.issuer);
      const { status } = await tokenRequest(latchkey, path, client, { ...params, ...proof });
      assert.equal(status, 200, alg);
    }
  };

const INTROSPECT = { token: 'unknown' };
const CREDENTIALS = { grant_type: 'client_credentials' };

const cases: Readonly<Record<string, Case>> = {
  issuer: (latchkey, value) => assert.equal(value, latchkey.issuer),
  jwks_uri: async (latchkey, value) => {
    assert.equal(value, `${latchkey.issuer}/jwks`);
    const { keys } = await jwksOf(latchkey);
    const kids = keys.map((key) => key.kid);
    assert.equal(new Set(kids).size, keys.length);
    for (const key of keys) {
      assert.ok(key.kid && key.alg && key.use === 'sig' && key.kty !== 'oct' && key.kty !== 'AKP');
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv']) assert.equal(secret in key, false);
    }
  },
  authorization_endpoint: endpoint('/auth', 'GET'),
  token_endpoint: endpoint('/token', 'POST'),
  userinfo_endpoint: endpoint('/me', 'GET'),
  introspection_endpoint: endpoint('/token/introspection', 'POST'),
  revocation_endpoint: endpoint('/token/revocation', 'POST'),
  end_session_endpoint: endpoint('/session/end', 'GET'),
  device_authorization_endpoint: endpoint('/device/auth', 'POST'),
  pushed_authorization_request_endpoint: endpoint('/request', 'POST'),
  registration_endpoint: endpoint('/reg', 'POST'),

  response_types_supported: async (latchkey, value) => {
    for (const type of texts(value)) {
      const client = await latchkey.createClient({
        ...HINT,
        response_types: [type],
        grant_types: [
          ...(type.includes('code') ? ['authorization_code'] : []),
          ...(type === 'code' ? [] : ['implicit']),
        ],
      });
      const account = await latchkey.createAccount();
      const browser = latchkey.browser();
      const { url } = authorizationRequest(latchkey.issuer, client, { response_type: type, nonce: 'n' });
      const { location } = await answerPrompts(browser, await browser.get(url), { account });
      const params = new URLSearchParams(location?.hash.slice(1) || location?.search);
      const wanted = type.split(' ').map((one) => (one === 'token' ? 'access_token' : one));
      for (const name of wanted) assert.ok(params.get(name), `${type}: ${location?.href}`);
    }
  },
  response_modes_supported: async (latchkey, value) => {
    const { client, browser } = await tokensOf(latchkey);
    for (const mode of texts(value)) {
      const page = await browser.get(authorizationRequest(latchkey.issuer, client, { response_mode: mode }).url);
      const found = {
        query: page.location?.searchParams.get('code'),
        fragment: new URLSearchParams(page.location?.hash.slice(1)).get('code'),
        form_post: page.html.querySelector('form[method=post] input[name=code]')?.getAttribute('value'),
      }[mode];
      assert.ok(found, mode);
    }
  },
  grant_types_supported: async (latchkey, value) => {
    const tested: Readonly<Record<string, () => Promise<void>>> = {
      authorization_code: async () => assert.equal((await tokensOf(latchkey)).answer.status, 200),
      refresh_token: async () => {
        const params = { scope: 'openid offline_access', prompt: 'consent' };
        const { client, answer } = await tokensOf(latchkey, {}, params);
        const refresh = { grant_type: 'refresh_token', refresh_token: String(answer.body['refresh_token']) };
        assert.equal((await tokenRequest(latchkey, '/token', client, refresh)).status, 200);
      },
      client_credentials: async () => {
        const client = await latchkey.createClient(MACHINE);
        assert.equal((await tokenRequest(latchkey, '/token', client, CREDENTIALS)).status, 200);
      },
      [DEVICE]: async () => {
        const client = await latchkey.createClient({ ...MACHINE, grant_types: [DEVICE] });
        const { body } = await tokenRequest(latchkey, '/device/auth', client, { scope: 'openid' });
        const poll = { grant_type: DEVICE, device_code: String(body['device_code']) };
        const answer = await tokenRequest(latchkey, '/token', client, poll);
        assert.equal(answer.body['error'], 'authorization_pending');
      },
      // By the response types that have tokens in them.
      implicit: async () => undefined,
    };
    for (const type of texts(value)) {
      assert.ok(tested[type], type);
      await tested[type]();
    }
  },
  scopes_supported: async (latchkey, value) => {
    const scope = texts(value).join(' ');
    const { answer } = await tokensOf(latchkey, {}, { scope, prompt: 'consent' });
    assert.equal(answer.body['scope'], scope);
  },
  claims_supported: async (latchkey, value) => {
    const always = new Set(['sub', 'iss', 'auth_time', 'acr', 'amr']);
    const wanted = Object.fromEntries(texts(value).map((name) => [name, null]));
    const { sub: _, ...claims } = wanted;
    const { answer, account } = await tokensOf(latchkey, {}, { claims: JSON.stringify({ id_token: claims }) });
    const { payload } = await jwtVerify(String(answer.body['id_token']), createLocalJWKSet(await jwksOf(latchkey)));
    for (const name of always) assert.ok(name in payload, name);
    assert.equal(payload['name'], account.name);
    assert.equal(payload['email'], account.email);
    // Every claim that the account has is there; the others have no value (OIDC Core 5.3.2).
    for (const name of Object.keys(payload)) {
      assert.ok(texts(value).includes(name) || ['aud', 'exp', 'iat', 'at_hash'].includes(name), name);
    }
  },
  claims_parameter_supported: async (latchkey, value) => {
    assert.equal(value, true);
    const claims = JSON.stringify({ userinfo: { name: { essential: true } } });
    const { answer } = await tokensOf(latchkey, {}, { claims });
    const info = await send(`${latchkey.issuer}/me`, {
      headers: { authorization: `Bearer ${String(answer.body['access_token'])}` },
    });
    assert.equal((JSON.parse(info.text) as Document)['name'], 'Ann Lee');
  },
  acr_values_supported: async (latchkey, value) => {
    const { answer } = await tokensOf(latchkey, {}, { acr_values: texts(value).join(' ') });
    const { payload } = await jwtVerify(String(answer.body['id_token']), createLocalJWKSet(await jwksOf(latchkey)));
    assert.ok(texts(value).includes(String(payload['acr'])));
    await latchkey.createClient({ default_acr_values: texts(value) });
  },
  subject_types_supported: async (latchkey, value) => {
    for (const type of texts(value)) {
      const { answer, account } = await tokensOf(latchkey, { subject_type: type });
      const { payload } = await jwtVerify(String(answer.body['id_token']), createLocalJWKSet(await jwksOf(latchkey)));
      assert.equal(payload.sub === account.subject, type === 'public');
    }
  },
  code_challenge_methods_supported: async (latchkey, value) => {
    assert.deepEqual(value, ['S256']);
    const client = await latchkey.createClient();
    const { url } = authorizationRequest(latchkey.issuer, client, { code_challenge_method: 'plain' });
    assert.equal((await latchkey.browser().get(url)).params['error'], 'invalid_request');
  },
  id_token_signing_alg_values_supported: async (latchkey, value) => {
    assert.ok(texts(value).includes('RS256'));
    for (const alg of texts(value)) {
      const { answer } = await tokensOf(latchkey, { id_token_signed_response_alg: alg });
      const token = String(answer.body['id_token']);
      assert.equal(decodeProtectedHeader(token).alg, alg);
      await jwtVerify(token, createLocalJWKSet(await jwksOf(latchkey)));
    }
  },
  userinfo_signing_alg_values_supported: async (latchkey, value) => {
    for (const alg of texts(value)) {
      const { answer } = await tokensOf(latchkey, { userinfo_signed_response_alg: alg });
      const authorization = `Bearer ${String(answer.body['access_token'])}`;
      const info = await send(`${latchkey.issuer}/me`, { headers: { authorization } });
      assert.equal(decodeProtectedHeader(info.text).alg, alg);
    }
  },
  introspection_signing_alg_values_supported: async (latchkey, value) => {
    for (const alg of texts(value)) {
      const client = await latchkey.createClient({ ...MACHINE, introspection_signed_response_alg: alg });
      const pair = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64');
      const answer = await send(`${latchkey.issuer}/token/introspection`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${pair}`,
          accept: 'application/token-introspection+jwt',
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'token=unknown',
      });
      assert.equal(decodeProtectedHeader(answer.text).alg, alg);
    }
  },
  request_object_signing_alg_values_supported: async (latchkey, value) => {
    for (const alg of texts(value))
      await latchkey.createClient({
        request_object_signing_alg: alg,
        jwks: { keys: [(await newKey(alg)).publicJwk] },
      });
  },
  dpop_signing_alg_values_supported: async (latchkey, value) => {
    const client = await latchkey.createClient(MACHINE);
    for (const alg of texts(value)) {
      const dpop = await dpopProof(await newKey(alg), 'POST', `${latchkey.issuer}/token`);
      const answer = await tokenRequest(latchkey, '/token', client, CREDENTIALS, { dpop });
      assert.equal(answer.body['token_type'], 'DPoP', alg);
    }
  },
  token_endpoint_auth_methods_supported: authMethods('/token', CREDENTIALS),
  introspection_endpoint_auth_methods_supported: authMethods('/token/introspection', INTROSPECT),
  revocation_endpoint_auth_methods_supported: authMethods('/token/revocation', INTROSPECT),
  token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms('/token', CREDENTIALS),
  introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms('/token/introspection', INTROSPECT),
  revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms('/token/revocation', INTROSPECT),
  prompt_values_supported: async (latchkey, value) => {
    const { client, browser } = await tokensOf(latchkey);
    const shown: Readonly<Record<string, string>> = {
      login: 'reauthenticate',
      consent: 'consent',
      select_account: 'select-account',
    };
    for (const prompt of texts(value)) {
      const page = await browser.get(authorizationRequest(latchkey.issuer, client, { prompt }).url);
      if (prompt === 'none') assert.ok(page.params['code'], page.describe());
      else assert.equal(page.id, shown[prompt], prompt);
    }
  },
  ui_locales_supported: async (latchkey, value) => {
    const client = await latchkey.createClient();
    for (const locale of texts(value)) {
      const { url } = authorizationRequest(latchkey.issuer, client, { ui_locales: locale });
      assert.equal((await latchkey.browser().get(url)).element('html').getAttribute('lang'), locale);
    }
  },
  claim_types_supported: (_latchkey, value) => assert.deepEqual(value, ['normal']),
  request_parameter_supported: async (latchkey, value) => {
    const client = await latchkey.createClient();
    const page = await latchkey.browser().get(authorizationRequest(latchkey.issuer, client, { request: 'x.y.z' }).url);
    assert.equal(page.params['error'], value === true ? 'invalid_request_object' : 'request_not_supported');
  },
  request_uri_parameter_supported: async (latchkey, value) => {
    assert.equal(value, false);
    const client = await latchkey.createClient();
    const { url } = authorizationRequest(latchkey.issuer, client, { request_uri: 'https://app.example.com/request' });
    assert.equal((await latchkey.browser().get(url)).params['error'], 'request_uri_not_supported');
  },
  authorization_response_iss_parameter_supported: async (latchkey, value) => {
    assert.equal(value, true);
    const { client, browser } = await tokensOf(latchkey);
    for (const params of [
      {},
      { prompt: 'none', scope: 'openid email' },
      { scope: 'a"b' },
      { response_type: 'token' },
    ]) {
      const page = await browser.get(authorizationRequest(latchkey.issuer, client, params).url);
      const { location } = page;
      const answer = new URLSearchParams(location?.hash.slice(1) || location?.search);
      assert.equal(answer.get('iss'), latchkey.issuer, page.describe());
    }
  },
  backchannel_logout_supported: async (latchkey, value) => {
    assert.equal(value, true);
    await latchkey.createClient({ backchannel_logout_uri: 'https://app.example.com/logout' });
  },
  backchannel_logout_session_supported: async (latchkey, value) => {
    assert.equal(value, true);
    const metadata = {
      backchannel_logout_uri: 'https://app.example.com/logout',
      backchannel_logout_session_required: true,
    };
    const { answer } = await tokensOf(latchkey, metadata);
    const { payload } = await jwtVerify(String(answer.body['id_token']), createLocalJWKSet(await jwksOf(latchkey)));
    assert.equal(typeof payload['sid'], 'string');
  },
  // Its own file has the cases: test/flow/protocol/client-documents.test.ts.
  client_id_metadata_document_supported: (_latchkey, value) => assert.equal(value, true),
};

const EVERYTHING: StartOptions = {
  env: {
    LATCHKEY_REQUEST_OBJECTS: 'true',
    LATCHKEY_TEST_RESPONSE_TYPES: 'true',
    LATCHKEY_CLIENT_REGISTRATION: 'open',
    LATCHKEY_CLIENT_DOCUMENT_HOSTS: 'apps.example.com',
  },
};
const OPTIONAL = [
  'registration_endpoint',
  'request_object_signing_alg_values_supported',
  'client_id_metadata_document_supported',
];

function documentOf(latchkey: Latchkey): Promise<Document> {
  return send(`${latchkey.issuer}/.well-known/openid-configuration`).then(({ text }) => JSON.parse(text) as Document);
}

describeOnEachBackend('what discovery says', (latchkey) => {
  it('has a case below for each of its members', async () => {
    const document = await documentOf(latchkey());
    assert.deepEqual(
      Object.keys(document).filter((name) => !(name in cases)),
      [],
    );
    assert.deepEqual(
      Object.keys(cases)
        .filter((name) => !(name in document))
        .toSorted(),
      OPTIONAL.toSorted(),
    );
  });

  it('never offers what must not be: unsigned tokens, shared secrets as keys, plain challenges, passwords', async () => {
    const text = JSON.stringify(await documentOf(latchkey()));
    for (const forbidden of ['HS256', '"plain"', '"password"', 'client_secret_jwt', 'implicit', 'ES256K', 'ML-DSA']) {
      assert.ok(!text.includes(forbidden), forbidden);
    }
    const document = await documentOf(latchkey());
    for (const [name, value] of Object.entries(document)) {
      if (name.includes('_alg_values_')) assert.ok(!texts(value).includes('none'), name);
    }
  });

  for (const [name, check] of Object.entries(cases)) {
    if (OPTIONAL.includes(name)) continue;
    it(`is true: ${name}`, async () => {
      const document = await documentOf(latchkey());
      await check(latchkey(), document[name], document);
    });
  }
});

describeOnEachBackend(
  'what discovery says with every switch on',
  (latchkey) => {
    for (const [name, check] of Object.entries(cases)) {
      it(`is true: ${name}`, async () => {
        const document = await documentOf(latchkey());
        assert.ok(name in document);
        await check(latchkey(), document[name], document);
      });
    }

    it('has a case for each of its members', async () => {
      const document = await documentOf(latchkey());
      assert.deepEqual(
        Object.keys(document).filter((name) => !(name in cases)),
        [],
      );
    });
  },
  EVERYTHING,
);
