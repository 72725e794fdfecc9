// What every kind of answer carries, so that browsers protect people on every page of ours, also on those that the engine writes.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, redeem, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, startLatchkey, TEST_PASSWORD } from '../support/server.ts';
import { type PlainAnswer, send } from '../support/web.ts';

const BASE = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
];

function assertProtected(answer: Page | PlainAnswer, what: string, policy: readonly string[]): void {
  const { headers } = answer;
  assert.deepEqual((headers['content-security-policy'] ?? '').split(/; */).toSorted(), policy.toSorted(), what);
  assert.equal(headers['referrer-policy'], 'same-origin', what);
  assert.equal(headers['x-content-type-options'], 'nosniff', what);
  assert.equal(headers['x-frame-options'], 'DENY', what);
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin-allow-popups', what);
  assert.equal(headers['cache-control'], 'no-store', what);
  assert.match(headers['permissions-policy'] ?? '', /camera=\(\)/, what);
  assert.match(headers['x-request-id'] ?? '', /^[\w-]{12}$/, what);
  assert.equal(headers['x-powered-by'], undefined, what);
  assert.equal(headers['server'], undefined, what);
  assert.equal(headers['strict-transport-security'], undefined, what);
}

describeOnEachBackend('the security headers', (latchkey) => {
  it('stand on every page that a sign-in can meet, without form-action where the way leads to the client', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
    const wrong = await browser.submit(login, { login: account.email ?? '', password: 'not the right one' });
    const consent = await browser.submit(wrong, { login: account.email ?? '', password: TEST_PASSWORD });
    await answerPrompts(browser, consent, {});
    const open = (params: Record<string, string | undefined>) =>
      browser.get(authorizationRequest(latchkey().issuer, client, params).url);
    const pages: Record<string, Page> = {
      login,
      'login after a mistake': wrong,
      consent,
      reauthenticate: await open({ prompt: 'login' }),
      'select-account': await open({ prompt: 'select_account' }),
      logout: await browser.get('/session/end'),
      'logged-out': await browser.get('/session/end/success'),
      'interaction that is over': await browser.get(login.url),
      'error of the engine': await open({ redirect_uri: 'https://evil.example/' }),
      'page that does not exist': await browser.get('/does/not/exist'),
    };
    for (const [name, page] of Object.entries(pages)) {
      assert.notEqual(page.id, null, page.describe());
      assertProtected(page, name, BASE);
    }
    for (const page of browser.visited.filter((one) => one.status >= 300 && one.status < 400)) {
      assertProtected(page, page.describe(), BASE);
    }
  });

  it('keep forms at home on pages that never lead away', async () => {
    const browser = latchkey().browser();
    for (const path of ['/', new URL(await latchkey().app.setupLink()).pathname]) {
      const page = await browser.get(path);
      assertProtected(page, path, [...BASE, "form-action 'self'"]);
    }
  });

  it('let the engine’s own script run by its hash alone', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const request = authorizationRequest(latchkey().issuer, client, { response_mode: 'form_post' });
    const page = await answerPrompts(browser, await browser.get(request.url), { account });
    const policy = (page.headers['content-security-policy'] ?? '').split(/; */);
    const scripts = policy.find((part) => part.startsWith('script-src')) ?? '';
    assert.match(scripts, /^script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}'$/);
    assertProtected(page, 'form post', [...BASE.filter((part) => !part.startsWith('script-src')), scripts]);
  });

  it('stand on answers for programs, which are not kept anywhere', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const tokens = await redeem(
      latchkey(),
      client,
      await signIn(latchkey(), latchkey().browser(), client, { account }),
    );
    assert.match(tokens.headers['cache-control'] ?? '', /no-store/);
    const bearer = { authorization: `Bearer ${String(tokens.body['access_token'])}` };
    for (const [path, headers] of [
      ['/me', bearer],
      ['/me', {}],
      ['/token', {}],
      ['/livez', {}],
      ['/does-not-exist', { accept: 'application/json' }],
    ] as const) {
      const answer = await send(latchkey().issuer + path, { headers });
      assertProtected(answer, path, BASE);
      if (answer.status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/);
    }
  });

  it('load nothing from elsewhere: no page names another origin in a tag', async () => {
    const client = await latchkey().createClient();
    const browser = latchkey().browser();
    await browser.get(authorizationRequest(latchkey().issuer, client).url);
    await browser.get('/');
    await browser.get('/nothing');
    for (const page of browser.visited.filter((one) => one.id !== null)) {
      for (const tag of page.html.querySelectorAll('script, link, img, iframe, object, embed, source, video')) {
        const address = tag.getAttribute('src') ?? tag.getAttribute('href') ?? '/';
        assert.match(address, /^\/(?!\/)/, `${page.describe()} ${tag.outerHTML}`);
        assert.equal(
          tag.rawTagName === 'script' && tag.textContent.trim() !== '',
          false,
          'no script in the page itself',
        );
      }
      for (const tag of page.html.querySelectorAll('*')) {
        const inline = Object.keys(tag.attributes).filter((name) => name === 'style' || name.startsWith('on'));
        assert.deepEqual(inline, [], `${page.describe()} ${tag.outerHTML.slice(0, 100)}`);
      }
    }
  });

  it('let assets be kept for ever, by names that change with them', async () => {
    const page = await latchkey().browser().get('/');
    const assets = page.html
      .querySelectorAll('link[href], script[src]')
      .map((tag) => tag.getAttribute('src') ?? tag.getAttribute('href') ?? '');
    assert.ok(assets.length > 0);
    for (const path of assets) {
      const answer = await send(latchkey().issuer + path);
      assert.equal(answer.status, 200, path);
      assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable', path);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', path);
      assert.deepEqual(answer.cookies, [], 'an asset sets no cookie');
    }
  });
});

