// A second factor in Chromium from an app through the page that asks for it and back: by authenticator app and by recovery code, with scripts and
// without; and the account portal, where both are set up.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { RecoveryCodes } from '../../src/credential/recovery-code.ts';
import { addTotp, codeOf, forgetSteps } from '../flow/factors/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { shortCodes } from '../support/credentials.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;

describe('a second factor in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let client: TestClient;
  let back: string;
  const app = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back at the app</h1>');
  });

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ host: 'localhost', env: { LATCHKEY_LIMITS_OFF: 'true' } });
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    back = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
    client = await latchkey.createClient({ redirect_uris: [back] });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
    app.closeAllConnections();
    app.close();
  });

  async function withPage(javaScriptEnabled: boolean, use: (page: Page, look: () => Promise<void>) => Promise<void>) {
    const context = await browser.newContext({
      javaScriptEnabled,
      viewport: { width: javaScriptEnabled ? 1280 : 320, height: 800 },
    });
    try {
      const page = await context.newPage();
      // Axe is a script itself.
      await use(page, async () => (javaScriptEnabled ? assertAccessible(page) : undefined));
    } finally {
      await context.close();
    }
  }

  async function prove(page: Page, email: string | null): Promise<void> {
    await page.fill('#login', email ?? '');
    await page.fill('#password', TEST_PASSWORD);
    await page.click('#submit');
  }

  async function landAtApp(page: Page): Promise<void> {
    await page.locator('main[data-page=consent]').waitFor();
    await page.click('button[name=decision][value=allow]');
    await page.waitForURL(`${back}?**`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
  }

  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with scripts' : 'without scripts';
    const open = (page: Page) => page.goto(authorizationRequest(latchkey.issuer, client).url.href);

    it(`is asked for after the password, refuses a wrong code, and leads to the app: ${how}`, async () => {
      const account = await latchkey.createAccount();
      const secret = await addTotp(latchkey, account);
      await withPage(javaScriptEnabled, async (page, look) => {
        await open(page);
        await prove(page, account.email);
        await page.locator('main[data-page=second-factor]').waitFor();
        await look();
        await page.fill('#code', '000000');
        await page.click('#submit');
        await page.locator('#code-problem, #problems').first().waitFor();
        await look();
        const code = codeOf(secret, 1);
        await page.fill('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
        await page.click('#submit');
        await landAtApp(page);
      });
    });

    it(`can be a recovery code, once: ${how}`, async () => {
      const account = await latchkey.createAccount();
      await addTotp(latchkey, account);
      const recovery = new RecoveryCodes({ database: latchkey.app.database, shortCodes, perSet: 2 });
      const [first = ''] = await recovery.regenerate(account.id);
      for (const isFirst of [true, false]) {
        await withPage(javaScriptEnabled, async (page, look) => {
          await open(page);
          await prove(page, account.email);
          await page.click('a[href$="method=recovery-code"]');
          await look();
          await page.fill('#code', first.toLowerCase());
          await page.click('#submit');
          if (isFirst) await landAtApp(page);
          else await page.locator('#code-problem, #problems').first().waitFor();
        });
      }
    });

    it(`is set up in the portal behind a fresh proof, with codes to keep, and asked for from then on: ${how}`, async () => {
      const account = await latchkey.createAccount();
      let secret = '';
      await withPage(javaScriptEnabled, async (page, look) => {
        await page.goto(`${latchkey.issuer}/account/security/authenticator`);
        await prove(page, account.email);
        await page.locator('#totp-secret').waitFor();
        await look();
        secret = (await page.locator('#totp-secret').textContent()) ?? '';
        await page.fill('#code', codeOf(secret));
        await page.click('#submit');
        await page.locator('#recovery-codes').waitFor();
        await look();
      });
      await forgetSteps(latchkey, account);
      await withPage(javaScriptEnabled, async (page) => {
        await open(page);
        await prove(page, account.email);
        await page.locator('main[data-page=second-factor]').waitFor();
        await page.fill('#code', codeOf(secret));
        await page.click('#submit');
        await landAtApp(page);
      });
    });
  }
});
