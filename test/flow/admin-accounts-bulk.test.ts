// One act on many accounts: what was ticked, what was done and what was refused, each by itself, and once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { together } from '../support/credentials.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/accounts';
const BULK = `${HOME}/bulk`;
const REASON = 'Left the company';
const FORM = { form: `form[action="${BULK}"]` };

async function open(latchkey: Latchkey, role: string) {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  await database.transaction((em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  const page = await answerPrompts(browser, await browser.get(HOME), { account });
  assert.equal(page.id, 'admin-accounts', page.describe());
  return { account, browser };
}

/** From the list to the question. */
async function tick(browser: Browser, act: string, accounts: readonly Pick<AccountRow, 'id'>[]): Promise<Page> {
  const boxes = Object.fromEntries(accounts.map(({ id }) => [`account_${id}`, true]));
  return browser.submit(await browser.get(HOME), { act, ...boxes }, FORM);
}

/** Past the list: a form that somebody made. */
async function post(browser: Browser, path: string, fields: Readonly<Record<string, string>>): Promise<Page> {
  const csrf = (await browser.get(HOME)).element('[name=csrf]').getAttribute('value') ?? '';
  return browser.post(path, new URLSearchParams({ csrf, ...fields }).toString());
}

async function statusOf(latchkey: Latchkey, accounts: readonly Pick<AccountRow, 'id'>[]) {
  return Promise.all(accounts.map(async ({ id }) => (await latchkey.app.accounts.findById(id))?.status));
}

async function people(latchkey: Latchkey, count: number): Promise<readonly AccountRow[]> {
  return Promise.all(Array.from({ length: count }, () => latchkey.createAccount({ password: null })));
}

async function eventsOf(latchkey: Latchkey, { id }: Pick<AccountRow, 'id'>, action: string) {
  return (await latchkey.app.history.list({ targetId: id, action }, 5)).entries;
}

const refused = (page: Page) =>
  page.html.querySelectorAll('[data-refused]').map((one) => one.getAttribute('data-refused'));
const done = (page: Page) => page.html.querySelectorAll('[data-done]').map((one) => one.getAttribute('data-done'));

describeOnEachBackend('many accounts in the admin portal', (latchkey) => {
  it('are disabled after a question, each by itself, and the page says what was refused', async () => {
    const { browser, account } = await open(latchkey(), 'operator');
    const boss = await open(latchkey(), 'admin');
    const [ada, grace, gone] = await people(latchkey(), 3);
    assert.ok(ada && grace && gone);
    const person = latchkey().browser();
    const known = await latchkey().createAccount();
    await answerPrompts(person, await person.get('/account/profile'), { account: known });
    const all = [ada, grace, gone, known, boss.account, account];
    const question = await tick(browser, 'disable', all);
    assert.equal(question.id, 'admin-accounts-bulk', question.describe());
    assert.equal(question.html.querySelectorAll('[data-account]').length, all.length);
    assert.deepEqual(
      await statusOf(latchkey(), all),
      all.map(() => 'active'),
      'asking changes nothing',
    );
    for (const reason of ['', ' ', 'x'.repeat(501)]) {
      const again = await browser.submit(question, { reason });
      assert.equal(again.status, 422, again.describe());
      assert.ok(again.html.querySelector('#reason-problem'));
    }
    await latchkey().app.sessionsAndGrants.delete(gone, CLI);
    const result = await browser.submit(question, { reason: REASON });
    assert.equal(result.id, 'admin-accounts-bulk', result.describe());
    assert.deepEqual(done(result).toSorted(), [ada.id, grace.id, known.id].toSorted());
    assert.deepEqual(refused(result).toSorted(), [gone.id, boss.account.id, account.id].toSorted());
    assert.match(result.element(`[data-refused="${boss.account.id}"]`).text, /higher rank/);
    assert.match(result.element(`[data-refused="${account.id}"]`).text, /your own/);
    assert.match(result.element(`[data-refused="${gone.id}"]`).text, /not there/);
    assert.deepEqual(await statusOf(latchkey(), [ada, grace, boss.account, account]), [
      ...['disabled', 'disabled', 'active', 'active'],
    ]);
    assert.equal((await person.get('/account/profile')).id, 'login');
    const [event] = await eventsOf(latchkey(), ada, 'account.disable');
    assert.deepEqual([event?.actorId, event?.note], [account.id, REASON]);
    const back = await browser.submit(await tick(browser, 'enable', [ada, grace, boss.account]), { reason: REASON });
    assert.deepEqual(done(back).toSorted(), [ada.id, grace.id].toSorted());
    assert.deepEqual(await statusOf(latchkey(), [ada, grace]), ['active', 'active']);
  });

  it('are changed once by a form that is sent many times, and the answer stays to be read', async () => {
    const { browser } = await open(latchkey(), 'support');
    const targets = await people(latchkey(), 3);
    const question = await tick(browser, 'sign-out', targets);
    const answers = await together(5, () => browser.submitOnce(question, { reason: REASON }));
    for (const page of answers) {
      assert.equal(page.status, 303, page.describe());
      assert.equal(page.location?.pathname, question.url.pathname);
    }
    const result = await browser.get(question.url);
    assert.equal(done(result).length, 3, result.describe());
    assert.equal(result.html.querySelector('form[action^="/admin/accounts/bulk"]'), null, 'nothing to send again');
    for (const target of targets) assert.equal((await eventsOf(latchkey(), target, 'account.sign-out')).length, 1);
  });

  it('get a mail for a new password where there is an address', async () => {
    const { browser } = await open(latchkey(), 'support');
    const ada = await latchkey().createAccount({ email: `${randomUUID()}@example.com`, password: null });
    const none = await latchkey().createAccount({ username: `u${randomUUID().slice(0, 8)}`, password: null });
    const result = await browser.submit(await tick(browser, 'reset', [ada, none]), { reason: REASON });
    assert.deepEqual([done(result), refused(result)], [[ada.id], [none.id]], result.describe());
    const again = await browser.submit(await tick(browser, 'reset', [ada]), { reason: REASON });
    assert.match(again.element(`[data-refused="${ada.id}"]`).text, /just got a mail/);
  });

  it('are out of reach without the permission, with the question of somebody else, and when there are too many', async () => {
    const viewer = await open(latchkey(), 'viewer');
    const target = await latchkey().createAccount({ password: null });
    const list = await viewer.browser.get(HOME);
    assert.equal(list.html.querySelector('input[type=checkbox]'), null);
    const csrf = list.element('[name=csrf]').getAttribute('value') ?? '';
    const forged = new URLSearchParams({ csrf, act: 'disable', [`account_${target.id}`]: 'on' });
    assert.equal((await viewer.browser.post(BULK, forged.toString())).error, 'permission-missing');
    const { browser, account } = await open(latchkey(), 'operator');
    const question = await tick(browser, 'disable', [target]);
    const other = await open(latchkey(), 'super-admin');
    assert.equal((await other.browser.get(question.url)).status, 404);
    assert.equal((await post(other.browser, question.url.pathname, { reason: REASON })).status, 404);
    assert.equal((await post(browser, question.url.pathname, { reason: REASON, act: 'enable' })).status, 400);
    // Who lost the right meanwhile does nothing with the question of before.
    const { database, roles } = latchkey().app;
    await database.transaction((em) => roles.assign(em, account.id, 'support', CLI));
    await database.transaction((em) => roles.revoke(em, account.id, 'operator', CLI));
    const late = await browser.submit(question, { reason: REASON });
    assert.deepEqual(refused(late), [target.id], late.describe());
    assert.deepEqual(await statusOf(latchkey(), [target]), ['active']);

    const none = await tick(other.browser, 'disable', []);
    assert.equal(none.status, 422, none.describe());
    const many = Object.fromEntries(Array.from({ length: 101 }, () => [`account_${randomUUID()}`, 'on']));
    for (const fields of [many, { account_x: 'on' }, { [`account_${target.id}`]: 'yes' }, { act: 'delete' }]) {
      assert.equal((await post(other.browser, BULK, { act: 'disable', ...fields })).status, 400);
    }
    const strange = await other.browser.post(BULK, new URLSearchParams({ act: 'disable', csrf: 'x' }).toString());
    assert.equal(strange.status, 403);
  });
});
