// Overview, audit, settings and looks in the admin portal at a real browser: with and without scripts, wide and narrow, light and dark, without barriers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const CLI = { actor: { kind: 'cli' } } as const;

describe('the admin portal in Chromium', { skip: missing }, () => {
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

  async function within(options: BrowserContextOptions, work: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    try {
      await work(await context.newPage());
    } finally {
      await context.close();
    }
  }

  async function assertFits(page: Page): Promise<void> {
    const [wide, seen] = [await page.locator('main').boundingBox(), page.viewportSize()];
    assert.ok((wide?.width ?? Number.POSITIVE_INFINITY) <= (seen?.width ?? 0), `nothing stands out at ${page.url()}`);
  }

  for (const [colorScheme, javaScriptEnabled, width, locale] of [
    ['light', true, 1280, 'en'],
    ['dark', true, 320, 'ar'],
    ['dark', false, 320, 'ru'],
  ] as const) {
    const how = `${colorScheme}, ${width} pixels, ${locale}, ${javaScriptEnabled ? 'with' : 'without'} scripts`;

    it(`shows numbers, finds an event, tries a colour (${how})`, async () => {
      const account = await latchkey.createAccount();
      const { database, roles, auditChain } = latchkey.app;
      await database.transaction(async (em) => roles.assign(em, account.id, 'super-admin', CLI));
      await auditChain.extend();
      await within({ colorScheme, javaScriptEnabled, locale, viewport: { width, height: 800 } }, async (page) => {
        const look = async (): Promise<void> => {
          await assertFits(page);
          // Axe is a script itself.
          if (javaScriptEnabled) await assertAccessible(page);
        };
        await page.goto(`${latchkey.issuer}/admin`);
        await page.fill('[name=login]', account.email ?? '');
        await page.fill('[name=password]', TEST_PASSWORD);
        await page.click('#submit');
        await page.waitForSelector('[data-page=admin-overview]');
        await page.click('main details.fold summary');
        await page.locator('main tbody tr').first().waitFor();
        await look();

        await page.click('nav a[href="/admin/audit"]');
        await page.waitForSelector('[data-page=admin-audit]');
        await page.fill('#target', account.email ?? '');
        await page.selectOption('#action', 'role.assign');
        await page.click('form[role=search] button');
        await page.waitForSelector('[data-event]');
        assert.equal(await page.locator('[data-event]').count(), 1);
        await page.click('[data-event] summary');
        await page.locator('[data-event] .facts').waitFor();
        await look();

        await page.click('nav a[href="/admin/settings"]');
        await page.waitForSelector('[data-setting]', { state: 'attached' });
        await page.click('main details.fold summary');
        await page.locator('[data-setting=LATCHKEY_ISSUER]').waitFor();
        await look();

        await page.click('main a[href="/admin/settings/brand"]');
        await page.waitForSelector('#accent');
        await page.fill('#accent', '#ffee00');
        if (javaScriptEnabled) {
          await page.fill('#name', 'Difference Engine');
          assert.equal(await page.locator('.brand-preview .product').first().textContent(), 'Difference Engine');
          const inMail = page.locator('[data-pane=mail] .preview-title');
          assert.ok((await inMail.textContent())?.endsWith('Difference Engine'));
          // Nothing was sent yet.
          await page.waitForFunction(() => {
            const button = document.querySelector('.scheme-dark .button-primary');
            return button !== null && getComputedStyle(button).backgroundColor === 'rgb(255, 238, 0)';
          });
        }
        await page.click('[name=decision][value=preview]');
        await page.waitForSelector('link[href*="accent-preview"]', { state: 'attached' });
        const ground = (pane: string) =>
          page
            .locator(`.brand-preview${pane} .button-primary`)
            .first()
            .evaluate((one) => getComputedStyle(one).backgroundColor);
        assert.equal(await ground('.scheme-dark'), 'rgb(255, 238, 0)');
        assert.notEqual(await ground('.scheme-light'), 'rgb(255, 238, 0)', 'nobody could read it');
        await look();
        await page.click('[name=decision][value=save]');
        await page.waitForSelector('[role=status]');
        assert.equal(await page.locator('link[href*="/assets/accent."]').count(), 1);
        await look();
        await page.goto(`${latchkey.issuer}/admin`);
        await look();
      });
    });
  }
});
