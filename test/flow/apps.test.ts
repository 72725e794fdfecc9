// The list of apps of the account portal: what it shows, that taking an app back ends all it holds at once, and that nobody sees or ends anything
// of anybody else.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import {
  answerPrompts,
  authorizationRequest,
  isSignedIn,
  redeem,
  refresh,
  signIn,
  userinfo,
} from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../support/server.ts';

const OFFLINE = { scope: 'openid profile email offline_access', prompt: 'consent' };

interface Use {
  readonly client: TestClient;
  readonly refreshToken: unknown;
  readonly accessToken: unknown;
}

async function useApp(
  latchkey: Latchkey,
  browser: Browser,
  account: AccountRow,
  metadata: Record<string, unknown> = {},
): Promise<Use> {
  const client = await latchkey.createClient({ client_name: 'Photo <Album>', ...metadata });
  const { body } = await redeem(
    latchkey,
    client,
    await signIn(latchkey, browser, client, { account, params: OFFLINE }),
  );
  return { client, refreshToken: body['refresh_token'], accessToken: body['access_token'] };
}

async function listOf(browser: Browser, account: AccountRow): Promise<Page> {
  const page = await answerPrompts(browser, await browser.get('/account/apps'), { account });
  assert.equal(page.id, 'account-apps', page.describe());
  return page;
}

const idsOf = (page: Page): readonly (string | undefined)[] =>
  page.html.querySelectorAll('[data-app]').map((one) => one.getAttribute('data-app'));

async function revoke(browser: Browser, page: Page, { client }: Pick<Use, 'client'>): Promise<Page> {
  return browser.submit(page, {}, { form: `[data-app="${client.clientId}"] form` });
}

async function assertLives(latchkey: Latchkey, use: Use): Promise<void> {
  assert.equal((await userinfo(latchkey, use.accessToken)).status, 200);
}

