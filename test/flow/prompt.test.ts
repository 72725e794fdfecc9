// When a person is asked what: prompt, max_age, login_hint, ui_locales, the account chooser (OIDC Core 3.1.2.1).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, type Parameters, redeem, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../support/server.ts';

describeOnEachBackend('what a person is asked', (latchkey) => {
  const open = (browser: Browser, client: TestClient, params: Parameters = {}) =>
    browser.get(authorizationRequest(latchkey().issuer, client, params).url);

  /** A browser with a session and a client that it has allowed. */
  async function signedIn(params: Parameters = {}) {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const browser = latchkey().browser();
    const first = await signIn(latchkey(), browser, client, { account, params });
    return { client, account, browser, first };
  }

  async function idTokenOf(client: TestClient, request: { url: URL; verifier: string }, page: Page) {
    const tokens = await redeem(latchkey(), client, { code: page.params['code'] ?? '', verifier: request.verifier });
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    return decodeJwt(String(tokens.body['id_token']));
  }

  describe('prompt=none', () => {
    it('without a session is login_required, with state and issuer, and shows nothing', async () => {
      const client = await latchkey().createClient();
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'none' });
      const page = await latchkey().browser().get(request.url);
      assert.equal(page.status, 303);
      const { error_description: _, ...params } = page.params;
      assert.deepEqual(params, { error: 'login_required', state: request.state, iss: latchkey().issuer });
    });

    it('with a session and consent answers in silence, with the same subject and time of sign-in', async () => {
      const { client, account, browser, first } = await signedIn({ max_age: '10000' });
      const before = await idTokenOf(client, first, first.page);
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'none', max_age: '10000' });
      const page = await browser.get(request.url);
      assert.notEqual(page.params['code'], undefined, page.describe());
      const after = await idTokenOf(client, request, page);
      assert.equal(after.sub, account.subject);
      assert.equal(after['auth_time'], before['auth_time']);
    });

    it('with a session and without consent is consent_required', async () => {
      const { browser } = await signedIn();
      const page = await open(browser, await latchkey().createClient(), { prompt: 'none' });
      assert.equal(page.params['error'], 'consent_required', page.describe());
    });

    it('together with another prompt is refused', async () => {
      const { client, browser } = await signedIn();
      const page = await open(browser, client, { prompt: 'none login' });
      assert.equal(page.params['error'], 'invalid_request', page.describe());
    });
  });

  describe('prompt=login', () => {
    it('asks for the password again, of the same person, and the sign-in is newer', async () => {
      const { client, account, browser, first } = await signedIn({ max_age: '10000' });
      const before = await idTokenOf(client, first, first.page);
      await wait(1100);
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'login', max_age: '10000' });
      const asked = await browser.get(request.url);
      assert.equal(asked.id, 'reauthenticate', asked.describe());
      assert.ok(asked.text.includes(account.name ?? 'nobody'));
      const wrong = await browser.submit(asked, { password: 'not the right password' });
      assert.equal(wrong.status, 422);
      assert.equal(wrong.id, 'reauthenticate', wrong.describe());
      const page = await browser.submit(wrong, { password: TEST_PASSWORD });
      const after = await idTokenOf(client, request, page);
      assert.equal(after.sub, account.subject);
      assert.ok(Number(after['auth_time']) > Number(before['auth_time']));
    });

    it('lets nobody else slip in by naming another account in the form', async () => {
      const { client, account, browser } = await signedIn();
      const other = await latchkey().createAccount({ password: 'another good password' });
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'login' });
      const asked = await browser.get(request.url);
      const csrf = asked.element('input[name=csrf]').getAttribute('value') ?? '';
      const action = new URL(asked.element('form[action$="/login"]').getAttribute('action') ?? '', asked.url);
      const body = { csrf, login: other.email ?? '', password: 'another good password' };
      const page = await browser.post(action, new URLSearchParams(body).toString());
      assert.equal(page.status, 422, page.describe());
      const good = await answerPrompts(browser, await browser.get(request.url), {});
      assert.equal((await idTokenOf(client, request, good)).sub, account.subject);
    });

    it('can be left for another account by the button for it', async () => {
      const { client, account, browser } = await signedIn();
      const other = await latchkey().createAccount();
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'login' });
      const asked = await browser.get(request.url);
      const login = await browser.submit(asked, {}, { form: 'form[action$="/switch"]' });
      assert.equal(login.id, 'login', login.describe());
      const page = await answerPrompts(browser, login, { account: other });
      const claims = await idTokenOf(client, request, page);
      assert.equal(claims.sub, other.subject);
      assert.notEqual(claims.sub, account.subject);
    });
  });

  describe('prompt=select_account', () => {
    const select = (client: TestClient) =>
      authorizationRequest(latchkey().issuer, client, { prompt: 'select_account' });
    const choose = (browser: Browser, page: Page, account: AccountRow) => {
      const option = page.html
        .querySelectorAll('input[name=account]')
        .find((one) => one.closest('label, li, div')?.textContent.includes(account.email ?? 'no address'));
      assert.ok(option, `no ${account.email} among the choices`);
      return browser.submit(page, { account: option.getAttribute('value') ?? '' });
    };

    it('offers the account that is signed in and goes on with it', async () => {
      const { client, account, browser } = await signedIn();
      const request = select(client);
      const page = await browser.get(request.url);
      assert.equal(page.id, 'select-account', page.describe());
      const answer = await choose(browser, page, account);
      assert.equal((await idTokenOf(client, request, answer)).sub, account.subject);
    });

    it('leads to the sign-in for another account, and to tokens of that one', async () => {
      const { client, account, browser } = await signedIn();
      const other = await latchkey().createAccount();
      const request = select(client);
      const page = await browser.get(request.url);
      const login = await browser.submit(page, {}, { button: ['decision', 'other'] });
      assert.equal(login.id, 'login', login.describe());
      assert.equal(login.element('input[name=login]').getAttribute('value'), '');
      const answer = await answerPrompts(browser, login, { account: other });
      assert.equal((await idTokenOf(client, request, answer)).sub, other.subject);

      // Now both are known; the first one is signed out and has to prove itself.
      const again = select(client);
      const both = await browser.get(again.url);
      assert.equal(both.html.querySelectorAll('input[name=account]').length, 2);
      const back = await choose(browser, both, account);
      assert.ok(back.id === 'login' || back.id === 'reauthenticate', back.describe());
      assert.equal(back.element('input[name=login]').getAttribute('value'), account.email);
      const last = await answerPrompts(browser, back, { account });
      assert.equal((await idTokenOf(client, again, last)).sub, account.subject);
    });

    it('is the sign-in at a browser that knows nobody', async () => {
      const page = await open(latchkey().browser(), await latchkey().createClient(), { prompt: 'select_account' });
      assert.equal(page.id, 'login', page.describe());
    });

    it('forgets an account when told to', async () => {
      const { client, account, browser } = await signedIn();
      const other = await latchkey().createAccount();
      const page = await browser.get(select(client).url);
      await answerPrompts(browser, await browser.submit(page, {}, { button: ['decision', 'other'] }), {
        account: other,
      });
      const both = await browser.get(select(client).url);
      const remove = both.html
        .querySelectorAll('button[name=remove]')
        .find((one) =>
          `${one.getAttribute('aria-label')} ${one.textContent}`.includes(account.email ?? account.name ?? '?'),
        );
      assert.ok(remove, 'there is a button to remove the account');
      const left = await browser.submit(both, {}, { button: ['remove', remove.getAttribute('value') ?? ''] });
      assert.equal(left.id, 'select-account', left.describe());
      assert.equal(left.html.querySelectorAll('input[name=account]').length, 1);
      assert.doesNotMatch(left.text, new RegExp(account.email ?? '?'));
    });

    it('knows no account of another browser and takes no handle that it did not offer', async () => {
      const mine = await signedIn();
      const stranger = await signedIn();
      const handles = async (browser: Browser, client: TestClient) => {
        const page = await browser.get(select(client).url);
        return {
          page,
          values: page.html.querySelectorAll('input[name=account]').map((one) => one.getAttribute('value') ?? ''),
        };
      };
      const theirs = await handles(stranger.browser, stranger.client);
      const ours = await handles(mine.browser, mine.client);
      assert.equal(ours.values.length, 1);
      const csrf = ours.page.element('input[name=csrf]').getAttribute('value') ?? '';
      const action = new URL(
        ours.page.element('form[action$="/select-account"]').getAttribute('action') ?? '',
        ours.page.url,
      );
      for (const account of [...theirs.values, '', 'x', stranger.account.subject]) {
        const page = await mine.browser.post(action, new URLSearchParams({ csrf, account }).toString());
        assert.equal(page.status, 400, page.describe());
        assert.equal(page.error, 'no-account-chosen');
      }
    });
  });

  describe('max_age', () => {
    it('asks again when the sign-in is older, and tells when it was', async () => {
      const { client, browser } = await signedIn();
      await wait(2100);
      const request = authorizationRequest(latchkey().issuer, client, { max_age: '1' });
      const asked = await browser.get(request.url);
      assert.equal(asked.id, 'reauthenticate', asked.describe());
      const page = await browser.submit(asked, { password: TEST_PASSWORD });
      const claims = await idTokenOf(client, request, page);
      assert.ok(Math.abs(Number(claims['auth_time']) - Date.now() / 1000) < 30);
      const silent = await open(browser, client, { max_age: '10000', prompt: 'none' });
      assert.notEqual(silent.params['code'], undefined, silent.describe());
    });

    it('of zero always asks, and none cannot answer it', async () => {
      const { client, browser } = await signedIn();
      await wait(1100);
      assert.equal((await open(browser, client, { max_age: '0' })).id, 'reauthenticate');
      assert.equal((await open(browser, client, { max_age: '0', prompt: 'none' })).params['error'], 'login_required');
    });
  });

  describe('login_hint', () => {
    it('fills in the sign-in name as text, whatever it is', async () => {
      const client = await latchkey().createClient();
      for (const hint of ['ann@example.com', '"><script>alert(1)</script>', 'x'.repeat(1000)]) {
        const page = await open(latchkey().browser(), client, { login_hint: hint });
        assert.equal(page.id, 'login', page.describe());
        assert.equal(page.element('input[name=login]').getAttribute('value'), hint.slice(0, 254));
        assert.equal(page.html.querySelectorAll('script').filter((one) => one.textContent.includes('alert')).length, 0);
      }
    });
  });

  describe('id_token_hint', () => {
    it('of the person who is signed in is fine, of another asks for a sign-in', async () => {
      const mine = await signedIn();
      const tokens = await redeem(latchkey(), mine.client, mine.first);
      const hint = String(tokens.body['id_token']);
      const silent = await open(mine.browser, mine.client, { prompt: 'none', id_token_hint: hint });
      assert.notEqual(silent.params['code'], undefined, silent.describe());
      const other = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, mine.client, { account: other });
      const refused = await open(browser, mine.client, { prompt: 'none', id_token_hint: hint });
      assert.equal(refused.params['error'], 'login_required');
    });
  });

  describe('ui_locales', () => {
    it('chooses the language of the pages, skipping what is unknown or malformed', async () => {
      const client = await latchkey().createClient();
      for (const [uiLocales, expected] of [
        ['ru', 'ru'],
        ['tlh ru-RU en', 'ru'],
        ['x'.repeat(300), 'en'],
        ['* ;;; _', 'en'],
        ['en', 'en'],
      ] as const) {
        const page = await open(latchkey().browser(), client, { ui_locales: uiLocales });
        assert.equal(page.id, 'login', page.describe());
        assert.equal(page.element('html').getAttribute('lang'), expected, uiLocales);
      }
      const russian = await open(latchkey().browser(), client, { ui_locales: 'ru' });
      assert.match(russian.element('h1').textContent, /[А-Яа-я]/);
    });

    it('goes before the language of the browser and stays through the whole interaction', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser({ headers: { 'accept-language': 'en-GB,en;q=0.9' } });
      const login = await open(browser, client, { ui_locales: 'ru' });
      const wrong = await browser.submit(login, { login: account.email ?? '', password: 'not the right password' });
      assert.equal(wrong.element('html').getAttribute('lang'), 'ru');
      const consent = await browser.submit(wrong, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(consent.id, 'consent');
      assert.equal(consent.element('html').getAttribute('lang'), 'ru');
    });

    it('otherwise the language of the browser counts, and the choice in the footer stays', async () => {
      const client = await latchkey().createClient();
      const browser = latchkey().browser({ headers: { 'accept-language': 'de,ru;q=0.8,en;q=0.5' } });
      const page = await open(browser, client);
      assert.equal(page.element('html').getAttribute('lang'), 'ru');
      const changed = await browser.submit(page, {}, { button: ['locale', 'en'] });
      assert.equal(changed.element('html').getAttribute('lang'), 'en');
      assert.equal((await browser.get('/')).element('html').getAttribute('lang'), 'en');
    });
  });

  describe('what nobody knows', () => {
    it('is ignored: extra parameters, display, claims_locales, acr_values', async () => {
      const { client, browser } = await signedIn();
      const params = {
        ...{ extra: 'foobar', display: 'popup', claims_locales: 'se', acr_values: 'urn:unknown' },
        prompt: 'none',
      };
      const page = await open(browser, client, params);
      assert.notEqual(page.params['code'], undefined, page.describe());
    });
  });
});
