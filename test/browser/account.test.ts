// The pages of the account portal about apps, activity and the own data at a real browser: with and without scripts, light and dark, also from right
// to left, without barriers, and the story of an account that is closed and taken back.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { FREE_ENV, mailsTo, newAddress } from '../flow/mailed/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('apps, activity and own data in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost', env: FREE_ENV });
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

  async function signIn(page: Page, email: string): Promise<void> {
    await page.fill('[name=login]', email);
    await page.fill('[name=password]', TEST_PASSWORD);
    await page.click('#submit');
  }

  async function assertFits(page: Page): Promise<void> {
    const [wide, seen] = [await page.locator('main').boundingBox(), page.viewportSize()];
    assert.ok((wide?.width ?? Number.POSITIVE_INFINITY) <= (seen?.width ?? 0), `nothing stands out of ${page.url()}`);
  }

  it('looks as it was chosen, whatever the system says, also before the next sign-in and without scripts', async () => {
    const email = newAddress();
    await latchkey.createAccount({ email });
    await within({ colorScheme: 'light', javaScriptEnabled: false }, async (page) => {
      const ground = () => page.locator('body').evaluate((one) => getComputedStyle(one).backgroundColor);
      await page.goto(`${latchkey.issuer}/account/profile`);
      await signIn(page, email);
      await page.waitForSelector('[data-page=account-profile]');
      const light = await ground();
      await page.selectOption('#theme', 'dark');
      await page.click('#submit');
      await page.waitForURL((url) => url.searchParams.has('changed'));
      const dark = await ground();
      assert.notEqual(dark, light);
      await page.emulateMedia({ colorScheme: 'dark' });
      assert.equal(await ground(), dark);
      await page.selectOption('#theme', 'light');
      await page.click('#submit');
      await page.waitForSelector('html.scheme-light');
      assert.equal(await ground(), light, 'also where the system is dark');
      await page.goto(`${latchkey.issuer}/session/end`);
      await page.click('[name=decision][value=allow]');
      await page.waitForSelector('[data-page=logged-out]');
      await page.goto(`${latchkey.issuer}/account/profile`);
      await page.waitForSelector('[data-page=login]');
      assert.equal(await ground(), light);
    });
  });

  for (const [colorScheme, javaScriptEnabled, width, locale] of [
    ['light', true, 1280, 'en'],
    ['dark', false, 320, 'ru'],
    ['dark', true, 320, 'ar'],
  ] as const) {
    const how = `${colorScheme}, ${width}, ${locale}, ${javaScriptEnabled ? 'with' : 'without'} scripts`;
    it(`takes an app back, looks at what happened, downloads, leaves and comes back (${how})`, async () => {
      const email = newAddress();
      await latchkey.createAccount({ email });
      const client = await latchkey.createClient({
        client_name: 'Photo Album',
        // The app itself is not there: any page will do.
        redirect_uris: [`${latchkey.issuer}/livez`],
      });
      await within({ colorScheme, javaScriptEnabled, locale, viewport: { width, height: 800 } }, async (page) => {
        // Axe is a script itself.
        const check = async () => {
          if (javaScriptEnabled) await assertAccessible(page);
          await assertFits(page);
        };
        await page.goto(authorizationRequest(latchkey.issuer, client, { scope: 'openid profile email' }).url.href);
        await signIn(page, email);
        await page.waitForSelector('[data-page=consent]');
        await page.click('#submit');
        await page.waitForURL((url) => url.searchParams.has('code'));

        await page.goto(`${latchkey.issuer}/account/apps`);
        assert.equal(await page.locator('[data-app] h2').textContent(), 'Photo Album');
        await check();
        await page.locator('[data-app] form button').click();
        await page.waitForSelector('[role=status]');
        assert.equal(await page.locator('[data-app]').count(), 0);

        await page.locator('nav a[href="/account/activity"]').click();
        await page.waitForSelector('[data-page=account-activity]');
        await page.selectOption('#kind', 'apps');
        await page.locator('form[role=search] button').click();
        await page.waitForURL(/kind=apps/);
        assert.deepEqual(
          await page.locator('[data-event]').evaluateAll((all) => all.map((one) => one.getAttribute('data-event'))),
          ['consent-revoke', 'consent-grant'],
        );
        await check();

        await page.locator('nav a[href="/account/data"]').click();
        await page.waitForSelector('[data-page=account-data]');
        await check();
        await page.locator('a[href="/account/data/export"]').click();
        const [download] = await Promise.all([page.waitForEvent('download'), page.click('#submit')]);
        assert.equal(download.suggestedFilename(), 'account.json');

        await page.goto(`${latchkey.issuer}/account/delete`);
        await check();
        await page.click('#submit');
        // Until when it can be taken back.
        await page.waitForSelector('main dl.facts time');
        await check();
        await page.goto(`${latchkey.issuer}/account/apps`);
        assert.equal(await page.locator('main').getAttribute('data-page'), 'login', 'signed out at once');
        await signIn(page, email);
        await page.waitForSelector('#problems');
        assert.equal(await page.locator('main').getAttribute('data-page'), 'login', 'and nobody comes in');

        const { text = '' } = (await mailsTo(email, 1))[0]?.email ?? {};
        await page.goto(/^https?:\/\/\S+\/account-restore\/\S+$/m.exec(text)?.[0] ?? '');
        await page.waitForSelector('[data-page=link-confirm]');
        await check();
        await page.click('#submit');
        await page.waitForSelector('.icon-done');
        await check();
        await page.goto(`${latchkey.issuer}/account/apps`);
        await signIn(page, email);
        await page.waitForSelector('[data-page=account-apps]');
      });
    });
  }
});
