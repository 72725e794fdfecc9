// One account in the admin portal: what is shown of it, what each rank may do to whom, and that it bites at once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { BUILT_IN_ROLES, withInherited } from '../../src/access/permission.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import { ACCOUNT_ACTIONS, type AccountAction, permissionFor } from '../../src/portal/admin/account-actions.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { together } from '../support/credentials.ts';
import { answerPrompts, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/accounts';
const REASON = 'Asked for it by telephone';
const builtIn = new Map(BUILT_IN_ROLES.map((role) => [role.id, role]));

interface Opened {
  readonly account: AccountRow;
  readonly browser: Browser;
}

async function giveRole(latchkey: Latchkey, accountId: string, role: string): Promise<void> {
  const { database, roles } = latchkey.app;
  await database.transaction((em) => roles.assign(em, accountId, role, CLI));
}

async function open(latchkey: Latchkey, role: string): Promise<Opened> {
  const account = await latchkey.createAccount();
  await giveRole(latchkey, account.id, role);
  const browser = latchkey.browser();
  const page = await answerPrompts(browser, await browser.get(HOME), { account });
  assert.equal(page.status, 200, page.describe());
  return { account, browser };
}

/** @param session the one that an act is about; without it, one that nobody has */
function pathOf(target: Pick<AccountRow, 'id'>, action: AccountAction, session: string = randomUUID()): string {
  return `${HOME}/${target.id}/${action === 'end-session' ? `sessions/${session}/end` : action}`;
}

/** In the state in which this can be done. */
async function makeReady(latchkey: Latchkey, account: AccountRow, action: AccountAction): Promise<void> {
  if (action === 'enable') await latchkey.app.sessionsAndGrants.disable(account, CLI);
  if (action === 'restore') await latchkey.app.deletions.request(account, CLI, async () => {});
}

async function sessionOf(latchkey: Latchkey, account: AccountRow): Promise<string> {
  const [session] = await latchkey.app.sessionsAndGrants.list(account);
  assert.ok(session);
  return session.id;
}

/** By its page, as a person does it. */
async function act(
  browser: Browser,
  target: Pick<AccountRow, 'id'>,
  action: AccountAction,
  fields: Readonly<Record<string, string>> = {},
): Promise<Page> {
  const page = await browser.get(pathOf(target, action));
  if (page.id !== 'admin-account-action') return page;
  return browser.submit(page, { reason: REASON, ...fields });
}

/** Past the page: a form that somebody made. */
async function post(browser: Browser, path: string, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
  const page = await browser.get(HOME);
  const csrf = page.element('[name=csrf]').getAttribute('value') ?? '';
  return browser.post(path, new URLSearchParams({ csrf, reason: REASON, ...fields }).toString());
}

const NEEDED: Readonly<Partial<Record<AccountAction, Readonly<Record<string, string>>>>> = {
  edit: { name: 'New Name', given_name: '', family_name: '' },
  'give-role': { role: 'viewer' },
  'take-role': { role: 'viewer' },
};

async function auditOf(latchkey: Latchkey, accountId: string, action: string) {
  const { entries } = await latchkey.app.history.list({ targetId: accountId, action }, 5);
  return entries[0];
}

describeOnEachBackend('one account in the admin portal', (latchkey) => {
  for (const { id: role, rank } of BUILT_IN_ROLES) {
    it(`${role}: each act on a person, on the same rank and on a higher one`, async () => {
      const { browser, account } = await open(latchkey(), role);
      const permissions = withInherited([role], builtIn).flatMap((one) => one.permissions);
      const higher = BUILT_IN_ROLES.find((one) => one.rank === rank + 1);
      for (const action of ACCOUNT_ACTIONS) {
        // One needs a session: it has a story of its own.
        if (action === 'end-session') continue;
        const isAbout = action === 'give-role' || action === 'take-role';
        const may = permissions.includes(isAbout ? 'admins:write' : permissionFor(action));
        const person = await latchkey().createAccount({ password: null });
        await makeReady(latchkey(), person, action);
        if (action === 'take-role') await giveRole(latchkey(), person.id, 'viewer');
        const done = await post(browser, `${HOME}/${person.id}/${action}`, NEEDED[action]);
        assert.equal(done.status, may ? 303 : 403, `${role} ${action}: ${done.describe()}`);

        if (higher === undefined) continue;
        const boss = await latchkey().createAccount({ password: null });
        await giveRole(latchkey(), boss.id, higher.id);
        // One who is disabled or leaves is as far out of reach.
        await makeReady(latchkey(), boss, action);
        const refused = await post(browser, `${HOME}/${boss.id}/${action}`, NEEDED[action]);
        assert.equal(refused.status, 403, `${role} ${action} above: ${refused.describe()}`);
        assert.equal((await browser.get(`${HOME}/${boss.id}/${action}`)).status, 403);
        const untouched = await latchkey().app.accounts.findById(boss.id);
        const state = action === 'enable' ? 'disabled' : action === 'restore' ? 'deleted' : 'active';
        assert.equal(untouched?.status, state);
        assert.equal(untouched?.name, boss.name);
        assert.deepEqual(await latchkey().app.roles.list(boss.id), [higher.id]);
      }
      for (const action of ['disable', 'delete', 'reset-credentials'] as const) {
        const own = await post(browser, `${HOME}/${account.id}/${action}`);
        assert.ok([403, 409].includes(own.status), `${role} ${action} on the own account: ${own.describe()}`);
      }
      assert.equal((await latchkey().app.accounts.findById(account.id))?.status, 'active');
    });
  }

  it('shows each part to who may see it', async () => {
    const target = await latchkey().createAccount({ name: 'Somebody <b>' });
    const viewer = await open(latchkey(), 'viewer');
    for (const [section, status] of [
      ['', 200],
      ['/credentials', 200],
      ['/sessions', 403],
      ['/apps', 200],
      ['/events', 200],
      ['/roles', 200],
    ] as const) {
      const page = await viewer.browser.get(`${HOME}/${target.id}${section}`);
      assert.equal(page.status, status, section);
      assert.equal(page.html.querySelector('main .actions-row'), null, 'a viewer is offered nothing');
    }
    const support = await open(latchkey(), 'support');
    const sessions = await support.browser.get(`${HOME}/${support.account.id}/sessions`);
    assert.equal(sessions.html.querySelectorAll('[data-session]').length, 1, sessions.describe());
    for (const path of [randomUUID(), 'x', `${randomUUID()}/events`, `${randomUUID()}/disable`, `${target.id}/other`]) {
      assert.equal((await viewer.browser.get(`${HOME}/${path}`)).status === 200, false, path);
    }
    const { browser } = await open(latchkey(), 'super-admin');
    for (const action of ACCOUNT_ACTIONS) {
      const path = pathOf({ id: randomUUID() }, action);
      assert.equal((await browser.get(path)).status, 404, action);
      assert.equal((await post(browser, path, NEEDED[action])).status, 404, action);
    }
  });

  it('asks for a reason, and writes it down with who did what, from where', async () => {
    const { account, browser } = await open(latchkey(), 'operator');
    const target = await latchkey().createAccount();
    const page = await browser.get(`${HOME}/${target.id}/disable`);
    for (const reason of ['', '   ', 'x'.repeat(501)]) {
      const again = await browser.submit(page, { reason });
      assert.equal(again.status, 422, again.describe());
      assert.ok(again.html.querySelector('#reason-problem'));
    }
    const odd = await post(browser, `${HOME}/${target.id}/disable`, { password: 'x' });
    assert.equal(odd.status, 400, odd.describe());
    assert.equal((await latchkey().app.accounts.findById(target.id))?.status, 'active');
    const done = await browser.submit(page, { reason: `  ${REASON}  ` });
    assert.equal(done.id, 'admin-account', done.describe());
    assert.ok(done.html.querySelector('[data-status=disabled]'));
    const event = await auditOf(latchkey(), target.id, 'account.disable');
    assert.equal(event?.actorId, account.id);
    assert.equal(event?.note, REASON);
    assert.notEqual(event?.requestId, null);
    const history = await browser.get(`${HOME}/${target.id}/events`);
    assert.ok(history.element('[data-event="account.disable"]').text.includes(REASON));
    const twice = await browser.submit(page, { reason: REASON });
    assert.equal(twice.status, 409, twice.describe());
  });

  it('is changed by no form from elsewhere', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const target = await latchkey().createAccount();
    const refused = await post(browser, `${HOME}/${target.id}/delete`, { csrf: 'x' });
    assert.equal(refused.status, 403, refused.describe());
    assert.notEqual(await latchkey().app.accounts.findById(target.id), null);
  });

  it('once disabled, is out with the next request, and enabled again gets nothing back', async () => {
    const client = await latchkey().createClient();
    const target = await latchkey().createAccount();
    const person = latchkey().browser();
    const params = { scope: 'openid offline_access', prompt: 'consent' };
    const { body } = await redeem(
      latchkey(),
      client,
      await signIn(latchkey(), person, client, { account: target, params }),
    );
    assert.equal((await answerPrompts(person, await person.get('/account/profile'), { account: target })).status, 200);
    const { browser } = await open(latchkey(), 'operator');
    await act(browser, target, 'disable');
    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 401);
    assert.ok((await refresh(latchkey(), client, body['refresh_token'])).status >= 400);
    assert.equal((await person.get('/account/profile')).id, 'login');
    const enabled = await act(browser, target, 'enable');
    assert.ok(enabled.html.querySelector('[data-status=active]'), enabled.describe());
    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 401);
    assert.equal((await person.get('/account/profile')).id, 'login');
  });

  it('is signed out everywhere, with the reason', async () => {
    const target = await latchkey().createAccount();
    const person = latchkey().browser();
    await answerPrompts(person, await person.get('/account/profile'), { account: target });
    const { browser } = await open(latchkey(), 'support');
    const done = await act(browser, target, 'sign-out');
    assert.equal(done.id, 'admin-account', done.describe());
    assert.equal((await person.get('/account/profile')).id, 'login');
    assert.equal((await auditOf(latchkey(), target.id, 'account.sign-out'))?.note, REASON);
  });

  it('loses one session, and keeps the others', async () => {
    const client = await latchkey().createClient({
      backchannel_logout_uri: 'https://app.example.com/logout',
      backchannel_logout_session_required: true,
    });
    const target = await latchkey().createAccount();
    const [stolen, kept] = [latchkey().browser(), latchkey().browser()];
    const params = { scope: 'openid offline_access', prompt: 'consent' };
    const answer = await signIn(latchkey(), stolen, client, { account: target, params });
    const { body } = await redeem(latchkey(), client, answer);
    const session = await sessionOf(latchkey(), target);
    await answerPrompts(kept, await kept.get('/account/profile'), { account: target });

    const viewer = await open(latchkey(), 'viewer');
    assert.equal((await viewer.browser.get(pathOf(target, 'end-session', session))).status, 403);
    const { browser, account } = await open(latchkey(), 'support');
    const list = await browser.get(`${HOME}/${target.id}/sessions`);
    assert.equal(list.html.querySelectorAll('[data-session] a').length, 2, list.describe());
    const url = list.element(`[data-session="${session}"] a`).getAttribute('href') ?? '';
    assert.equal(url, pathOf(target, 'end-session', session));
    // One of somebody else is not there, whoever has it.
    const own = await sessionOf(latchkey(), account);
    assert.equal((await browser.get(pathOf(target, 'end-session', own))).status, 404);
    assert.equal((await post(browser, pathOf(target, 'end-session', own))).status, 404);
    assert.equal((await post(browser, pathOf(target, 'end-session', 'x'))).status, 404);
    const page = await browser.get(url);
    assert.match(page.text, /Firefox/);
    assert.equal((await browser.submit(page, { reason: ' ' })).status, 422);
    const done = await browser.submit(page, { reason: REASON });
    assert.equal(done.id, 'admin-account', done.describe());

    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 401);
    assert.ok((await refresh(latchkey(), client, body['refresh_token'])).status >= 400);
    assert.equal((await stolen.get('/account/profile')).id, 'login');
    assert.equal((await kept.get('/account/profile')).id, 'account-profile');
    const told = await latchkey()
      .app.database.em()
      .execute<object[]>('select 1 as one from logout_delivery where client_id = ? and sid is not null', [
        client.clientId,
      ]);
    assert.equal(told.length, 1, 'the app is told which of its sessions ended');
    const event = await auditOf(latchkey(), target.id, 'session.revoke');
    assert.deepEqual([event?.actorId, event?.note, event?.reason], [account.id, REASON, 'administrator']);
    // Sent again, it is as done as before.
    const again = await browser.submit(page, { reason: REASON });
    assert.equal(again.id, 'admin-account', again.describe());
    assert.equal(
      (await latchkey().app.history.list({ targetId: target.id, action: 'session.revoke' }, 5)).entries.length,
      1,
    );

    const boss = await open(latchkey(), 'super-admin');
    const above = pathOf(boss.account, 'end-session', await sessionOf(latchkey(), boss.account));
    assert.equal((await browser.get(above)).status, 403);
    assert.equal((await post(browser, above)).status, 403);
    assert.equal((await boss.browser.get(HOME)).status, 200);
  });

  it('whose owner deletes it is kept, and told so', async () => {
    const target = await latchkey().createAccount({ email: `${randomUUID()}@example.com` });
    await latchkey().app.deletions.request(target, CLI, async () => {});
    const operator = await open(latchkey(), 'operator');
    assert.equal((await operator.browser.get(pathOf(target, 'restore'))).status, 403);
    const { browser } = await open(latchkey(), 'admin');
    const shown = await browser.get(`${HOME}/${target.id}`);
    assert.match(shown.text, /Will be deleted on/);
    assert.ok(shown.html.querySelector(`a[href="${pathOf(target, 'restore')}"]`));
    const answers = await together(4, () => post(browser, pathOf(target, 'restore')));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [303, 409, 409, 409]);
    assert.equal((await latchkey().app.accounts.findById(target.id))?.status, 'active');
    assert.equal((await auditOf(latchkey(), target.id, 'account.delete-undo'))?.note, REASON);
    const mails = await latchkey()
      .app.database.em()
      .execute<object[]>('select 1 as one from outbox_mail where account_id = ?', [target.id]);
    assert.equal(mails.length, 1);
    const back = await browser.get(`${HOME}/${target.id}`);
    assert.equal(back.html.querySelector(`a[href="${pathOf(target, 'restore')}"]`), null);
    assert.doesNotMatch(back.text, /Will be deleted on/);
  });

  it('gets another name', async () => {
    const target = await latchkey().createAccount({ name: 'Old' });
    const { browser } = await open(latchkey(), 'operator');
    const fields = { name: ' Ada Lovelace ', given_name: 'Ada', family_name: '' };
    const done = await act(browser, target, 'edit', fields);
    assert.equal(done.element('h1').text, 'Ada Lovelace');
    const { name, givenName, familyName } = await latchkey().app.accounts.get(target.id);
    assert.deepEqual([name, givenName, familyName], ['Ada Lovelace', 'Ada', null]);
    assert.equal((await act(browser, target, 'edit', { name: 'x'.repeat(300) })).status, 422);
  });

  it('is deleted after a question', async () => {
    const target = await latchkey().createAccount();
    const operator = await open(latchkey(), 'operator');
    assert.equal((await operator.browser.get(`${HOME}/${target.id}/delete`)).status, 403);
    const { browser } = await open(latchkey(), 'admin');
    const done = await act(browser, target, 'delete');
    assert.equal(done.id, 'admin-accounts', done.describe());
    assert.equal(await latchkey().app.accounts.findById(target.id), null);
    assert.equal((await auditOf(latchkey(), target.id, 'account.delete'))?.note, REASON);
  });

  it('gets and loses roles, with effect at once', async () => {
    const { browser } = await open(latchkey(), 'super-admin');
    const helper = await open(latchkey(), 'viewer');
    const given = await act(browser, helper.account, 'give-role', { role: 'operator' });
    assert.ok(given.html.querySelector('[data-role=operator]'), given.describe());
    const other = await latchkey().createAccount();
    assert.equal((await helper.browser.get(`${HOME}/${other.id}/disable`)).status, 200);
    const page = await browser.get(`${HOME}/${helper.account.id}/take-role?role=operator`);
    const taken = await browser.submit(page, { reason: REASON });
    assert.equal(taken.html.querySelector('[data-role=operator]'), null, taken.describe());
    assert.equal((await helper.browser.get(`${HOME}/${other.id}/disable`)).status, 403);
    assert.equal((await auditOf(latchkey(), helper.account.id, 'role.revoke'))?.note, REASON);
    const twice = await post(browser, `${HOME}/${helper.account.id}/take-role`, { role: 'operator' });
    assert.equal(twice.status, 409, twice.describe());
    assert.equal((await post(browser, `${HOME}/${other.id}/give-role`, { role: 'no-such' })).status, 404);
  });
});

