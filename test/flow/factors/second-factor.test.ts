// Between a first factor and the sign-in: what may follow what, how often it may be wrong, and that half signed in is not signed in.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { RecoveryCodes } from '../../../src/credential/recovery-code.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { shortCodes, together } from '../../support/credentials.ts';
import { pressPasskey } from '../../support/passkeys.ts';
import { authorizationRequest, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../../support/server.ts';
import {
  AAL1,
  AAL2,
  addPasskey,
  addTotp,
  ask,
  assertClaims,
  codeOf,
  essential,
  forgetSteps,
  landed,
  PHR,
  reasonsOf,
} from './stories.ts';

/** All stories come from one network. */
const FREE_NETWORK = { env: { LATCHKEY_NETWORK_FAILURES: '10000' } };

const csrfOf = (page: Page): string => page.element('input[name=csrf]').getAttribute('value') ?? '';

describeOnEachBackend(
  'a second factor',
  (latchkey) => {
    /** The password is right. @returns the page that follows */
    async function halfWay(browser: Browser, account: AccountRow, params = {}) {
      const client = await latchkey().createClient();
      const { page, verifier } = await ask(latchkey(), browser, client, params);
      const next = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
      return { client, page: next, verifier };
    }
    const makeCodes = (account: AccountRow) =>
      new RecoveryCodes({ database: latchkey().app.database, shortCodes, perSet: 10 }).regenerate(account.id);

    describe('by authenticator app', () => {
      it('is asked for after the password, and makes the sign-in one of two factors', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const browser = latchkey().browser();
        const { client, page, verifier } = await halfWay(browser, account);
        assert.equal(page.id, 'second-factor', page.describe());
        assert.match(page.element('#code-hint').text, /Latchkey · p•••@example\.com/, 'masked');
        const next = await browser.submit(page, { code: codeOf(secret, 1) });
        assertClaims(await landed(latchkey(), browser, client, next, verifier), AAL2, ['pwd', 'otp', 'mfa']);
        assert.deepEqual(await reasonsOf(latchkey(), account.id), ['password+totp']);
      });

      it('takes each code once, whichever sign-in it is used for, and none that is wrong', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const [one, other] = [latchkey().browser(), latchkey().browser()];
        const [first, second] = [await halfWay(one, account), await halfWay(other, account)];
        const [now, next, later] = [codeOf(secret), codeOf(secret, 1), codeOf(secret, 9)];
        assert.equal((await one.submit(first.page, { code: next })).id, 'consent');
        for (const code of [next, now, later, '', 'abcdef', '1234567']) {
          const refused = await other.submit(second.page, { code });
          assert.ok([422, 429].includes(refused.status), `${code}: ${refused.describe()}`);
          assert.equal(refused.id, 'second-factor');
          assert.equal(refused.element('input[name=code]').getAttribute('value') ?? '', '', 'a code never comes back');
        }
      });

      it('lets one of twenty parallel posts of a code in', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, account);
        const body = new URLSearchParams({ csrf: csrfOf(page), code: codeOf(secret, 1) }).toString();
        const answers = await together(20, () => browser.post(page.url, body));
        const good = answers.filter((one) => one.location?.pathname.startsWith('/auth/') === true);
        assert.equal(good.length, 1, answers.map((one) => one.describe()).join('\n'));
      });
    });

    describe('by recovery code', () => {
      it('lets one of twenty parallel posts of a code in, tells the owner, and never takes it again', async () => {
        const account = await latchkey().createAccount();
        await addTotp(latchkey(), account);
        const [code = ''] = await makeCodes(account);
        const fresh = await latchkey().app.accounts.get(account.id);
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, fresh);
        const other = page.element('a[href*="recovery-code"]').getAttribute('href') ?? '';
        const recovery = await browser.get(other);
        const body = new URLSearchParams({ csrf: csrfOf(recovery), code }).toString();
        const answers = await together(20, () => browser.post(new URL(other, page.url), body));
        const good = answers.filter((one) => one.location?.pathname.startsWith('/auth/') === true);
        assert.equal(good.length, 1, answers.map((one) => one.describe()).join('\n'));
        assert.equal((await latchkey().app.factors.overview(account.id)).recoveryCodes, 9);
        const again = latchkey().browser();
        const second = await halfWay(again, fresh);
        const refused = await again.submit(await again.get(`${second.page.url.pathname}?method=recovery-code`), {
          code,
        });
        assert.ok([422, 429].includes(refused.status), refused.describe());
        const [mail] = await latchkey()
          .app.database.em()
          .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
            account.id,
          ]);
        assert.equal(mail?.count, 1);
      });

      it('is asked for under its own name: a code of one kind is no code of another', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const [code = ''] = await makeCodes(account);
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, await latchkey().app.accounts.get(account.id));
        assert.equal((await browser.submit(page, { code })).status, 422);
        const recovery = await browser.get(`${page.url.pathname}?method=recovery-code`);
        assert.equal((await browser.submit(recovery, { code: codeOf(secret, 1) })).status, 422);
      });
    });

    describe('by passkey', () => {
      it('is owed where a security key is enrolled, and two factors even where the key checks nobody', async () => {
        const account = await latchkey().createAccount();
        const key = await addPasskey(latchkey(), account, 'second-factor');
        for (const isUserVerified of [false, true]) {
          key.isUserVerified = isUserVerified;
          const browser = latchkey().browser();
          const { client, page, verifier } = await halfWay(browser, account);
          assert.equal(page.id, 'second-factor', page.describe());
          const claims = await landed(latchkey(), browser, client, await pressPasskey(browser, page, key), verifier);
          assertClaims(claims, isUserVerified ? PHR : AAL2, ['pwd', 'swk', 'user', 'mfa']);
        }
      });

      it('answers for its own account and its own page only', async () => {
        const [account, other] = [await latchkey().createAccount(), await latchkey().createAccount()];
        await addPasskey(latchkey(), account, 'second-factor');
        const foreign = await addPasskey(latchkey(), other);
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, account);
        // As a browser would that names none: the page itself names the account's.
        const options = await browser.post(`${page.url.pathname}/options`, `csrf=${csrfOf(page)}`);
        const named = JSON.parse(options.text) as { allowCredentials: { id: string }[] };
        assert.equal(named.allowCredentials.length, 1);
        const answer = foreign.answer('get', { ...named, allowCredentials: [] });
        const body = new URLSearchParams({ csrf: csrfOf(page), answer: JSON.stringify(answer) });
        assert.equal((await browser.post(page.url, body.toString())).status, 422);
        const elsewhere = latchkey().browser();
        assert.equal((await elsewhere.post(`${page.url.pathname}/options`, `csrf=${csrfOf(page)}`)).status, 403);
      });

      it('does not count as wrong guesses that stop a person with the right one', async () => {
        const account = await latchkey().createAccount();
        const secret = await addTotp(latchkey(), account);
        const key = await addPasskey(latchkey(), account, 'second-factor');
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, account);
        const totp = await browser.get(`${page.url.pathname}?method=totp`);
        for (let count = 0; count < 5; count += 1) {
          assert.equal((await browser.submit(totp, { code: '000000' })).status, 422);
        }
        assert.equal((await browser.submit(totp, { code: codeOf(secret, 1) })).status, 429);
        const passkey = await browser.get(`${page.url.pathname}?method=passkey`);
        assert.equal((await pressPasskey(browser, passkey, key)).id, 'consent');
      });
    });

    it('comes first that was used last, and others are offered only where they are enough', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const key = await addPasskey(latchkey(), account);
      await makeCodes(account);
      const fresh = await latchkey().app.accounts.get(account.id);
      const browser = latchkey().browser();
      const methodsOf = (page: Page) => [
        new URL(page.element('form').getAttribute('action') ?? '', page.url).searchParams.get('method'),
        ...page.html.querySelectorAll('.links a').map((one) => one.getAttribute('href')?.split('=').at(-1)),
      ];
      const first = await halfWay(browser, fresh);
      assert.deepEqual(methodsOf(first.page), ['passkey', 'totp', 'recovery-code']);
      const totp = await browser.get(`${first.page.url.pathname}?method=totp`);
      assert.equal((await browser.submit(totp, { code: codeOf(secret, 1) })).id, 'consent');
      const second = await halfWay(latchkey().browser(), fresh);
      assert.deepEqual(methodsOf(second.page), ['totp', 'passkey', 'recovery-code']);
      const third = latchkey().browser();
      const resistant = await halfWay(third, fresh, essential(PHR));
      assert.deepEqual(methodsOf(resistant.page), ['passkey']);
      await forgetSteps(latchkey(), account);
      const body = new URLSearchParams({ csrf: csrfOf(resistant.page), code: codeOf(secret) }).toString();
      const refused = await third.post(new URL(`${resistant.page.url.pathname}?method=totp`, resistant.page.url), body);
      assert.equal(refused.status, 422, 'what is not offered is not taken');
      assert.equal((await pressPasskey(third, resistant.page, key)).id, 'consent');
    });

    it('has five wrong tries in all, over every sign-in and every kind', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      await makeCodes(account);
      const fresh = await latchkey().app.accounts.get(account.id);
      for (let count = 0; count < 5; count += 1) {
        const browser = latchkey().browser();
        const { page } = await halfWay(browser, fresh);
        const shown = count % 2 === 0 ? page : await browser.get(`${page.url.pathname}?method=recovery-code`);
        assert.equal((await browser.submit(shown, { code: '000000' })).status, 422);
      }
      const browser = latchkey().browser();
      const { page } = await halfWay(browser, fresh);
      const refused = await browser.submit(page, { code: codeOf(secret, 1) });
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers['retry-after']) > 0);
      assert.equal((await reasonsOf(latchkey(), account.id)).at(-1), 'locked-factor');
    });

    it('is owed by whoever is half signed in: no route gives more than to a stranger', async () => {
      const account = await latchkey().createAccount();
      await addTotp(latchkey(), account);
      const browser = latchkey().browser();
      const { client, page } = await halfWay(browser, account);
      assert.equal(page.id, 'second-factor');
      const { pathname } = page.url;
      const uid = pathname.split('/')[2] ?? '';
      const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
      assert.equal(silent.params['error'], 'login_required');
      for (const path of [
        '/account',
        '/account/security',
        '/account/security/password',
        '/account/security/passkeys/add',
      ]) {
        assert.equal((await browser.get(path)).id, 'login', path);
      }
      assert.doesNotMatch((await browser.get('/')).text, new RegExp(account.email ?? '-'));
      for (const path of ['consent', 'select-account', 'verify-link', 'mail-link', 'passkey', 'login']) {
        const answer = await browser.post(`/interaction/${uid}/${path}`, `csrf=${csrfOf(page)}&decision=allow`);
        assert.ok(!(answer.location?.pathname ?? '').startsWith('/auth/'), `${path}: ${answer.describe()}`);
        assert.equal(answer.params['code'], undefined);
      }
      for (const decision of ['skip', 'allow']) {
        const answer = await browser.post(page.url, `csrf=${csrfOf(page)}&decision=${decision}&code=`);
        assert.ok([400, 422].includes(answer.status), answer.describe());
      }
      const setup = await browser.get(pathname.replace('/second-factor/', '/second-factor-setup/'));
      assert.equal(setup.id, 'second-factor', 'nothing can be set up instead');
      const post = await browser.post(
        setup.url.pathname.replace('/second-factor/', '/second-factor-setup/'),
        `csrf=${csrfOf(page)}`,
      );
      assert.ok(!(post.location?.pathname ?? '').startsWith('/auth/'), post.describe());
      assert.equal(await browser.cookie('latchkey_session'), undefined, 'no session was begun');
      const again = await browser.get(`/interaction/${uid}`);
      assert.ok(['login', 'second-factor'].includes(again.id ?? ''), again.describe());
    });

    it('page belongs to its browser and its interaction, and ends with a change of credentials', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const browser = latchkey().browser();
      const { page } = await halfWay(browser, account);
      const other = latchkey().browser();
      const elsewhere = await halfWay(other, account);
      const token = page.url.pathname.split('/').at(-1) ?? '';
      const mixed = elsewhere.page.url.pathname.replace(/[^/]+$/, token);
      assert.equal((await other.get(mixed)).id, 'login');
      await latchkey().app.factors.remove(account.id, { kind: 'totp' });
      const late = await browser.submit(page, { code: codeOf(secret, 1) });
      assert.equal(late.id, 'login', late.describe());
    });
  },
  FREE_NETWORK,
);

