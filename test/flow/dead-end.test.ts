// Pages left open, the back button, a second tab, an address opened again: each leads somewhere useful, never to a bare error.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../support/server.ts';

const CLIENT = {
  client_name: 'Photo box',
  client_uri: 'https://app.example.com/',
  initiate_login_uri: 'https://app.example.com/login',
};

/** A page of ours with a code, a request id and somewhere to go. */
function assertHelps(page: Page, code: string, way: string): void {
  assert.equal(page.id, 'error', page.describe());
  assert.equal(page.error, code, page.describe());
  assert.ok(page.html.querySelectorAll('code').some((one) => one.textContent === page.headers['x-request-id']));
  const links = page.html.querySelectorAll('main a').map((link) => link.getAttribute('href'));
  assert.ok(links.includes(way), `${page.describe()} links ${links.join(' ')}`);
  assert.doesNotMatch(page.text, /session not found|SessionNotFound|stack|at \//i);
}

describeOnEachBackend('somebody who', (latchkey) => {
  async function start() {
    const [client, account] = [await latchkey().createClient(CLIENT), await latchkey().createAccount()];
    const browser = latchkey().browser();
    const request = authorizationRequest(latchkey().issuer, client);
    const login = await browser.get(request.url);
    assert.equal(login.id, 'login');
    return {
      client,
      account,
      browser,
      request,
      login,
      credentials: { login: account.email ?? '', password: TEST_PASSWORD },
    };
  }

  it('goes back after signing in and sends the form again is where the interaction is by now', async () => {
    const { browser, login, credentials } = await start();
    const consent = await browser.submit(login, credentials);
    assert.equal(consent.id, 'consent');
    // Back button: the login page from the browser's memory, and its address.
    assertHelps(await browser.get(login.url), 'interaction-finished', 'https://app.example.com/login');
    assertHelps(await browser.submit(login, credentials), 'interaction-finished', 'https://app.example.com/login');
    const answer = await browser.submit(consent, {}, { button: ['decision', 'allow'] });
    assert.notEqual(answer.params['code'], undefined, answer.describe());
  });

  it('goes back after finishing is told that it is done and how to go on', async () => {
    const { browser, login, credentials } = await start();
    const consent = await browser.submit(login, credentials);
    await browser.submit(consent, {}, { button: ['decision', 'allow'] });
    for (const page of [
      await browser.get(consent.url),
      await browser.get(login.url),
      await browser.submit(consent, {}, { button: ['decision', 'allow'] }),
      await browser.get(`${login.url.pathname}/login`),
      await browser.get(`${consent.url.pathname}/consent`),
    ]) {
      assertHelps(page, 'interaction-finished', 'https://app.example.com/login');
      assert.equal(page.status, 200);
      assert.match(page.text, /Photo box/);
    }
  });

  it('opens the engine’s own address of a finished sign-in again gets a page as well', async () => {
    const { browser, login, credentials } = await start();
    const post = await browser.submitOnce(login, credentials);
    const resume = post.location ?? '';
    await browser.get(resume);
    const page = await browser.get(resume);
    assert.equal(page.id, 'error', page.describe());
    assert.equal(page.error, 'interaction-expired');
    assert.ok(page.html.querySelectorAll('main a').length > 0);
  });

  it('opens two tabs signs in with one and goes on with the other', async () => {
    const { browser, client, login, credentials } = await start();
    const second = await browser.get(authorizationRequest(latchkey().issuer, client).url);
    assert.equal(second.id, 'login');
    const consent = await browser.submit(login, credentials);
    const first = await browser.submit(consent, {}, { button: ['decision', 'allow'] });
    assert.notEqual(first.params['code'], undefined, first.describe());
    const later = await browser.submit(second, credentials);
    const end = await answerPrompts(browser, later, {});
    assert.notEqual(end.params['code'], undefined, end.describe());
  });

  it('opens many tabs at once can finish each of them', async () => {
    const { browser, client, account } = await start();
    await signIn(latchkey(), browser, client, { account });
    const tabs = [];
    for (let index = 0; index < 3; index += 1) {
      tabs.push(await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'consent' }).url));
    }
    for (const tab of tabs) {
      assert.equal(tab.id, 'consent');
      const answer = await browser.submit(tab, {}, { button: ['decision', 'allow'] });
      assert.notEqual(answer.params['code'], undefined, answer.describe());
    }
  });

  it('gets the address of somebody else’s sign-in is not let in', async () => {
    const { login, credentials } = await start();
    const stranger = latchkey().browser();
    const page = await stranger.get(login.url);
    assert.equal(page.id, 'error');
    assert.equal(page.error, 'interaction-expired');
    assert.equal(page.status, 410);
    assert.doesNotMatch(page.text, /Photo box/, 'nothing of the sign-in is told to a stranger');
    const csrf = 'x';
    const post = await stranger.post(
      `${login.url.pathname}/login`,
      new URLSearchParams({ csrf, ...credentials }).toString(),
    );
    assert.equal(post.status, 403);
    assert.equal(post.error, 'foreign-form');
  });

  it('reloads the answer to a form sees what is asked now', async () => {
    const { browser, login } = await start();
    for (const path of ['login', 'consent', 'select-account', 'switch', 'abort']) {
      const page = await browser.get(`${login.url.pathname}/${path}`);
      assert.equal(page.id, 'login', page.describe());
    }
  });

  it('sends the form of another step sees what is asked now', async () => {
    const { browser, login } = await start();
    const csrf = login.element('input[name=csrf]').getAttribute('value') ?? '';
    const body = new URLSearchParams({ csrf, decision: 'allow' }).toString();
    const page = await browser.post(`${login.url.pathname}/consent`, body);
    assert.equal(page.status, 303);
    assert.equal(page.location?.pathname, login.url.pathname);
  });

  it('clicks twice gets one answer and no error', async () => {
    const { browser, login, credentials } = await start();
    const [first, second] = await Promise.all([
      browser.submitOnce(login, credentials),
      browser.submitOnce(login, credentials),
    ]);
    assert.equal(first.status, 303);
    assert.equal(second.status, 303);
    const consent = await browser.get(first.location ?? '');
    assert.equal(consent.id, 'consent', consent.describe());
  });

  it('opens an address that never was gets a page', async () => {
    const browser = latchkey().browser();
    for (const path of [
      '/interaction/nothing',
      '/interaction/x/login',
      '/auth/nothing',
      `/interaction/${'x'.repeat(5000)}`,
    ]) {
      const page = await browser.get(path);
      assert.equal(page.id, 'error', page.describe());
      assert.ok([400, 404, 410].includes(page.status), page.describe());
    }
  });

  it('has no cookies is told so by a page', async () => {
    const { login, credentials } = await start();
    const bare = latchkey().browser();
    const csrf = login.element('input[name=csrf]').getAttribute('value') ?? '';
    const page = await bare.post(
      `${login.url.pathname}/login`,
      new URLSearchParams({ csrf, ...credentials }).toString(),
    );
    assert.equal(page.id, 'error');
    assert.equal(page.error, 'foreign-form');
    assert.ok(page.html.querySelectorAll('main a').length > 0);
  });
});

describeOnEachBackend(
  'somebody who leaves the sign-in page open',
  (latchkey) => {
    it('for longer than it lives is told so, with a way back to the app', async () => {
      const [client, account] = [await latchkey().createClient(CLIENT), await latchkey().createAccount()];
      const browser = latchkey().browser();
      const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
      assert.equal(login.id, 'login');
      await wait(2200);
      // The browser has dropped the engine's cookie by now; the trail still knows which app it was for.
      for (const page of [
        await browser.get(login.url),
        await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD }),
      ]) {
        assertHelps(page, 'interaction-expired', 'https://app.example.com/login');
        assert.equal(page.status, 410);
        assert.match(page.text, /Photo box/);
      }
    });
  },
  { env: { LATCHKEY_INTERACTION_TTL: '2' } },
);
