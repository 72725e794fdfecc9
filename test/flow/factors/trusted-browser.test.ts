// A browser on which somebody rests the second factor: only where the operator allows it and the box is ticked, and only for so long as
// nothing about the account changes.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../../support/server.ts';
import {
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
} from './stories.ts';

const CLI = { actor: { kind: 'cli' } } as const;

describeOnEachBackend(
  'a trusted browser',
  (latchkey) => {
    /** A sign-in with the password, as far as that leads; what was signed in before is signed out. */
    async function enter(browser: Browser, account: AccountRow, params = {}) {
      await browser.jar.setCookie('latchkey_session=; Max-Age=0; Path=/', latchkey().issuer);
      const client = await latchkey().createClient();
      const { page, verifier } = await ask(latchkey(), browser, client, params);
      const values = { login: account.email ?? '', password: TEST_PASSWORD };
      const next = page.id === 'reauthenticate' ? { password: TEST_PASSWORD } : values;
      return { client, verifier, page: await browser.submit(page, next) };
    }
    async function trusting(): Promise<{ account: AccountRow; browser: Browser; secret: string }> {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const browser = latchkey().browser();
      const { page } = await enter(browser, account);
      const box = page.element('input[name=trust]');
      assert.equal(box.hasAttribute('checked'), false, 'unticked');
      const next = await browser.submit(page, { code: codeOf(secret, 1), trust: true });
      assert.equal(next.id, 'consent', next.describe());
      return { account, browser, secret };
    }
    const isAsked = (page: Page): boolean => page.id === 'second-factor';

    it('is not asked again, and the app is told that the factor was not shown now', async () => {
      const { account, browser } = await trusting();
      const { client, page, verifier } = await enter(browser, account);
      assert.equal(page.id, 'consent', page.describe());
      assertClaims(await landed(latchkey(), browser, client, page, verifier), AAL2, ['pwd']);
      assert.equal(isAsked((await enter(latchkey().browser(), account)).page), true, 'another browser is');
    });

    it('is not trusted where the box was left alone', async () => {
      const account = await latchkey().createAccount();
      const secret = await addTotp(latchkey(), account);
      const browser = latchkey().browser();
      const { page } = await enter(browser, account);
      assert.equal((await browser.submit(page, { code: codeOf(secret, 1) })).id, 'consent');
      assert.equal(isAsked((await enter(browser, account)).page), true);
    });

    it('is asked all the same for a fresh sign-in, and for a level that an app asks for', async () => {
      const { account, browser } = await trusting();
      await addPasskey(latchkey(), account);
      const version = (await latchkey().app.accounts.get(account.id)).credentialVersion;
      assert.equal(version, account.credentialVersion);
      for (const params of [
        { prompt: 'login' },
        { max_age: '0' },
        essential(AAL2),
        essential(PHR),
        { acr_values: AAL2 },
      ]) {
        const { page } = await enter(browser, account, params);
        assert.equal(isAsked(page), true, JSON.stringify(params));
        assert.equal(page.html.querySelector('input[name=trust]'), null, 'no box where it would not count');
      }
    });

    it('proves nothing where a proof is asked for: an app that insists, the security page, an app that wants a passkey', async () => {
      const { account, browser } = await trusting();
      const { client, page, verifier } = await enter(browser, account);
      assertClaims(await landed(latchkey(), browser, client, page, verifier), AAL2, ['pwd']);
      const step = await ask(latchkey(), browser, client, essential(AAL2));
      assert.equal(isAsked(step.page), true, step.page.describe());
      assert.equal((await browser.get('/account/security')).id, 'account-security');
      const change = await browser.get('/account/security/authenticator/remove');
      assert.equal(change.id, 'reauthenticate', change.describe());
      const again = await browser.submit(change, { password: TEST_PASSWORD });
      assert.equal(isAsked(again), true, again.describe());
      await browser.jar.setCookie('latchkey_session=; Max-Age=0; Path=/', latchkey().issuer);
      const strict = await latchkey().createClient({ latchkey_required_acr: PHR });
      const first = await ask(latchkey(), browser, strict);
      const second = await browser.submit(first.page, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(isAsked(second), true, 'no passkey is set up on the strength of a browser');
    });

    it('is trusted for one account only', async () => {
      const { browser } = await trusting();
      const other = await latchkey().createAccount();
      await addTotp(latchkey(), other);
      assert.equal(isAsked((await enter(browser, other)).page), true);
    });

    for (const [what, act] of [
      [
        'a new password',
        async (account: AccountRow) => {
          const hash = await latchkey().app.passwords.hash(TEST_PASSWORD);
          await latchkey().app.database.transaction((em) => latchkey().app.passwords.set(em, account.id, hash));
        },
      ],
      ['a new factor', async (account: AccountRow) => void (await addPasskey(latchkey(), account))],
      ['signing out everywhere', (account: AccountRow) => latchkey().app.sessionsAndGrants.endAll(account, CLI)],
    ] as const) {
      it(`ends with ${what}`, async () => {
        const { account, browser, secret } = await trusting();
        await act(account);
        const { page } = await enter(browser, account);
        assert.equal(isAsked(page), true, page.describe());
        await forgetSteps(latchkey(), account);
        const totp = await browser.get(`${page.url.pathname}?method=totp`);
        assert.equal((await browser.submit(totp, { code: codeOf(secret) })).id, 'consent');
      });
    }

    it('ends with its time', async () => {
      const { account, browser } = await trusting();
      await latchkey()
        .app.database.em()
        .execute("update trusted_device set expires_at = now() - interval '1 second' where account_id = ?", [
          account.id,
        ]);
      assert.equal(isAsked((await enter(browser, account)).page), true);
    });
  },
  { env: { LATCHKEY_TRUSTED_DEVICES: 'true', LATCHKEY_NETWORK_FAILURES: '10000' } },
);

describeOnEachBackend('where no browser may be trusted', (latchkey) => {
  it('there is no box, and ticking one that is not there changes nothing', async () => {
    const account = await latchkey().createAccount();
    const secret = await addTotp(latchkey(), account);
    const client = await latchkey().createClient();
    const browser = latchkey().browser();
    const { page } = await ask(latchkey(), browser, client);
    const second = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.equal(second.html.querySelector('input[name=trust]'), null);
    const csrf = second.element('input[name=csrf]').getAttribute('value') ?? '';
    const body = new URLSearchParams({ csrf, code: codeOf(secret, 1), trust: 'on' }).toString();
    assert.equal((await browser.post(second.url, body)).status, 303);
    assert.equal(
      (await browser.cookies()).some(({ name }) => name.startsWith('latchkey_trust')),
      false,
    );
  });
});
