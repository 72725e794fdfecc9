// What we hold about somebody: handed out to them and to nobody else, without secrets; and the deletion of the account, which ends everything at once,
// can be taken back for a while, and leaves nothing of the person at its end.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import { EXPORTED, NOT_EXPORTED } from '../../src/oidc/personal-data.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, isSignedIn, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { FREE_ENV, mailsTo, newAddress, select } from './mailed/stories.ts';

const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };

async function open(browser: Browser, path: string, account: AccountRow): Promise<Page> {
  return answerPrompts(browser, await browser.get(path), { account });
}

async function post(
  browser: Browser,
  page: Page,
  path: string,
  fields: Record<string, string> = {},
  site = 'same-origin',
) {
  const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
  return browser.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': site },
    body: new URLSearchParams({ csrf, ...fields }).toString(),
  });
}

async function statusOf(latchkey: Latchkey, { id }: AccountRow): Promise<string | null> {
  const [row] = await select<{ status: string }>(latchkey, 'select status from account where id = $1', [id]);
  return row?.status ?? null;
}

async function actionsOf(latchkey: Latchkey, { id }: AccountRow): Promise<readonly string[]> {
  const rows = await select<{ action: string }>(
    latchkey,
    `select action from audit_event where target_id = $1 and (action like 'account.delete%' or action = 'account.export') order by id`,
    [id],
  );
  return rows.map(({ action }) => action);
}

async function restoreLink(address: string, count: number): Promise<URL> {
  const { text = '' } = (await mailsTo(address, count))[count - 1]?.email ?? {};
  return new URL(/^https?:\/\/\S+\/account-restore\/\S+$/m.exec(text)?.[0] ?? '');
}

async function remove(latchkey: Latchkey) {
  const account = await latchkey.createAccount({ email: newAddress() });
  const [browser, elsewhere] = [latchkey.browser(), latchkey.browser()];
  const client = await latchkey.createClient();
  const { body } = await redeem(
    latchkey,
    client,
    await signIn(latchkey, elsewhere, client, { account, params: OFFLINE }),
  );
  const question = await open(browser, '/account/delete', account);
  assert.equal(question.id, 'account-delete', question.describe());
  const page = await browser.submit(question);
  const tokens = { client, refreshToken: body['refresh_token'], accessToken: body['access_token'] };
  return { account, browser, elsewhere, question, page, ...tokens };
}

async function makeDue(latchkey: Latchkey, { id }: AccountRow): Promise<void> {
  await select(latchkey, `update account set purge_at = now() - interval '1 second' where id = $1 returning id`, [id]);
}

/** Tables with a row in which this text stands anywhere. */
async function tablesWith(latchkey: Latchkey, text: string): Promise<readonly string[]> {
  const tables = await select<{ name: string }>(
    latchkey,
    `select table_name as name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE'`,
    [],
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await select(
      latchkey,
      `select 1 as one from "${name}" t where strpos(lower(to_jsonb(t)::text), lower($1)) > 0 limit 1`,
      [text],
    );
    if (rows.length > 0) found.push(name);
  }
  return found;
}

describeOnEachBackend(
  'the data of an account',
  (latchkey) => {
    it('is handed out as a file with everything but secrets', async () => {
      const account = await latchkey().createAccount({ email: newAddress() });
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      await signIn(latchkey(), browser, client, { account, params: OFFLINE });
      const page = await open(browser, '/account/data/export', account);
      assert.equal(page.id, 'account-data', page.describe());
      const answer = await post(browser, page, '/account/data/export');
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
      assert.equal(answer.headers['content-disposition'], 'attachment; filename="account.json"');
      assert.equal(answer.headers['cache-control'], 'no-store');
      const found = JSON.parse(answer.text) as Record<string, Record<string, unknown>[]>;
      assert.equal(found['account']?.[0]?.['email'], account.email);
      assert.equal(found['consent']?.[0]?.['client_id'], client.clientId);
      assert.equal(found['browser_session']?.length, 1);
      assert.ok(found['activity']?.some((one) => one['action'] === 'session.start'));
      assert.deepEqual(Object.keys(found['password']?.[0] ?? {}), ['created_at', 'changed_at']);
      assert.doesNotMatch(answer.text, /hash|sealed|secret_|\$argon2|session_key|public_key|"handle"/);
      assert.deepEqual(await actionsOf(latchkey(), account), ['account.export']);
    });

    it('names every table that is about accounts', async () => {
      const rows = await select<{ name: string }>(
        latchkey(),
        `select distinct table_name as name from information_schema.columns
          where table_schema = current_schema() and column_name = 'account_id' order by 1`,
        [],
      );
      const known = [...Object.keys(EXPORTED).filter((name) => name !== 'account'), ...NOT_EXPORTED];
      assert.deepEqual(known.toSorted(), rows.map(({ name }) => name).toSorted());
    });

    it('is for its owner with a fresh proof alone', async () => {
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const page = await open(browser, '/account/data/export', account);
      assert.equal((await post(browser, page, '/account/data/export', {}, 'cross-site')).status, 403);
      assert.equal((await post(browser, page, '/account/data/export', { csrf: 'x' })).status, 403);
      assert.equal((await post(browser, page, '/account/data/export', { account: 'other' })).status, 400);
      assert.equal((await post(browser, page, '/account/delete', { account: 'other' })).status, 400);
      assert.equal((await post(browser, page, '/account/delete', {}, 'cross-site')).status, 403);
      const anonymous = latchkey().browser();
      for (const path of ['/account/data', '/account/data/export', '/account/delete']) {
        assert.equal((await anonymous.get(path)).id, 'login', path);
      }
      // From now on the account can prove more than this session did.
      await select(
        latchkey(),
        `insert into totp (id, account_id, sealed, last_step, created_at) values (gen_random_uuid(), $1, '', 0, now()) returning id`,
        [account.id],
      );
      for (const path of ['/account/data/export', '/account/delete']) {
        const answer = await post(browser, page, path);
        assert.equal(answer.status, 303, path);
        assert.match(String(answer.headers['location']), /\/auth\?.*prompt=login/, path);
      }
      assert.equal(await statusOf(latchkey(), account), 'active');
      assert.deepEqual(await actionsOf(latchkey(), account), []);
    });
  },
  { env: FREE_ENV },
);

