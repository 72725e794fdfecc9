// Upstreams with habits of their own in a real browser: GitHub, which is no OpenID provider, and Apple, which answers by a form post from another
// site, so that our cookies stay behind. Latchkey is on 127.0.0.1 and they are on localhost: for a browser those are two sites.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { jwtVerify } from 'jose';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import { authorizationRequest } from '../support/relying-party.ts';
import { ScriptedUpstream, UPSTREAM_CLIENT } from '../support/scripted-upstream.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';
import { settingsFile } from '../support/settings-file.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const APPLE_PERSON = {
  ...{ sub: '001999.0123456789abcdef.0815', email: 'x7@privaterelay.appleid.com', email_verified: true },
  is_private_email: true,
};

async function startGithub(): Promise<ScriptedUpstream> {
  const upstream = await ScriptedUpstream.start();
  upstream.api.set('/user', () => ({ id: 583_231, login: 'octo-ann', name: 'Ann Example', avatar_url: null }));
  upstream.api.set('/user/emails', () => [{ email: 'ann@example.com', primary: true, verified: true }]);
  return upstream;
}

async function startApple(): Promise<ScriptedUpstream> {
  const upstream = await ScriptedUpstream.start();
  upstream.clientId = 'com.example.id';
  upstream.person = APPLE_PERSON;
  upstream.isClient = (_req, form) =>
    jwtVerify(form.get('client_secret') ?? '', KEYS.publicKey, { issuer: 'ABCDE12345' }).then(() => true);
  return upstream;
}

