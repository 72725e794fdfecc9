// An organization's own administrator in Chromium: invites by mail, the person joins with the account that is there, and stands in the list of members;
// with scripts and without, wide and narrow, without barriers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { FREE_ENV, mailsTo, newAddress, readMail } from '../flow/mailed/stories.ts';
import { assertAccessible } from '../support/accessible.ts';
import { launchChromium } from '../support/chromium.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';

const launched = await launchChromium();
const missing = launched.browser === null ? launched.missing : false;
const CLI = { actor: { kind: 'cli' } } as const;
const BY = { kind: 'cli' } as const;

describe("an organization's own administrator in Chromium", { skip: missing }, () => {
  let browser: Browser;
  let latchkey: Latchkey;
  before(async () => {
    assert.ok(launched.browser);
    browser = launched.browser;
    latchkey = await startLatchkey({ backend: 'embedded', host: 'localhost', env: FREE_ENV });
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

  async function signIn(page: Page, email: string | null): Promise<void> {
    await page.waitForSelector('[data-page=login]');
    await page.fill('[name=login]', email ?? '');
    await page.fill('[name=password]', TEST_PASSWORD);
    await page.click('#submit');
  }

  for (const [colorScheme, javaScriptEnabled, width, isProven] of [
    ['light', true, 1280, true],
    ['dark', true, 320, false],
    ['light', false, 320, true],
  ] as const) {
    const how = `${colorScheme}, ${width} pixels, ${javaScriptEnabled ? 'with' : 'without'} scripts`;
    const options = { colorScheme, javaScriptEnabled, locale: 'en', viewport: { width, height: 800 } } as const;
    /** The page is this one, stands in its window, and has no barrier. */
    const look = async (page: Page, id: string): Promise<void> => {
      await page.waitForSelector(`[data-page=${id}]`);
      const box = await page.locator('main').boundingBox();
      assert.ok((box?.width ?? Number.POSITIVE_INFINITY) <= width, `nothing stands out at ${page.url()}`);
      // Axe is a script itself.
      if (javaScriptEnabled) await assertAccessible(page);
    };

    it(`invites somebody who has ${isProven ? 'an account with the address' : 'an account by another address'} (${how})`, async () => {
      const { organizations } = latchkey.app;
      const slug = `acme-${width}-${colorScheme}-${String(javaScriptEnabled)}`;
      const input = { slug, name: `Acme ${slug}`, domains: [], secondFactorRequired: false };
      const { id } = await organizations.create(input, BY, CLI);
      const admin = await latchkey.createAccount();
      await organizations.add(id, admin.id, 'admin', BY, CLI);
      const invited = newAddress();
      const guest = await latchkey.createAccount(isProven ? { email: invited } : {});

      await within(options, async (page) => {
        await page.goto(`${latchkey.issuer}/admin/organizations/${id}`);
        await signIn(page, admin.email);
        await look(page, 'admin-organization');
        await page.click('main a[href$="/invitations"]');
        await look(page, 'admin-organization-invitations');
        await page.fill('#email', invited);
        await page.selectOption('#role', 'admin');
        await page.click('#submit');
        await page.locator('[data-invitation]').filter({ hasText: invited }).waitFor();
        await look(page, 'admin-organization-invitations');

        const { text = '' } = (await mailsTo(invited, 1))[0]?.email ?? {};
        await within(options, async (theirs) => {
          await theirs.goto(/^https?:\/\/\S+\/invitation\/\S+$/m.exec(text)?.[0] ?? '');
          await look(theirs, 'link-confirm');
          await theirs.click('#submit');
          await signIn(theirs, guest.email);
          await look(theirs, 'account-invitation');
          await theirs.click('#submit');
          if (!isProven) {
            await theirs.waitForSelector('#code');
            await look(theirs, 'account-invitation');
            await theirs.fill('#code', (await readMail(latchkey, invited, 2)).code);
            await theirs.click('#submit');
          }
          await theirs.waitForSelector(`[data-organization="${id}"]`);
          await look(theirs, 'account-organizations');
        });

        await page.goto(`${latchkey.issuer}/admin/organizations/${id}`);
        const row = page.locator(`[data-member="${guest.id}"]`);
        await row.waitFor();
        assert.equal(await row.locator('select[name=role]').inputValue(), 'admin');
        await page.click('main a[href$="/roles"]');
        await look(page, 'admin-organization-roles');
        assert.equal(await organizations.roleIn(id, guest.id), 'admin');
      });
    });
  }
});