describeOnEachBackend('the apps of an account', (latchkey) => {
  it('are listed with what they may see and do, and when they were used; the portal is none', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const { client } = await useApp(latchkey(), browser, account, {
      redirect_uris: ['https://photos.example:8443/callback'],
    });
    const page = await listOf(browser, account);
    assert.deepEqual(idsOf(page), [client.clientId]);
    const app = page.element('[data-app]');
    assert.equal(app.querySelector('h2')?.text, 'Photo <Album>');
    assert.match(app.text, /photos\.example:8443/);
    assert.deepEqual(
      app.querySelectorAll('.scopes li').map((one) => one.text.trim()),
      ['your name, picture and other profile details', 'your e-mail address', 'keep its access while you are away'],
    );
    const times = app.querySelectorAll('time').map((one) => Date.parse(one.getAttribute('datetime') ?? ''));
    assert.equal(times.length, 2);
    for (const time of times) assert.ok(Math.abs(Date.now() - time) < 120_000);
  });

  it('remember their first use, and a refresh counts as one', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const use = await useApp(latchkey(), browser, account);
    await listOf(browser, account);
    await latchkey().app.database.sql.query(
      {
        name: 'test_age',
        text: `with aged as (update consent set created_at = now() - interval '9 days', updated_at = now() - interval '9 days'
            where account_id = $1)
          update app_use set first_used_at = now() - interval '9 days', last_used_at = now() - interval '9 days' where account_id = $1`,
      },
      [account.id],
    );
    assert.equal((await refresh(latchkey(), use.client, use.refreshToken)).status, 200);
    const app = (await listOf(browser, account)).element('[data-app]');
    const [first, last] = app.querySelectorAll('time').map((one) => Date.parse(one.getAttribute('datetime') ?? ''));
    assert.ok(Date.now() - (first ?? 0) > 8 * 86_400_000);
    assert.ok(Date.now() - (last ?? 0) < 120_000);
  });

  it('lose everything at once when their access is taken back, and have to ask again', async () => {
    const account = await latchkey().createAccount();
    const [browser, elsewhere] = [latchkey().browser(), latchkey().browser()];
    const use = await useApp(latchkey(), browser, account, {
      backchannel_logout_uri: 'https://app.example.com/logout',
    });
    const other = await useApp(latchkey(), browser, account);
    // The same app in another session of the same account.
    const second = await redeem(
      latchkey(),
      use.client,
      await signIn(latchkey(), elsewhere, use.client, { account, params: OFFLINE }),
    );
    // A code that was not redeemed yet.
    const waiting = await signIn(latchkey(), browser, use.client, { account });
    const page = await listOf(browser, account);
    const after = await revoke(browser, page, use);
    assert.equal(after.id, 'account-apps', after.describe());
    assert.deepEqual(idsOf(after), [other.client.clientId]);
    assert.match(after.element('[role=status]').text, /no access any more/);
    for (const tokens of [
      use,
      { refreshToken: second.body['refresh_token'], accessToken: second.body['access_token'] },
    ]) {
      const answer = await refresh(latchkey(), use.client, tokens.refreshToken);
      assert.equal(answer.status, 400);
      assert.equal(answer.body['error'], 'invalid_grant');
      const info = await userinfo(latchkey(), tokens.accessToken);
      assert.equal(info.status, 401);
      assert.equal(info.body['error'], 'invalid_token');
    }
    assert.equal((await redeem(latchkey(), use.client, waiting)).body['error'], 'invalid_grant');
    await assertLives(latchkey(), other);
    assert.equal(await isSignedIn(latchkey(), browser), true, 'the person stays signed in');
    for (const [one, prompt] of [
      [browser, undefined],
      [elsewhere, undefined],
    ] as const) {
      const asked = await one.get(authorizationRequest(latchkey().issuer, use.client, { prompt }).url);
      assert.equal(asked.id, 'consent', asked.describe());
    }
    const { rows } = await latchkey().app.database.sql.query<{ action: string; client: string }>(
      {
        name: 'test_revoked',
        text: `select action, client_id as client from audit_event where actor_id = $1 and action = 'consent.revoke'`,
      },
      [account.id],
    );
    assert.deepEqual(rows, [{ action: 'consent.revoke', client: use.client.clientId }]);
    const told = await latchkey().app.database.sql.query<{ count: number }>(
      { name: 'test_told', text: 'select count(*)::int as count from logout_delivery where client_id = $1' },
      [use.client.clientId],
    );
    assert.equal(told.rows[0]?.count, 2, 'the app is told of both sessions');
    assert.equal((await revoke(browser, page, use)).id, 'account-apps', 'a second click is harmless');
  });

  it('of the owner of the provider are listed as well, and ended', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const client = await latchkey().createClient({ latchkey_first_party: true, client_name: 'Intranet' });
    const { body } = await redeem(latchkey(), client, await signIn(latchkey(), browser, client, { account }));
    const page = await listOf(browser, account);
    assert.match(page.element('[data-app]').text, /does not ask for permission/);
    assert.deepEqual(idsOf(await revoke(browser, page, { client })), []);
    assert.equal((await userinfo(latchkey(), body['access_token'])).status, 401);
  });

  it('of somebody else are not there: 404, and nothing ends', async () => {
    const [owner, stranger] = [await latchkey().createAccount(), await latchkey().createAccount()];
    const [theirs, mine] = [latchkey().browser(), latchkey().browser()];
    const foreign = await useApp(latchkey(), theirs, owner);
    await useApp(latchkey(), mine, stranger);
    const page = await listOf(mine, stranger);
    assert.ok(!idsOf(page).includes(foreign.client.clientId));
    const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
    const send = (fields: Record<string, string>, site = 'same-origin') =>
      mine.request('/account/apps/revoke', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': site },
        body: new URLSearchParams({ csrf, ...fields }).toString(),
      });
    for (const client of [foreign.client.clientId, 'latchkey-portal', 'none', '\u0000', "x' or '1'='1"]) {
      assert.equal((await send({ client })).status, 404, client);
    }
    assert.equal((await send({ client: '' })).status, 400);
    assert.equal((await send({ client: foreign.client.clientId, account: owner.id })).status, 400);
    assert.equal((await send({ client: foreign.client.clientId }, 'cross-site')).status, 403);
    assert.equal((await send({ client: foreign.client.clientId, csrf: 'x' })).status, 403);
    assert.equal((await latchkey().browser().get('/account/apps')).id, 'login');
    await assertLives(latchkey(), foreign);
    assert.deepEqual(idsOf(await listOf(theirs, owner)), [foreign.client.clientId]);
  });
});
