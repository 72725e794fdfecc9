// A second factor that somebody must have: by deployment, by role, by app. Whoever has none sets one up while signing in, and gets nothing
// before that.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Authenticator, pressPasskey } from '../../support/passkeys.ts';
import { answerPrompts, authorizationRequest, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type NewTestAccount, TEST_PASSWORD } from '../../support/server.ts';
import { AAL2, addPasskey, addTotp, ask, assertClaims, codeOf, landed, PHR } from './stories.ts';

const CLI = { actor: { kind: 'cli' } } as const;

/** An account that has signed in with a password, as far as that leads. */
async function begin(latchkey: Latchkey, metadata: Record<string, unknown> = {}, input: NewTestAccount = {}) {
  const client = await latchkey.createClient(metadata);
  const account = await latchkey.createAccount(input);
  const browser = latchkey.browser();
  const { page, verifier } = await ask(latchkey, browser, client);
  return { client, account, browser, verifier, page: await browser.submit(page, loginOf(account)) };
}

function loginOf({ email }: { readonly email: string | null }) {
  return { login: email ?? '', password: TEST_PASSWORD };
}

describeOnEachBackend(
  'a deployment that demands a second factor',
  (latchkey) => {
    it('has an authenticator app set up inside of the sign-in, and hands out recovery codes', async () => {
      const { client, account, browser, verifier, page } = await begin(latchkey());
      assert.equal(page.id, 'second-factor-setup', page.describe());
      assert.equal(page.html.querySelector('a[href$="method=telegram"]'), null, 'there is no bot');
      const totp = await browser.get(page.element('a[href$="method=totp"]').getAttribute('href') ?? '');
      const secret = totp.element('#totp-secret').text;
      assert.equal((await browser.submit(totp, { code: '000000' })).status, 422);
      const codes = await browser.submit(totp, { code: codeOf(secret) });
      assert.equal(codes.html.querySelectorAll('.codes li').length, 10, codes.describe());
      const next = await browser.submit(codes);
      assertClaims(await landed(latchkey(), browser, client, next, verifier), AAL2, ['pwd', 'otp', 'mfa']);
      const [mail] = await latchkey()
        .app.database.em()
        .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
          account.id,
        ]);
      assert.equal(mail?.count, 1, 'the owner is told');
    });

    it('has a passkey set up, which is used before it counts', async () => {
      const { client, browser, verifier, page } = await begin(latchkey());
      const authenticator = new Authenticator(latchkey().issuer);
      const setUp = await browser.get(page.element('a[href$="method=passkey"]').getAttribute('href') ?? '');
      const codes = await pressPasskey(browser, setUp, authenticator);
      assert.equal(codes.html.querySelectorAll('.codes li').length, 10, codes.describe());
      const use = await browser.submit(codes);
      assert.equal(use.id, 'second-factor', use.describe());
      const next = await pressPasskey(browser, use, authenticator);
      assertClaims(await landed(latchkey(), browser, client, next, verifier), PHR, ['pwd', 'swk', 'user', 'mfa']);
    });

    it('lets nobody around it: not by the portal, a mailed code, an app without policy or prompt=none', async () => {
      const { client, account, browser, page } = await begin(latchkey());
      const uid = page.url.pathname.split('/')[2] ?? '';
      const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
      assert.equal(silent.params['error'], 'login_required');
      const portal = await answerPrompts(browser, await browser.get('/account/security'), { account });
      assert.equal(portal.id, 'second-factor-setup', portal.describe());
      const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
      for (const body of ['', '&decision=skip', '&code=', '&answer={}']) {
        for (const kind of ['second-factor', 'second-factor-setup']) {
          const path = page.url.pathname.replace('second-factor-setup', kind);
          const answer = await browser.post(path, `csrf=${csrf}${body}`);
          assert.ok(!(answer.location?.pathname ?? '').startsWith('/auth/'), `${kind} ${body}: ${answer.describe()}`);
        }
      }
      assert.equal(
        (await browser.post(`/interaction/${uid}/consent`, `csrf=${csrf}&decision=allow`)).params['code'],
        undefined,
      );
      assert.equal(await browser.cookie('latchkey_session'), undefined);
      const elsewhere = await latchkey().browser().get(page.url);
      assert.notEqual(elsewhere.id, 'second-factor-setup', 'the page belongs to its browser');
    });

    it('asks who has a second factor for that one, and sets up nothing', async () => {
      const account = await latchkey().createAccount();
      const authenticator = await addPasskey(latchkey(), account);
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      const { page, verifier } = await ask(latchkey(), browser, client);
      const second = await browser.submit(page, loginOf(account));
      assert.equal(second.id, 'second-factor', 'a passkey that could lead in alone is the second factor here');
      const setUp = await browser.get(second.url.pathname.replace('second-factor', 'second-factor-setup'));
      assert.equal(setUp.id, 'second-factor');
      const next = await pressPasskey(browser, second, authenticator);
      assertClaims(await landed(latchkey(), browser, client, next, verifier), PHR, ['pwd', 'swk', 'user', 'mfa']);
    });
  },
  { env: { LATCHKEY_SECOND_FACTOR_REQUIRED: 'true' } },
);

