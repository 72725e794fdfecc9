// Light or dark, as an account chose it: on every page of that account, and on the sign-in page of the browsers it was in.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts, signIn } from '../support/relying-party.ts';
import { describeOnEachBackend } from '../support/server.ts';

/** What the page says about its colours: by its style sheet, and to the browser before that is there. */
function schemeOf(page: Page): readonly (string | undefined)[] {
  return [
    page.element('html').getAttribute('class'),
    page.element('meta[name="color-scheme"]').getAttribute('content'),
  ];
}

const DARK = ['scheme-dark', 'dark'];
const SYSTEM = [undefined, 'light dark'];

describeOnEachBackend('the theme of an account', (latchkey) => {
  it('is kept with the account, and by a cookie that holds nothing else for the sign-in page', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const profile = await answerPrompts(browser, await browser.get('/account/profile'), { account });
    assert.equal(profile.id, 'account-profile', profile.describe());
    assert.deepEqual(schemeOf(profile), SYSTEM);
    const saved = await browser.submit(profile, { theme: 'dark' });
    assert.equal(saved.id, 'account-profile', saved.describe());
    assert.deepEqual(schemeOf(saved), DARK);
    assert.equal(saved.element('#theme option[selected]').getAttribute('value'), 'dark');
    assert.deepEqual(schemeOf(await browser.get('/account/sessions')), DARK);
    assert.equal(await browser.cookie('latchkey_theme'), 'dark');
    assert.match(profile.headers['content-security-policy'] ?? '', /style-src 'self';/);

    // Signed out, this browser's sign-in page still looks like that.
    await browser.submit(await browser.get('/session/end'), {}, { button: ['decision', 'allow'] });
    const login = await browser.get('/account/profile');
    assert.equal(login.id, 'login', login.describe());
    assert.deepEqual(schemeOf(login), DARK);

    // Another browser learns it with the sign-in and not before.
    const other = latchkey().browser();
    const client = await latchkey().createClient();
    assert.deepEqual(schemeOf(await other.get('/account/profile')), SYSTEM);
    await signIn(latchkey(), other, client, { account });
    assert.equal(await other.cookie('latchkey_theme'), 'dark');
    assert.deepEqual(schemeOf(await other.get('/')), DARK);

    // The choice is the account's: what the next one chose holds in this browser from its sign-in on.
    const plain = await latchkey().createAccount();
    await answerPrompts(browser, login, { account: plain });
    const home = await browser.get('/account/sessions');
    assert.equal(home.id, 'account-sessions', home.describe());
    assert.deepEqual(schemeOf(home), SYSTEM);
    assert.equal(await browser.cookie('latchkey_theme'), undefined);
  });

  it('is one of three, and a cookie that says anything else is none', async () => {
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const profile = await answerPrompts(browser, await browser.get('/account/profile'), { account });
    const csrf = profile.element('input[name=csrf]').getAttribute('value') ?? '';
    const form = new URLSearchParams({ csrf, name: 'Ada', locale: '', zone: '', theme: 'sepia' });
    assert.equal((await browser.post('/account/profile', form.toString())).status, 400);
    const stranger = latchkey().browser({ headers: { cookie: 'latchkey_theme="><script>' } });
    assert.deepEqual(schemeOf(await stranger.get('/')), SYSTEM);
  });
});
