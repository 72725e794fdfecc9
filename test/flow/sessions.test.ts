// The list of sessions and devices: what it shows, what its buttons end, and that nobody sees or ends anybody else's (requirements S1 to S5, S7).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, isSignedIn, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { backends, describeOnEachBackend, type Latchkey, startLatchkey, type TestClient } from '../support/server.ts';

const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };

interface Device {
  readonly browser: Browser;
  readonly client: TestClient;
  readonly refreshToken: unknown;
  readonly accessToken: unknown;
}

async function signInOn(latchkey: Latchkey, account: AccountRow, browser = latchkey.browser()): Promise<Device> {
  const client = await latchkey.createClient({
    client_name: 'Photo <Album>',
    backchannel_logout_uri: 'https://app.example.com/logout',
    backchannel_logout_session_required: true,
  });
  const { body } = await redeem(
    latchkey,
    client,
    await signIn(latchkey, browser, client, { account, params: OFFLINE }),
  );
  return { browser, client, refreshToken: body['refresh_token'], accessToken: body['access_token'] };
}

async function listOf(device: Pick<Device, 'browser'>, account: AccountRow): Promise<Page> {
  const page = await answerPrompts(device.browser, await device.browser.get('/account/sessions'), { account });
  assert.equal(page.id, 'account-sessions', page.describe());
  assert.equal(page.status, 200);
  return page;
}

const idsOf = (page: Page): readonly string[] =>
  page.html.querySelectorAll('[data-session]').map((one) => one.getAttribute('data-session') ?? '');
const currentOf = (page: Page): string => page.element('[data-current]').getAttribute('data-session') ?? '';

async function end(device: Device, page: Page, id: string): Promise<Page> {
  return device.browser.submit(page, {}, { form: `form[action="/account/sessions/${id}/end"]` });
}

async function deliveriesFor(latchkey: Latchkey, device: Device): Promise<number> {
  const { rows } = await latchkey.app.database.sql.query<{ count: number }>(
    {
      name: 'test_deliveries',
      text: 'select count(*)::int as count from logout_delivery where client_id = $1 and sid is not null',
    },
    [device.client.clientId],
  );
  return rows[0]?.count ?? 0;
}

async function assertEnded(latchkey: Latchkey, device: Device): Promise<void> {
  assert.equal(await isSignedIn(latchkey, device.browser), false);
  assert.equal((await refresh(latchkey, device.client, device.refreshToken)).status, 400);
  assert.equal((await userinfo(latchkey, device.accessToken)).status, 401);
  assert.equal(await deliveriesFor(latchkey, device), 1, 'the app is told');
}

async function assertLives(latchkey: Latchkey, device: Device): Promise<void> {
  assert.equal(await isSignedIn(latchkey, device.browser), true);
  assert.equal((await userinfo(latchkey, device.accessToken)).status, 200);
  assert.equal(await deliveriesFor(latchkey, device), 0);
}

async function auditOf(latchkey: Latchkey, account: AccountRow): Promise<readonly string[]> {
  const { rows } = await latchkey.app.database.sql.query<{ action: string }>(
    { name: 'test_audit', text: `select action from audit_event where actor_id = $1 order by id` },
    [account.id],
  );
  return rows.map(({ action }) => action);
}

