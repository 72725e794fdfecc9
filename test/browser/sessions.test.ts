// The list of sessions and the wait of a locked sign-in at a real browser: with and without scripts, light and dark, without barriers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('sessions and waits in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({
      backend: 'embedded',
      host: 'localhost',
      env: { LATCHKEY_LOCK_AFTER: '2', LATCHKEY_NETWORK_FAILURES: '1000' },
    });
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

  async function openList(page: Page, email: string): Promise<void> {
    await page.goto(`${latchkey.issuer}/account/sessions`);
    await page.fill('[name=login]', email);
    await page.fill('[name=password]', TEST_PASSWORD);
    await page.click('#submit');
    await page.waitForSelector('[data-page=account-sessions]');
  }

  for (const [colorScheme, javaScriptEnabled, width, locale] of [
    ['light', true, 1280, 'en'],
    ['dark', false, 320, 'en'],
    ['light', true, 320, 'ar'],
  ] as const) {
    const how = `${colorScheme}, ${width} pixels, ${locale}, ${javaScriptEnabled ? 'with' : 'without'} scripts`;
    const viewport = { width, height: 800 };

    it(`lists three sessions, renames one, ends another and then all others (${how})`, async () => {
      const { email } = await latchkey.createAccount();
      await within({}, async (elsewhere) => {
        await openList(elsewhere, email ?? '');
        await within({ colorScheme, javaScriptEnabled, locale, viewport }, async (page) => {
          await openList(page, email ?? '');
          assert.equal(await page.locator('[data-session]').count(), 2);
          assert.equal(
            await page.locator('[data-session]').first().locator('h2 .badge').count(),
            1,
            'this device first',
          );
          // Axe is a script itself.
          if (javaScriptEnabled) await assertAccessible(page);
          const [wide, seen] = [await page.locator('main').boundingBox(), page.viewportSize()];
          assert.ok((wide?.width ?? Number.POSITIVE_INFINITY) <= (seen?.width ?? 0), 'nothing stands out');
          await page.locator('[data-current] summary').click();
          await page.locator('[data-current] [name=name]').fill('My desk');
          await page.locator('[data-current] form[action$="/name"] button').click();
          await page.waitForSelector('[data-page=account-sessions]');
          assert.match((await page.locator('[data-current] h2').textContent()) ?? '', /My desk/);
          await page.locator('[data-session]:not([data-current]) form[action$="/end"] button').click();
          await page.waitForSelector('[data-page=account-sessions]');
          assert.equal(await page.locator('[data-session]').count(), 1);
          await elsewhere.reload();
          assert.equal(await elsewhere.locator('main').getAttribute('data-page'), 'login', 'the other one is out');
          await openList(elsewhere, email ?? '');
          await within({}, async (third) => {
            await openList(third, email ?? '');
            await page.reload();
            assert.equal(await page.locator('[data-session]').count(), 3);
            await page.locator('form[action$="/end-others"] button').click();
            await page.locator('form[action$="/end-others"]').waitFor({ state: 'detached' });
            assert.equal(await page.locator('[data-session]').count(), 1);
            for (const other of [elsewhere, third]) {
              await other.reload();
              assert.equal(await other.locator('main').getAttribute('data-page'), 'login', 'all others are out');
            }
          });
          await page.reload();
          assert.equal(await page.locator('[data-current]').count(), 1, 'this one is not');
        });
      });
    });

    it(`says how long a locked sign-in has to wait, also after a reload (${how})`, async () => {
      const { email } = await latchkey.createAccount();
      const client = await latchkey.createClient();
      await within({ colorScheme, javaScriptEnabled, locale, viewport }, async (page) => {
        await page.goto(authorizationRequest(latchkey.issuer, client).url.href);
        for (let count = 0; count < 3; count += 1) {
          await page.fill('[name=login]', email ?? '');
          await page.fill('[name=password]', 'wrong horse battery staple');
          await Promise.all([page.waitForEvent('load'), page.click('#submit')]);
        }
        const left = async () => Number(await page.locator('[data-countdown]').first().getAttribute('data-countdown'));
        const before = await left();
        assert.ok(before > 800 && before <= 900, String(before));
        if (javaScriptEnabled) {
          await assertAccessible(page);
          const words = page.locator('[data-countdown]').first();
          const shown = await words.textContent();
          await page.waitForFunction((text) => document.querySelector('[data-countdown]')?.textContent !== text, shown);
        }
        await page.reload();
        const after = await left();
        assert.ok(after > 700 && after <= before, `${before} then ${after}`);
      });
    });
  }
});
