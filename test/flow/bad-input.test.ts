// Malformed, oversized and hostile requests: 4xx with a stable code and a request id, at once, with nothing lost; and the server goes on.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { authorizationRequest, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../support/server.ts';
import { type PlainAnswer, send } from '../support/web.ts';

const FORM = 'application/x-www-form-urlencoded';

describeOnEachBackend('hostile input', (latchkey) => {
  let checkedLines = 0;
  /** Whatever was sent: nobody was answered 5xx, nothing is in the log that an operator must look at, the server is well. */
  afterEach(async () => {
    const lines = latchkey().logLines.slice(checkedLines);
    checkedLines = latchkey().logLines.length;
    for (const line of lines) {
      const { level, status } = JSON.parse(line) as { level: string; status?: number };
      // 501 is how methods are refused that nobody knows.
      assert.ok(!['error', 'fatal'].includes(level) && ((status ?? 0) < 500 || status === 501), line);
    }
    assert.equal((await send(`${latchkey().issuer}/readyz`)).status, 200);
  });

  /** The stable code of a refusal, from a page, JSON, or a redirect to the client. */
  function codeOf(answer: PlainAnswer | Page): string | null {
    // A form that is given back, and the set-up that is over, are pages of their own.
    const inPage = /data-error="([^"]+)"/.exec(answer.text) ?? /data-page="([^"]+)"/.exec(answer.text);
    if (inPage?.[1] !== undefined) return inPage[1];
    const { location } = answer.headers;
    if (location !== undefined) return new URL(location, latchkey().issuer).searchParams.get('error');
    return answer.headers['content-type']?.startsWith('application/json')
      ? String((JSON.parse(answer.text) as { error?: string }).error)
      : null;
  }

  function assertRefused(answer: PlainAnswer | Page, what: string): void {
    assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
    assert.match(codeOf(answer) ?? '', /^[a-z]+([-_][a-z]+)*$/, what);
    assert.match(answer.headers['x-request-id'] ?? '', /^[\w-]{12}$/, what);
    assert.doesNotMatch(answer.text, /node_modules|\.ts:\d|select .* from|SyntaxError|URIError/, what);
  }

  /** Sends a large body and reads the answer, also when the server stops reading before all of it has arrived. */
  function sendLarge(path: string, body: Buffer, headers: Record<string, string>): Promise<PlainAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(new URL(path, latchkey().issuer), {
        method: 'POST',
        agent: false,
        headers: { 'content-type': FORM, 'content-length': String(body.length), ...headers },
      });
      let failure: unknown;
      outgoing.on('error', (error) => {
        failure = error;
      });
      let isAnswered = false;
      outgoing.on('response', (answer) => {
        isAnswered = true;
        const chunks: Buffer[] = [];
        const done = () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers as Record<string, string>,
            cookies: [],
            text,
          });
        };
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', done);
        answer.on('error', done);
      });
      outgoing.on('close', () => {
        if (!isAnswered) reject(failure instanceof Error ? failure : new Error('closed without an answer'));
      });
      outgoing.end(body);
    });
  }

  /** Bytes as they are written on the wire. */
  function sendRaw(bytes: string | Buffer): Promise<string> {
    const { port } = new URL(latchkey().issuer);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1');
      let text = '';
      socket.setEncoding('latin1');
      socket.on('data', (chunk: string) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
      });
      socket.write(bytes);
    });
  }

  async function openLogin(): Promise<{ browser: Browser; login: Page; client: TestClient; cookie: string }> {
    const client = await latchkey().createClient();
    const browser = latchkey().browser();
    const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
    assert.equal(login.id, 'login');
    return { browser, login, client, cookie: await browser.jar.getCookieString(login.url.href) };
  }

  describe('that is too large', () => {
    it('a password of 10 MB is refused unread, and the page still works', async () => {
      const { browser, login, cookie } = await openLogin();
      const account = await latchkey().createAccount();
      const csrf = login.element('input[name=csrf]').getAttribute('value') ?? '';
      const body = Buffer.from(`csrf=${csrf}&login=${account.email}&password=${'x'.repeat(10_000_000)}`);
      const answer = await sendLarge(`${login.url.pathname}/login`, body, { cookie, 'sec-fetch-site': 'same-origin' });
      assertRefused(answer, '10 MB');
      assert.equal(answer.status, 413);
      assert.equal(codeOf(answer), 'too-large');
      const page = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(page.id, 'consent', page.describe());
    });

    it('so is everything else of that size, wherever it is posted', async () => {
      const body = Buffer.from(`state=${'x'.repeat(1_000_000)}`);
      for (const path of [
        '/token',
        '/token/introspection',
        '/token/revocation',
        '/request',
        '/me',
        '/language',
        '/session/end/confirm',
      ]) {
        const answer = await sendLarge(path, body, {});
        assertRefused(answer, path);
        assert.ok([400, 413].includes(answer.status), `${path}: ${answer.status}`);
      }
    });

    it('64 KiB of headers, a state of 1 MB and an endless path are refused by a short answer', async () => {
      const client = await latchkey().createClient();
      const { url } = authorizationRequest(latchkey().issuer, client, { state: 's'.repeat(1_000_000) });
      for (const bytes of [
        `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(65_536)}\r\n\r\n`,
        `GET / HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 1500 }, (_, index) => `X-H${index}: ${'y'.repeat(40)}\r\n`).join('')}\r\n`,
        `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'a=b; '.repeat(13_000)}\r\n\r\n`,
        `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\n\r\n`,
        `GET /${'p'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      ]) {
        const text = await sendRaw(bytes);
        assert.match(text, /^HTTP\/1\.1 431 /, text.slice(0, 200));
        assert.match(text, /connection: close/i);
        assert.match(text, /x-request-id: [\w-]{12}/i);
        assert.ok(text.length < 2000);
      }
    });

    it('what is just small enough works: a long state comes back byte for byte', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const state = 's'.repeat(8000);
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
        account,
        params: { state, nonce: 'n'.repeat(384) },
      });
      assert.equal(signedIn.page.params['state'], state);
    });
  });

  describe('that is no HTTP', () => {
    it('is refused and the connection closed', async () => {
      for (const bytes of [
        'GARBAGE\r\n\r\n',
        'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
        'GET / HTTP/1.1\r\n\r\n',
        'GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n',
        'GET /\u0000 HTTP/1.1\r\nHost: x\r\n\r\n',
        'POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
        'POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
        Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
      ]) {
        const text = await sendRaw(bytes);
        assert.match(text, /^HTTP\/1\.1 400 /, `${JSON.stringify(bytes)} ${text.slice(0, 200)}`);
      }
    });

    it('or a method that nobody knows gets 404, 405 or 501 without a word more', async () => {
      for (const method of ['TRACE', 'PROPFIND', 'PUT', 'DELETE', 'PATCH']) {
        for (const path of ['/', '/token', '/auth', '/jwks', '/session/end', '/interaction/x', '/setup/x']) {
          const answer = await send(`${latchkey().issuer}${path}`, { method });
          assert.ok([400, 404, 405, 501].includes(answer.status), `${method} ${path}: ${answer.status}`);
        }
      }
    });
  });

  describe('that is broken or odd', () => {
    const ODD = [
      '\0',
      'a\0b',
      '\u{10ffff}',
      '\u202e',
      "' or 1=1 --",
      '../../etc/passwd',
      '${7*7}',
      '<script>',
      '__proto__',
      '\r\nX: y',
    ];
    const BROKEN = ['%ff%fe', '%00', '%zz', '%', '%u0041', '%c0%ae', '%ed%a0%80'];

    it('in the parameters of an authorization request is refused, or harmless', async () => {
      const client = await latchkey().createClient();
      const base = authorizationRequest(latchkey().issuer, client).url;
      const names = [
        ...base.searchParams.keys(),
        'login_hint',
        'ui_locales',
        'prompt',
        'max_age',
        'claims',
        'acr_values',
        'id_token_hint',
        'request',
        'resource',
      ];
      for (const name of names) {
        const others = new URLSearchParams(base.search);
        others.delete(name);
        for (const value of [...ODD.map(encodeURIComponent), ...BROKEN]) {
          const answer = await send(`${latchkey().issuer}/auth?${others.toString()}&${name}=${value}`);
          assert.ok(answer.status < 500 && answer.status !== 200, `${name}=${value}: ${answer.status}`);
          if (answer.status >= 400) assertRefused(answer, `${name}=${value}`);
        }
      }
    });

    it('in the body of a request for tokens is refused', async () => {
      const client = await latchkey().createClient();
      const pair = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
      const good = pair(client.clientId, client.clientSecret ?? '');
      for (const [path, body] of [
        ['/token', 'grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&code='],
        ['/token', 'grant_type=authorization_code&code=x&redirect_uri='],
        [
          '/token',
          'grant_type=authorization_code&code=x&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&code_verifier=',
        ],
        ['/token', 'grant_type=refresh_token&refresh_token='],
        ['/token', 'grant_type='],
        ['/token', 'grant_type=client_credentials&scope='],
      ] as const) {
        for (const value of [...ODD.map(encodeURIComponent), ...BROKEN]) {
          const answer = await send(`${latchkey().issuer}${path}`, {
            method: 'POST',
            headers: { 'content-type': FORM, authorization: good },
            body: body + value,
          });
          assertRefused(answer, `${body}${value}`);
        }
      }
      for (const value of [...ODD.map(encodeURIComponent), ...BROKEN]) {
        for (const path of ['/token/introspection', '/token/revocation']) {
          const answer = await send(`${latchkey().issuer}${path}`, {
            method: 'POST',
            headers: { 'content-type': FORM, authorization: good },
            body: `token=${value}`,
          });
          // A token that is none is inactive, and revoked already.
          assert.ok(
            answer.status === 200 || (answer.status >= 400 && answer.status < 500),
            `${path} ${value}: ${answer.status}`,
          );
        }
      }
      for (const authorization of [
        ...ODD.map((value) => pair(encodeURIComponent(value), 'x')),
        ...BROKEN.map((value) => pair(value, value)),
        ...['Basic', 'Basic ', 'Basic !!!', 'Basic Og==', 'Bearer x', 'Digest x', 'x'.repeat(10_000), 'Basic a b c'],
      ]) {
        const answer = await send(`${latchkey().issuer}/token`, {
          method: 'POST',
          headers: { 'content-type': FORM, authorization },
          body: 'grant_type=client_credentials',
        });
        assertRefused(answer, authorization.slice(0, 50));
      }
    });

    it('as access token is 401, 400 or inactive', async () => {
      for (const token of ['x', 'x'.repeat(10_000), 'a.b.c', 'ä', 'Bearer', '..', "' or 1=1"]) {
        const answer = await send(`${latchkey().issuer}/me`, {
          headers: { authorization: `Bearer ${Buffer.from(token).toString('latin1')}` },
        });
        assertRefused(answer, token.slice(0, 20));
      }
    });

    it('as body of another type is refused', async () => {
      for (const [type, body] of [
        ['application/json', '{"grant_type":"client_credentials"}'],
        ['application/json', '['.repeat(50_000)],
        ['text/plain', 'grant_type=client_credentials'],
        ['multipart/form-data; boundary=x', '--x--'],
        ['application/x-www-form-urlencoded; charset=utf-7', '+AGE-=b'],
        ['', 'x'],
      ] as const) {
        for (const path of ['/token', '/request', '/token/revocation', '/language']) {
          const answer = await send(`${latchkey().issuer}${path}`, {
            method: 'POST',
            headers: { 'content-type': type },
            body,
          });
          assertRefused(answer, `${path} ${type}`);
        }
      }
    });

    it('given twice is refused', async () => {
      const client = await latchkey().createClient();
      const { url } = authorizationRequest(latchkey().issuer, client);
      for (const name of ['client_id', 'redirect_uri', 'state', 'scope', 'response_type', 'code_challenge']) {
        const twice = new URL(url);
        twice.searchParams.append(name, twice.searchParams.get(name) ?? '');
        const answer = await send(twice.href);
        const params = new URL(answer.headers['location'] ?? 'x:', latchkey().issuer).searchParams;
        if (answer.status === 303) assert.equal(params.get('error'), 'invalid_request', name);
        else assertRefused(answer, name);
        assert.equal(params.get('code'), null);
      }
      const pair = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64');
      const answer = await send(`${latchkey().issuer}/token`, {
        method: 'POST',
        headers: { 'content-type': FORM, authorization: `Basic ${pair}` },
        body: 'grant_type=client_credentials&grant_type=client_credentials',
      });
      assertRefused(answer, 'grant_type twice');
    });

    it('as deep JSON in a parameter is refused', async () => {
      const client = await latchkey().createClient();
      for (const claims of [
        '['.repeat(5000),
        '{"a":'.repeat(1000),
        `{"userinfo":${'{"a":'.repeat(900)}1${'}'.repeat(900)}}`,
        '{"__proto__":{"x":1}}',
        'null',
        '"x"',
      ]) {
        const page = await latchkey()
          .browser()
          .get(authorizationRequest(latchkey().issuer, client, { claims }).url);
        assert.ok(page.status < 500, page.describe());
        assert.notEqual(page.params['error'] ?? page.error ?? page.id, null, page.describe());
      }
      assert.equal('x' in {}, false);
    });

    it('in a form of ours is refused, or a wrong sign-in', async () => {
      const { browser, login } = await openLogin();
      const csrf = login.element('input[name=csrf]').getAttribute('value') ?? '';
      const action = `${login.url.pathname}/login`;
      for (const value of [...ODD.map(encodeURIComponent), ...BROKEN, 'x'.repeat(3000)]) {
        const page = await browser.post(action, `csrf=${csrf}&login=${value}&password=${value.slice(0, 100)}`, {
          'x-forwarded-for': '192.0.2.1',
        });
        assert.ok([400, 422, 429].includes(page.status), `${value}: ${page.describe()}`);
        assert.doesNotMatch(page.text, /<script>/);
      }
      for (const body of [
        `csrf=${csrf}`,
        `csrf=${csrf}&login=a&login=b&password=x`,
        `csrf=${csrf}&login=a&password=x&role=super-admin`,
        `csrf=${csrf}&login[a]=b&password=x`,
        `csrf=${csrf}&csrf=${csrf}&login=a&password=x`,
        `csrf[]=${csrf}&login=a&password=x`,
        '',
        '&&&',
      ]) {
        const page = await browser.post(action, body);
        assert.ok(page.status === 400 || page.status === 403, `${body}: ${page.describe()}`);
        assertRefused(page, body);
      }
    });

    it('in paths, cookies and other headers is refused or ignored', async () => {
      for (const path of [
        '/%ff',
        '/%00',
        '/%2e%2e/%2e%2e/etc/passwd',
        '/..%2f..%2fetc%2fpasswd',
        '/interaction/%ff',
        '/interaction/%00/login',
        '/setup/%ff',
        '/assets/%ff',
        '/assets/..%2f..%2fpackage.json',
        '/assets/%00',
        '//evil.example/',
        '/\\evil.example',
        '/auth/%ff',
        '/reset?interaction=%00',
        '/link/%ff',
      ]) {
        const answer = await send(latchkey().issuer + path);
        assert.ok(answer.status < 500, `${path}: ${answer.status}`);
        if (answer.status >= 400) assertRefused(answer, path);
        else if (answer.status >= 300)
          assert.equal(new URL(answer.headers['location'] ?? '', latchkey().issuer).origin, latchkey().issuer, path);
        assert.doesNotMatch(answer.text, /root:|"dependencies"/);
      }
      for (const headers of [
        {
          cookie:
            'latchkey_session=x; latchkey_session.sig=y; latchkey_browser=z; latchkey_trail=%%%; latchkey_accounts=é',
        },
        { cookie: `latchkey_interaction=${'x'.repeat(5000)}; =; ;;; latchkey_locale=<script>` },
        { 'accept-language': '*;q=x,,,\u00ff, en-'.repeat(50) },
        { accept: 'text/html;q=banana, \u00ff, */*;q=-1' },
        { 'user-agent': '\u00ff'.repeat(5000) },
        { origin: 'null', referer: 'x:', 'sec-fetch-site': '\u00ff' },
        { 'x-forwarded-for': '\u00ff', 'x-forwarded-proto': 'javascript', forwarded: '"' },
        { 'content-type': '\u00ff', range: 'bytes=0-1,9-', 'if-none-match': '"', 'if-modified-since': 'x' },
      ]) {
        const plain = Object.fromEntries(Object.entries(headers)) as Record<string, string>;
        for (const path of ['/', '/auth', '/interaction/x', '/session/end', '/jwks']) {
          const answer = await send(latchkey().issuer + path, { headers: plain });
          assert.ok(answer.status < 500, `${path} ${JSON.stringify(headers).slice(0, 60)}: ${answer.status}`);
        }
      }
    });
  });
});
