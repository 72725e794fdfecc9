// An OpenID upstream in a real browser: from an app's request over the upstream to the app, and linked and removed in the portal. The upstream is
// a second oidc-provider, and each of the three has a host or port of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';
import { settingsFile } from '../support/settings-file.ts';
import { startUpstreamProvider, type UpstreamProvider } from '../support/upstream-provider.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('an OpenID upstream in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let upstream: UpstreamProvider;
  const app = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back at the app</h1>');
  });

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    const port = await freePort();
    upstream = await startUpstreamProvider(`http://localhost:${port}/upstream/second/callback`);
    const declaration = {
      ...{ id: 'second', kind: 'oidc', label: 'Second Provider', clientId: UPSTREAM_CLIENT.id },
      ...{ clientSecret: UPSTREAM_CLIENT.secret, endpoints: { issuer: upstream.issuer } },
    };
    latchkey = await startLatchkey({
      env: {
        ...settingsFile(JSON.stringify({ upstreams: [declaration] })),
        LATCHKEY_ISSUER: `http://localhost:${port}`,
        LATCHKEY_PORT: String(port),
        LATCHKEY_PRIVATE_NETWORK_HOSTS: '127.0.0.1',
        LATCHKEY_REGISTRATION: 'open',
      },
    });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
    await upstream.close();
    app.closeAllConnections();
    app.close();
  });

  async function withPage(options: { readonly javaScriptEnabled?: boolean }, use: (page: Page) => Promise<void>) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    try {
      await use(page);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  }

  for (const javaScriptEnabled of [true, false]) {
    it(`leads from an app to the app, ${javaScriptEnabled ? 'with' : 'without'} scripts`, async () => {
      const redirectUri = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
      const client = await latchkey.createClient({ client_name: 'Photo Album', redirect_uris: [redirectUri] });
      await withPage({ javaScriptEnabled }, async (page) => {
        await page.goto(authorizationRequest(latchkey.issuer, client, { scope: 'openid email' }).url.href);
        if (javaScriptEnabled) await assertAccessible(page);
        await page.click('[data-upstream=second]');
        await page.waitForURL(`${upstream.issuer}/**`);
        await page.click('text=Sign in as Eve');
        await page.waitForSelector('[data-page=consent]');
        await page.click('button[name=decision][value=allow]');
        await page.waitForURL(`${redirectUri}?**`);
        assert.ok(new URL(page.url()).searchParams.get('code'));
      });
    });
  }

  it('is linked and removed in the portal', async () => {
    const account = await latchkey.createAccount();
    // Whoever came here before has it: make room.
    await latchkey.app.database.sql.query({ name: '', text: 'delete from linked_identity' });
    await withPage({}, async (page) => {
      await page.goto(`${latchkey.issuer}/account/identities`);
      await page.fill('#login', account.email ?? '');
      await page.fill('#password', TEST_PASSWORD);
      await page.click('#submit');
      await page.waitForSelector('[data-page=account-identities]');
      await page.click('[data-upstream=second]');
      await page.waitForURL(`${upstream.issuer}/**`);
      await page.click('text=Sign in as Eve');
      await page.waitForSelector('[data-identity]');
      assert.match((await page.textContent('[data-identity]')) ?? '', /eve@upstream\.example/);
      await assertAccessible(page);
      await page.click('a[href$="/unlink"]');
      await assertAccessible(page);
      await page.click('#submit');
      await page.waitForURL('**/account/identities?done=unlinked');
      assert.equal(await page.locator('[data-identity]').count(), 0);
    });
  });
});
