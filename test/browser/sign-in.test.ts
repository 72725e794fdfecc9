// A person at a real browser: from a client on another origin through the pages and back, with and without scripts. What only a browser does is
// proven here: the content policy lets the redirect after a form leave, cookies travel as they should, nothing is loaded from elsewhere.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import * as oidc from 'openid-client';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { assertNoBarrier } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

/** A client's server: keeps what comes back to it, by GET or by form post. */
class ClientServer {
  readonly #server: Server;
  readonly answers: URL[] = [];

  constructor() {
    this.#server = createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => {
        body += chunk.toString('utf8');
      });
      req.on('end', () => {
        const url = new URL(req.url ?? '/', this.origin);
        if (req.method === 'POST') url.search = body;
        if (url.pathname !== '/favicon.ico') this.answers.push(url);
        res.setHeader('content-type', 'text/html; charset=utf-8');
        res.end('<!doctype html><html lang="en"><title>The client</title><link rel="icon" href="data:,"><h1>Back</h1>');
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** Cookies ignore ports, so client and provider need names of their own. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('a person in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let client: TestClient;
  let config: oidc.Configuration;
  const app = new ClientServer();

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost' });
    await app.start();
    client = await latchkey.createClient({
      client_name: 'Photo Album',
      redirect_uris: [`${app.origin}/callback`],
      post_logout_redirect_uris: [`${app.origin}/goodbye`],
    });
    config = await oidc.discovery(
      new URL(latchkey.issuer),
      client.clientId,
      { id_token_signed_response_alg: 'ES256' },
      oidc.ClientSecretBasic(client.clientSecret),
      { execute: [oidc.allowInsecureRequests] },
    );
  });
  after(async () => {
    app.stop();
    await browser.close();
    await latchkey.stop();
  });

  /** A browser of its own, which must neither complain nor ask anybody but the two servers. */
  async function withPage(options: BrowserContextOptions, use: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      // Chromium reports the status of a form that came back with a mistake; everything else is a fault.
      const isExpected = message.text().includes('status of 422');
      if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      const isOurs = origin === latchkey.issuer || origin === app.origin || protocol === 'data:';
      if (!isOurs) complaints.push(`asked for ${request.url()}`);
    });
    try {
      await use(page);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  }

  async function open(page: Page, more: Record<string, string> = {}): Promise<string> {
    const verifier = oidc.randomPKCECodeVerifier();
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: client.redirectUri,
      scope: 'openid profile email',
      state: 'the state & more',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...more,
    });
    await page.goto(url.href);
    return verifier;
  }

  const pageId = (page: Page) => page.locator('main').getAttribute('data-page');

  async function signIn(page: Page, email: string, password = TEST_PASSWORD): Promise<void> {
    await page.fill('#login', email);
    await page.fill('#password', password);
    await page.click('#submit');
  }

  /** What the client gets for the answer that just arrived. */
  async function redeem(verifier: string): Promise<oidc.IDToken | undefined> {
    const answer = app.answers.at(-1);
    assert.ok(answer, 'the browser landed at the client');
    const tokens = await oidc.authorizationCodeGrant(config, answer, {
      pkceCodeVerifier: verifier,
      expectedState: 'the state & more',
    });
    return tokens.claims();
  }

  for (const { name, options } of [
    { name: 'in a light browser', options: { colorScheme: 'light' } },
    { name: 'in a dark, narrow browser', options: { colorScheme: 'dark', viewport: { width: 320, height: 700 } } },
    { name: 'without JavaScript', options: { javaScriptEnabled: false } },
  ] as const) {
    it(`signs in, consents and lands at the client on another origin, ${name}`, async () => {
      const account = await latchkey.createAccount({ name: 'Ada Lovelace' });
      await withPage(options, async (page) => {
        const verifier = await open(page);
        assert.equal(await pageId(page), 'login');
        await signIn(page, account.email ?? '');
        assert.equal(await pageId(page), 'consent');
        await page.click('button[name=decision][value=allow]');
        await page.waitForURL(`${app.origin}/callback**`);
        assert.equal((await redeem(verifier))?.sub, account.subject);

        const again = await open(page);
        await page.waitForURL(`${app.origin}/callback**`);
        assert.equal((await redeem(again))?.sub, account.subject, 'neither sign-in nor consent is asked again');
      });
    });
  }

  it('is told of a wrong password where the focus is, and can go on', async () => {
    const account = await latchkey.createAccount();
    await withPage({}, async (page) => {
      await open(page);
      await signIn(page, account.email ?? '', 'not the right password');
      assert.equal(await pageId(page), 'login');
      assert.match(await page.title(), /^Error:/);
      await page.locator('#problems:focus').waitFor();
      assert.equal(await page.inputValue('#login'), account.email);
      assert.equal(await page.inputValue('#password'), '');
      await signIn(page, account.email ?? '');
      assert.equal(await pageId(page), 'consent');
    });
  });

  it('says no, and the client is told', async () => {
    const account = await latchkey.createAccount();
    await withPage({}, async (page) => {
      await open(page);
      await signIn(page, account.email ?? '');
      await page.click('button[name=decision][value=deny]');
      await page.waitForURL(`${app.origin}/callback**`);
      assert.equal(app.answers.at(-1)?.searchParams.get('error'), 'access_denied');
      assert.equal(app.answers.at(-1)?.searchParams.get('state'), 'the state & more');
    });
  });

  it('lands at a client that wants its answer by form post, with the state byte for byte', async () => {
    const account = await latchkey.createAccount();
    await withPage({}, async (page) => {
      const verifier = await open(page, { response_mode: 'form_post' });
      await signIn(page, account.email ?? '');
      await page.click('button[name=decision][value=allow]');
      await page.waitForURL(`${app.origin}/callback`);
      assert.equal((await redeem(verifier))?.sub, account.subject);
    });
  });

  for (const javaScriptEnabled of [true, false]) {
    it(`changes to another account ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const [first, second] = [await latchkey.createAccount(), await latchkey.createAccount()];
      await withPage({ javaScriptEnabled }, async (page) => {
        await open(page);
        await signIn(page, first.email ?? '');
        await page.click('button[name=decision][value=allow]');
        await page.waitForURL(`${app.origin}/callback**`);
        const verifier = await open(page, { prompt: 'select_account' });
        assert.equal(await pageId(page), 'select-account');
        await page.click('button[name=decision][value=other]');
        assert.equal(await pageId(page), 'login');
        await signIn(page, second.email ?? '');
        // The engine ends the first session by a page that sends itself; without scripts by its button.
        if (!javaScriptEnabled) await page.click('button[type=submit]');
        await page.click('button[name=decision][value=allow]');
        await page.waitForURL(`${app.origin}/callback**`);
        assert.equal((await redeem(verifier))?.sub, second.subject);
      });
    });
  }

  it('signs out everywhere and returns to the client', async () => {
    const account = await latchkey.createAccount();
    await withPage({}, async (page) => {
      await open(page);
      await signIn(page, account.email ?? '');
      await page.click('button[name=decision][value=allow]');
      await page.waitForURL(`${app.origin}/callback**`);
      const url = oidc.buildEndSessionUrl(config, {
        client_id: client.clientId,
        post_logout_redirect_uri: `${app.origin}/goodbye`,
      });
      await page.goto(url.href);
      assert.equal(await pageId(page), 'logout');
      await page.click('button[name=decision][value=allow]');
      await page.waitForURL(`${app.origin}/goodbye**`);
      await open(page);
      assert.equal(await pageId(page), 'login');
    });
  });

  it('finds no barrier on any page of the way', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const account = await latchkey.createAccount();
      await withPage({ colorScheme }, async (page) => {
        const seen: (string | null)[] = [];
        const look = async (): Promise<void> => {
          seen.push(await pageId(page));
          await assertNoBarrier(page, `${seen.at(-1)}, ${colorScheme}`);
        };
        await open(page);
        await look();
        await signIn(page, account.email ?? '', 'not the right password');
        await look();
        await signIn(page, account.email ?? '');
        await look();
        await page.click('button[name=decision][value=allow]');
        await page.waitForURL(`${app.origin}/callback**`);
        await open(page, { prompt: 'login' });
        await look();
        await open(page, { prompt: 'select_account' });
        await look();
        await page.goto(`${latchkey.issuer}/session/end`);
        await look();
        await page.click('button[name=decision][value=allow]');
        await look();
        await page.goto(`${latchkey.issuer}/`);
        await look();
        const expected = [
          'login',
          'login',
          'consent',
          'reauthenticate',
          'select-account',
          'logout',
          'logged-out',
          'home',
        ];
        assert.deepEqual(seen, expected);
      });
    }
  });
});
