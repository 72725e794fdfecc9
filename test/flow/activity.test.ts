// The list of what happened to an account: the own events in words, by kind and page, nobody else's, and not where administrators work; and the way
// from it to "it was not me".
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, isSignedIn, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend } from '../support/server.ts';

async function listOf(browser: Browser, account: AccountRow, query = ''): Promise<Page> {
  const page = await answerPrompts(browser, await browser.get(`/account/activity${query}`), { account });
  assert.equal(page.id, 'account-activity', page.describe());
  return page;
}

const eventsOf = (page: Page): readonly (string | undefined)[] =>
  page.html.querySelectorAll('[data-event]').map((one) => one.getAttribute('data-event'));

describeOnEachBackend('the activity of an account', (latchkey) => {
  it('is told in words, the newest first, with when, where and with which app', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const client = await latchkey().createClient({ client_name: 'Photo <Album>' });
    await signIn(latchkey(), browser, client, { account });
    const page = await listOf(browser, account);
    assert.deepEqual(eventsOf(page), ['consent-grant', 'session-start', 'account-create']);
    const [, started, created] = page.html.querySelectorAll('[data-event]');
    assert.match(started?.text ?? '', /Sign-in/);
    assert.match(started?.text ?? '', /Firefox on Linux/);
    assert.match(started?.text ?? '', /127\.0\.0\./);
    assert.match(started?.text ?? '', /Photo <Album>/);
    const at = Date.parse(started?.querySelector('time')?.getAttribute('datetime') ?? '');
    assert.ok(Math.abs(Date.now() - at) < 120_000);
    assert.match(created?.text ?? '', /an administrator/, 'by the command line');
    assert.deepEqual(eventsOf(await listOf(browser, account, '?kind=apps')), ['consent-grant']);
    assert.deepEqual(eventsOf(await listOf(browser, account, '?kind=security')), []);
    const ofApp = await listOf(browser, account, `?client=${client.clientId}&kind=sign-in`);
    assert.deepEqual(eventsOf(ofApp), ['session-start']);
    assert.deepEqual(eventsOf(await listOf(browser, account, '?client=another')), []);
  });

  it('shows refused sign-ins with where they came from', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const thief = latchkey().browser();
    await answerPrompts(thief, await thief.get('/account/activity'), {
      account,
      password: 'wrong horse battery',
    }).catch(() => null);
    const page = await listOf(browser, account, '?kind=sign-in');
    const refused = page.html.querySelectorAll('[data-event]').filter((one) => /refused/.test(one.text));
    assert.ok(refused.length > 0, page.describe());
    assert.match(refused[0]?.text ?? '', /127\.0\.0\./);
  });

  it('tells nothing of others, nothing that the person did to others, and not where an administrator works', async () => {
    const [ada, eve] = [await latchkey().createAccount(), await latchkey().createAccount()];
    const { audit } = latchkey().app;
    const origin = { network: '198.51.100.77', userAgent: 'Secret Browser', requestId: 'secret-request' };
    await audit.record({
      actor: { kind: 'account', id: eve.id },
      action: 'role.assign',
      target: { kind: 'account', id: ada.id },
      origin,
    });
    const browser = latchkey().browser();
    const hers = await listOf(browser, ada);
    assert.ok(eventsOf(hers).includes('role-assign'));
    assert.match(hers.element('[data-event=role-assign]').text, /an administrator/);
    for (const secret of [origin.network, 'Secret', 'secret-request', eve.id, eve.email ?? '?']) {
      assert.ok(!hers.html.outerHTML.includes(secret), secret);
    }
    const theirs = await listOf(latchkey().browser(), eve);
    assert.ok(!eventsOf(theirs).includes('role-assign'), 'an administrator finds that in the audit');
    assert.ok(!theirs.html.outerHTML.includes(ada.id));
  });

  it('goes page by page and refuses what is no page', async () => {
    const account = await latchkey().createAccount();
    const { audit } = latchkey().app;
    const self = { kind: 'account', id: account.id } as const;
    for (let count = 0; count < 45; count += 1) {
      await audit.record({ actor: self, action: 'factor.rename', target: self });
    }
    const browser = latchkey().browser();
    let page = await listOf(browser, account, '?kind=security');
    const counts = [eventsOf(page).length];
    for (let link = page.html.querySelector('a[rel=next]'); link; link = page.html.querySelector('a[rel=next]')) {
      page = await browser.get(link.getAttribute('href') ?? '');
      counts.push(eventsOf(page).length);
    }
    assert.deepEqual(counts, [20, 20, 5]);
    for (const query of [
      ...['before=0', 'before=-1', 'before=1;drop', 'before=1&before=2', 'before=9999999999999999999999', 'kind=all'],
      ...['kind=session.', 'limit=1000', 'account=x', `client=${'x'.repeat(3000)}`, 'before[gt]=1'],
    ]) {
      assert.equal((await browser.get(`/account/activity?${query}`)).status, 400, query);
    }
  });

  it('leads to the page that signs out everywhere and starts recovery', async () => {
    const account = await latchkey().createAccount();
    const [browser, thief] = [latchkey().browser(), latchkey().browser()];
    await signIn(latchkey(), thief, await latchkey().createClient(), { account });
    const page = await listOf(browser, account);
    const question = await browser.submit(page, {}, { form: 'form[action="/account/activity/not-me"]' });
    assert.equal(question.id, 'not-me', question.describe());
    assert.equal(await isSignedIn(latchkey(), thief), true, 'nothing happened yet');
    const done = await browser.submit(question);
    assert.equal(done.id, 'not-me', done.describe());
    assert.equal(await isSignedIn(latchkey(), thief), false);
    assert.equal(await isSignedIn(latchkey(), browser), false);
  });

  it('needs a session and a form of ours', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const page = await listOf(browser, account);
    const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
    const send = (fields: Record<string, string>, site = 'same-origin') =>
      browser.request('/account/activity/not-me', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': site },
        body: new URLSearchParams(fields).toString(),
      });
    assert.equal((await send({ csrf }, 'cross-site')).status, 403);
    assert.equal((await send({ csrf: 'x' })).status, 403);
    assert.equal((await send({ csrf, account: 'other' })).status, 400);
    assert.equal((await latchkey().browser().get('/account/activity')).id, 'login');
  });
});
