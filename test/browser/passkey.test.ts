// A person with a passkey in a real browser, whose authenticator is a virtual one: made in the portal, used at an app's sign-in by button and
// from the browser's own list, as second factor and for a step-up, renamed and deleted. What only a browser does is proven here.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { addTotp, codeOf, essential } from '../flow/factors/stories.ts';
import { assertAccessible, assertNoBarrier } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { authorizationRequest, redeem } from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const AAL2 = 'urn:latchkey:aal2';
const PHR = 'urn:latchkey:phr';

/** The app, on another origin: cookies ignore ports, so it has another name. What it got is in the address. */
const app = createServer((_req, res) => {
  res.setHeader('content-type', 'text/html; charset=utf-8');
  res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>App</h1>');
});
await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
after(() => {
  app.closeAllConnections();
  app.close();
});
const BACK = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;

interface Person {
  readonly page: Page;
  readonly cdp: CDPSession;
  readonly authenticatorId: string;
}

describe('a person with a passkey in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let client: TestClient;

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost' });
    client = await latchkey.createClient({ latchkey_first_party: true, redirect_uris: [BACK] });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
  });

  /** A browser of its own with an authenticator that says yes. */
  async function withPerson(
    options: { readonly colorScheme?: 'light' | 'dark'; readonly width?: number },
    use: (person: Person) => Promise<void>,
  ): Promise<void> {
    const { colorScheme = 'light', width = 1280 } = options;
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    try {
      await use({ page, cdp, authenticatorId });
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  }

  const pageId = (page: Page) => page.locator('main').getAttribute('data-page');
  const at = (page: Page, id: string) => page.locator(`main[data-page=${id}]`).waitFor();

  async function signIn(page: Page, email: string): Promise<void> {
    await page.fill('#login', email);
    await page.fill('#password', TEST_PASSWORD);
    await page.click('#submit');
  }

  /** In the portal, behind a password. */
  async function makePasskey(page: Page, email: string, name: string): Promise<void> {
    await page.goto(`${latchkey.issuer}/account/security`);
    await signIn(page, email);
    await at(page, 'account-security');
    await page.click('a[href$="passkeys/add"]');
    await page.fill('#name', name);
    await page.click('#submit');
    await page.locator('.factors h3').waitFor();
  }

  async function open(page: Page, params: Record<string, string | undefined> = {}): Promise<string> {
    const { url, verifier } = authorizationRequest(latchkey.issuer, client, params);
    await page.goto(url.href);
    return verifier;
  }

  /** What the app is told. */
  async function landed(page: Page, verifier: string) {
    await page.waitForURL(`${BACK}**`);
    const code = new URL(page.url()).searchParams.get('code') ?? '';
    const answer = await redeem(latchkey, client, { code, verifier });
    return decodeJwt(String(answer.body['id_token']));
  }

  for (const options of [{ colorScheme: 'light' }, { colorScheme: 'dark', width: 320 }] as const) {
    it(`makes, uses, renames and deletes it, without a barrier on the way: ${options.colorScheme}`, async () => {
      const account = await latchkey.createAccount();
      await withPerson(options, async ({ page, cdp, authenticatorId }) => {
        await page.goto(`${latchkey.issuer}/account/security`);
        await signIn(page, account.email ?? '');
        await at(page, 'account-security');
        await assertAccessible(page);
        await page.click('a[href$="passkeys/add"]');
        await page.locator('#submit').waitFor({ state: 'visible' });
        await assertAccessible(page);
        await page.fill('#name', 'My laptop');
        await page.click('#submit');
        await page.locator('.factors h3').waitFor();
        assert.equal((await page.locator('.factors h3').textContent())?.trim(), 'My laptop');
        assert.match((await page.locator('.factors').textContent()) ?? '', /this device only/);
        await assertAccessible(page);
        // What is made with a password alone is changed with the passkey only.
        await page.click('a[href$=rename]');
        await at(page, 'reauthenticate');
        await assertAccessible(page);
        await page.click('[data-passkey]');
        await page.locator('#name').waitFor();
        await page.fill('#name', 'Old laptop');
        await page.click('#submit');
        await at(page, 'account-security');
        assert.equal((await page.locator('.factors h3').textContent())?.trim(), 'Old laptop');
        await page.click('a[href$=delete]');
        await assertAccessible(page);
        await page.click('#submit');
        await page.locator('[role=status]').first().waitFor();
        assert.equal(await page.locator('.factors').count(), 0);
        await cdp.send('WebAuthn.getCredentials', { authenticatorId });
        assert.equal((await latchkey.app.factors.overview(account.id)).passkeys.length, 0);
      });
    });
  }

  it('signs in at an app by the button alone', async () => {
    const account = await latchkey.createAccount();
    await withPerson({}, async ({ page, cdp, authenticatorId }) => {
      await makePasskey(page, account.email ?? '', 'Key');
      await page.context().clearCookies();
      // The browser's own list would be faster than the button.
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
      const verifier = await open(page);
      assert.equal(await pageId(page), 'login');
      await page.locator('[data-passkey]').waitFor({ state: 'visible' });
      await assertAccessible(page);
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
      await page.click('[data-passkey]');
      const claims = await landed(page, verifier);
      assert.equal(claims.sub, account.subject);
      assert.equal(claims['acr'], PHR);
      assert.deepEqual((claims['amr'] as string[]).toSorted(), ['hwk', 'mfa', 'user']);
    });
  });

  it('signs in at an app from the browser’s own list, without a click on the button', async () => {
    const account = await latchkey.createAccount();
    await withPerson({}, async ({ page }) => {
      await makePasskey(page, account.email ?? '', 'Key');
      await page.context().clearCookies();
      const verifier = await open(page);
      const claims = await landed(page, verifier);
      assert.equal(claims.sub, account.subject);
      assert.equal(claims['acr'], PHR);
    });
  });

  it('uses it as second factor and steps up with it, and can say no to what an app would only like', async () => {
    const account = await latchkey.createAccount();
    await withPerson({}, async ({ page, cdp, authenticatorId }) => {
      await makePasskey(page, account.email ?? '', 'Key');
      await page.context().clearCookies();
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
      const weak = await open(page);
      await signIn(page, account.email ?? '');
      assert.equal((await landed(page, weak))['acr'], 'urn:latchkey:aal1');
      const liked = await open(page, { acr_values: PHR });
      assert.equal(await pageId(page), 'second-factor');
      await assertAccessible(page);
      await page.click('button[value=skip]');
      assert.equal((await landed(page, liked))['acr'], 'urn:latchkey:aal1');
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
      const firm = await open(page, essential(PHR));
      assert.equal(await pageId(page), 'second-factor');
      await page.click('#submit');
      assert.equal((await landed(page, firm))['acr'], PHR);
      await page.context().clearCookies();
      await addTotp(latchkey, account);
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false });
      const both = await open(page, essential(AAL2));
      await signIn(page, account.email ?? '');
      await at(page, 'second-factor');
      await page.goto(`${page.url().split('?')[0]}?method=passkey`);
      await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true });
      await page.click('#submit');
      const claims = await landed(page, both);
      assert.deepEqual((claims['amr'] as string[]).toSorted(), ['hwk', 'mfa', 'pwd', 'user']);
    });
  });

  it('is told when the browser refuses, and can still sign in another way', async () => {
    const account = await latchkey.createAccount();
    const secret = await addTotp(latchkey, account);
    await withPerson({}, async ({ page, cdp, authenticatorId }) => {
      await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
      const verifier = await open(page);
      await page.click('[data-passkey]');
      await page.locator('[data-passkey-problem]').waitFor({ state: 'visible' });
      await assertAccessible(page);
      await signIn(page, account.email ?? '');
      await at(page, 'second-factor');
      await assertAccessible(page);
      await page.fill('#code', codeOf(secret, 1));
      await page.click('#submit');
      assert.equal((await landed(page, verifier)).sub, account.subject);
    });
  });
});

