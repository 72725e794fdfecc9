// What a person allows an app: asked once, remembered, asked again when it wants more, taken back by saying no.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, redeem, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD } from '../support/server.ts';

const SIGNED_IN = { password: TEST_PASSWORD };

const ENGLISH = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'views', 'locales', 'en.json'), 'utf8'),
) as Record<string, string>;

/** The sentences that a consent page lists, by their keys, and whether each is marked as new. */
function listedScopes(page: Page): Record<string, boolean> {
  const items = page.html.querySelectorAll('.scopes:not(.scopes-not) li');
  return Object.fromEntries(
    items.map((item) => {
      const sentence = item.querySelector('p')?.childNodes[0]?.textContent.trim();
      const found = Object.entries(ENGLISH).find(([, text]) => text === sentence);
      return [found?.[0] ?? `unknown: ${sentence}`, item.querySelector('.badge') !== null];
    }),
  );
}

describeOnEachBackend('consent', (latchkey) => {
  it('says who asks for what on whose behalf and where the answer goes', async () => {
    const client = await latchkey()
      .createClient({
        client_name: 'Photo <b>box</b>',
        policy_uri: 'https://photos.example/privacy',
        tos_uri: 'javascript:alert(1)',
        redirect_uris: ['https://photos.example:8443/callback'],
      })
      .catch((error: unknown) => error);
    // The engine itself refuses links that are no web addresses.
    assert.match(String(client), /tos_uri/);
    const good = await latchkey().createClient({
      client_name: 'Photo <b>box</b>',
      policy_uri: 'https://photos.example/privacy',
      tos_uri: 'https://photos.example/terms',
      redirect_uris: ['https://photos.example:8443/callback'],
    });
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const browser = latchkey().browser();
    const request = authorizationRequest(latchkey().issuer, good, { scope: 'openid profile email' });
    const login = await browser.get(request.url);
    assert.match(login.text, /Photo &lt;b&gt;box&lt;\/b&gt;/);
    const page = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.equal(page.id, 'consent', page.describe());
    assert.match(page.text, /Photo &lt;b&gt;box&lt;\/b&gt;/);
    assert.match(page.text, /photos\.example:8443/);
    assert.match(page.text, /Ann Lee/);
    assert.ok(page.text.includes(account.email ?? 'no address'));
    const links = page.html.querySelectorAll('a[href^=https]');
    assert.deepEqual(links.map((link) => link.getAttribute('href')).toSorted(), [
      'https://photos.example/privacy',
      'https://photos.example/terms',
    ]);
    for (const link of links) assert.match(link.getAttribute('rel') ?? '', /noopener/);
  });

  it('is asked once and remembered, also in another session at another browser', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const first = latchkey().browser();
    await signIn(latchkey(), first, client, { account, params: { scope: 'openid email' } });

    const again = await first.get(authorizationRequest(latchkey().issuer, client, { scope: 'openid email' }).url);
    assert.notEqual(again.params['code'], undefined, again.describe());

    const second = latchkey().browser();
    const login = await second.get(authorizationRequest(latchkey().issuer, client, { scope: 'openid' }).url);
    const answer = await second.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.notEqual(answer.params['code'], undefined, answer.describe());
  });

  it('is asked again for more, naming what is new, and adds to what was allowed', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account, params: { scope: 'openid email' } });
    const wider = authorizationRequest(latchkey().issuer, client, { scope: 'openid email phone' });
    const page = await browser.get(wider.url);
    assert.equal(page.id, 'consent', page.describe());
    assert.deepEqual(listedScopes(page), { 'scope.email': false, 'scope.phone': true });
    const answer = await browser.submit(page, {}, { button: ['decision', 'allow'] });
    assert.notEqual(answer.params['code'], undefined, answer.describe());

    const elsewhere = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      decision: 'deny',
      params: { scope: 'openid email phone' },
    });
    assert.notEqual(elsewhere.code, undefined);
  });

  it('of one app is not consent to another, and of one person not of another', async () => {
    const [mine, other] = [await latchkey().createClient(), await latchkey().createClient()];
    const [ann, bob] = [await latchkey().createAccount(), await latchkey().createAccount()];
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, mine, { account: ann });
    assert.equal((await browser.get(authorizationRequest(latchkey().issuer, other).url)).id, 'consent');
    const bobs = latchkey().browser();
    const login = await bobs.get(authorizationRequest(latchkey().issuer, mine).url);
    assert.equal((await bobs.submit(login, { login: bob.email ?? '', password: TEST_PASSWORD })).id, 'consent');
  });

  it('is asked again when the client asks for the question', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account });
    const page = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'consent' }).url);
    assert.equal(page.id, 'consent', page.describe());
  });

  it('is not asked for first-party apps, whatever they want', async () => {
    const client = await latchkey().createClient({ latchkey_first_party: true });
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    for (const scope of ['openid', 'openid email', 'openid profile email phone address']) {
      const request = authorizationRequest(latchkey().issuer, client, { scope });
      let page = await browser.get(request.url);
      if (page.id === 'login') page = await browser.submit(page, { login: account.email ?? '', ...SIGNED_IN });
      assert.notEqual(page.params['code'], undefined, page.describe());
      const tokens = await redeem(latchkey(), client, { ...request, code: page.params['code'] ?? '' });
      assert.deepEqual(String(tokens.body['scope']).split(' ').toSorted(), scope.split(' ').toSorted());
    }
  });

  it('of a native app with a scheme of its own is asked each time, silently never', async () => {
    const client = await latchkey().createClient({
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['com.example.app:/callback'],
    });
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const { page: first } = await signIn(latchkey(), browser, client, { account });
    assert.match(first.headers['location'] ?? '', /^com\.example\.app:\/callback\?code=/);
    const again = await browser.get(authorizationRequest(latchkey().issuer, client).url);
    assert.equal(again.id, 'consent', again.describe());
    const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
    assert.equal(silent.params['error'], 'interaction_required');
    const allowed = await browser.submit(again, {}, { button: ['decision', 'allow'] });
    assert.notEqual(allowed.params['code'], undefined, allowed.describe());
  });

  it('of a native app with a claimed https address is remembered', async () => {
    const client = await latchkey().createClient({
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['https://app.example.com/native'],
    });
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account });
    const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
    assert.notEqual(silent.params['code'], undefined, silent.describe());
  });

  it('denied tells the client so with state and issuer, and is asked again next time', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const request = authorizationRequest(latchkey().issuer, client);
    const page = await answerPrompts(browser, await browser.get(request.url), { account, decision: 'deny' });
    assert.equal(page.status, 303);
    assert.equal(page.location?.origin, 'https://app.example.com');
    const { error_description: _, ...params } = page.params;
    assert.deepEqual(params, { error: 'access_denied', state: request.state, iss: latchkey().issuer });
    assert.equal((await browser.get(authorizationRequest(latchkey().issuer, client).url)).id, 'consent');
  });

  it('is given up from the login page as well', async () => {
    const client = await latchkey().createClient();
    const browser = latchkey().browser();
    const request = authorizationRequest(latchkey().issuer, client);
    const login = await browser.get(request.url);
    const page = await browser.submit(login, {}, { form: 'form[action$="/abort"]' });
    assert.equal(page.params['error'], 'access_denied', page.describe());
    assert.equal(page.params['state'], request.state);
  });

  it('limits what userinfo tells', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      params: { scope: 'openid profile' },
    });
    const tokens = await redeem(latchkey(), client, signedIn);
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    const info = await userinfo(latchkey(), tokens.body['access_token']);
    assert.equal(info.status, 200);
    assert.equal(info.body['name'], account.name);
    assert.equal('email' in info.body, false);
    assert.equal('phone_number' in info.body, false);
  });

  it('leaves a trace for the person, allowed or not', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    await signIn(latchkey(), latchkey().browser(), client, { account });
    const rows = await latchkey()
      .app.database.em()
      .execute<{ action: string; result: string }[]>(
        'select action, result from audit_event where actor_id = ? and client_id = ? order by id',
        [account.id, client.clientId],
      );
    assert.deepEqual(rows, [
      { action: 'session.start', result: 'success' },
      { action: 'consent.grant', result: 'success' },
    ]);
  });
});
