// The Mini App's page in a real browser: Telegram's script says who opened it, the page posts that by itself, and one press goes on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { signInitData } from '../support/init-data.ts';
import { type Latchkey, startLatchkey } from '../support/server.ts';
import { newTelegramPerson, setTelegramStage } from '../support/telegram-stage.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const { env } = await setTelegramStage({ miniApp: true });

describe('a Mini App in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ env: { ...env, LATCHKEY_REGISTRATION: 'open' } });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
  });

  /** @param initData what Telegram's script says; empty outside of Telegram */
  async function withPage(initData: string, use: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
    const complaints: string[] = [];
    try {
      const page = await context.newPage();
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
      });
      const body = `window.Telegram = { WebApp: { initData: ${JSON.stringify(initData)}, ready() {} } };`;
      await page.route('https://telegram.org/js/telegram-web-app.js', (route) =>
        route.fulfill({ contentType: 'text/javascript', body }),
      );
      await page.goto(`${latchkey.issuer}/telegram/mini-app`);
      await use(page);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  }

  it('posts what Telegram signed and goes on with one press', async () => {
    const user = newTelegramPerson({ firstName: 'Zoë & <b>Co</b>' });
    await withPage(signInitData(user), async (page) => {
      await page.getByRole('button', { name: 'Continue' }).waitFor();
      assert.match(await page.locator('main').innerText(), /Zoë & <b>Co<\/b>/);
      await assertAccessible(page);
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.locator('[data-page="account-sessions"]').waitFor();
    });
  });

  it('says what to do where there is no Telegram around it', async () => {
    await withPage('', async (page) => {
      await page.getByText('only inside Telegram').waitFor();
      assert.equal(await page.getByText('One moment').isVisible(), false);
    });
  });
});
