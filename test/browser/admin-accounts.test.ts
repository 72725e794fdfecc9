// An administrator looks after an account at a real browser: finds it, disables it with a reason, reads what was done and enables it again; with and
// without scripts, light and dark, wide and narrow, without barriers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const CLI = { actor: { kind: 'cli' } } as const;
const REASON = 'Asked for it by telephone';

describe('accounts of the admin portal in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost' });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
  });

  for (const [colorScheme, javaScriptEnabled, width] of [
    ['light', true, 1280],
    ['dark', false, 320],
    ['dark', true, 320],
  ] as const) {
    it(`finds one, disables and enables it (${colorScheme}, ${width} px, ${javaScriptEnabled ? 'with' : 'without'} scripts)`, async () => {
      const { app } = latchkey;
      const owner = await latchkey.createAccount();
      await app.database.transaction((em) => app.roles.assign(em, owner.id, 'super-admin', CLI));
      const target = await latchkey.createAccount({ name: `Somebody ${colorScheme} ${width} ${javaScriptEnabled}` });
      const viewport = { width, height: 800 };
      // Without transitions: colours are measured right after they change.
      const options = { colorScheme, javaScriptEnabled, viewport, reducedMotion: 'reduce' } as const;
      const context = await browser.newContext(options);
      try {
        const page = await context.newPage();
        await page.goto(`${latchkey.issuer}/admin/accounts`);
        await page.fill('[name=login]', owner.email ?? '');
        await page.fill('[name=password]', TEST_PASSWORD);
        await page.click('#submit');
        await isAt(page, 'admin-accounts');
        await check(page, javaScriptEnabled);
        await page.fill('[name=q]', target.email ?? '');
        await page.click('form[role=search] button');
        assert.equal(await page.locator('[data-account]').count(), 1);
        await page.click(`[data-account="${target.id}"] a`);
        await isAt(page, 'admin-account');
        await check(page, javaScriptEnabled);
        await act(page, target.id, 'disable', javaScriptEnabled);
        assert.equal(await page.locator('[data-status=disabled]').count(), 1);
        assert.equal((await app.accounts.findById(target.id))?.status, 'disabled');
        for (const section of ['credentials', 'sessions', 'apps', 'roles', 'events']) {
          await page.click(`nav a[href="/admin/accounts/${target.id}/${section}"]`);
          await page.waitForSelector(`[data-section=${section}]`);
          await check(page, javaScriptEnabled);
        }
        assert.match((await page.locator('[data-event="account.disable"]').textContent()) ?? '', new RegExp(REASON));
        await page.click(`nav a[href="/admin/accounts/${target.id}"]`);
        await act(page, target.id, 'enable', javaScriptEnabled);
        assert.equal(await page.locator('[data-status=active]').count(), 1);
      } finally {
        await context.close();
      }
    });
  }

  /** By the keyboard, as far as it is about a form. */
  async function act(page: Page, id: string, action: string, hasScripts: boolean): Promise<void> {
    await page.click(`a[href="/admin/accounts/${id}/${action}"]`);
    await isAt(page, 'admin-account-action');
    await check(page, hasScripts);
    await page.focus('#reason');
    await page.keyboard.type(REASON);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await isAt(page, 'admin-account');
  }

  async function isAt(page: Page, name: string): Promise<void> {
    await page.waitForSelector(`[data-page=${name}]`);
  }

  async function check(page: Page, hasScripts: boolean): Promise<void> {
    const { width = 0 } = page.viewportSize() ?? {};
    const main = await page.locator('main').boundingBox();
    assert.ok((main?.width ?? Number.POSITIVE_INFINITY) <= width, 'nothing stands out');
    // Axe is a script itself.
    if (hasScripts) await assertAccessible(page);
  }
});