describeOnEachBackend('the list of sessions', (latchkey) => {
  it('says of each what it is, this device first', async () => {
    const account = await latchkey().createAccount();
    const laptop = await signInOn(latchkey(), account);
    const phone = await signInOn(latchkey(), account, latchkey().browser({ headers: { 'user-agent': SAFARI } }));
    for (const [device, first, second] of [
      [laptop, 'Firefox on Linux', 'Safari on iPhone'],
      [phone, 'Safari on iPhone', 'Firefox on Linux'],
    ] as const) {
      const page = await listOf(device, account);
      const headings = page.html.querySelectorAll('[data-session] h2').map((one) => one.text.trim());
      assert.equal(headings.length, 2);
      assert.match(headings[0] ?? '', new RegExp(`^${first}\\s+This device$`));
      assert.equal(headings[1], second);
      assert.equal(page.html.querySelectorAll('[data-current]').length, 1);
      const [own] = page.html.querySelectorAll('[data-session]');
      assert.match(own?.text ?? '', /127\.0\.0\.1/);
      assert.match(own?.text ?? '', /password/);
      assert.match(own?.innerHTML ?? '', /Photo &lt;Album&gt;/);
      assert.ok(!own?.text.includes('Account,'), 'the portal itself is no app');
      for (const time of page.html.querySelectorAll('[data-session] time')) {
        assert.ok(Math.abs(Date.now() - Date.parse(time.getAttribute('datetime') ?? '')) < 120_000);
      }
    }
  });

  it('ends one with its tokens, tells its apps, and leaves the others alone', async () => {
    const account = await latchkey().createAccount();
    const [here, there, third] = [
      await signInOn(latchkey(), account),
      await signInOn(latchkey(), account),
      await signInOn(latchkey(), account),
    ];
    const theirs = currentOf(await listOf(there, account));
    const page = await listOf(here, account);
    assert.equal(idsOf(page).length, 3);
    const after = await end(here, page, theirs);
    assert.equal(after.id, 'account-sessions', after.describe());
    assert.ok(!idsOf(after).includes(theirs));
    await assertEnded(latchkey(), there);
    await assertLives(latchkey(), here);
    await assertLives(latchkey(), third);
    assert.ok((await auditOf(latchkey(), account)).includes('session.revoke'));
    assert.equal((await end(here, page, theirs)).id, 'account-sessions', 'a second click is harmless');
  });

  it('ends all others at once and keeps this one', async () => {
    const account = await latchkey().createAccount();
    const [here, there, third] = [
      await signInOn(latchkey(), account),
      await signInOn(latchkey(), account),
      await signInOn(latchkey(), account),
    ];
    const page = await listOf(here, account);
    const after = await here.browser.submit(page, {}, { form: 'form[action="/account/sessions/end-others"]' });
    assert.deepEqual(idsOf(after), [currentOf(page)]);
    assert.ok(!after.html.querySelector('form[action="/account/sessions/end-others"]'));
    await assertEnded(latchkey(), there);
    await assertEnded(latchkey(), third);
    assert.equal(await isSignedIn(latchkey(), here.browser), true);
    assert.equal(await deliveriesFor(latchkey(), here), 0);
  });

  it('signs out everywhere, as the command line does', async () => {
    const account = await latchkey().createAccount();
    const [here, there] = [await signInOn(latchkey(), account), await signInOn(latchkey(), account)];
    const page = await listOf(here, account);
    const home = await here.browser.submit(page, {}, { form: 'form[action="/account/sessions/end-all"]' });
    assert.equal(home.id, 'home', home.describe());
    await assertEnded(latchkey(), here);
    await assertEnded(latchkey(), there);
  });

  it('ends its own session like any other', async () => {
    const account = await latchkey().createAccount();
    const here = await signInOn(latchkey(), account);
    const page = await listOf(here, account);
    const home = await end(here, page, currentOf(page));
    assert.equal(home.id, 'home', home.describe());
    await assertEnded(latchkey(), here);
  });

  it('follows a sign-out at the provider', async () => {
    const account = await latchkey().createAccount();
    const [here, there] = [await signInOn(latchkey(), account), await signInOn(latchkey(), account)];
    const question = await there.browser.get('/session/end');
    await there.browser.submit(question, {}, { button: ['decision', 'allow'] });
    assert.equal(idsOf(await listOf(here, account)).length, 1);
    const { rows } = await latchkey().app.database.sql.query<{ ended: boolean }>(
      {
        name: 'test_ended',
        text: 'select ended_at is not null as ended from browser_session where account_id = $1 order by created_at',
      },
      [account.id],
    );
    assert.deepEqual(
      rows.map((row) => row.ended),
      [false, true],
    );
  });

  it('keeps one row for a session that signs in again', async () => {
    const account = await latchkey().createAccount();
    const here = await signInOn(latchkey(), account);
    const before = currentOf(await listOf(here, account));
    const client = await latchkey().createClient();
    await signIn(latchkey(), here.browser, client, { account, params: { prompt: 'login' } });
    assert.deepEqual(idsOf(await listOf(here, account)), [before]);
  });

  it('lets people name their devices, in plain words and not too many', async () => {
    const account = await latchkey().createAccount();
    const here = await signInOn(latchkey(), account);
    const page = await listOf(here, account);
    const form = `form[action="/account/sessions/${currentOf(page)}/name"]`;
    const named = await here.browser.submit(page, { name: ' <b>Study</b>\u202e ' }, { form });
    assert.match(named.element('[data-current] h2').text, /^<b>Study<\/b>\s/);
    assert.doesNotMatch(named.element('[data-current] h2').text, /\u202e/);
    const long = await here.browser.submit(named, { name: 'x'.repeat(300) }, { form });
    assert.equal(long.element('[data-current] input[name="name"]').getAttribute('value'), 'x'.repeat(100));
    const none = await here.browser.submit(long, { name: '  ' }, { form });
    assert.match(none.element('[data-current] h2').text, /Firefox on Linux/);
  });

  it('shows and ends nothing of anybody else: 404 for all that is not there for this account', async () => {
    const [owner, stranger] = [await latchkey().createAccount(), await latchkey().createAccount()];
    const [theirs, mine] = [await signInOn(latchkey(), owner), await signInOn(latchkey(), stranger)];
    const foreign = currentOf(await listOf(theirs, owner));
    const page = await listOf(mine, stranger);
    assert.ok(!idsOf(page).includes(foreign));
    const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
    for (const id of [foreign, '00000000-0000-4000-8000-000000000000', "x' or '1'='1", '%00', 'end']) {
      for (const [action, fields] of [
        ['end', {}],
        ['name', { name: 'Mine' }],
      ] as const) {
        const answer = await mine.browser.request(`/account/sessions/${encodeURIComponent(id)}/${action}`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
          body: new URLSearchParams({ csrf, ...fields }).toString(),
        });
        assert.equal(answer.status, 404, `${id} ${action}`);
      }
    }
    await assertLives(latchkey(), theirs);
    assert.match((await listOf(theirs, owner)).element('[data-current] h2').text, /Firefox on Linux/);
  });

  it('needs a session of the portal, a form of ours, and a page that was shown', async () => {
    const account = await latchkey().createAccount();
    const here = await signInOn(latchkey(), account);
    const page = await listOf(here, account);
    for (const path of ['end-others', 'end-all', `${currentOf(page)}/end`, `${currentOf(page)}/name`]) {
      const send = (browser: Browser, site: string, csrf: string) =>
        browser.request(`/account/sessions/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': site },
          body: new URLSearchParams({ csrf, ...(path.endsWith('name') ? { name: 'x' } : {}) }).toString(),
        });
      const csrf = page.element('input[name="csrf"]').getAttribute('value') ?? '';
      assert.equal((await send(here.browser, 'cross-site', csrf)).status, 403, path);
      assert.equal((await send(here.browser, 'same-origin', 'x')).status, 403, path);
      assert.equal((await here.browser.request(`/account/sessions/${path}`)).status, 405, path);
    }
    const anonymous = latchkey().browser();
    assert.equal((await anonymous.get('/account/sessions')).id, 'login');
    await assertLives(latchkey(), here);
  });

  it('shows what a native app calls its device, and believes no web site about it', async () => {
    const account = await latchkey().createAccount();
    for (const [metadata, expected] of [
      [
        {
          application_type: 'native',
          redirect_uris: ['com.example.app:/callback'],
          token_endpoint_auth_method: 'none',
        },
        /Ada’s tablet/,
      ],
      [{}, /Firefox on Linux/],
    ] as const) {
      const browser = latchkey().browser();
      const client = await latchkey().createClient(metadata);
      await signIn(latchkey(), browser, client, { account, params: { device_name: 'Ada’s tablet\u0000' } });
      assert.match((await listOf({ browser }, account)).element('[data-current] h2').text, expected);
    }
  });

  it('notes the last use and a new address without a round trip, and signs nobody out for it', async () => {
    const account = await latchkey().createAccount();
    const here = await signInOn(latchkey(), account);
    await listOf(here, account);
    await latchkey().app.database.sql.query(
      {
        name: 'test_age',
        text: `update browser_session set last_used_at = now() - interval '1 day' where account_id = $1`,
      },
      [account.id],
    );
    const moved = await here.browser.get('/account/sessions', { 'user-agent': SAFARI });
    assert.match(moved.element('[data-current] h2').text, /Safari on iPhone/);
    const list = await listOf(here, account);
    const [, last] = list.element('[data-current]').querySelectorAll('time');
    assert.ok(Date.now() - Date.parse(last?.getAttribute('datetime') ?? '') < 120_000);
    assert.ok(latchkey().logLines.some((line) => line.includes('a session moved')));
  });
});

describeOnEachBackend('a device that was not used before', (latchkey) => {
  const noticesFor = async (account: AccountRow): Promise<number> => {
    const { rows } = await latchkey().app.database.sql.query<{ count: number }>(
      {
        name: 'test_notices',
        text: `select count(*)::int as count from outbox_mail where kind = 'notice' and account_id = $1`,
      },
      [account.id],
    );
    return rows[0]?.count ?? 0;
  };

  it('is told to the owner by mail, but for the first sign-in of an account and for a device that is known', async () => {
    const account = await latchkey().createAccount();
    const first = await signInOn(latchkey(), account);
    assert.equal(await noticesFor(account), 0, 'the first sign-in is news to nobody');
    await first.browser.submit(await first.browser.get('/session/end'), {}, { button: ['decision', 'allow'] });
    await signIn(latchkey(), first.browser, await latchkey().createClient(), { account });
    assert.equal(await noticesFor(account), 0, 'a known device');
    const thief = await signInOn(latchkey(), account);
    assert.equal(await noticesFor(account), 1);
    await signIn(latchkey(), thief.browser, await latchkey().createClient(), { account, params: { prompt: 'login' } });
    assert.equal(await noticesFor(account), 1, 'told once');
    assert.deepEqual(
      (await auditOf(latchkey(), account)).filter((action) => action === 'session.new-device'),
      ['session.new-device'],
    );
  });

  it('is not told to an address that nobody has proven', async () => {
    const account = await latchkey().createAccount();
    await signInOn(latchkey(), account);
    await latchkey().app.database.sql.query(
      { name: 'test_unproven', text: 'update account set email_verified_at = null where id = $1' },
      [account.id],
    );
    latchkey().app.accounts.forgetRecent();
    await signInOn(latchkey(), account);
    assert.equal(await noticesFor(account), 0);
  });
});

const missing = backends.find(({ backend }) => backend === 'postgres+redis')?.missing;

describe('a session that is ended in one process', { skip: missing ?? false }, () => {
  it('has ended in another within a second, with its tokens', async () => {
    const first = await startLatchkey({ backend: 'postgres+redis' });
    const { LATCHKEY_DATABASE_URL, LATCHKEY_REDIS_KEY_PREFIX, LATCHKEY_ISSUER } = first.env;
    const second = await startLatchkey({
      backend: 'postgres+redis',
      env: { LATCHKEY_DATABASE_URL, LATCHKEY_REDIS_KEY_PREFIX, LATCHKEY_ISSUER },
    });
    // Both stand for one public address; this is where the second one listens.
    const other = { issuer: `http://localhost:${second.env['LATCHKEY_PORT']}` };
    try {
      const account = await first.createAccount();
      const [here, there] = [await signInOn(first, account), await signInOn(first, account)];
      assert.equal((await userinfo(other, there.accessToken)).status, 200);
      const page = await listOf(here, account);
      const theirs = idsOf(page).find((id) => id !== currentOf(page)) ?? '';
      assert.equal((await end(here, page, theirs)).id, 'account-sessions');
      // Asked at once, without a wait in between.
      assert.equal((await userinfo(other, there.accessToken)).status, 401);
      assert.equal((await refresh(other, there.client, there.refreshToken)).status, 400);
      assert.equal((await userinfo(other, here.accessToken)).status, 200);
    } finally {
      await second.stop();
      await first.stop();
    }
  });
});
