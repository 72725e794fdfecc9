// What administrators do in a day, from the first click to what it changes for others: organizations, roles, invitations, the audit, the looks, a new
// app. With scripts and without, in light and dark, wide and narrow, and from right to left.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { FREE_ENV, mailsTo, newAddress, readMail } from '../flow/mailed/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const CLI = { actor: { kind: 'cli' } } as const;
const REASON = 'As agreed on the telephone';
const NEW_PASSWORD = 'seven green bottles on a wall';
const MODES = [
  { how: 'with scripts', hasScripts: true, locale: 'en', colorScheme: 'light', width: 1280 },
  { how: 'without scripts, narrow and dark', hasScripts: false, locale: 'ru', colorScheme: 'dark', width: 320 },
  { how: 'from right to left, narrow', hasScripts: true, locale: 'ar', colorScheme: 'light', width: 320 },
] as const;
type Mode = (typeof MODES)[number];

let counter = 0;
const newName = (what: string): string => `${what}-${(counter += 1)}`;

describe('administrators in Chromium', { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  let app: Server;
  let appOrigin: string;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    app = createServer((_req, res) => {
      res.setHeader('content-type', 'text/html; charset=utf-8');
      res.end('<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back</h1>');
    });
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    appOrigin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost', env: FREE_ENV });
  });
  after(async () => {
    app.closeAllConnections();
    app.close();
    await browser.close();
    await latchkey.stop();
  });

  async function within(mode: Mode, work: (context: BrowserContext) => Promise<void>): Promise<void> {
    const { hasScripts, locale, colorScheme, width } = mode;
    const viewport = { width, height: 800 };
    const context = await browser.newContext({
      ...{ javaScriptEnabled: hasScripts, locale, colorScheme, viewport, reducedMotion: 'reduce' },
    });
    try {
      await work(context);
    } finally {
      await context.close();
    }
  }

  /** An administrator of all there is, at a page. */
  async function openAs(context: BrowserContext, path: string): Promise<Page> {
    const { email, id } = await latchkey.createAccount();
    await latchkey.app.database.transaction((em) => latchkey.app.roles.assign(em, id, 'super-admin', CLI));
    const page = await context.newPage();
    await page.goto(`${latchkey.issuer}${path}`);
    await page.fill('#login', email ?? '');
    await page.fill('#password', TEST_PASSWORD);
    await page.click('#submit');
    return page;
  }

  /** The page is there, keeps nobody out and is no wider than the window. */
  async function at(page: Page, name: string, { hasScripts, locale }: Mode): Promise<void> {
    await page.waitForSelector(`[data-page="${name}"]`);
    const { lang, overflow } = await page.evaluate(() => ({
      lang: document.documentElement.lang,
      overflow: document.documentElement.scrollWidth - window.innerWidth,
    }));
    assert.deepEqual([lang, overflow], [locale, 0], page.url());
    // Axe is a script itself.
    if (hasScripts) await assertAccessible(page);
  }

  /** By the form, and what the page says then. */
  async function send(page: Page, button: string): Promise<void> {
    await page.click(button);
    await page.waitForSelector('p.checked[role=status]');
  }

  for (const mode of MODES) {
    it(`make an organization, take somebody in, give them more to say and let them go (${mode.how})`, async () => {
      const { id } = await latchkey.createAccount({ username: newName('member').replace('-', '_') });
      const { username } = await latchkey.app.accounts.get(id);
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/organizations');
        await at(page, 'admin-organizations', mode);
        const slug = newName('org');
        await page.fill('#slug', slug);
        await page.fill('#name', 'Analytical Engines');
        await send(page, '#submit');
        await at(page, 'admin-organization', mode);
        const organizationId = new URL(page.url()).pathname.split('/').at(-1) ?? '';
        const roleNow = () => latchkey.app.organizations.roleIn(organizationId, id);
        await page.fill('#login', username ?? '');
        await page.selectOption('#role', 'member');
        await send(page, 'form[action$="/members"] button');
        assert.equal(await roleNow(), 'member');
        const row = `[data-member="${id}"]`;
        await at(page, 'admin-organization', mode);
        await page.selectOption(`${row} select`, 'owner');
        await send(page, `${row} form[action$="/members/${id}"] button`);
        assert.equal(await roleNow(), 'owner');
        await page.selectOption(`${row} select`, 'member');
        await page.click(`${row} form[action$="/members/${id}"] button`);
        await page.waitForSelector('#problems');
        assert.equal(await roleNow(), 'owner', 'the last owner stays');
        await at(page, 'admin-organization', mode);
        const second = await latchkey.createAccount();
        await page.fill('#login', second.email ?? '');
        await page.selectOption('#role', 'owner');
        await send(page, 'form[action$="/members"] button');
        await send(page, `${row} form[action$="/remove"] button`);
        assert.equal(await page.locator(row).count(), 0);
        assert.equal(await roleNow(), null);
        await page.fill('#name', 'Difference Engines');
        await send(page, '#submit');
        assert.equal((await latchkey.app.organizations.get(organizationId)).name, 'Difference Engines');
        await page.click('a[href$="/delete"]');
        await at(page, 'admin-organization', mode);
        await send(page, '#submit');
        await at(page, 'admin-organizations', mode);
        assert.equal(await page.locator(`[data-organization="${slug}"]`).count(), 0);
      });
    });

    it(`make a role, give it, take it and delete it (${mode.how})`, async () => {
      const target = await latchkey.createAccount();
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/roles');
        await at(page, 'admin-roles', mode);
        await page.click('a[href="/admin/roles/new"]');
        await at(page, 'admin-role', mode);
        const role = newName('watch');
        await page.fill('#id', role);
        await page.fill('#name', 'Night watch');
        await page.selectOption('#rank', '1');
        await page.check('[name="may_sessions:revoke"]');
        await page.click('#submit');
        await page.waitForSelector('#rank-problem');
        await at(page, 'admin-role', mode);
        await page.selectOption('#rank', '2');
        await send(page, '#submit');
        const held = () => latchkey.app.roles.list(target.id);
        await page.goto(`${latchkey.issuer}/admin/accounts/${target.id}/roles`);
        await at(page, 'admin-account', mode);
        await page.click('a[href$="/give-role"]');
        await at(page, 'admin-account-action', mode);
        await page.selectOption('#role', role);
        await page.fill('#reason', REASON);
        await send(page, '#submit');
        assert.deepEqual(await held(), [role]);
        await page.click('nav a[href$="/roles"]:not([href="/admin/roles"])');
        await page.waitForSelector('[data-section=roles]');
        await page.click(`[data-role="${role}"] a`);
        await at(page, 'admin-account-action', mode);
        assert.equal(await page.inputValue('#role'), role);
        await page.fill('#reason', REASON);
        await send(page, '#submit');
        assert.deepEqual(await held(), []);
        await page.goto(`${latchkey.issuer}/admin/roles/${role}`);
        await page.click('a[href$="/delete"]');
        await at(page, 'admin-role', mode);
        await send(page, '#submit');
        assert.equal(await page.locator(`[data-role="${role}"]`).count(), 0);
      });
    });

    it(`invite somebody, ask again, take another one back, and see who came (${mode.how})`, async () => {
      const [wanted, unwanted] = [newAddress(), newAddress()];
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/invitations');
        await at(page, 'admin-invitations', mode);
        for (const address of [unwanted, wanted]) {
          await page.fill('#email', address);
          await page.selectOption('#role', 'viewer');
          await page.selectOption('#locale', mode.locale);
          await send(page, '#submit');
        }
        const rowOf = (address: string) => page.locator('[data-invitation]', { hasText: address });
        await at(page, 'admin-invitations', mode);
        await rowOf(unwanted).locator('form[action$="/revoke"] button').click();
        await page.waitForURL(/revoked/);
        assert.equal(await rowOf(unwanted).locator('form').count(), 0);
        // Not twice within half a minute.
        await latchkey.app.database.em().execute(`update invitation set sent_at = now() - interval '1 minute'`);
        await rowOf(wanted).locator('form[action$="/resend"] button').click();
        await page.waitForURL(/sent/);
        const link = async (address: string, count: number): Promise<string> => {
          const { text = '' } = (await mailsTo(address, count))[count - 1]?.email ?? {};
          return /^https?:\/\/\S+\/invitation\/\S+$/m.exec(text)?.[0] ?? '';
        };
        await within(mode, async (theirs) => {
          const visitor = await theirs.newPage();
          for (const old of [await link(unwanted, 1), await link(wanted, 1)]) {
            await visitor.goto(old);
            await visitor.waitForSelector('[data-error=link-used]');
          }
          await visitor.goto(await link(wanted, 2));
          await at(visitor, 'link-confirm', mode);
          await visitor.click('#submit');
          await at(visitor, 'register', mode);
          await visitor.fill('#new_password', NEW_PASSWORD);
          await visitor.click('#submit');
          await at(visitor, 'verify-email', mode);
          await visitor.fill('#code', (await readMail(latchkey, wanted, 3)).code);
          await visitor.click('#submit');
          await at(visitor, 'account-security', mode);
          await visitor.goto(`${latchkey.issuer}/admin`);
          await at(visitor, 'admin-overview', mode);
        });
        const account = await latchkey.app.accounts.findBySignInName(wanted);
        assert.deepEqual(await latchkey.app.roles.list(account?.id ?? ''), ['viewer']);
        await page.reload();
        assert.equal(await rowOf(wanted).locator('form').count(), 0, 'nothing is left to do');
      });
    });

    it(`look for an event in the audit and take the list with them (${mode.how})`, async () => {
      const target = await latchkey.createAccount();
      await latchkey.app.sessionsAndGrants.disable(target, CLI);
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/audit');
        await at(page, 'admin-audit', mode);
        await page.fill('#target', target.email ?? '');
        await page.selectOption('#action', 'account.disable');
        await page.click('form[role=search] button');
        await page.waitForURL(/action=account\.disable/);
        assert.equal(await page.locator('[data-event]').count(), 1);
        await at(page, 'admin-audit', mode);
        for (const [format, holds] of [
          ['csv', (text: string) => text.trim().split('\n').length === 2],
          ['jsonl', (text: string) => (JSON.parse(text) as { action: string }).action === 'account.disable'],
        ] as const) {
          await page.selectOption('#format', format);
          const [download] = await Promise.all([
            page.waitForEvent('download'),
            page.click('form[action$="/export"] button'),
          ]);
          const text = await readFile(await download.path(), 'utf8');
          assert.ok(text.includes(target.id) && holds(text), text);
          assert.match(download.suggestedFilename(), new RegExp(`^audit-.*\\.${format}$`));
        }
      });
    });

    it(`give the product a name and a colour that everybody sees at sign-in (${mode.how})`, async () => {
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/settings');
        await at(page, 'admin-settings', mode);
        await page.click('main a[href="/admin/settings/brand"]');
        await page.waitForSelector('#accent');
        await at(page, 'admin-settings', mode);
        const name = newName('Engine');
        await page.fill('#name', name);
        await page.fill('#accent', '#7a1fa2');
        await page.click('[name=decision][value=save]');
        await page.waitForSelector('[role=status]');
        await within(mode, async (theirs) => {
          const visitor = await theirs.newPage();
          await visitor.goto(`${latchkey.issuer}/account`);
          await at(visitor, 'login', mode);
          assert.equal(await visitor.locator('.masthead .product').textContent(), name);
          assert.match(await visitor.title(), new RegExp(name));
          const ground = await visitor.locator('#submit').evaluate((one) => getComputedStyle(one).backgroundColor);
          const plain = await page.locator('#accent').inputValue();
          assert.equal(plain, '#7a1fa2');
          if (mode.colorScheme === 'light') assert.equal(ground, 'rgb(122, 31, 162)');
        });
      });
    });

    it(`connect an app from a template, try it, and see what it is told (${mode.how})`, async () => {
      await within(mode, async (context) => {
        const page = await openAs(context, '/admin/clients');
        await at(page, 'admin-clients', mode);
        await page.selectOption('#template', 'web');
        await page.fill('#name', 'Photo Album');
        await page.fill('#address', 'photos');
        await page.click('#submit');
        await page.waitForSelector('#address-problem');
        await at(page, 'admin-clients', mode);
        assert.equal(await page.inputValue('#name'), 'Photo Album');
        await page.fill('#address', `${appOrigin}/callback`);
        await page.click('#submit');
        await at(page, 'admin-client', mode);
        const [clientId, secret, snippet] = await Promise.all(
          ['#client-id', '#client-secret', '#snippet'].map(async (one) => (await page.textContent(one)) ?? ''),
        );
        assert.ok(clientId && secret && snippet?.includes(clientId) && snippet.includes(secret), snippet);
        const [tried] = await Promise.all([context.waitForEvent('page'), page.click('a[target=_blank]')]);
        await at(tried, 'consent', mode);
        await tried.click('[name=decision][value=allow]');
        await tried.waitForURL(`${appOrigin}/callback?*`);
        assert.ok(new URL(tried.url()).searchParams.get('code'));
        await tried.close();
        await page.goto(`${latchkey.issuer}/admin/clients/${clientId}`);
        assert.equal(await page.locator('#client-secret').count(), 0, 'it was shown once');
        await page.click('a[href^="/admin/claims?client="]');
        await at(page, 'admin-claims', mode);
        const person = await latchkey.createAccount();
        await page.fill('#account', person.email ?? '');
        await page.click('#submit');
        await page.waitForSelector('[data-preview=tokens]');
        assert.ok((await page.textContent('#userinfo'))?.includes(person.email ?? ''));
        await at(page, 'admin-claims', mode);
        await page.goto(`${latchkey.issuer}/admin/clients/${clientId}/delete`);
        await at(page, 'admin-client', mode);
        await send(page, '#submit');
        assert.equal(await page.locator(`[data-client="${clientId}"]`).count(), 0);
      });
    });
  }
});