describeOnEachBackend('an owner in the admin portal', (latchkey) => {
  const owners = async (): Promise<number> => {
    const rows = await latchkey()
      .app.database.em()
      .execute<object[]>(
        `select 1 as one from role_assignment r join account a on a.id = r.account_id and a.status = 'active'
         where r.role_id = 'super-admin'`,
      );
    return rows.length;
  };

  it('stays, also when all of them act on one another at once', async () => {
    for (const action of ['disable', 'take-role', 'delete'] as const) {
      const both = [await open(latchkey(), 'super-admin'), await open(latchkey(), 'super-admin')] as const;
      const fields = action === 'take-role' ? { role: 'super-admin' } : undefined;
      const [first, second] = both;
      const answers = await Promise.all([
        post(first.browser, `${HOME}/${second.account.id}/${action}`, fields),
        post(second.browser, `${HOME}/${first.account.id}/${action}`, fields),
      ]);
      // Who was faster has ended the session of the other one, or left them without the right.
      const done = answers.filter((page) => page.location?.pathname.startsWith(HOME));
      assert.equal(done.length, 1, `${action}: ${answers.map((page) => page.describe()).join(' ')}`);
      assert.equal(await owners(), 1, action);
      // The next round begins with two.
      await latchkey().app.database.em().execute(`delete from role_assignment where role_id = 'super-admin'`);
    }
  });

  it('who is the last one does not give the role away', async () => {
    const owner = await open(latchkey(), 'super-admin');
    const answers = await together(4, () =>
      post(owner.browser, `${HOME}/${owner.account.id}/take-role`, { role: 'super-admin' }),
    );
    for (const page of answers) assert.equal(page.status, 409, page.describe());
    const page = await act(owner.browser, owner.account, 'take-role', { role: 'super-admin' });
    assert.ok(page.html.querySelector('#problems'), page.describe());
    assert.equal(await owners(), 1);
  });
});