describeOnEachBackend(
  'a role that demands a second factor',
  (latchkey) => {
    it('demands it of its holders and of those above, and of nobody else', async () => {
      const client = await latchkey().createClient();
      for (const [role, isDemanded] of [
        [null, false],
        ['support', false],
        ['operator', true],
        ['super-admin', true],
      ] as const) {
        const account = await latchkey().createAccount();
        if (role !== null) {
          await latchkey().app.database.transaction((em) => latchkey().app.roles.assign(em, account.id, role, CLI));
        }
        const browser = latchkey().browser();
        const { page } = await ask(latchkey(), browser, client);
        const next = await browser.submit(page, loginOf(account));
        assert.equal(next.id, isDemanded ? 'second-factor-setup' : 'consent', String(role));
      }
    });

    it('given to somebody who is signed in, ends what a weaker session could do', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      await answerPrompts(browser, await browser.get('/account/security'), { account });
      assert.equal((await browser.get('/account/security')).id, 'account-security');
      await latchkey().app.database.transaction((em) => latchkey().app.roles.assign(em, account.id, 'admin', CLI));
      const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
      assert.equal(silent.params['error'], 'login_required');
      assert.equal(
        (await browser.get('/account/security')).id,
        'reauthenticate',
        'what is set up now needs a proof of now',
      );
    });
  },
  { env: { LATCHKEY_SECOND_FACTOR_ROLES: 'operator' } },
);

describeOnEachBackend('an app that demands', (latchkey) => {
  describe('two factors', () => {
    const metadata = { latchkey_required_acr: AAL2 };

    it('gets nobody with less, whoever is signed in elsewhere and whatever the request says', async () => {
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, await latchkey().createClient(), { account });
      const client = await latchkey().createClient(metadata);
      for (const params of [
        {},
        { acr_values: 'urn:latchkey:aal1' },
        { claims: '{"id_token":{"acr":{"value":"x"}}}' },
      ]) {
        const silent = await browser.get(
          authorizationRequest(latchkey().issuer, client, { ...params, prompt: 'none' }).url,
        );
        assert.equal(silent.params['error'], 'login_required', JSON.stringify(params));
        const { page } = await ask(latchkey(), browser, client, params);
        assert.equal(page.id, 'reauthenticate', page.describe());
      }
      const secret = await addTotp(latchkey(), account);
      const { page, verifier } = await ask(latchkey(), browser, client);
      assert.equal(page.id, 'second-factor', 'who has one is asked for it alone');
      const next = await browser.submit(page, { code: codeOf(secret, 1) });
      assertClaims(await landed(latchkey(), browser, client, next, verifier), AAL2, ['pwd', 'otp', 'mfa']);
    });
  });

  describe('phishing resistance', () => {
    const metadata = { latchkey_required_acr: PHR };

    it('has a passkey set up by who has none, after the second factor that there is', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const client = await latchkey().createClient(metadata);
      const browser = latchkey().browser();
      const { page, verifier } = await ask(latchkey(), browser, client);
      const second = await browser.submit(page, loginOf(account));
      assert.equal(second.id, 'second-factor', 'a password alone sets up nothing');
      const setUp = await browser.submit(second, { code: codeOf(secret, 1) });
      assert.equal(setUp.id, 'second-factor-setup', setUp.describe());
      assert.equal(setUp.html.querySelector('a[href*="method=totp"]'), null, 'a code would not do');
      const authenticator = new Authenticator(latchkey().issuer);
      const codes = await pressPasskey(browser, setUp, authenticator);
      const use = await browser.submit(codes);
      assert.equal(use.id, 'second-factor', use.describe());
      const next = await pressPasskey(browser, use, authenticator);
      const claims = await landed(latchkey(), browser, client, next, verifier);
      assertClaims(claims, PHR, ['pwd', 'otp', 'swk', 'user', 'mfa']);
    });

    it('takes a passkey alone', async () => {
      const account = await latchkey().createAccount({ password: null });
      const authenticator = await addPasskey(latchkey(), account);
      const client = await latchkey().createClient(metadata);
      const browser = latchkey().browser();
      const { page, verifier } = await ask(latchkey(), browser, client);
      const next = await pressPasskey(browser, page, authenticator);
      assertClaims(await landed(latchkey(), browser, client, next, verifier), PHR, ['swk', 'user', 'mfa']);
    });
  });

  it('something that nobody can reach is refused when it is registered', async () => {
    await assert.rejects(latchkey().createClient({ latchkey_required_acr: 'urn:example:gold' }));
  });
});
