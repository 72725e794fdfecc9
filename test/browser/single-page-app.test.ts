// oidc-client-ts in a real browser, by way of the example that uses it: calls across origins, a silent sign-in in a frame, sign-out, and tokens that
// are nowhere but in memory. Our signing keys change meanwhile.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { type RunningExample, registerExample, runExample } from '../flow/examples/example.ts';
import { launchChromium } from '../support/chromium.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { kidOf, rotateKeys } from '../support/rotate-keys.ts';
import { backends, type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const noBrowser = launched.browser === null ? launched.missing : undefined;

after(() => launched.browser?.close());

for (const { backend, missing } of backends) {
  describe(`a single-page app in Chromium, on ${backend}`, { skip: noBrowser ?? missing ?? false }, () => {
    let browser: Browser;
    let latchkey: Latchkey;
    let app: RunningExample;
    let origin: string;

    before(async () => {
      assert.ok(launched.browser);
      browser = launched.browser;
      latchkey = await startLatchkey({ backend });
      const port = await freePort();
      origin = `http://localhost:${port}`;
      const { clientId } = await registerExample(latchkey, 'single-page-app', {
        redirect_uris: [`${origin}/`, `${origin}/silent.html`],
        post_logout_redirect_uris: [`${origin}/`],
      });
      app = runExample('single-page-app', { ISSUER: latchkey.issuer, CLIENT_ID: clientId, PORT: String(port) });
      await app.untilWritten(/is ready/);
    });
    after(async () => {
      await app.stop();
      await latchkey.stop();
    });

    /** A page that must not complain; what the token endpoint answered is kept. */
    async function withPage(use: (page: Page, idTokens: string[]) => Promise<void>): Promise<void> {
      const context = await browser.newContext();
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => {
        const isExpected = message.text().includes('status of 401');
        if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      const idTokens: string[] = [];
      page.on('response', async (response) => {
        if (response.url() !== `${latchkey.issuer}/token` || response.request().method() !== 'POST') return;
        idTokens.push(((await response.json()) as { readonly id_token: string }).id_token);
      });
      try {
        await use(page, idTokens);
        assert.deepEqual(complaints, []);
      } finally {
        await context.close();
      }
    }

    const status = (page: Page, text: RegExp) => page.locator('#status', { hasText: text }).waitFor();

    async function signIn(page: Page): Promise<string> {
      const account = await latchkey.createAccount({ name: 'Ann Lee' });
      await page.goto(origin);
      await status(page, /not signed in/);
      await page.click('#sign-in');
      await page.fill('#login', account.email ?? '');
      await page.fill('#password', TEST_PASSWORD);
      await page.click('#submit');
      await page.click('button[name=decision][value=allow]');
      await status(page, /Signed in as/);
      return account.email ?? '';
    }

    it('signs in, calls userinfo, renews in a frame across a rotation, and signs out', async () => {
      await withPage(async (page, idTokens) => {
        const email = await signIn(page);
        assert.equal(page.url(), `${origin}/`, 'the code is not left in the address');
        await page.click('#ask');
        await page.locator('#answer', { hasText: 'Ann Lee' }).waitFor();
        assert.equal(await page.locator('#answer').textContent(), Array(10).fill(`Ann Lee <${email}>`).join('\n'));
        const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
        assert.doesNotMatch(stored, /token/);

        await rotateKeys(latchkey);
        await page.reload();
        await status(page, /Signed in as/);
        await eventually(() => assert.equal(idTokens.length, 2));
        assert.notEqual(kidOf(idTokens[1]), kidOf(idTokens[0]));

        await page.click('#sign-out');
        await page.locator('main[data-page=logout]').waitFor();
        await page.click('button[name=decision][value=allow]');
        await status(page, /not signed in/);
        await page.reload();
        await status(page, /not signed in/);
        assert.equal(idTokens.length, 2);
      });
    });

    it('renews once for ten calls whose token is not accepted any more', async () => {
      await withPage(async (page) => {
        await signIn(page);
        let [refused, renewals] = [0, 0];
        page.on('request', (request) => {
          if (request.url() === `${latchkey.issuer}/token` && request.method() === 'POST') renewals += 1;
        });
        await page.route(`${latchkey.issuer}/me`, async (route) => {
          if (renewals > 0 || route.request().method() !== 'GET') return route.continue();
          refused += 1;
          return route.fulfill({ status: 401, headers: { 'access-control-allow-origin': origin } });
        });
        await page.click('#ask');
        await page.locator('#answer', { hasText: 'Ann Lee' }).waitFor();
        assert.deepEqual([refused, renewals], [10, 1]);
      });
    });

    it('says that nobody is signed in when the session ended elsewhere', async () => {
      await withPage(async (page) => {
        await signIn(page);
        await page.context().clearCookies();
        await page.route(`${latchkey.issuer}/me`, (route) =>
          route.fulfill({ status: 401, headers: { 'access-control-allow-origin': origin } }),
        );
        await page.click('#ask');
        await status(page, /not signed in/);
      });
    });
  });
}
