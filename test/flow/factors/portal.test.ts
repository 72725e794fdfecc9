// The security page of the portal: every change needs a proof of now as strong as the strongest enrolled, the last way in stays, and each one is
// told by mail and audit.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { Authenticator, pressPasskey } from '../../support/passkeys.ts';
import { answerPrompts, redeem, refresh, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../../support/server.ts';
import { addPasskey, addTotp, codeOf } from './stories.ts';

const SECURITY = '/account/security';
/** All stories come from one network. */
const FREE_NETWORK = { env: { LATCHKEY_NETWORK_FAILURES: '10000' } };
const csrfOf = (page: Page): string => page.element('input[name=csrf]').getAttribute('value') ?? '';

describeOnEachBackend(
  'the security page',
  (latchkey) => {
    /** Signs in to the portal, as far as a password leads. */
    async function enter(
      account: AccountRow,
      browser = latchkey().browser(),
      path = SECURITY,
    ): Promise<[Browser, Page]> {
      const page = await answerPrompts(browser, await browser.get(path), { account });
      return [browser, page];
    }
    const overview = (account: AccountRow) => latchkey().app.factors.overview(account.id);
    const audited = async (account: AccountRow, action: string) =>
      latchkey()
        .app.database.em()
        .execute<{ result: string; reason: string | null }[]>(
          'select result, reason from audit_event where target_id = ? and action = ? order by id',
          [account.id, action],
        );
    const mails = async (account: AccountRow) => {
      const [row] = await latchkey()
        .app.database.em()
        .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
          account.id,
        ]);
      return row?.count ?? 0;
    };
    /** Moves the sign-in of every session of an account into the past. */
    async function age(account: AccountRow, seconds: number): Promise<void> {
      const { provider } = latchkey().app.engine;
      for (const { uid } of await latchkey().app.grants.listSessions(account.subject)) {
        const session = await provider.Session.findByUid(uid);
        assert.ok(session);
        session.loginTs = Math.floor(Date.now() / 1000) - seconds;
        await session.save(86_400);
      }
    }

    it('sets up an authenticator app by a code, hands out recovery codes once, and asks for a code from then on', async () => {
      const account = await latchkey().createAccount();
      const [browser, page] = await enter(account);
      assert.equal(page.id, 'account-security', page.describe());
      assert.match(page.element('.notice').text, /add a passkey/);
      const chosen = page.element('#password-heading + .hint time').getAttribute('datetime') ?? '';
      assert.ok(Math.abs(Date.parse(chosen) - Date.now()) < 600_000, chosen);
      const setUp = await browser.get(`${SECURITY}/authenticator`);
      const secret = setUp.element('#totp-secret').text;
      assert.match(secret, /^[A-Z2-7]{32}$/);
      assert.equal((await browser.submit(setUp, { code: '000000' })).status, 422);
      assert.equal(
        (await browser.get(`${SECURITY}/authenticator`)).element('#totp-secret').text,
        secret,
        'the same one waits',
      );
      const codes = await browser.submit(setUp, { code: codeOf(secret) });
      assert.equal(codes.html.querySelectorAll('.codes li').length, 10, codes.describe());
      assert.deepEqual(await audited(account, 'factor.add'), [{ result: 'success', reason: 'totp' }]);
      assert.equal(await mails(account), 1);
      const home = await enter(account, latchkey().browser());
      assert.equal(home[1].id, 'second-factor');
      const inside = await home[0].submit(home[1], { code: codeOf(secret, 1) });
      assert.equal(inside.id, 'account-security');
      assert.match(inside.text, /10 codes are left/);
      assert.match(inside.element('.events').text, /A way to prove yourself was added/);
    });

    it('makes, names, uses and deletes a passkey', async () => {
      const account = await latchkey().createAccount();
      const [browser] = await enter(account);
      const authenticator = new Authenticator(latchkey().issuer);
      const add = await browser.get(`${SECURITY}/passkeys/add`);
      const done = await pressPasskey(browser, add, authenticator, { name: 'Work laptop' });
      assert.equal(done.id, 'account-security', done.describe());
      assert.equal(done.element('.factors h3').text.trim(), 'Work laptop');
      assert.match(done.element('.factors').text, /synced/);
      const again = await browser.get(`${SECURITY}/passkeys/add`);
      assert.equal(again.id, 'reauthenticate', 'from now on the proof has to be the passkey');
      const proven = await pressPasskey(browser, again, authenticator);
      assert.equal(proven.url.pathname, `${SECURITY}/passkeys/add`, proven.describe());
      const rename = await browser.get(done.element('a[href$=rename]').getAttribute('href') ?? '');
      assert.equal((await browser.submit(rename, { name: ' \u202e ' })).status, 422);
      const renamed = await browser.submit(rename, { name: 'Home' });
      assert.equal(renamed.element('.factors h3').text.trim(), 'Home');
      const ask = await browser.get(renamed.element('a[href$=delete]').getAttribute('href') ?? '');
      assert.match(ask.text, /The passkey .*Home.* is deleted/s);
      assert.equal((await overview(account)).passkeys.length, 1, 'opening the page deletes nothing');
      const [passkey] = (await overview(account)).passkeys;
      const gone = await browser.submit(ask);
      assert.equal(gone.html.querySelector('.factors'), null);
      const signal = gone.element('[data-passkey-signal=signalAllAcceptedCredentials]');
      const told = JSON.parse(signal.getAttribute('data-passkey-details') ?? '{}') as Record<string, unknown>;
      assert.deepEqual(told['allAcceptedCredentialIds'], []);
      assert.equal(told['rpId'], 'localhost');
      assert.equal(
        (await browser.post(`${SECURITY}/passkeys/${passkey?.id}/delete`, `csrf=${csrfOf(ask)}`)).status,
        404,
      );
      for (const action of ['factor.add', 'factor.rename', 'factor.remove']) {
        assert.deepEqual(await audited(account, action), [{ result: 'success', reason: 'passkey' }], action);
      }
      assert.equal(await mails(account), 2);
    });

    it('gives recovery codes with a first security key, and new ones that end the old', async () => {
      const account = await latchkey().createAccount();
      const [browser] = await enter(account);
      const key = new Authenticator(latchkey().issuer);
      const add = await browser.get(`${SECURITY}/passkeys/add`);
      const codes = await pressPasskey(browser, add, key, {}, '[data-options$=second-factor]');
      const first = codes.html.querySelectorAll('.codes code').map((one) => one.text);
      assert.equal(first.length, 10, codes.describe());
      const renew = await browser.get(`${SECURITY}/recovery-codes`);
      assert.equal(renew.id, 'reauthenticate');
      const second = await browser.submit(renew, { password: TEST_PASSWORD });
      assert.equal(second.id, 'second-factor');
      const confirm = await pressPasskey(browser, second, key);
      assert.equal(confirm.url.pathname, `${SECURITY}/recovery-codes`, confirm.describe());
      const next = (await browser.submit(confirm)).html.querySelectorAll('.codes code').map((one) => one.text);
      assert.equal(next.length, 10);
      assert.equal(first.filter((one) => next.includes(one)).length, 0);
      assert.equal((await overview(account)).recoveryCodes, 10);
    });

    it('changes a password: other sessions and tokens end, unless they may stay, and only three times an hour', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const [browser] = await enter(account);
      let password = TEST_PASSWORD;
      for (const keep of [true, false]) {
        const other = latchkey().browser();
        const params = { scope: 'openid offline_access', prompt: 'consent' };
        const signedIn = await signIn(latchkey(), other, client, { account, password, params });
        const tokens = await redeem(latchkey(), client, signedIn);
        password = `another good passphrase ${String(keep)}`;
        const form = await browser.get(`${SECURITY}/password`);
        assert.equal((await browser.submit(form, { new_password: 'short' })).status, 422);
        const done = await browser.submit(form, { new_password: password, keep_sessions: keep });
        assert.equal(done.id, 'account-security', done.describe());
        const answer = await refresh(latchkey(), client, tokens.body['refresh_token']);
        assert.equal(answer.status, keep ? 200 : 400, JSON.stringify(answer.body));
      }
      const form = await browser.get(`${SECURITY}/password`);
      assert.equal((await browser.submit(form, { new_password: 'a third good passphrase' })).status, 200);
      const refused = await browser.submit(form, { new_password: 'a fourth good passphrase' });
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers['retry-after']) > 3000);
      assert.equal((await audited(account, 'password.change')).length, 3);
      assert.ok((await mails(account)) >= 3, 'and each is told, beside the notices of new devices');
    });

    describe('asks for a proof', () => {
      const changes = [
        ['password', { new_password: 'another good passphrase' }],
        ['password/remove', {}],
        ['authenticator', { code: '000000' }],
        ['authenticator/remove', {}],
        ['recovery-codes', {}],
        ['passkeys/add', { name: '', answer: '{}' }],
        ['passkeys/options', {}],
        ['passkeys/ID/rename', { name: 'Mine now' }],
        ['passkeys/ID/delete', {}],
      ] as const;

      async function refusesAll(account: AccountRow, browser: Browser): Promise<void> {
        const before = JSON.stringify(await overview(account));
        const version = (await latchkey().app.accounts.get(account.id)).credentialVersion;
        const { id } = (await overview(account)).passkeys[0] ?? { id: '' };
        const csrf = csrfOf(await browser.get('/'));
        for (const [path, values] of changes) {
          const target = `${SECURITY}/${path.replace('ID', id)}`;
          const answer = await browser.post(target, new URLSearchParams({ csrf, ...values }).toString());
          assert.equal(answer.location?.pathname, '/auth', `${path}: ${answer.describe()}`);
          assert.equal(answer.location?.searchParams.get('prompt'), 'login', path);
          if (!path.endsWith('options')) {
            const shown = await browser.request(target);
            assert.equal(shown.location?.pathname, '/auth', `${path}: ${shown.describe()}`);
          }
        }
        assert.equal(JSON.stringify(await overview(account)), before);
        assert.equal((await latchkey().app.accounts.get(account.id)).credentialVersion, version);
      }

      it('as strong as the strongest: a password alone changes nothing where there is a passkey', async () => {
        const account = await latchkey().createAccount();
        const [browser, page] = await enter(account);
        assert.equal(page.id, 'account-security');
        await addPasskey(latchkey(), account);
        await refusesAll(account, browser);
      });

      it('as strong as the strongest: two factors change nothing where there is a passkey', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const [browser, page] = await enter(account);
        const inside = await browser.submit(page, { code: codeOf(secret, 1) });
        assert.equal(inside.id, 'account-security', inside.describe());
        await addPasskey(latchkey(), account);
        await refusesAll(account, browser);
      });

      it('of now: one that is older than the setting changes nothing', async () => {
        const account = await latchkey().createAccount();
        const authenticator = await addPasskey(latchkey(), account);
        const browser = latchkey().browser();
        const inside = await pressPasskey(browser, await browser.get(SECURITY), authenticator);
        assert.equal(inside.id, 'account-security', inside.describe());
        assert.equal((await browser.get(`${SECURITY}/password`)).id, 'account-security');
        await age(account, 601);
        await refusesAll(account, browser);
        const again = await browser.get(`${SECURITY}/password`);
        assert.equal(again.id, 'reauthenticate');
        const form = await pressPasskey(browser, again, authenticator);
        assert.equal(form.url.pathname, `${SECURITY}/password`, form.describe());
      });

      it('and leads back to the page where it is refused or cancelled', async () => {
        const account = await latchkey().createAccount();
        const [browser] = await enter(account);
        await addTotp(latchkey(), account);
        const page = await browser.get(`${SECURITY}/password`);
        assert.equal(page.id, 'reauthenticate');
        const back = await browser.submit(page, {}, { form: 'form[action$=abort]' });
        assert.equal(back.id, 'account-security', back.describe());
      });
    });

    describe('never takes the last way in', () => {
      it('also not by two requests at once', async () => {
        const account = await latchkey().createAccount({ username: `solo_${Date.now() % 1e9}` });
        await latchkey()
          .app.database.em()
          .execute('update account set email_verified_at = null where id = ?', [account.id]);
        const authenticator = await addPasskey(latchkey(), account);
        const browser = latchkey().browser();
        const inside = await pressPasskey(browser, await browser.get(SECURITY), authenticator);
        assert.match(inside.element('.lead').text, /2 independent ways/);
        const body = `csrf=${csrfOf(inside)}`;
        const [passkey] = (await overview(account)).passkeys;
        const answers = await Promise.all(
          [`${SECURITY}/password/remove`, `${SECURITY}/passkeys/${passkey?.id}/delete`].map((path) =>
            browser.post(path, body),
          ),
        );
        assert.deepEqual(
          answers.map((one) => one.status).toSorted(),
          [303, 409],
          answers.map((one) => one.describe()).join(),
        );
        assert.equal((await overview(account)).waysIn, 1);
        const failures = (await audited(account, 'factor.remove')).map((one) => one.result);
        assert.deepEqual(failures.toSorted(), ['failure', 'success']);
      });

      it('nor the last second factor where the policy wants one', async () => {
        const account = await latchkey().createAccount();
        await latchkey().app.database.transaction((em) =>
          latchkey().app.roles.assign(em, account.id, 'admin', { actor: { kind: 'cli' } }),
        );
        const secret = await addTotp(latchkey(), account);
        const [browser, page] = await enter(account);
        await browser.submit(page, { code: codeOf(secret, 1) });
        const confirm = await browser.get(`${SECURITY}/authenticator/remove`);
        const refused = await browser.submit(confirm);
        assert.equal(refused.status, 409, refused.describe());
        assert.match(refused.element('#problems').text, /needs a second factor/);
        assert.notEqual((await overview(account)).totp, null);
      });
    });

    it('takes an authenticator app away once, with what hangs on it', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const [browser, page] = await enter(account);
      await browser.submit(page, { code: codeOf(secret, 1) });
      const confirm = await browser.get(`${SECURITY}/authenticator/remove`);
      const answers = await together(5, () => browser.post(confirm.url, `csrf=${csrfOf(confirm)}`));
      assert.deepEqual(
        answers.map((one) => one.status),
        Array<number>(5).fill(303),
      );
      assert.deepEqual(await audited(account, 'factor.remove'), [{ result: 'success', reason: 'totp' }]);
      assert.equal(await mails(account), 1);
      assert.equal((await enter(account, latchkey().browser()))[1].id, 'account-security');
    });

    it('shows nothing of other accounts, and changes nothing of theirs', async () => {
      const [account, other] = [await latchkey().createAccount(), await latchkey().createAccount()];
      const mine = await addPasskey(latchkey(), account);
      await addPasskey(latchkey(), other);
      const browser = latchkey().browser();
      const inside = await pressPasskey(browser, await browser.get(SECURITY), mine);
      const [foreign] = (await overview(other)).passkeys;
      for (const path of ['rename', 'delete']) {
        const target = `${SECURITY}/passkeys/${foreign?.id}/${path}`;
        assert.equal((await browser.get(target)).status, 404);
        assert.equal((await browser.post(target, `csrf=${csrfOf(inside)}&name=x`)).status, 404);
      }
      assert.equal((await overview(other)).passkeys.length, 1);
    });
  },
  { env: { ...FREE_NETWORK.env, LATCHKEY_SECOND_FACTOR_ROLES: 'operator' } },
);
