// Somebody has a copy of the database and of Redis: after whole rounds of signing in, nothing in it signs anybody in (requirements T8).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { dumpKeys } from '../support/redis.ts';
import { authorizationRequest, redeem, refresh, signIn, tokenRequest } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, TEST_SECRET } from '../support/server.ts';

describeOnEachBackend('a stolen copy of all storage', (latchkey) => {
  /** Every row of every table and every key, as text; binary columns in every spelling that a thief would try. */
  async function dump(): Promise<string> {
    const em = latchkey().app.database.em();
    const tables = await em.execute<{ name: string }[]>(
      "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    );
    assert.ok(tables.length > 10);
    const parts: string[] = [];
    for (const { name } of tables) {
      const rows = await em.execute<Record<string, unknown>[]>(`select * from "${name}"`);
      for (const row of rows) {
        for (const value of Object.values(row)) {
          if (value instanceof Uint8Array) {
            const bytes = Buffer.from(value);
            for (const encoding of ['latin1', 'utf8', 'hex', 'base64', 'base64url'] as const)
              parts.push(bytes.toString(encoding));
          } else {
            parts.push(typeof value === 'string' ? value : JSON.stringify(value));
          }
        }
      }
    }
    if (latchkey().app.loaded.settings.redis.kind !== 'none') {
      const keys = await dumpKeys(latchkey().keyPrefix);
      assert.ok(keys.length > 1000, 'Redis holds something');
      parts.push(keys);
    }
    return parts.join('\n');
  }

  it('holds no token, code, cookie, id, password, secret or key in clear', async () => {
    const client = await latchkey().createClient();
    const spa = await latchkey().createClient({ token_endpoint_auth_method: 'none' });
    const account = await latchkey().createAccount({ email: 'dumped@example.com' });
    const browser = latchkey().browser();
    const secrets: Record<string, string> = {
      password: TEST_PASSWORD,
      'master secret': TEST_SECRET,
      'client secret': client.clientSecret ?? '',
    };
    const keep = (what: string, value: unknown) => {
      assert.ok(typeof value === 'string' && value.length >= 12, `${what}: ${JSON.stringify(value)}`);
      secrets[what] = value;
    };
    const offline = { scope: 'openid email offline_access', prompt: 'consent', nonce: 'a nonce that nobody else has' };

    const signedIn = await signIn(latchkey(), browser, client, { account, remember: true, params: offline });
    keep('used code', signedIn.code);
    keep('state', signedIn.state);
    keep('verifier', signedIn.verifier);
    const tokens = await redeem(latchkey(), client, signedIn);
    const refreshed = await refresh(latchkey(), client, tokens.body['refresh_token']);
    for (const [when, answer] of Object.entries({ first: tokens, second: refreshed })) {
      keep(`${when} access token`, answer.body['access_token']);
      keep(`${when} refresh token`, answer.body['refresh_token']);
      keep(`${when} ID token`, answer.body['id_token']);
    }
    const own = await tokenRequest(latchkey(), '/token', await clientForItself(), { grant_type: 'client_credentials' });
    keep('token of a client', own.body['access_token']);

    const unused = await signIn(latchkey(), browser, spa, { account, params: offline });
    keep('unused code', unused.code);
    const pushed = await tokenRequest(
      ...([
        latchkey(),
        '/request',
        client,
        Object.fromEntries(authorizationRequest(latchkey().issuer, client).url.searchParams),
      ] as const),
    );
    keep('pushed request', String(pushed.body['request_uri']).split(':').at(-1));
    const open = latchkey().browser();
    const login = await open.get(authorizationRequest(latchkey().issuer, client).url);
    keep('open interaction', login.url.pathname.split('/').at(-1));
    keep('form token', login.element('input[name=csrf]').getAttribute('value'));
    keep('setup link', (await latchkey().app.setupLink()).split('/').at(-1));
    for (const cookie of [...(await browser.cookies()), ...(await open.cookies())]) {
      // A language, a theme, and the name of a method: no secrets.
      if (['latchkey_locale', 'latchkey_theme', 'latchkey_last_way'].includes(cookie.name)) continue;
      keep(`cookie ${cookie.name} ${cookie.path}`, cookie.value);
    }
    assert.ok(Object.keys(secrets).some((name) => name.startsWith('cookie latchkey_session')));
    assert.ok(Object.keys(secrets).some((name) => name.startsWith('cookie latchkey_interaction')));
    for (const key of await latchkey().app.keys.listSigningKeys()) keep(`private key ${key.alg}`, key.d);
    for (const [index, key] of (await latchkey().app.keys.listCookieKeys()).entries()) keep(`cookie key ${index}`, key);

    const stolen = await dump();
    // The copy is a good one: what may be read is found in it.
    for (const visible of ['dumped@example.com', client.clientId, account.id, '$argon2id$'])
      assert.ok(stolen.includes(visible), visible);
    for (const [what, value] of Object.entries(secrets)) {
      for (const [how, spelling] of Object.entries({
        clear: value,
        hex: Buffer.from(value).toString('hex'),
        base64: Buffer.from(value).toString('base64').replace(/=+$/, ''),
        url: encodeURIComponent(value),
      })) {
        assert.equal(stolen.includes(spelling), false, `${what}, ${how}`);
      }
    }
  });

  it('cannot be used as what it is a copy of: no stored value is taken for a token, a code or a cookie', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      params: { scope: 'openid offline_access', prompt: 'consent' },
    });
    await redeem(latchkey(), client, signedIn);
    const values = new Set((await dump()).match(/[A-Za-z0-9_-]{43}/g) ?? []);
    assert.ok(values.size > 5);
    for (const value of [...values].slice(0, 60)) {
      for (const token of [value, `at_${value}`, `rt_${value}`, `cc_${value}`]) {
        const seen = await tokenRequest(latchkey(), '/token/introspection', client, { token });
        assert.equal(seen.body['active'], false, token);
      }
      const code = await redeem(latchkey(), client, { code: value, verifier: signedIn.verifier });
      assert.equal(code.body['error'], 'invalid_grant');
      const refreshedWith = await refresh(latchkey(), client, `rt_${value}`);
      assert.equal(refreshedWith.body['error'], 'invalid_grant');
    }
    for (const value of [...values].slice(0, 20)) {
      const thief = latchkey().browser();
      await thief.jar.setCookie(`latchkey_session=${value}; path=/`, latchkey().issuer);
      const page = await thief.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
      assert.equal(page.params['error'], 'login_required');
    }
  });

  it('has a log beside it that tells no more', async () => {
    const log = latchkey().logLines.join('\n');
    assert.ok(latchkey().logLines.length > 50);
    for (const secret of [TEST_PASSWORD, TEST_SECRET, 'dumped@example.com'])
      assert.equal(log.includes(secret), false, secret);
    // Tokens, codes, ids of interactions and links are 43 characters of base64url, tokens with a mark in front, and nothing else that we log is.
    assert.deepEqual(log.match(/(?<![\w-])(?:[a-z]{2}_)?[\w-]{43}(?![\w-])/g) ?? [], []);
  });

  function clientForItself() {
    return latchkey().createClient({ grant_types: ['client_credentials'], response_types: [], redirect_uris: [] });
  }
});