describeOnEachBackend('a step-up', (latchkey) => {
  it('asks for the passkey and nothing else, and is a sign-in of its own', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const key = await addPasskey(latchkey(), account);
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account, remember: true });
    await age(account, 3600);
    for (const wanted of [AAL2, PHR]) {
      const person = wanted === AAL2 ? browser : latchkey().browser();
      if (person !== browser) await signIn(latchkey(), person, client, { account });
      const { page, verifier } = await ask(latchkey(), person, client, essential(wanted));
      assert.equal(page.id, 'second-factor', page.describe());
      const before = Math.floor(Date.now() / 1000);
      const claims = await landed(latchkey(), person, client, await pressPasskey(person, page, key), verifier);
      assertClaims(claims, wanted, ['swk', 'user', 'mfa']);
      assert.ok(Number(claims['auth_time']) >= before, 'proven now');
    }
    const lines = browser.visited.flatMap((one) => one.cookies).filter((line) => line.startsWith('latchkey_session='));
    assert.match(lines.at(-1) ?? '', /expires=/, 'a remembered session stays remembered');
    assert.ok((await reasonsOf(latchkey(), account.id)).includes('passkey'));
  });

  it('by a code counts on top of the older password, and is as old as that', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account });
    const secret = await addTotp(latchkey(), account);
    await age(account, 3600);
    const { page, verifier } = await ask(latchkey(), browser, client, essential(AAL2));
    assert.equal(page.id, 'second-factor', page.describe());
    const next = await browser.submit(page, { code: codeOf(secret, 1) });
    const claims = await landed(latchkey(), browser, client, next, verifier);
    assertClaims(claims, AAL2, ['pwd', 'otp', 'mfa']);
    const old = Math.floor(Date.now() / 1000) - 3600;
    assert.ok(Math.abs(Number(claims['auth_time']) - old) < 120, String(claims['auth_time']));
    // Whoever wants a fresh sign-in gets one: all of it.
    const fresh = await ask(latchkey(), browser, client, { ...essential(AAL2), max_age: '600' });
    assert.equal(fresh.page.id, 'reauthenticate', fresh.page.describe());
    const second = await browser.submit(fresh.page, { password: TEST_PASSWORD });
    assert.equal(second.id, 'second-factor');
    await forgetSteps(latchkey(), account);
    const end = await browser.submit(second, { code: codeOf(secret) });
    const again = await landed(latchkey(), browser, client, end, fresh.verifier);
    assert.ok(Number(again['auth_time']) > old + 3000);
  });

  it('that an app would only like can be declined, and the app is told the truth', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    await addPasskey(latchkey(), account);
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account });
    const { page, verifier } = await ask(latchkey(), browser, client, { acr_values: PHR });
    assert.equal(page.id, 'second-factor', page.describe());
    const next = await browser.submit(page, {}, { button: ['decision', 'skip'] });
    assertClaims(await landed(latchkey(), browser, client, next, verifier), AAL1, ['pwd']);
    const firm = await ask(latchkey(), browser, client, essential(PHR));
    const body = `csrf=${csrfOf(firm.page)}&decision=skip`;
    assert.equal((await browser.post(firm.page.url, body)).status, 422, 'what it insists on cannot');
  });

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
});
