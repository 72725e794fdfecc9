// Leaving: RP-initiated logout by hint and without, what survives it, and where it leads (OIDC RP-Initiated Logout 1.0).

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import type { Browser, Page } from '../support/browser-client.ts';
import { authorizationRequest, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../support/server.ts';

const GOODBYE = 'https://app.example.com/goodbye';

describeOnEachBackend('signing out', (latchkey) => {
  async function start(params: Record<string, string> = {}) {
    const client = await latchkey().createClient({
      post_logout_redirect_uris: [GOODBYE],
      client_uri: 'https://app.example.com/',
    });
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const signedIn = await signIn(latchkey(), browser, client, { account, params });
    const tokens = await redeem(latchkey(), client, signedIn);
    return { client, account, browser, tokens: tokens.body, idToken: String(tokens.body['id_token']) };
  }

  const end = (browser: Browser, params: Record<string, string>) =>
    browser.get(`/session/end?${new URLSearchParams(params).toString()}`);
  const confirm = (browser: Browser, page: Page) => browser.submit(page, {}, { button: ['decision', 'allow'] });
  async function isSignedIn(browser: Browser, client: TestClient): Promise<boolean> {
    const page = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
    return page.params['error'] !== 'login_required';
  }

  it('with a hint and a registered address asks, ends the session and returns there with the state', async () => {
    const { client, account, browser, idToken, tokens } = await start();
    const question = await end(browser, { id_token_hint: idToken, post_logout_redirect_uri: GOODBYE, state: 's 1&2' });
    assert.equal(question.id, 'logout', question.describe());
    assert.ok(question.text.includes(account.name ?? '?'));
    assert.match(question.text, /Test app/);
    assert.equal(await isSignedIn(browser, client), true, 'nothing happens by opening the page');
    const page = await confirm(browser, question);
    assert.equal(page.location?.href, `${GOODBYE}?state=s+1%262`);
    assert.equal(await isSignedIn(browser, client), false);
    assert.equal((await userinfo(latchkey(), tokens['access_token'])).status, 401);
  });

  it('without a state invents none', async () => {
    const { browser, idToken } = await start();
    const page = await confirm(
      browser,
      await end(browser, { id_token_hint: idToken, post_logout_redirect_uri: GOODBYE }),
    );
    assert.equal(page.location?.href, GOODBYE);
  });

  it('can be declined: the session stays', async () => {
    const { client, browser } = await start();
    const question = await end(browser, {});
    const page = await browser.submit(question, {}, { button: ['decision', 'deny'] });
    assert.ok(page.status < 400, page.describe());
    assert.equal(await isSignedIn(browser, client), true);
  });

  it('leads nowhere that is not registered, or that nobody proves to come from', async () => {
    const { client, browser, idToken } = await start();
    const { privateKey } = await generateKeyPair('ES256');
    const claims = { sub: 'x', aud: client.clientId, iss: latchkey().issuer };
    const strangers = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).setIssuedAt().sign(privateKey);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${idToken.split('.')[1]}.`;
    for (const params of [
      { id_token_hint: idToken, post_logout_redirect_uri: 'https://evil.example/' },
      { id_token_hint: idToken, post_logout_redirect_uri: `${GOODBYE}?added=1` },
      { id_token_hint: idToken, post_logout_redirect_uri: `${GOODBYE}/` },
      { id_token_hint: strangers, post_logout_redirect_uri: GOODBYE },
      { id_token_hint: unsigned, post_logout_redirect_uri: GOODBYE },
      { id_token_hint: 'no token', post_logout_redirect_uri: GOODBYE },
    ]) {
      const page = await end(browser, params);
      assert.equal(page.id, 'error', page.describe());
      assert.equal(page.status, 400);
      assert.equal(page.location, null);
    }
    const withoutHint = await end(browser, { post_logout_redirect_uri: 'https://evil.example/' });
    assert.equal(withoutHint.id, 'logout', withoutHint.describe());
    const done = await confirm(browser, withoutHint);
    assert.equal(done.id, 'logged-out', done.describe());
  });

  it('without parameters, with a state alone and with a hint alone ends on our page', async () => {
    for (const kind of ['nothing', 'state', 'hint']) {
      const { client, browser, idToken } = await start();
      const params: Record<string, Record<string, string>> = {
        nothing: {},
        state: { state: 'only' },
        hint: { id_token_hint: idToken },
      };
      const page = await confirm(browser, await end(browser, params[kind] ?? {}));
      assert.equal(page.id, 'logged-out', page.describe());
      assert.equal(page.status, 200);
      assert.equal(await isSignedIn(browser, client), false);
    }
  });

  it('by somebody who is not signed in is no error', async () => {
    const page = await end(latchkey().browser(), {});
    assert.equal(page.id, 'logged-out', page.describe());
    const again = await latchkey().browser().get('/session/end/success');
    assert.equal(again.id, 'logged-out', again.describe());
  });

  it('cannot be done by another page: the form is bound to the session', async () => {
    const { client, browser } = await start();
    for (const body of ['logout=yes', 'logout=yes&xsrf=wrong', 'logout=yes&xsrf=']) {
      const page = await browser.post('/session/end/confirm', body);
      assert.ok(page.status >= 400 && page.status < 500, page.describe());
      assert.equal(page.id, 'error');
    }
    assert.equal(await isSignedIn(browser, client), true);
  });

  it('sent twice is done once, and the second time is no bare error', async () => {
    const { browser } = await start();
    const question = await end(browser, {});
    await confirm(browser, question);
    const again = await confirm(browser, question);
    assert.ok(again.id === 'logged-out' || again.id === 'error', again.describe());
    assert.ok(again.status < 500, again.describe());
  });

  it('leaves tokens for offline work alone, and ends the others', async () => {
    const { client, account, browser } = await start();
    const offline = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      params: { scope: 'openid offline_access', prompt: 'consent' },
    });
    const elsewhere = await redeem(latchkey(), client, offline);
    await confirm(browser, await end(browser, {}));
    assert.equal(
      (await refresh(latchkey(), client, elsewhere.body['refresh_token'])).status,
      200,
      'another browser is another session',
    );
  });

  it('makes the cookie go, and the old one is worth nothing', async () => {
    const { client, browser } = await start();
    const thief = latchkey().browser();
    for (const line of browser.visited.flatMap((page) => page.cookies)) {
      if (line.startsWith('latchkey_session')) await thief.jar.setCookie(line, latchkey().issuer);
    }
    assert.equal(await isSignedIn(thief, client), true);
    await confirm(browser, await end(browser, {}));
    assert.equal(await browser.cookie('latchkey_session'), undefined);
    assert.equal(await isSignedIn(thief, client), false);
  });

  it('is offered at the start page to who is signed in', async () => {
    const { account, browser } = await start();
    const home = await browser.get('/');
    assert.ok(home.text.includes(account.name ?? '?'));
    const link = home.html
      .querySelectorAll('a, form')
      .find((one) => /session\/end/.test(one.getAttribute('href') ?? one.getAttribute('action') ?? ''));
    assert.ok(link, 'there is a way to sign out');
    const stranger = await latchkey().browser().get('/');
    assert.equal(stranger.text.includes(account.name ?? '?'), false);
  });
});
