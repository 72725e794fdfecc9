// A person in Chromium from an app through the pages around mails and back: a new account, an invitation, a new password, links and codes, another
// address with its way back, and terms; with scripts and without, with a real mail server, and with no barrier on any page.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { FREE_ENV, mailsTo, newAddress, readMail } from '../flow/mailed/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const PASSWORD = 'seven green bottles on a wall';

describe('a person with a mailbox in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let client: TestClient;
  let server: Server;
  let origin: string;
  /** Where the tool that looks for barriers cannot run either. */
  const withoutScripts = new WeakSet<Page>();

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    server = createServer((_req, res) => {
      res.setHeader('content-type', 'text/html; charset=utf-8');
      res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back</h1>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    latchkey = await startLatchkey({
      ...{ backend: 'embedded', host: 'localhost' },
      env: {
        ...FREE_ENV,
        LATCHKEY_REGISTRATION: 'open',
        LATCHKEY_TERMS_URL: 'https://example.com/terms',
        LATCHKEY_TERMS_VERSION: '1',
      },
    });
    client = await latchkey.createClient({ redirect_uris: [`${origin}/callback`] });
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await browser.close();
    await latchkey.stop();
  });

  /** A browser of its own, in which every page that is looked at has no barrier. */
  async function withPage(options: BrowserContextOptions, use: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    try {
      const page = await context.newPage();
      if (options.javaScriptEnabled === false) withoutScripts.add(page);
      await use(page);
    } finally {
      await context.close();
    }
  }

  async function expectPage(page: Page, id: string): Promise<void> {
    await page.waitForSelector(`[data-page="${id}"]`);
    if (withoutScripts.has(page)) return;
    await assertAccessible(page);
  }

  async function openApp(page: Page): Promise<void> {
    await page.goto(authorizationRequest(latchkey.issuer, client, { scope: 'openid email' }).url.href);
    await expectPage(page, 'login');
  }

  async function backAtApp(page: Page): Promise<void> {
    await expectPage(page, 'consent');
    await page.click('button[name=decision][value=allow]');
    await page.waitForURL(`${origin}/callback?*`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
  }

  async function agree(page: Page): Promise<void> {
    await expectPage(page, 'terms');
    await page.click('button[name=decision][value=allow]');
  }

  for (const { name, options } of [
    { name: 'in a light browser', options: { colorScheme: 'light' } },
    { name: 'in a dark, narrow browser', options: { colorScheme: 'dark', viewport: { width: 320, height: 700 } } },
    { name: 'without JavaScript', options: { javaScriptEnabled: false } },
  ] as const) {
    it(`registers with a code and lands at the app, ${name}`, async () => {
      await withPage(options, async (page) => {
        await openApp(page);
        await page.click('a[href$="/register"]');
        await expectPage(page, 'register');
        const address = newAddress();
        await page.fill('#email', address);
        await page.fill('#new_password', 'short short1');
        await page.fill('#new_password', PASSWORD);
        if (!('javaScriptEnabled' in options)) {
          assert.equal(await page.getAttribute('[data-rule=length]', 'data-state'), 'met', 'marked while typing');
        }
        await page.check('#terms');
        await page.click('#submit');
        await expectPage(page, 'verify-email');
        const { code } = await readMail(latchkey, address);
        await page.fill('#code', code);
        await page.click('#submit');
        await backAtApp(page);
      });
    });

    it(`comes by an invitation into the portal, ${name}`, async () => {
      const address = newAddress();
      const cause = { actor: { kind: 'cli' } } as const;
      await latchkey.app.invitations.create({ email: address, roles: [], locale: 'en' }, { kind: 'cli' }, cause);
      const { text = '' } = (await mailsTo(address, 1))[0]?.email ?? {};
      await withPage(options, async (page) => {
        await page.goto(/^https?:\/\/\S+\/invitation\/\S+$/m.exec(text)?.[0] ?? '');
        await expectPage(page, 'link-confirm');
        await page.click('#submit');
        await expectPage(page, 'register');
        await page.fill('#new_password', PASSWORD);
        await page.check('#terms');
        await page.click('#submit');
        await expectPage(page, 'verify-email');
        await page.goto((await readMail(latchkey, address, 2)).link.href);
        await expectPage(page, 'link-confirm');
        await page.click('#submit');
        await expectPage(page, 'account-security');
      });
    });

    it(`signs in by a mailed code, and by a link in the same browser and not in another, ${name}`, async () => {
      const account = await latchkey.createAccount({ email: newAddress() });
      const address = account.email ?? '';
      await withPage(options, async (page) => {
        await openApp(page);
        await page.fill('#login', address);
        await page.click('button[name=method][value=mail-code]');
        await expectPage(page, 'magic-link');
        const first = await readMail(latchkey, address);
        await withPage(options, async (elsewhere) => {
          await elsewhere.goto(first.link.href);
          await expectPage(elsewhere, 'link-confirm');
          assert.equal(await elsewhere.locator('#submit').count(), 0);
        });
        await page.click('#resend button');
        await expectPage(page, 'magic-link');
        const second = await readMail(latchkey, address, 2);
        await page.goto(second.link.href);
        await expectPage(page, 'link-confirm');
        await page.click('#submit');
        await agree(page);
        await backAtApp(page);
      });
    });

    it(`chooses a new password by the mail and signs in with it, ${name}`, async () => {
      const account = await latchkey.createAccount({ email: newAddress() });
      const address = account.email ?? '';
      await withPage(options, async (page) => {
        await openApp(page);
        await page.click('a[href^="/reset"]');
        await expectPage(page, 'reset');
        await page.fill('#login', address);
        await page.click('#submit');
        await page.waitForSelector('#code');
        await expectPage(page, 'reset');
        await page.fill('#code', (await readMail(latchkey, address)).code);
        await page.click('#submit');
        await expectPage(page, 'reset-confirm');
        await page.fill('#new_password', PASSWORD);
        await page.click('#submit');
        await page.waitForSelector('.actions a');
        await page.click('.actions a');
        await expectPage(page, 'login');
        await page.fill('#login', address);
        await page.fill('#password', PASSWORD);
        await page.click('#submit');
        await agree(page);
        await backAtApp(page);
      });
    });

    it(`changes the address, and the old one takes it back, ${name}`, async () => {
      const account = await latchkey.createAccount({ email: newAddress() });
      const address = account.email ?? '';
      const next = newAddress();
      await withPage(options, async (page) => {
        await page.goto(`${latchkey.issuer}/account/profile/email`);
        await page.fill('#login', address);
        await page.fill('#password', TEST_PASSWORD);
        await page.click('#submit');
        await agree(page);
        await expectPage(page, 'account-profile');
        await page.fill('#email', next);
        await page.click('#submit');
        await page.waitForSelector('#code');
        await expectPage(page, 'account-profile');
        await page.fill('#code', (await readMail(latchkey, next)).code);
        await page.click('#submit');
        await page.waitForSelector('[role=status]');
        await expectPage(page, 'account-profile');
        assert.equal((await latchkey.app.accounts.get(account.id)).email, next);
      });
      const { text = '' } = (await mailsTo(address, 2))[1]?.email ?? {};
      await withPage(options, async (page) => {
        await page.goto(/^https?:\/\/\S+\/email-undo\/\S+$/m.exec(text)?.[0] ?? '');
        await expectPage(page, 'link-confirm');
        await page.click('#submit');
        await page.waitForSelector('.icon-done');
        assert.equal((await latchkey.app.accounts.get(account.id)).email, address);
      });
    });
  }
});
