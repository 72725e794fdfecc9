// Discovery tells the truth: everything advertised works, nothing unadvertised does (OIDC Discovery 3, RFC 8414).

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeJwt,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import { AppError } from '../../src/errors.ts';
import {
  answerPrompts,
  authorizationRequest,
  redeem,
  signIn,
  tokenRequest,
  userinfo,
} from '../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../support/server.ts';
import { send } from '../support/web.ts';

type Metadata = Readonly<Record<string, unknown>>;

const ENDPOINTS: Readonly<Record<string, string>> = {
  authorization_endpoint: '/auth',
  device_authorization_endpoint: '/device/auth',
  end_session_endpoint: '/session/end',
  introspection_endpoint: '/token/introspection',
  jwks_uri: '/jwks',
  pushed_authorization_request_endpoint: '/request',
  revocation_endpoint: '/token/revocation',
  token_endpoint: '/token',
  userinfo_endpoint: '/me',
};
const invalidMetadata = (error: unknown) => error instanceof AppError && error.code === 'invalid-client-metadata';

/** Ed25519 is the same key under its own name (RFC 9864). */
function keyPair(alg: string): Promise<GenerateKeyPairResult> {
  return generateKeyPair(alg, { extractable: true });
}

describeOnEachBackend('discovery', (latchkey) => {
  const metadata = async (): Promise<Metadata> => {
    const answer = await send(`${latchkey().issuer}/.well-known/openid-configuration`);
    assert.equal(answer.status, 200);
    return JSON.parse(answer.text) as Metadata;
  };
  const list = async (name: string): Promise<readonly string[]> => {
    const value = (await metadata())[name];
    assert.ok(Array.isArray(value) && value.length > 0, name);
    return value as string[];
  };
  const jwks = async () => {
    const answer = await send(`${latchkey().issuer}/jwks`);
    return JSON.parse(answer.text) as { keys: (JWK & { kid: string })[] };
  };

  it('is the same document at both well-known places, byte for byte with the issuer of the setting', async () => {
    const other = await send(`${latchkey().issuer}/.well-known/oauth-authorization-server`);
    const here = await metadata();
    assert.deepEqual(JSON.parse(other.text), here);
    assert.equal(here['issuer'], latchkey().issuer);
  });

  it('names every endpoint, below the issuer, and each of them is there', async () => {
    const here = await metadata();
    const named = Object.keys(here).filter((name) => /_(endpoint|uri)$/.test(name));
    assert.deepEqual(named.toSorted(), Object.keys(ENDPOINTS).toSorted());
    for (const [name, path] of Object.entries(ENDPOINTS)) {
      assert.equal(here[name], `${latchkey().issuer}${path}`);
      const method = ['jwks_uri', 'authorization_endpoint', 'userinfo_endpoint', 'end_session_endpoint'].includes(name)
        ? 'GET'
        : 'POST';
      const answer = await send(`${latchkey().issuer}${path}`, { method });
      assert.notEqual(answer.status, 404, name);
      assert.ok(answer.status < 500, name);
    }
  });

  it('is made once and repeated word for word, to scripts of any origin, and to who has it already by its tag alone', async () => {
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks']) {
      const url = `${latchkey().issuer}${path}`;
      const [first, second] = [await send(url), await send(url, { headers: { origin: 'https://app.example' } })];
      assert.equal(second.text, first.text);
      assert.equal(second.headers['content-type'], first.headers['content-type']);
      assert.equal(first.headers['access-control-allow-origin'], '*');
      assert.equal(second.headers['access-control-allow-origin'], 'https://app.example');
      assert.equal(second.headers['vary'], 'Origin');
      assert.equal(second.headers['cache-control'], 'no-cache');
      const tag = second.headers['etag'] ?? '';
      const known = await send(url, { headers: { 'if-none-match': tag } });
      assert.deepEqual([known.status, known.text, known.headers['etag']], [304, '', tag]);
      const head = await send(url, { method: 'HEAD' });
      assert.deepEqual([head.status, head.text, head.headers['etag']], [200, '', tag]);
    }
  });

  it('hides nothing: other endpoints of the engine are not there', async () => {
    for (const path of [
      '/reg',
      '/reg/x',
      '/backchannel',
      '/challenge',
      '/credential',
      '/offer',
      '/session/check',
      '/metrics',
    ]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const answer = await send(`${latchkey().issuer}${path}`, { method });
        assert.ok([404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
      }
    }
  });

  describe('the keys', () => {
    it('are public, told apart, and one for each algorithm that signs', async () => {
      const { keys } = await jwks();
      assert.equal(new Set(keys.map((key) => key.kid)).size, keys.length);
      assert.deepEqual(keys.map((key) => key.alg).toSorted(), ['ES256', 'EdDSA', 'RS256']);
      for (const key of keys) {
        assert.equal(key.use, 'sig');
        assert.equal(key.kid, await calculateJwkThumbprint(key));
        for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) assert.equal(secret in key, false, secret);
      }
      const rsa = keys.find((key) => key.kty === 'RSA');
      assert.ok(Buffer.from(rsa?.n ?? '', 'base64url').length >= 256);
    });
  });

  describe('every algorithm', () => {
    it('advertised for userinfo signs it', async () => {
      const account = await latchkey().createAccount();
      for (const alg of await list('userinfo_signing_alg_values_supported')) {
        const client = await latchkey().createClient({ userinfo_signed_response_alg: alg });
        const tokens = await redeem(
          latchkey(),
          client,
          await signIn(latchkey(), latchkey().browser(), client, { account }),
        );
        const answer = await send(`${latchkey().issuer}/me`, {
          headers: { authorization: `Bearer ${String(tokens.body['access_token'])}` },
        });
        assert.match(answer.headers['content-type'] ?? '', /^application\/jwt/);
        const { payload, protectedHeader } = await jwtVerify(answer.text, createLocalJWKSet(await jwks()));
        assert.equal(protectedHeader.alg, alg);
        assert.equal(payload.sub, account.subject);
        assert.equal(payload.aud, client.clientId);
      }
    });

    it('advertised for introspection signs it', async () => {
      for (const alg of await list('introspection_signing_alg_values_supported')) {
        const client = await latchkey().createClient({
          introspection_signed_response_alg: alg,
          grant_types: ['client_credentials'],
          response_types: [],
          redirect_uris: [],
        });
        const tokens = await tokenRequest(latchkey(), '/token', client, { grant_type: 'client_credentials' });
        const pair = `${client.clientId}:${client.clientSecret}`;
        const answer = await send(`${latchkey().issuer}/token/introspection`, {
          method: 'POST',
          headers: {
            accept: 'application/token-introspection+jwt',
            authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: `token=${String(tokens.body['access_token'])}`,
        });
        const { payload, protectedHeader } = await jwtVerify(answer.text, createLocalJWKSet(await jwks()));
        assert.equal(protectedHeader.alg, alg);
        assert.equal((payload['token_introspection'] as { active?: boolean }).active, true);
      }
    });

    it('advertised for client assertions authenticates, at each endpoint that asks for it, and no other does', async () => {
      const advertised = await list('token_endpoint_auth_signing_alg_values_supported');
      assert.deepEqual(await list('introspection_endpoint_auth_signing_alg_values_supported'), advertised);
      assert.deepEqual(await list('revocation_endpoint_auth_signing_alg_values_supported'), advertised);
      for (const alg of advertised) {
        const { publicKey, privateKey } = await keyPair(alg);
        const client = await latchkey().createClient({
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: alg,
          grant_types: ['client_credentials'],
          response_types: [],
          redirect_uris: [],
          jwks: { keys: [{ ...(await exportJWK(publicKey)), use: 'sig', kid: 'k1' }] },
        });
        const asPublic: TestClient = {
          ...client,
          metadata: { ...client.metadata, token_endpoint_auth_method: 'none' },
        };
        const assertion = () =>
          new SignJWT({ jti: randomUUID() })
            .setProtectedHeader({ alg, kid: 'k1' })
            .setIssuer(client.clientId)
            .setSubject(client.clientId)
            .setAudience(latchkey().issuer)
            .setIssuedAt()
            .setExpirationTime('1m')
            .sign(privateKey);
        const ask = async (path: string, params: Record<string, string>) =>
          tokenRequest(latchkey(), path, asPublic, {
            ...params,
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: await assertion(),
          });
        const tokens = await ask('/token', { grant_type: 'client_credentials' });
        assert.equal(tokens.status, 200, `${alg}: ${JSON.stringify(tokens.body)}`);
        const token = String(tokens.body['access_token']);
        assert.equal((await ask('/token/introspection', { token })).body['active'], true);
        assert.equal((await ask('/token/revocation', { token })).status, 200);
        assert.equal((await ask('/token/introspection', { token })).body['active'], false);
      }
      for (const alg of ['HS256', 'ES384', 'none', 'ES256K']) {
        const change = { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg };
        await assert.rejects(latchkey().createClient({ ...change, jwks: { keys: [] } }), invalidMetadata, alg);
      }
    });

    it('advertised for proofs of possession binds a token, and no other does', async () => {
      const client = await latchkey().createClient({
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      });
      const grant = { grant_type: 'client_credentials' };
      const proofFor = async (alg: string, pair: GenerateKeyPairResult, claims: Record<string, string>) =>
        new SignJWT({ jti: randomUUID(), ...claims })
          .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk: await exportJWK(pair.publicKey) })
          .setIssuedAt()
          .sign(pair.privateKey);
      const htu = `${latchkey().issuer}/token`;
      for (const alg of await list('dpop_signing_alg_values_supported')) {
        const pair = await keyPair(alg);
        const dpop = await proofFor(alg, pair, { htm: 'POST', htu });
        const tokens = await tokenRequest(latchkey(), '/token', client, grant, { dpop });
        assert.equal(tokens.status, 200, `${alg}: ${JSON.stringify(tokens.body)}`);
        assert.equal(tokens.body['token_type'], 'DPoP');
        const replay = await tokenRequest(latchkey(), '/token', client, grant, { dpop });
        assert.equal(replay.status, 400, 'a proof is good once');
        const token = String(tokens.body['access_token']);
        const bound = await tokenRequest(latchkey(), '/token/introspection', client, { token });
        const jkt = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
        assert.deepEqual(bound.body['cnf'], { jkt });
        assert.equal(createHash('sha256').update(token).digest('base64url').length, 43);
      }
      for (const alg of ['RS256', 'ES384']) {
        const dpop = await proofFor(alg, await keyPair(alg), { htm: 'POST', htu });
        const answer = await tokenRequest(latchkey(), '/token', client, grant, { dpop });
        assert.equal(answer.body['error'], 'invalid_dpop_proof', alg);
      }
    });

    it('that is not advertised cannot be registered for tokens', async () => {
      for (const name of [
        'id_token_signed_response_alg',
        'userinfo_signed_response_alg',
        'introspection_signed_response_alg',
      ]) {
        for (const alg of ['HS256', 'none', 'PS256', 'ES384', 'ES512', 'RS1']) {
          await assert.rejects(latchkey().createClient({ [name]: alg }), invalidMetadata, `${name} ${alg}`);
        }
      }
    });
  });

  describe('every method and grant', () => {
    it('of client authentication that is not advertised is refused at registration', async () => {
      const advertised = ['client_secret_basic', 'client_secret_post', 'none', 'private_key_jwt'];
      for (const endpoint of ['token', 'introspection', 'revocation']) {
        assert.deepEqual((await list(`${endpoint}_endpoint_auth_methods_supported`)).toSorted(), advertised);
      }
      for (const method of [
        'client_secret_jwt',
        'tls_client_auth',
        'self_signed_tls_client_auth',
        'attest_jwt_client_auth',
      ]) {
        await assert.rejects(latchkey().createClient({ token_endpoint_auth_method: method }), invalidMetadata, method);
      }
    });

    it('is a grant of the token endpoint, and others are unknown to it', async () => {
      const client = await latchkey().createClient();
      for (const grant of await list('grant_types_supported')) {
        const answer = await tokenRequest(latchkey(), '/token', client, { grant_type: grant });
        assert.notEqual(answer.body['error'], 'unsupported_grant_type', grant);
        assert.ok(answer.status < 500);
      }
      for (const grant of [
        'password',
        'implicit',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
        'urn:openid:params:grant-type:ciba',
        '__proto__',
        '',
      ]) {
        const answer = await tokenRequest(latchkey(), '/token', client, { grant_type: grant });
        assert.equal(answer.body['error'], grant === '' ? 'invalid_request' : 'unsupported_grant_type', grant);
        if (!['', '__proto__'].includes(grant)) {
          await assert.rejects(latchkey().createClient({ grant_types: [grant] }), invalidMetadata, grant);
        }
      }
    });

    it('of answering is a response mode, and others are refused', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      for (const mode of await list('response_modes_supported')) {
        const browser = latchkey().browser();
        const request = authorizationRequest(latchkey().issuer, client, { response_mode: mode });
        const page = await answerPrompts(browser, await browser.get(request.url), { account });
        const fragment = new URLSearchParams(page.location?.hash.slice(1) ?? '');
        const field = page.html.querySelector('input[name=code]')?.getAttribute('value');
        const found = { query: page.params['code'], fragment: fragment.get('code'), form_post: field }[mode];
        assert.equal(typeof found, 'string', `${mode} ${page.describe()}`);
      }
      for (const mode of ['jwt', 'query.jwt', 'web_message']) {
        const page = await latchkey()
          .browser()
          .get(authorizationRequest(latchkey().issuer, client, { response_mode: mode }).url);
        assert.equal(page.params['error'], 'unsupported_response_mode', mode);
      }
    });

    it('is a prompt, and others are refused', async () => {
      const client = await latchkey().createClient();
      assert.deepEqual((await list('prompt_values_supported')).toSorted(), [
        'consent',
        'login',
        'none',
        'select_account',
      ]);
      for (const prompt of ['create', 'unknown']) {
        const page = await latchkey()
          .browser()
          .get(authorizationRequest(latchkey().issuer, client, { prompt }).url);
        assert.equal(page.params['error'], 'invalid_request', prompt);
      }
    });
  });

  describe('every claim', () => {
    it('and every scope that is advertised can be had', async () => {
      const account = await latchkey().createAccount({ email: 'everything@example.com', username: 'every_thing' });
      await latchkey()
        .app.database.em()
        .execute(
          `update account set given_name = 'Ann', middle_name = 'May', family_name = 'Lee', nickname = 'annie', gender = 'female',
             profile = 'https://ann.example/', picture = 'https://ann.example/me.png', website = 'https://ann.example/x',
             birthdate = '1990-01-02', zoneinfo = 'Europe/Berlin', locale = 'en', phone_number = '+4930123456',
             phone_number_verified_at = now(), address = '{"country":"DE"}' where id = ?`,
          [account.id],
        );
      const { organizations } = latchkey().app;
      const observatory = { slug: 'observatory', name: 'Observatory', domains: [] };
      const cause = { actor: { kind: 'cli' } } as const;
      const made = await organizations.create({ ...observatory, secondFactorRequired: false }, { kind: 'cli' }, cause);
      await organizations.add(made.id, account.id, 'member', { kind: 'cli' }, cause);
      const client = await latchkey().createClient();
      const scopes = await list('scopes_supported');
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
        account,
        // `sid` is for apps that want to be told of sign-outs, or that name it.
        params: { scope: scopes.join(' '), prompt: 'consent', claims: '{"id_token":{"sid":null}}' },
      });
      const tokens = await redeem(latchkey(), client, signedIn);
      assert.deepEqual(String(tokens.body['scope']).split(' ').toSorted(), scopes.toSorted());
      const info = await userinfo(latchkey(), tokens.body['access_token']);
      const inToken = decodeJwt(String(tokens.body['id_token']));
      const claims = await list('claims_supported');
      for (const claim of claims) {
        assert.ok(claim in info.body || claim in inToken, claim);
      }
      const extra = Object.keys(info.body).filter((claim) => !claims.includes(claim));
      assert.deepEqual(extra, [], 'nothing is told that is not advertised');
    });

    it('can be asked for by itself, and comes only with consent', async () => {
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const client = await latchkey().createClient();
      const claims = JSON.stringify({ userinfo: { name: { essential: true } }, id_token: { email: null } });
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params: { claims } });
      const tokens = await redeem(latchkey(), client, signedIn);
      assert.equal(decodeJwt(String(tokens.body['id_token']))['email'], account.email);
      const info = await userinfo(latchkey(), tokens.body['access_token']);
      assert.deepEqual(info.body, { sub: account.subject, name: 'Ann Lee' });
    });

    it('about the person stays out of access tokens and of what introspection tells', async () => {
      const account = await latchkey().createAccount();
      const client = await latchkey().createClient();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
        account,
        params: { scope: 'openid email profile' },
      });
      const tokens = await redeem(latchkey(), client, signedIn);
      const token = String(tokens.body['access_token']);
      assert.match(token, /^at_[\w-]{43}$/, 'opaque');
      const seen = await tokenRequest(latchkey(), '/token/introspection', client, { token });
      assert.equal(JSON.stringify(seen.body).includes(account.email ?? '?'), false);
    });
  });

  it('languages of the pages are those that it names', async () => {
    const client = await latchkey().createClient();
    for (const tag of await list('ui_locales_supported')) {
      const page = await latchkey()
        .browser()
        .get(authorizationRequest(latchkey().issuer, client, { ui_locales: tag }).url);
      assert.equal(page.element('html').getAttribute('lang'), tag);
    }
  });

  it('pushed requests are for their client, once', async () => {
    const client = await latchkey().createClient();
    const other = await latchkey().createClient({ redirect_uris: ['https://other.example/callback'] });
    const account = await latchkey().createAccount();
    const request = authorizationRequest(latchkey().issuer, client);
    const push = () => tokenRequest(latchkey(), '/request', client, Object.fromEntries(request.url.searchParams));
    const pushed = await push();
    assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
    const url = (clientId: string, uri: unknown) =>
      `/auth?${new URLSearchParams({ client_id: clientId, request_uri: String(uri) }).toString()}`;
    const foreign = await latchkey().browser().get(url(other.clientId, pushed.body['request_uri']));
    assert.equal(foreign.params['code'], undefined, foreign.describe());
    assert.notEqual(foreign.params['error'] ?? foreign.error, undefined, foreign.describe());
    const browser = latchkey().browser();
    const fresh = await push();
    const page = await answerPrompts(browser, await browser.get(url(client.clientId, fresh.body['request_uri'])), {
      account,
    });
    assert.equal(page.params['state'], request.state, page.describe());
    assert.equal(
      (await redeem(latchkey(), client, { code: page.params['code'] ?? '', verifier: request.verifier })).status,
      200,
    );
    const again = await browser.get(url(client.clientId, fresh.body['request_uri']));
    assert.equal(again.params['code'], undefined, again.describe());
  });
});
