// What a real process prints: for people one announcement, for machines lines of JSON, and not one NOTICE or WARNING of a library, which
// would mean that one of its unsafe defaults is in use.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Browser } from '../support/browser-client.ts';
import { type Environment, runForJson, startLatchkey, temporaryFolder } from '../support/process.ts';
import {
  answerPrompts,
  authorizationRequest,
  redeem,
  refresh,
  tokenRequest,
  userinfo,
} from '../support/relying-party.ts';
import { TEST_PASSWORD, type TestClient } from '../support/server.ts';

/** Secrets and everything that libraries say when they are not content. */
const FORBIDDEN =
  /NOTICE|WARNING|Warning:|Deprecat|ExperimentalWarning|(?<![\w-])oidc-provider[: ]|MaxListeners|punycode/;

it('a whole round prints nothing but the announcement and JSON', async () => {
  const env: Environment = { LATCHKEY_DATA_DIR: temporaryFolder(), LATCHKEY_LOG_LEVEL: 'debug' };
  const server = await startLatchkey(env);
  const latchkey = { issuer: server.issuer };
  const client = await newClient({ token_endpoint_auth_method: 'client_secret_basic' });
  const spa = await newClient({ token_endpoint_auth_method: 'none' });
  await runForJson(['account', 'create', '--email', 'ann@example.com', '--password-stdin', '--verified'], {
    env: server.env,
    input: TEST_PASSWORD,
  });
  const account = { email: 'ann@example.com', username: null };

  for (const one of [client, spa]) {
    const browser = new Browser(server.issuer);
    const request = authorizationRequest(server.issuer, one, {
      scope: 'openid profile email offline_access',
      prompt: 'consent',
    });
    const page = await answerPrompts(browser, await browser.get(request.url), { account });
    const tokens = await redeem(latchkey, one, { code: page.params['code'] ?? '', verifier: request.verifier });
    assert.equal(tokens.status, 200, `${page.describe()} ${JSON.stringify(tokens.body)}`);
    assert.equal((await userinfo(latchkey, tokens.body['access_token'])).status, 200);
    const refreshed = await refresh(latchkey, one, tokens.body['refresh_token']);
    assert.equal(refreshed.status, 200);
    const token = String(refreshed.body['access_token']);
    await tokenRequest(latchkey, '/token/introspection', one, { token });
    await tokenRequest(
      latchkey,
      '/request',
      one,
      Object.fromEntries(authorizationRequest(server.issuer, one).url.searchParams),
    );
    await tokenRequest(latchkey, '/token/revocation', one, { token });
    await redeem(latchkey, one, { code: 'wrong', verifier: 'wrong' });
    for (const params of [
      { prompt: 'login' },
      { prompt: 'select_account' },
      { redirect_uri: 'https://evil.example/' },
      { max_age: '0' },
    ]) {
      await browser.get(authorizationRequest(server.issuer, one, params).url);
    }
    const question = await browser.get('/session/end');
    await browser.submit(question, {}, { button: ['decision', 'allow'] });
    for (const path of [
      '/',
      '/nothing',
      '/livez',
      '/.well-known/openid-configuration',
      '/jwks',
      '/setup',
      '/session/end/success',
    ]) {
      await browser.get(path);
    }
    // From a browser's script.
    const origin = 'https://app.example.com';
    await tokenRequest(latchkey, '/token', one, { grant_type: 'refresh_token', refresh_token: 'x' }, { origin });
  }
  await server.stop();

  const [announcement = '', ...rest] = server.stdout().split('\n');
  assert.match(announcement, /^Latchkey \d+\.\d+\.\d+ is ready: http:\/\/localhost:\d+$/);
  assert.match(rest.join('\n'), /^\n.*no administrator.*\n\n {2}http:\/\/localhost:\d+\/setup\/[\w-]{43}\n\n$/s);
  const lines = server.stderr().split('\n').filter(Boolean);
  assert.ok(lines.length > 40, 'the log was on');
  for (const line of lines) {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string };
    assert.ok(['debug', 'info', 'warn'].includes(level), line);
    assert.equal(typeof msg, 'string');
  }
  assert.doesNotMatch(server.stdout() + server.stderr(), FORBIDDEN);

  async function newClient(metadata: object): Promise<TestClient> {
    const whole = {
      client_name: 'Test app',
      redirect_uris: ['https://app.example.com/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    };
    const made = await runForJson<Record<string, unknown>>(['client', 'create', '--file', '-'], {
      env: server.env,
      input: JSON.stringify(whole),
    });
    return {
      clientId: String(made['client_id']),
      clientSecret: made['client_secret'] === undefined ? undefined : String(made['client_secret']),
      redirectUri: 'https://app.example.com/callback',
      metadata: whole,
    };
  }
});
