// Clients that register themselves and manage their registration (RFC 7591, RFC 7592): off unless asked for, and never more than they may be.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createInitialAccessToken } from '../../../src/oidc/registration.ts';
import { authorizationRequest, redeem, signIn, tokenRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type StartOptions, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const METADATA = {
  client_name: 'New App',
  redirect_uris: ['https://new.example.com/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
};
const CLI = { actor: { kind: 'cli' } } as const;
const OPEN: StartOptions = {
  env: {
    LATCHKEY_CLIENT_REGISTRATION: 'open',
    LATCHKEY_CLIENT_REGISTRATION_APPROVAL: 'false',
    LATCHKEY_CLIENT_REGISTRATION_LIMIT: '1000',
  },
};

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function call(
  latchkey: Latchkey,
  method: string,
  path: string,
  options: { readonly token?: unknown; readonly body?: unknown } = {},
): Promise<Answer> {
  const { token, body } = options;
  const answer = await send(new URL(path, latchkey.issuer).href, {
    method,
    headers: {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${String(token)}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return {
    status: answer.status,
    body: answer.text === '' ? {} : (JSON.parse(answer.text) as Record<string, unknown>),
  };
}

function asClient({ body }: Answer): TestClient {
  return {
    clientId: String(body['client_id']),
    clientSecret: body['client_secret'] === undefined ? undefined : String(body['client_secret']),
    redirectUri: String((body['redirect_uris'] as string[])[0]),
    metadata: body,
  };
}

describeOnEachBackend('registration by the protocol, unless it is asked for', (latchkey) => {
  it('does not exist', async () => {
    const discovery = await call(latchkey(), 'GET', '/.well-known/openid-configuration');
    assert.equal(discovery.body['registration_endpoint'], undefined);
    assert.equal((await call(latchkey(), 'POST', '/reg', { body: METADATA })).status, 404);
    assert.equal((await call(latchkey(), 'GET', '/reg/x', { token: 'x' })).status, 404);
  });
});

describeOnEachBackend(
  'a client that registers itself',
  (latchkey) => {
    const register = (body: object = METADATA) => call(latchkey(), 'POST', '/reg', { body });
    const pathOf = ({ body }: Answer): string => new URL(String(body['registration_client_uri'])).pathname;

    it('gets its id and once its secret, and works at once', async () => {
      const made = await register();
      assert.equal(made.status, 201, JSON.stringify(made.body));
      assert.match(String(made.body['client_id']), /^[\w-]{22}$/);
      assert.match(String(made.body['client_secret']), /^[\w-]{43}$/);
      assert.equal(made.body['client_secret_expires_at'], 0);
      assert.ok(String(made.body['registration_client_uri']).startsWith(`${latchkey().issuer}/reg/`));
      const client = asClient(made);
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
      assert.equal((await redeem(latchkey(), client, signedIn)).status, 200);
    });

    it('is kept without its secret, which is nowhere in the database', async () => {
      const made = await register();
      const stored = await latchkey().app.clients.get(String(made.body['client_id']));
      assert.equal(stored.secretHashes.length, 1);
      assert.ok(!JSON.stringify(stored).includes(String(made.body['client_secret'])));
      assert.equal(stored.metadata.latchkey_registered, true);
      const { rows } = await latchkey().app.database.sql.query<{ action: string }>(
        { name: '', text: 'select action from audit_event where target_id = $1' },
        [made.body['client_id']],
      );
      assert.deepEqual(rows, [{ action: 'client.register' }]);
    });

    it('is asked for its consent like any other, and never taken for one of the house', async () => {
      const made = await register({
        ...METADATA,
        latchkey_first_party: true,
        latchkey_pkce_optional: true,
        latchkey_cors_origins: ['https://evil.example'],
        latchkey_access_token_ttl: 86_400,
        latchkey_test_client: true,
      });
      assert.equal(made.status, 201);
      const stored = await latchkey().app.clients.get(String(made.body['client_id']));
      const own = Object.keys(stored.metadata).filter((name) => name.startsWith('latchkey_'));
      assert.deepEqual(own, ['latchkey_registered']);
      assert.ok(Object.keys(made.body).every((name) => !name.startsWith('latchkey_')));
      const request = authorizationRequest(latchkey().issuer, asClient(made), {
        code_challenge: undefined,
        code_challenge_method: undefined,
      });
      assert.equal((await latchkey().browser().get(request.url)).params['error'], 'invalid_request');
    });

    describe('is refused', () => {
      const wrong: readonly (readonly [string, object])[] = [
        ['a redirect URI that others can read', { redirect_uris: ['http://new.example.com/cb'] }],
        ['a redirect URI with a script', { redirect_uris: ['javascript:alert(1)'], application_type: 'native' }],
        ['a redirect URI with a fragment', { redirect_uris: ['https://new.example.com/#x'] }],
        ['no redirect URI', { redirect_uris: [] }],
        ['an http address of any kind', { policy_uri: 'http://new.example.com/privacy' }],
        ['a back-channel address that is not https', { backchannel_logout_uri: 'http://10.0.0.1/logout' }],
        ['keys at an address that is not https', { jwks_uri: 'http://127.0.0.1/keys' }],
        ['implicit tokens', { response_types: ['id_token token'], grant_types: ['implicit'] }],
        ['a name that is too long', { client_name: 'x'.repeat(201) }],
        [
          'too many redirect URIs',
          { redirect_uris: Array.from({ length: 101 }, (_, n) => `https://new.example.com/${n}`) },
        ],
        ['an address that is too long', { redirect_uris: [`https://new.example.com/${'x'.repeat(2050)}`] }],
        ['a secret signed tokens need', { id_token_signed_response_alg: 'HS256' }],
        [
          'the device grant, whose codes phishers pass on',
          {
            grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
            response_types: [],
          },
        ],
      ];
      for (const [what, change] of wrong) {
        it(`with ${what}`, async () => {
          const { status, body } = await register({ ...METADATA, ...change });
          assert.equal(status, 400, JSON.stringify(body));
          assert.match(String(body['error']), /^invalid_(?:client_metadata|redirect_uri|request)$/);
        });
      }

      it('with a body that is no object, too large, or no JSON', async () => {
        for (const body of [
          '[]',
          '"x"',
          'null',
          '{',
          JSON.stringify({ ...METADATA, client_name: 'x'.repeat(60_000) }),
        ]) {
          const answer = await call(latchkey(), 'POST', '/reg', { body });
          assert.equal(answer.status, 400, body.slice(0, 20));
        }
      });
    });

    it('may use http on its own machine', async () => {
      const made = await register({ ...METADATA, redirect_uris: ['http://localhost:8123/cb', 'http://127.0.0.1/cb'] });
      assert.equal(made.status, 201, JSON.stringify(made.body));
    });

    it('may name where its sign-in starts, and is told it again', async () => {
      const uri = 'https://new.example.com/login';
      const made = await register({ ...METADATA, initiate_login_uri: uri });
      assert.equal(made.body['initiate_login_uri'], uri);
      const read = await call(latchkey(), 'GET', pathOf(made), { token: made.body['registration_access_token'] });
      assert.equal(read.status, 200);
      assert.equal(read.body['initiate_login_uri'], uri);
      assert.equal((await register({ ...METADATA, initiate_login_uri: 'http://new.example.com/login' })).status, 400);
    });

    describe('and manages its registration', () => {
      it('reads it, and no secret or hash with it', async () => {
        const made = await register();
        const token = made.body['registration_access_token'];
        const read = await call(latchkey(), 'GET', pathOf(made), { token });
        assert.equal(read.status, 200);
        assert.equal(read.body['client_name'], 'New App');
        assert.equal(read.body['client_secret'], undefined);
        assert.equal(read.body['registration_access_token'], token);
        const { secretHashes } = await latchkey().app.clients.get(String(made.body['client_id']));
        assert.ok(!JSON.stringify(read.body).includes(secretHashes[0] ?? ''));
      });

      it('changes it with a token that is new each time, and keeps its secret', async () => {
        const made = await register();
        const first = made.body['registration_access_token'];
        const change = { client_id: made.body['client_id'], ...METADATA, client_name: 'Renamed' };
        const changed = await call(latchkey(), 'PUT', pathOf(made), { token: first, body: change });
        assert.equal(changed.status, 200, JSON.stringify(changed.body));
        assert.equal(changed.body['client_name'], 'Renamed');
        assert.equal(changed.body['client_secret'], undefined);
        assert.notEqual(changed.body['registration_access_token'], first);
        assert.equal((await call(latchkey(), 'GET', pathOf(made), { token: first })).status, 401);
        const machine = asClient(made);
        const answer = await tokenRequest(latchkey(), '/token/introspection', machine, { token: 'x' });
        assert.equal(answer.status, 200);
        const stored = await latchkey().app.clients.get(machine.clientId);
        assert.equal(stored.metadata.client_name, 'Renamed');
        assert.equal(stored.metadata.latchkey_registered, true);
      });

      it('may repeat its own secret, but no other', async () => {
        const made = await register();
        const change = { client_id: made.body['client_id'], ...METADATA };
        const token = made.body['registration_access_token'];
        const wrong = await call(latchkey(), 'PUT', pathOf(made), { token, body: { ...change, client_secret: 'x' } });
        assert.deepEqual([wrong.status, wrong.body['error']], [400, 'invalid_request']);
        const hash = (await latchkey().app.clients.get(String(made.body['client_id']))).secretHashes[0];
        const hashed = await call(latchkey(), 'PUT', pathOf(made), { token, body: { ...change, client_secret: hash } });
        assert.equal(hashed.status, 400);
        const own = { ...change, client_secret: made.body['client_secret'] };
        const good = await call(latchkey(), 'PUT', pathOf(made), { token, body: own });
        assert.equal(good.status, 200, JSON.stringify(good.body));
        assert.equal(
          (await tokenRequest(latchkey(), '/token/introspection', asClient(made), { token: 'x' })).status,
          200,
        );
      });

      it('gets a secret, once, when it begins to need one', async () => {
        const made = await register({ ...METADATA, token_endpoint_auth_method: 'none' });
        assert.equal(made.body['client_secret'], undefined);
        const body = {
          client_id: made.body['client_id'],
          ...METADATA,
          token_endpoint_auth_method: 'client_secret_basic',
        };
        const token = made.body['registration_access_token'];
        const changed = await call(latchkey(), 'PUT', pathOf(made), { token, body });
        assert.equal(changed.status, 200, JSON.stringify(changed.body));
        assert.match(String(changed.body['client_secret']), /^[\w-]{43}$/);
        const answer = await tokenRequest(latchkey(), '/token/introspection', asClient(changed), { token: 'x' });
        assert.equal(answer.status, 200);
      });

      it('cannot take what only an administrator gives, nor lose it', async () => {
        const made = await register();
        const id = String(made.body['client_id']);
        await latchkey().app.clients.update(id, { latchkey_access_token_ttl: 60 }, CLI);
        const body = { client_id: id, ...METADATA, latchkey_first_party: true, latchkey_access_token_ttl: 86_400 };
        const token = made.body['registration_access_token'];
        assert.equal((await call(latchkey(), 'PUT', pathOf(made), { token, body })).status, 200);
        const { metadata } = await latchkey().app.clients.get(id);
        assert.equal(metadata.latchkey_access_token_ttl, 60);
        assert.equal(metadata.latchkey_first_party, undefined);
      });

      it('ends it, and is nobody afterwards', async () => {
        const made = await register();
        const token = made.body['registration_access_token'];
        assert.equal((await call(latchkey(), 'DELETE', pathOf(made), { token })).status, 204);
        assert.equal(await latchkey().app.clients.find(String(made.body['client_id'])), null);
        assert.equal((await call(latchkey(), 'GET', pathOf(made), { token })).status, 401);
        assert.equal(
          (await tokenRequest(latchkey(), '/token', asClient(made), { grant_type: 'refresh_token' })).status,
          401,
        );
      });

      it('of another client is out of reach, and the token that tried is gone', async () => {
        const [mine, other] = [await register(), await register()];
        const token = mine.body['registration_access_token'];
        for (const [method, body] of [
          ['GET', undefined],
          ['PUT', { client_id: other.body['client_id'], ...METADATA }],
          ['DELETE', undefined],
        ] as const) {
          assert.equal((await call(latchkey(), method, pathOf(other), { token, body })).status, 401);
        }
        assert.equal((await call(latchkey(), 'GET', pathOf(mine), { token })).status, 401);
      });

      it('without a token, or with one of another kind, is refused', async () => {
        const made = await register();
        assert.ok((await call(latchkey(), 'GET', pathOf(made))).status >= 400);
        const account = await latchkey().createAccount();
        const client = asClient(made);
        const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
        const { access_token: token } = (await redeem(latchkey(), client, signedIn)).body;
        assert.equal((await call(latchkey(), 'GET', pathOf(made), { token })).status, 401);
      });
    });

    it('cannot manage a client that was registered otherwise', async () => {
      const client = await latchkey().createClient();
      const made = await register();
      const token = made.body['registration_access_token'];
      assert.equal((await call(latchkey(), 'GET', `/reg/${client.clientId}`, { token })).status, 401);
    });
  },
  OPEN,
);

describeOnEachBackend(
  'registrations of one network',
  (latchkey) => {
    it('end for an hour after so many', async () => {
      const statuses: number[] = [];
      for (let count = 0; count < 5; count += 1) {
        statuses.push((await call(latchkey(), 'POST', '/reg', { body: METADATA })).status);
      }
      assert.deepEqual(statuses, [201, 201, 201, 429, 429]);
      const refused = await send(`${latchkey().issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify(METADATA),
      });
      assert.match(refused.headers['retry-after'] ?? '', /^\d+$/);
      assert.equal((JSON.parse(refused.text) as { error: string }).error, 'too_many_requests');
    });
  },
  { env: { ...OPEN.env, LATCHKEY_CLIENT_REGISTRATION_LIMIT: '3' } },
);

describeOnEachBackend(
  'a registration that needs an administrator’s approval',
  (latchkey) => {
    it('is stored, can be read by its client, and can do nothing else until it was approved', async () => {
      const made = await call(latchkey(), 'POST', '/reg', { body: METADATA });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const client = asClient(made);
      const path = new URL(String(made.body['registration_client_uri'])).pathname;
      const read = await call(latchkey(), 'GET', path, { token: made.body['registration_access_token'] });
      assert.equal(read.status, 200);
      const { url } = authorizationRequest(latchkey().issuer, client);
      const page = await latchkey().browser().get(url);
      assert.deepEqual([page.id, page.error, page.location], ['error', 'unauthorized-client', null]);
      const answer = await tokenRequest(latchkey(), '/token', client, {
        grant_type: 'refresh_token',
        refresh_token: 'x',
      });
      assert.deepEqual([answer.status, answer.body['error']], [400, 'unauthorized_client']);

      // A change by itself does not lift it.
      const body = { client_id: client.clientId, ...METADATA, client_name: 'Renamed' };
      const token = read.body['registration_access_token'];
      assert.equal((await call(latchkey(), 'PUT', path, { token, body })).status, 200);
      assert.equal((await latchkey().browser().get(url)).error, 'unauthorized-client');

      await latchkey().app.clients.update(client.clientId, { latchkey_quarantined: null }, CLI);
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
      assert.equal((await redeem(latchkey(), client, signedIn)).status, 200);
    });
  },
  { env: { LATCHKEY_CLIENT_REGISTRATION: 'open' } },
);

describeOnEachBackend(
  'registration with an initial access token',
  (latchkey) => {
    const newToken = (ttl = 600) => createInitialAccessToken(latchkey().app.engine.provider, ttl);
    const register = (token?: string) =>
      call(latchkey(), 'POST', '/reg', token === undefined ? { body: METADATA } : { body: METADATA, token });

    it('is refused without one, or with one that nobody made', async () => {
      assert.equal((await register()).status, 401);
      assert.equal((await register('made-up')).status, 401);
    });

    it('works once for each token, also when it is sent many times at the same moment', async () => {
      const token = await newToken();
      const answers = await Promise.all(Array.from({ length: 10 }, () => register(token)));
      assert.deepEqual(answers.map((one) => one.status).toSorted(), [201, ...Array.from({ length: 9 }, () => 401)]);
      assert.equal((await register(token)).status, 401);
      assert.equal((await register(await newToken())).status, 201);
    });

    it('leaves the management of the client as it is', async () => {
      const made = await register(await newToken());
      const path = new URL(String(made.body['registration_client_uri'])).pathname;
      const body = { client_id: made.body['client_id'], ...METADATA, client_name: 'Renamed' };
      const changed = await call(latchkey(), 'PUT', path, { token: made.body['registration_access_token'], body });
      assert.equal(changed.status, 200, JSON.stringify(changed.body));
      const again = await call(latchkey(), 'PUT', path, { token: changed.body['registration_access_token'], body });
      assert.equal(again.status, 200, JSON.stringify(again.body));
    });
  },
  {
    env: {
      LATCHKEY_CLIENT_REGISTRATION: 'token',
      LATCHKEY_CLIENT_REGISTRATION_APPROVAL: 'false',
      LATCHKEY_CLIENT_REGISTRATION_LIMIT: '1000',
    },
  },
);
