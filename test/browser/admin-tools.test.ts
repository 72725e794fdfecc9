// What administrators do with apps and upstreams at a real browser: redirect URIs that are looked at while they are typed, a test sign-in, the claim
// preview and the test of a connection, with and without scripts, wide and narrow.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';
import { setStage } from '../support/upstream-stage.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const stage = await setStage({ company: { label: 'Company' } });

describe('apps and upstreams of administrators in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost', env: stage.env });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
  });

  async function within(options: BrowserContextOptions, work: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    try {
      await work(await context.newPage());
    } finally {
      await context.close();
    }
  }

  async function signIn(page: Page, path: string): Promise<string> {
    const account = await latchkey.createAccount();
    const { database, roles } = latchkey.app;
    await database.transaction(async (em) => roles.assign(em, account.id, 'admin', CLI));
    await page.goto(`${latchkey.issuer}${path}`);
    await page.fill('[name=login]', account.email ?? '');
    await page.fill('[name=password]', TEST_PASSWORD);
    await page.click('#submit');
    return account.email ?? '';
  }

  async function assertFits(page: Page): Promise<void> {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.equal(overflow, 0, page.url());
  }

  for (const [javaScriptEnabled, width] of [
    [true, 1280],
    [false, 320],
  ] as const) {
    const options = { reducedMotion: 'reduce' as const, javaScriptEnabled, viewport: { width, height: 800 } };
    const how = javaScriptEnabled ? 'with scripts' : 'without scripts, narrow';

    it(`shows what an account would get at an app (${how})`, async () => {
      const client = await latchkey.createClient();
      await within(options, async (page) => {
        const email = await signIn(page, `/admin/clients/${client.clientId}`);
        await page.waitForSelector('[data-page=admin-client]');
        await page.click('a[href^="/admin/claims?client="]');
        await page.waitForSelector('[data-page=admin-claims]');
        assert.equal(await page.inputValue('#client'), client.clientId);
        await page.fill('#account', email);
        await page.click('#submit');
        await page.waitForSelector('[data-preview=tokens]');
        assert.match((await page.textContent('#userinfo')) ?? '', new RegExp(email));
        if (javaScriptEnabled) await assertAccessible(page);
        await assertFits(page);
      });
    });

    it(`tests an upstream (${how})`, async () => {
      await within(options, async (page) => {
        await signIn(page, '/admin/upstreams');
        await page.waitForSelector('[data-page=admin-upstreams]');
        await page.click('form[action$="/company/test"] button');
        await page.waitForSelector('[data-tested=good]');
        if (javaScriptEnabled) await assertAccessible(page);
        await assertFits(page);
      });
    });

    it(`says what is wrong with a redirect URI (${how})`, async () => {
      const client = await latchkey.createClient();
      await within(options, async (page) => {
        await signIn(page, `/admin/clients/${client.clientId}`);
        await page.waitForSelector('[data-page=admin-client]');
        await page.fill('#redirect_uris', 'https://app.example.com/cb\nhttp://app.example.com/');
        if (javaScriptEnabled) {
          await page.waitForSelector('#redirect_uris-lint [data-problem=http]');
          await assertAccessible(page);
        }
        await page.click('#submit');
        await page.waitForSelector('#redirect_uris-problem');
        await page.fill('#redirect_uris', 'https://app.example.com/cb');
        if (javaScriptEnabled) {
          await page.waitForFunction(() => document.querySelector('#redirect_uris-lint')?.childElementCount === 0);
        }
        await page.click('#submit');
        await page.waitForSelector('.checked[role=status]');
        const { metadata } = await latchkey.app.clients.get(client.clientId);
        assert.deepEqual(metadata.redirect_uris, ['https://app.example.com/cb']);
        await assertFits(page);
      });
    });
  }
});