it('behind a proxy that speaks https every cookie is Secure, and those for the whole host say so by name', async (context) => {
  const latchkey = await startLatchkey({
    env: {
      LATCHKEY_ISSUER: 'https://id.example.com',
      LATCHKEY_TRUSTED_PROXIES: '1',
      LATCHKEY_SMTP_URL: 'smtps://mail.example.com',
      LATCHKEY_MAIL_FROM: 'no-reply@example.com',
      LATCHKEY_ANSWER_FLOOR_MS: undefined,
      LATCHKEY_ANSWER_JITTER_MS: undefined,
    },
  });
  context.after(() => latchkey.stop());
  const client = await latchkey.createClient();
  const account = await latchkey.createAccount();
  const { app, env } = latchkey;
  const local = `http://127.0.0.1:${env['LATCHKEY_PORT']}`;
  const proxied = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.5', host: 'id.example.com' };
  const cookies = new Map<string, string>();
  const lines: string[] = [];
  const call = async (path: string, body?: string) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await send(local + path, {
      headers: {
        ...proxied,
        ...(cookie === '' ? {} : { cookie }),
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://id.example.com' }),
      },
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    for (const line of answer.cookies) {
      const [pair = ''] = line.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
      lines.push(line);
    }
    return answer;
  };
  const path = (answer: PlainAnswer) => new URL(answer.headers['location'] ?? '', 'https://id.example.com');

  const { url } = authorizationRequest('https://id.example.com', client);
  const begun = await call(url.pathname + url.search);
  assert.equal(path(begun).origin, 'https://id.example.com');
  const login = await call(path(begun).pathname);
  const csrf = /name="csrf" value="([^"]+)"/.exec(login.text)?.[1] ?? '';
  const form = new URLSearchParams({ csrf, login: account.email ?? '', password: TEST_PASSWORD, remember: 'on' });
  const done = await call(`${path(begun).pathname}/login`, form.toString());
  assert.equal(done.status, 303);
  const resumed = await call(path(done).pathname);
  assert.equal(resumed.status, 303);
  assert.equal(path(resumed).origin, 'https://id.example.com');

  assert.ok(lines.length >= 6, lines.join('\n'));
  for (const line of lines) {
    assert.match(line, /; secure/i, line);
    assert.match(line, /; httponly/i, line);
    assert.match(line, /; samesite=lax/i, line);
    assert.doesNotMatch(line, /domain=/i, line);
    const isForPath = /^latchkey_(interaction|resume)/.test(line);
    assert.equal(line.startsWith('__Host-'), !isForPath, line);
    if (!isForPath) assert.match(line, /; path=\/(;|$)/, line);
  }

  // The classic of a first day: the proxy does not say that it speaks https.
  const silent = await send(local + url.pathname + url.search, { headers: { host: 'id.example.com' } });
  assert.equal(silent.status, 500);
  assert.match(silent.text, /X-Forwarded-Proto/);
  assert.match(silent.text, /LATCHKEY_TRUSTED_PROXIES/);
  assert.match(silent.text, /data-error="missing-forwarded-proto"/);
  assert.equal(await app.isHealthy(), true);
});