describeOnEachBackend(
  'the deletion of an account',
  (latchkey) => {
    it('ends everything at once, tells its owner, and lets nobody in', async () => {
      const gone = await remove(latchkey());
      const { account, page } = gone;
      assert.equal(page.id, 'account-delete', page.describe());
      assert.match(page.text, /closed/);
      assert.equal(await statusOf(latchkey(), account), 'deleted');
      assert.equal(await isSignedIn(latchkey(), gone.elsewhere), false);
      assert.equal((await refresh(latchkey(), gone.client, gone.refreshToken)).body['error'], 'invalid_grant');
      assert.equal((await userinfo(latchkey(), gone.accessToken)).status, 401);
      const again = await open(latchkey().browser(), '/account/sessions', account);
      assert.equal(again.id, 'login');
      assert.match((await restoreLink(account.email ?? '', 1)).pathname, /^\/account-restore\//);
      assert.deepEqual(await actionsOf(latchkey(), account), ['account.delete-request']);
      assert.equal((await post(gone.browser, gone.question, '/account/delete')).status, 303, 'nobody is signed in');
    });

    it('is taken back by one click on the page of the link, once, and revives no session or token', async () => {
      const gone = await remove(latchkey());
      const link = await restoreLink(gone.account.email ?? '', 1);
      const browser = latchkey().browser();
      const [first, second] = [await browser.get(link), await browser.get(link)];
      assert.equal(first.id, 'link-confirm', first.describe());
      assert.equal(await statusOf(latchkey(), gone.account), 'deleted', 'opening it changes nothing');
      const answers = await Promise.all([post(browser, first, link.pathname), post(browser, second, link.pathname)]);
      assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 404]);
      assert.equal(await statusOf(latchkey(), gone.account), 'active');
      assert.equal((await browser.get(link)).status, 404);
      assert.equal(await isSignedIn(latchkey(), gone.elsewhere), false);
      assert.equal((await refresh(latchkey(), gone.client, gone.refreshToken)).body['error'], 'invalid_grant');
      assert.equal((await open(latchkey().browser(), '/account/sessions', gone.account)).id, 'account-sessions');
      assert.equal(await latchkey().app.deletions.sweep(), 0);
    });

    it('is taken back by an operator', async () => {
      const { account } = await remove(latchkey());
      const { accounts, deletions } = latchkey().app;
      const cause = { actor: { kind: 'cli' } } as const;
      await deletions.restore(await accounts.get(account.id), cause);
      assert.equal(await statusOf(latchkey(), account), 'active');
      await assert.rejects(deletions.restore(account, cause), { code: 'account-state' });
      assert.equal(
        (
          await latchkey()
            .browser()
            .get(await restoreLink(account.email ?? '', 1))
        ).status,
        404,
      );
    });

    it('leaves nothing of the person but the audit when the grace is over', async () => {
      const { account } = await remove(latchkey());
      const stays = await remove(latchkey());
      const link = await restoreLink(account.email ?? '', 1);
      const question = await latchkey().browser().get(link);
      await makeDue(latchkey(), account);
      const browser = latchkey().browser();
      assert.equal((await post(browser, await browser.get(link), link.pathname)).status, 404, 'too late');
      assert.equal(question.id, 'link-confirm');
      assert.equal(await latchkey().app.deletions.sweep(), 1);
      assert.equal(await latchkey().app.deletions.sweep(), 0);
      assert.equal(await statusOf(latchkey(), account), null);
      assert.equal(await statusOf(latchkey(), stays.account), 'deleted');
      assert.deepEqual(await tablesWith(latchkey(), account.email ?? '?'), []);
      const left = await tablesWith(latchkey(), account.id);
      assert.deepEqual(
        left.filter((table) => !['audit_event', 'oidc_artifact'].includes(table)),
        [],
      );
      assert.deepEqual(await actionsOf(latchkey(), account), ['account.delete-request', 'account.delete']);
      const next = await latchkey().createAccount({ email: account.email ?? '' });
      assert.notEqual(next.subject, account.subject);
    });

    it('is refused to the last super-admin', async () => {
      const owner = await latchkey().createAccount();
      const { roles, database } = latchkey().app;
      await database.transaction((em) => roles.assign(em, owner.id, 'super-admin', { actor: { kind: 'cli' } }));
      const others = await select<{ id: string }>(
        latchkey(),
        `select account_id as id from role_assignment where role_id = 'super-admin' and account_id <> $1`,
        [owner.id],
      );
      assert.deepEqual(others, []);
      const browser = latchkey().browser();
      const page = await open(browser, '/account/delete', owner);
      const refused = await browser.submit(page);
      assert.equal(refused.status, 409, refused.describe());
      assert.match(refused.text, /last super administrator/);
      assert.equal(await statusOf(latchkey(), owner), 'active');
    });
  },
  { env: FREE_ENV },
);