describe('a deployment that demands a second factor, in Chromium', { skip: missing }, () => {
  it('has it set up on the way to the app, without a barrier', async () => {
    const { browser } = await launchChromium();
    assert.ok(browser);
    const latchkey = await startLatchkey({ host: 'localhost', env: { LATCHKEY_SECOND_FACTOR_REQUIRED: 'true' } });
    try {
      const client = await latchkey.createClient({ latchkey_first_party: true, redirect_uris: [BACK] });
      for (const colorScheme of ['light', 'dark'] as const) {
        const account = await latchkey.createAccount();
        const context = await browser.newContext({ colorScheme });
        const page = await context.newPage();
        const look = (): Promise<void> => assertNoBarrier(page, colorScheme);
        const { url } = authorizationRequest(latchkey.issuer, client);
        await page.goto(url.href);
        await page.fill('#login', account.email ?? '');
        await page.fill('#password', TEST_PASSWORD);
        await page.click('#submit');
        await page.locator('main[data-page=second-factor-setup]').waitFor();
        await look();
        await page.click('a[href$="method=totp"]');
        await look();
        await page.fill('#code', codeOf((await page.locator('#totp-secret').textContent()) ?? ''));
        await page.click('#submit');
        await page.locator('#recovery-codes').waitFor();
        await look();
        await page.click('#submit');
        await page.waitForURL(`${BACK}**`);
        assert.notEqual(new URL(page.url()).searchParams.get('code'), null);
        await context.close();
      }
    } finally {
      await browser.close();
      await latchkey.stop();
    }
  });
});
