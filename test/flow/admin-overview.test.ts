// The first page of the admin portal: who gets in, what it counts, and what it says is still to be done.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin';

async function open(latchkey: Latchkey, role: string | null, path = HOME) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  if (role !== null) await database.transaction(async (em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  return { account, browser, page: await answerPrompts(browser, await browser.get(path), { account }) };
}

const totalOf = (page: Page, series: string): number =>
  Number(page.element(`[data-series=${series}] strong`).text.replaceAll(',', ''));
const isDone = (page: Page, step: string): boolean => page.element(`[data-step=${step}]`).hasAttribute('data-done');

describeOnEachBackend('the overview of the admin portal', (latchkey) => {
  it('is not there for who administers nothing', async () => {
    const { page } = await open(latchkey(), null);
    assert.equal(page.status, 404, page.describe());
  });

  it('is the first page of any administrator, without what is for those who see settings', async () => {
    const { page } = await open(latchkey(), 'viewer');
    assert.equal(page.id, 'admin-overview', page.describe());
    assert.equal(page.element('nav a').getAttribute('href'), HOME);
    assert.equal(page.element('nav a').getAttribute('aria-current'), 'page');
    assert.equal(page.html.querySelector('[data-step]'), null);
  });

  it('counts sign-ins, failures, new accounts and sessions, as a drawing and as a table', async () => {
    const { app } = latchkey();
    const { browser } = await open(latchkey(), 'viewer');
    await app.auditChain.extend();
    const before = await browser.get(HOME);
    const person = { kind: 'account', id: 'somebody' } as const;
    const failed = {
      actor: { kind: 'anonymous' },
      action: 'session.start',
      target: person,
      result: 'failure',
    } as const;
    for (let count = 0; count < 3; count += 1) await app.audit.record(failed);
    await open(latchkey(), null);
    await app.auditChain.extend();
    const page = await browser.get(`${HOME}?days=30`);
    const more = (series: string): number => totalOf(page, series) - totalOf(before, series);
    assert.equal(more('failures'), 3);
    assert.ok(more('sign-ins') >= 1, 'sign-ins');
    assert.equal(more('accounts'), 1);
    assert.ok(more('sessions') >= 1, 'sessions');
    assert.equal(page.html.querySelectorAll('tbody tr').length, 30);
    assert.ok(page.html.querySelectorAll('[data-series=failures] rect').length > 0);
    const [, , failures] = page
      .element('tbody tr')
      .querySelectorAll('th, td')
      .map(({ text }) => text);
    assert.equal(Number(failures), totalOf(page, 'failures'));
    for (const days of ['x', '99999999', '-1']) {
      const other = await browser.get(`${HOME}?days=${days}`);
      assert.equal(other.html.querySelectorAll('tbody tr').length, 7, days);
    }
  });

  it('says what is still to be done, by what is so', async () => {
    const { app } = latchkey();
    const { browser, page } = await open(latchkey(), 'super-admin');
    for (const step of ['https', 'mail', 'passkey']) assert.equal(isDone(page, step), false, step);
    assert.equal(isDone(page, 'client'), (await app.clients.page({ query: '', after: '', limit: 9 })).length > 1);
    await open(latchkey(), 'admin');
    await latchkey().createClient();
    const after = await browser.get(HOME);
    assert.equal(isDone(after, 'client'), true);
    assert.equal(isDone(after, 'administrator'), true);
    assert.match(after.element('[data-health=database]').text, /works/);
  });
});