describe('upstreams of several kinds in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let github: ScriptedUpstream;
  let apple: ScriptedUpstream;
  let callback: string;
  const app = createServer((_req, res) => {
    res
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<!doctype html><title>App</title><h1>Back at the app</h1>');
  });

  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    callback = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`;
    [github, apple] = [await startGithub(), await startApple()];
    const { authorization, token } = github.paths;
    const upstreams = [
      {
        ...{ id: 'github', kind: 'github', clientId: UPSTREAM_CLIENT.id, clientSecret: UPSTREAM_CLIENT.secret },
        endpoints: {
          authorization: `${github.issuer}${authorization}`,
          token: `${github.issuer}${token}`,
          api: github.issuer,
        },
      },
      {
        ...{ id: 'apple', kind: 'apple', clientId: 'com.example.id', teamId: 'ABCDE12345', keyId: 'FGHIJ67890' },
        privateKey: KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        endpoints: { issuer: apple.issuer },
      },
    ];
    const port = await freePort();
    latchkey = await startLatchkey({
      env: {
        ...settingsFile(JSON.stringify({ upstreams })),
        LATCHKEY_ISSUER: `http://127.0.0.1:${port}`,
        LATCHKEY_PORT: String(port),
        LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
        LATCHKEY_REGISTRATION: 'open',
      },
    });
  });
  beforeEach(async () => {
    for (const upstream of [github, apple]) upstream.reset();
    github.script.callback = { iss: `${github.issuer}/login/oauth` };
    await latchkey.app.database.sql.query({ name: '', text: 'delete from linked_identity' });
  });
  after(async () => {
    await browser.close();
    await latchkey.stop();
    await Promise.all([github.close(), apple.close()]);
    app.closeAllConnections();
    app.close();
  });

  async function withPage(use: (page: Page) => Promise<void>, javaScriptEnabled = true): Promise<void> {
    const context = await browser.newContext({ javaScriptEnabled });
    try {
      await use(await context.newPage());
    } finally {
      await context.close();
    }
  }

  async function begin(page: Page, id: string): Promise<void> {
    const client = await latchkey.createClient({ client_name: 'Photo Album', redirect_uris: [callback] });
    await page.goto(authorizationRequest(latchkey.issuer, client, { scope: 'openid profile' }).url.href);
    await page.click(`[data-upstream=${id}]`);
  }

  async function arrive(page: Page): Promise<void> {
    await page.click('button[name=decision][value=allow]');
    await page.waitForURL(`${callback}?**`);
    assert.ok(new URL(page.url()).searchParams.get('code'));
  }

  async function listIdentities(): Promise<readonly object[]> {
    const text =
      'select i.upstream, i.subject, i.username, i.email, a.name from linked_identity i join account a on a.id = i.account_id';
    return (await latchkey.app.database.sql.query({ name: '', text })).rows;
  }

  for (const hasScripts of [true, false]) {
    it(`GitHub leads from an app to the app, ${hasScripts ? 'with' : 'without'} scripts`, async () => {
      await withPage(async (page) => {
        await begin(page, 'github');
        await arrive(page);
      }, hasScripts);
      const [identity] = await listIdentities();
      const expected = {
        upstream: 'github',
        subject: '583231',
        username: 'octo-ann',
        email: 'ann@example.com',
        name: 'Ann Example',
      };
      assert.deepEqual({ ...identity }, expected);
    });

    it(`Apple does so by a form post of another site, ${hasScripts ? 'with' : 'without'} scripts`, async () => {
      apple.script.callback = {
        user: JSON.stringify({ name: { firstName: 'Änn', lastName: '<b>"Example"' }, email: 'victim@example.com' }),
      };
      await withPage(async (page) => {
        await begin(page, 'apple');
        const posted = page.waitForRequest((one) => one.method() === 'POST' && one.url().includes('/upstream/apple/'));
        await page.click('text=Continue');
        const headers = await (await posted).allHeaders();
        assert.equal(headers['sec-fetch-site'], 'cross-site');
        assert.equal(headers['cookie'], undefined);
        await arrive(page);
      }, hasScripts);
      const [identity] = await listIdentities();
      const { sub: subject, email } = APPLE_PERSON;
      assert.deepEqual(
        { ...identity },
        { upstream: 'apple', subject, username: null, email, name: 'Änn <b>"Example"' },
      );
    });
  }

  it('an address of Apple that is verified by a text only is asked about', async () => {
    apple.script.claims = { email_verified: 'true' };
    await withPage(async (page) => {
      await begin(page, 'apple');
      await page.click('text=Continue');
      await page.waitForSelector('[data-page=upstream-account]');
      assert.match((await page.textContent('main')) ?? '', /x7@privaterelay\.appleid\.com/);
    });
    assert.deepEqual(await listIdentities(), []);
  });

  it('who cancels at Apple reads that they did, and finds the way back', async () => {
    apple.script.callback = { code: undefined, error: 'user_cancelled_authorize' };
    await withPage(async (page) => {
      await begin(page, 'apple');
      await page.click('text=Continue');
      await page.waitForSelector('[data-error=upstream-denied]');
      await page.click('text=Back to sign-in');
      await page.waitForSelector('[data-upstream=apple]');
    });
    assert.deepEqual(await listIdentities(), []);
  });

  it('an answer of GitHub that names another issuer signs nobody in, and no code is redeemed', async () => {
    github.script.callback = { iss: apple.issuer };
    await withPage(async (page) => {
      await begin(page, 'github');
      await page.waitForSelector('[data-error=upstream-exchange]');
    });
    assert.deepEqual(github.asked, [github.paths.authorization]);
  });

  it('both are linked to one account in the portal, and removed again', async () => {
    const account = await latchkey.createAccount();
    await withPage(async (page) => {
      await page.goto(`${latchkey.issuer}/account/identities`);
      await page.fill('#login', account.email ?? '');
      await page.fill('#password', TEST_PASSWORD);
      await page.click('#submit');
      await page.click('[data-upstream=github]');
      await page.waitForSelector('[data-identity]');
      await page.click('[data-upstream=apple]');
      await page.click('text=Continue');
      await page.waitForURL('**/account/identities**');
      assert.equal(await page.locator('[data-identity]').count(), 2);
      for (const left of [1, 0]) {
        await page.locator('a[href$="/unlink"]').first().click();
        await page.click('#submit');
        await page.waitForURL('**/account/identities?done=unlinked');
        assert.equal(await page.locator('[data-identity]').count(), left);
      }
    });
  });
});
