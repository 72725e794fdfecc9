// Telegram in Chromium from an app through the pages and back, with scripts and without: a code to the phone, the approval in the bot as second factor
// on a browser that is trusted then, and the same set up inside of the sign-in. Every page on the way is looked at, wide and narrow, light and dark.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { AAL2 } from '../flow/factors/stories.ts';
import { enrolInBot } from '../flow/telegram/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { givePhone, messagesTo, nextCode } from '../support/phone-stage.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';
import type { SentMessage, TestTelegramPerson } from '../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../support/telegram-stage.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const { api, env } = await setTelegramStage();

/** Without scripts once: axe is a script itself. */
const VISITS = [
  { locale: 'en', javaScriptEnabled: true, direction: 'ltr' },
  { locale: 'ru', javaScriptEnabled: true, direction: 'ltr' },
  { locale: 'ar', javaScriptEnabled: true, direction: 'rtl' },
  { locale: 'en', javaScriptEnabled: false, direction: 'ltr' },
] as const;
type Visit = (typeof VISITS)[number];

describe('Telegram in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let back: string;
  const app = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back at the app</h1>');
  });

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    back = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
    const settings = { LATCHKEY_TRUSTED_DEVICES: 'true', LATCHKEY_LIMITS_OFF: 'true' };
    latchkey = await startLatchkey({ host: 'localhost', env: { ...env, ...settings } });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
    app.closeAllConnections();
    app.close();
  });

  const createClient = (metadata = {}): Promise<TestClient> =>
    latchkey.createClient({ client_name: 'Photo Album', redirect_uris: [back], ...metadata });

  async function withPage(visit: Visit, use: (page: Page, look: () => Promise<void>) => Promise<void>): Promise<void> {
    const { javaScriptEnabled, direction } = visit;
    const context = await browser.newContext({ javaScriptEnabled, viewport: { width: 320, height: 800 } });
    const page = await context.newPage();
    const foreign: string[] = [];
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (![latchkey.issuer, new URL(back).origin].includes(origin) && protocol !== 'data:') foreign.push(origin);
    });
    const look = async (): Promise<void> => {
      if (!javaScriptEnabled) return;
      for (const width of [1280, 320]) {
        await page.setViewportSize({ width, height: 800 });
        await assertAccessible(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.equal(overflow, 0, `${width} ${page.url()}`);
      }
      assert.equal(await page.getAttribute('html', 'dir'), direction);
    };
    try {
      await use(page, look);
      assert.deepEqual(foreign, [], 'nobody else was asked');
    } finally {
      await context.close();
    }
  }

  /** The sign-in page of an app's request, once the bot is there. */
  async function open(page: Page, client: TestClient, visit: Visit): Promise<void> {
    const { url } = authorizationRequest(latchkey.issuer, client, { ui_locales: visit.locale });
    await eventually(async () => {
      await page.goto(url.href);
      assert.equal(await page.locator('a[href$="/phone"]').count(), 1, 'the bot is not there yet');
    });
  }

  async function landAtApp(page: Page): Promise<void> {
    await page.locator('main[data-page=consent]').waitFor();
    await page.click('button[name=decision][value=allow]');
    await page.waitForURL(`${back}?**`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
  }

  async function prove(page: Page, email: string | null): Promise<void> {
    await page.fill('#login', email ?? '');
    await page.fill('#password', TEST_PASSWORD);
    await page.click('#submit');
  }

  /** Presses the number that the page shows; it goes on by itself, or with its button. */
  async function answer(page: Page, visit: Visit, user: TestTelegramPerson, message: SentMessage): Promise<void> {
    const waiting = page.url();
    api.press(user, message, (await page.textContent('[data-number]')) ?? '');
    await eventually(async () => {
      if (!visit.javaScriptEnabled && page.url() === waiting) await page.click('#submit');
      assert.equal(await page.locator('main[data-page=telegram-wait]').count(), 0, 'goes on');
    });
  }

  for (const visit of VISITS) {
    const { locale, javaScriptEnabled } = visit;
    const how = `${locale}, ${javaScriptEnabled ? 'with' : 'without'} scripts`;

    it(`signs in by a code to the phone, from the field for the name or the page for numbers: ${how}`, async () => {
      const { user, number } = await givePhone(latchkey, api, await latchkey.createAccount());
      const typed = number.replace(/^\+1(...)(...)/, '+1 ($1) $2-');
      const client = await createClient();
      await withPage(visit, async (page, look) => {
        await open(page, client, visit);
        await look();
        const seen = messagesTo(api, user);
        if (locale === 'en') {
          await page.fill('#login', typed);
          await page.click('button[name=method][value=mail-code]');
        } else {
          await page.click('a[href$="/phone"]');
          await page.locator('main[data-page=phone]').waitFor();
          await look();
          await page.fill('#phone', typed);
          await page.click('#submit');
        }
        await page.locator('main[data-page=phone] #code').waitFor();
        await look();
        const code = await nextCode(api, user, seen);
        await page.fill('#code', code === '000000' ? '000001' : '000000');
        await page.click('#submit');
        await page.locator('#problems').waitFor();
        await look();
        await page.fill('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
        await page.click('#submit');
        await landAtApp(page);
      });
    });

    it(`is the second factor, on a browser that is trusted from then on: ${how}`, async () => {
      const [account, user] = [await latchkey.createAccount(), newTelegramPerson()];
      await enrolInBot(api, latchkey, account, user);
      const client = await createClient();
      await withPage(visit, async (page, look) => {
        await open(page, client, visit);
        await prove(page, account.email);
        await page.locator('main[data-page=second-factor]').waitFor();
        await look();
        assert.equal(await page.isChecked('#trust'), false);
        await page.check('#trust');
        const seen = messagesTo(api, user);
        await page.click('#submit');
        await page.locator('main[data-page=telegram-wait]').waitFor();
        await look();
        await answer(page, visit, user, await api.nextMessage(user, seen));
        await landAtApp(page);
        await page.context().clearCookies({ name: /^latchkey_session/ });
        await open(page, client, visit);
        await prove(page, account.email);
        await page.waitForURL(`${back}?**`);
        assert.ok(new URL(page.url()).searchParams.get('code'), 'the password was enough');
      });
    });

    it(`is set up inside of a sign-in that needs it: ${how}`, async () => {
      const [account, user] = [await latchkey.createAccount(), newTelegramPerson()];
      const client = await createClient({ latchkey_required_acr: AAL2 });
      await withPage(visit, async (page, look) => {
        await open(page, client, visit);
        await prove(page, account.email);
        await page.locator('main[data-page=second-factor-setup]').waitFor();
        await look();
        await page.click('a[href$="method=telegram"]');
        await page.locator('form[action$="/telegram"] #submit').waitFor();
        await look();
        await page.click('#submit');
        await page.locator('main[data-page=telegram-wait]').waitFor();
        await look();
        const link = new URL((await page.getAttribute('a[href*="?start="]', 'href')) ?? '');
        api.write(user, `/start ${link.searchParams.get('start') ?? ''}`);
        await answer(page, visit, user, await api.nextMessage(user));
        await page.locator('#recovery-codes').waitFor();
        await look();
        await page.click('#submit');
        await landAtApp(page);
      });
      assert.equal((await latchkey.app.factors.overview(account.id)).telegram?.telegramId, String(user.id));
    });
  }
});
