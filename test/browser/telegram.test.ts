// Signing in by an approval in the bot, in a real browser: from an app's request over the bot to the app. With scripts the page goes on by itself
// as soon as the bot has its answer; without them the button does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey } from '../support/server.ts';
import { newTelegramPerson, setTelegramStage } from '../support/telegram-stage.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const { api, env } = await setTelegramStage();

describe('the bot in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  const app = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back at the app</h1>');
  });

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    latchkey = await startLatchkey({ env: { ...env, LATCHKEY_REGISTRATION: 'open' } });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
    app.closeAllConnections();
    app.close();
  });

  /** On the page that waits, opened from an app. */
  async function openWait(page: Page): Promise<string> {
    const redirectUri = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
    const client = await latchkey.createClient({ client_name: 'Photo Album', redirect_uris: [redirectUri] });
    await eventually(async () => {
      await page.goto(authorizationRequest(latchkey.issuer, client).url.href);
      assert.equal(await page.locator('[data-upstream=telegram-bot]').count(), 1, 'the bot is not there yet');
    });
    await page.click('[data-upstream=telegram-bot]');
    await page.waitForSelector('[data-page=telegram-wait]');
    return redirectUri;
  }

  /** What the person reads on the page and does in the bot. */
  async function answer(page: Page, button?: string): Promise<void> {
    const link = new URL((await page.getAttribute('a[href^="https://t.me/"]', 'href')) ?? '');
    const number = (await page.textContent('[data-number]')) ?? '';
    const person = newTelegramPerson();
    api.write(person, `/start ${link.searchParams.get('start') ?? ''}`);
    api.press(person, await api.nextMessage(person), button ?? number);
  }

  async function withPage(options: { readonly javaScriptEnabled?: boolean }, use: (page: Page) => Promise<void>) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const asked = new Set<string>();
    page.on('request', (request) => asked.add(new URL(request.url()).origin));
    try {
      await use(page);
      const ours = [new URL(latchkey.issuer).origin, `http://127.0.0.1:${(app.address() as AddressInfo).port}`];
      assert.deepEqual(
        [...asked].filter((origin) => origin !== 'null' && !ours.includes(origin)),
        [],
      );
    } finally {
      await context.close();
    }
  }

  it('leads back to the app by itself once the right number was chosen', async () => {
    await withPage({}, async (page) => {
      const redirectUri = await openWait(page);
      await assertAccessible(page);
      await answer(page);
      await page.waitForSelector('[data-page=consent]');
      await page.click('button[name=decision][value=allow]');
      await page.waitForURL(`${redirectUri}?**`);
      assert.ok(new URL(page.url()).searchParams.get('code'));
    });
  });

  it('leads back to the app by the button, without scripts', async () => {
    await withPage({ javaScriptEnabled: false }, async (page) => {
      const redirectUri = await openWait(page);
      await answer(page);
      await eventually(async () => {
        await page.click('#submit');
        assert.equal(await page.locator('[data-page=consent]').count(), 1);
      });
      await page.click('button[name=decision][value=allow]');
      await page.waitForURL(`${redirectUri}?**`);
    });
  });

  it('says by itself that the answer was no', async () => {
    await withPage({}, async (page) => {
      await openWait(page);
      await answer(page, 'No, this is not me');
      await page.waitForSelector('[data-page=telegram-wait]:not(:has([data-number])) #submit');
      await assertAccessible(page);
      await page.click('#submit');
      await page.waitForSelector('[data-number]');
    });
  });
});
