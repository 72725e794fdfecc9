// An upstream from the portal in a real browser: added by its form, tried, turned on, signed in with, and turned off while somebody is on the way. The
// upstream is a second oidc-provider.
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
import { startUpstreamProvider, type UpstreamProvider } from '../support/upstream-provider.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('an upstream from the admin portal in Chromium', { skip: missing }, () => {
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
    latchkey = await startLatchkey({
      env: {
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

  async function assertFits(page: Page): Promise<void> {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.equal(overflow, 0, page.url());
  }

  async function openPortal(options: object): Promise<Page> {
    const account = await latchkey.createAccount();
    const { database, roles } = latchkey.app;
    await database.transaction((em) => roles.assign(em, account.id, 'super-admin', CLI));
    const page = await (await browser.newContext(options)).newPage();
    await page.goto(`${latchkey.issuer}/admin/upstreams`);
    await page.fill('[name=login]', account.email ?? '');
    await page.fill('[name=password]', TEST_PASSWORD);
    await page.click('#submit');
    await page.waitForSelector('[data-page=admin-upstreams]');
    return page;
  }

  for (const [javaScriptEnabled, width] of [
    [true, 1280],
    [false, 320],
  ] as const) {
    const how = javaScriptEnabled ? 'with scripts' : 'without scripts, narrow';
    it(`is added, signs people in and lets nobody in who is on the way when it is turned off (${how})`, async () => {
      const options = { reducedMotion: 'reduce', javaScriptEnabled, viewport: { width, height: 800 } } as const;
      const admin = await openPortal(options);
      const look = async (): Promise<void> => {
        if (javaScriptEnabled) await assertAccessible(admin);
        await assertFits(admin);
      };
      await admin.click('a[href="/admin/upstreams/new"]');
      await look();
      await admin.click('a[href="/admin/upstreams/new/oidc"]');
      await look();
      await admin.fill('#id', 'second');
      await admin.fill('#issuer', upstream.issuer);
      await admin.fill('#label', 'Second Provider');
      await admin.click('#submit');
      await admin.waitForSelector('#client_id-problem');
      assert.equal(await admin.inputValue('#issuer'), upstream.issuer);
      await look();
      await admin.fill('#client_id', UPSTREAM_CLIENT.id);
      await admin.fill('#secret', UPSTREAM_CLIENT.secret);
      await admin.click('#submit');
      await admin.waitForSelector('[data-done=saved]');
      assert.equal(await admin.textContent('#callback'), `${latchkey.issuer}/upstream/second/callback`);
      assert.equal(await admin.inputValue('#secret'), '');
      await look();
      await admin.goto(`${latchkey.issuer}/admin/upstreams`);
      await admin.click('form[action$="/second/test"] button');
      await admin.waitForSelector('[data-tested=good]');
      await look();
      await admin.click('[data-upstream=second] a[href$="/second"]');
      await admin.click('[name=decision][value=on]');
      await admin.waitForSelector('[data-done=on]');

      const redirectUri = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
      const client = await latchkey.createClient({ client_name: 'Photo Album', redirect_uris: [redirectUri] });
      const request = () => authorizationRequest(latchkey.issuer, client, { scope: 'openid email' }).url.href;
      const person = await (await browser.newContext(options)).newPage();
      await person.goto(request());
      await person.click('[data-upstream=second]');
      await person.click('text=Sign in as Eve');
      await person.waitForSelector('[data-page=consent]');
      await person.click('button[name=decision][value=allow]');
      await person.waitForURL(`${redirectUri}?**`);
      assert.ok(new URL(person.url()).searchParams.get('code'));

      const late = await (await browser.newContext(options)).newPage();
      await late.goto(request());
      await late.click('[data-upstream=second]');
      await late.waitForURL(`${upstream.issuer}/**`);
      await admin.click('[name=decision][value=off]');
      await admin.waitForSelector('[data-done=off]');
      await late.click('text=Sign in as Eve');
      await late.waitForSelector('[data-error=upstream-off]');
      if (javaScriptEnabled) await assertAccessible(late);
      await assertFits(late);
      await late.click('main a.button');
      await late.waitForSelector('[data-page=login]');
      assert.equal(await late.locator('[data-upstream=second]').count(), 0);

      await admin.click('a[href$="/second/delete"]');
      await admin.waitForSelector('[data-people="1"][data-stranded="1"]');
      await look();
      await admin.click('#submit');
      await admin.waitForSelector('#agreed-problem');
      await admin.check('#agreed');
      await admin.click('#submit');
      await admin.waitForSelector('[data-page=admin-upstreams] [role=status]');
      await look();
      const accounts = await latchkey.app.accounts.list({ limit: 100 });
      assert.equal(accounts.filter((one) => one.name === 'Eve Upstream').length, 1, 'her account stays');
      for (const page of [admin, person, late]) await page.context().close();
    });
  }
});
