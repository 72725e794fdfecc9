// Invitations in the admin portal: who may invite to what, sending again, taking back, and what a link is worth afterwards.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/invitations';
const CREATE = `form[action="${HOME}"]`;
let count = 0;
const newEmail = (): string => `invited-${(count += 1)}-${process.pid}@example.com`;

async function open(latchkey: Latchkey, role: string | null) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(HOME), { account }) };
}

const invite = (browser: Browser, page: Page, email: string, role = ''): Promise<Page> =>
  browser.submit(page, { email, role, locale: 'en' }, { form: CREATE });
const rowOf = (page: Page, email: string) =>
  page.html.querySelectorAll('[data-invitation]').find((row) => row.text.includes(email));
const idOf = (page: Page, email: string): string => rowOf(page, email)?.getAttribute('data-invitation') ?? '';
const at = (id: string, what: 'resend' | 'revoke'): string => `form[action="${HOME}/${id}/${what}"]`;

describeOnEachBackend('invitations in the admin portal', (latchkey) => {
  it('are not there for who administers nothing, and closed to who may not invite', async () => {
    const nobody = await open(latchkey(), null);
    assert.equal(nobody.page.status, 404, nobody.page.describe());
    const support = await open(latchkey(), 'support');
    assert.equal(support.page.status, 403, support.page.describe());
  });

  it('are sent, shown and taken back', async () => {
    const { browser, page } = await open(latchkey(), 'operator');
    const email = newEmail();
    const sent = await invite(browser, page, email);
    assert.equal(sent.status, 200, sent.describe());
    const id = idOf(sent, email);
    assert.equal((await latchkey().app.invitations.get(id)).byAccount, true);
    const after = await browser.submit(sent, {}, { form: at(id, 'revoke') });
    assert.equal(after.html.querySelector(at(id, 'revoke')), null, after.describe());
    const again = await browser.submit(sent, {}, { form: at(id, 'revoke') });
    assert.equal(again.status, 409, again.describe());
    const resent = await browser.submit(sent, {}, { form: at(id, 'resend') });
    assert.equal(resent.status, 409, resent.describe());
  });

  it('are sent again, but not twice at once', async () => {
    const { browser, page } = await open(latchkey(), 'operator');
    const email = newEmail();
    const sent = await invite(browser, page, email);
    const id = idOf(sent, email);
    const tooSoon = await browser.submit(sent, {}, { form: at(id, 'resend') });
    assert.equal(tooSoon.status, 429, tooSoon.describe());
    const { database, invitations } = latchkey().app;
    await database.em().execute(`update invitation set sent_at = now() - interval '1 minute' where id = ?`, [id]);
    const { tokenHash } = await invitations.get(id);
    const resent = await browser.submit(sent, {}, { form: at(id, 'resend') });
    assert.equal(resent.status, 200, resent.describe());
    assert.notEqual((await invitations.get(id)).tokenHash, tokenHash, 'the old link is over');
  });

  it('lead to no role above or beside what the inviter has', async () => {
    const { browser, page } = await open(latchkey(), 'operator');
    const email = newEmail();
    assert.equal(page.html.querySelector('option[value=super-admin]'), null);
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    for (const role of ['super-admin', 'viewer']) {
      const body = new URLSearchParams({ csrf, email, role, locale: 'en' });
      const refused = await browser.post(HOME, body.toString());
      assert.equal(refused.status, 403, refused.describe());
      assert.ok(refused.html.querySelector('#role-problem'));
    }
    const owner = await open(latchkey(), 'super-admin');
    const sent = await invite(owner.browser, owner.page, email, 'super-admin');
    const id = idOf(sent, email);
    const seen = await browser.get(HOME);
    const revoked = await browser.submit(seen, {}, { form: at(id, 'revoke') });
    assert.equal(revoked.status, 403, revoked.describe());
    assert.equal((await latchkey().app.invitations.get(id)).revokedAt ?? null, null);
  });

  it('say what is wrong', async () => {
    const { account, browser, page } = await open(latchkey(), 'operator');
    for (const email of ['', 'x', account.email ?? '']) {
      const refused = await invite(browser, page, email);
      assert.ok(refused.html.querySelector('#email-problem'), refused.describe());
    }
    assert.equal((await browser.submit(page, { csrf: 'x', email: newEmail() }, { form: CREATE })).status, 403);
    const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
    const extra = new URLSearchParams({ csrf, email: newEmail(), role: '', locale: 'en', organization: 'x' });
    assert.equal((await browser.post(HOME, extra.toString())).status, 400);
    for (const id of ['x', '11111111-1111-4111-8111-111111111111']) {
      const body = new URLSearchParams({ csrf }).toString();
      assert.equal((await browser.post(`${HOME}/${id}/revoke`, body)).status, 404);
      assert.equal((await browser.post(`${HOME}/${id}/resend`, body)).status, 404);
    }
  });

  it('are listed a page at a time', async () => {
    const { invitations } = latchkey().app;
    for (let made = 0; made < 51; made += 1) {
      await invitations.create({ email: newEmail(), roles: [], locale: 'en' }, { kind: 'cli' }, CLI);
    }
    const { browser, page } = await open(latchkey(), 'operator');
    assert.equal(page.html.querySelectorAll('[data-invitation]').length, 50);
    const next = page.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '';
    const second = await browser.get(next);
    const ids = [page, second].flatMap((one) =>
      one.html.querySelectorAll('[data-invitation]').map((row) => row.getAttribute('data-invitation')),
    );
    assert.ok(ids.length > 50);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal((await browser.get(`${HOME}?after=x`)).status, 200);
  });
});
