// Signing in with a passkey and nothing else: who it is, the authenticator says; what does not fit gets one answer.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { together } from '../../support/credentials.ts';
import { Authenticator, passkeyOptions, pressPasskey, sendPasskey } from '../../support/passkeys.ts';
import { answerPrompts, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, startLatchkey, TEST_PASSWORD } from '../../support/server.ts';
import { AAL1, addPasskey, ask, assertClaims, essential, landed, PHR, reasonsOf } from './stories.ts';

type Options = { challenge: string; userVerification: string; allowCredentials?: unknown[] };

describeOnEachBackend('a passkey at the sign-in page', (latchkey) => {
  it('signs in alone, phishing-resistant, and says so truthfully', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount({ password: null })];
    const authenticator = await addPasskey(latchkey(), account);
    const browser = latchkey().browser();
    const before = Math.floor(Date.now() / 1000);
    const { page, verifier } = await ask(latchkey(), browser, client);
    assert.equal(page.id, 'login');
    assert.ok(page.element('[data-passkey]').hasAttribute('hidden'), 'shown by script alone');
    const next = await pressPasskey(browser, page, authenticator);
    const claims = await landed(latchkey(), browser, client, next, verifier);
    assert.equal(claims.sub, account.subject);
    assertClaims(claims, PHR, ['swk', 'user', 'mfa']);
    assert.ok(Number(claims['auth_time']) >= before);
    assert.deepEqual(await reasonsOf(latchkey(), account.id), ['passkey']);
  });

  it('gives everybody the same options, which name no passkey and ask for user verification', async () => {
    const client = await latchkey().createClient();
    const known = latchkey().browser();
    const account = await latchkey().createAccount();
    await addPasskey(latchkey(), account);
    await signIn(latchkey(), known, client, { account });
    const [first, second] = await Promise.all(
      [known, latchkey().browser()].map(async (browser) => {
        const { page } = await ask(latchkey(), browser, client, { prompt: 'login' });
        return passkeyOptions(browser, page);
      }),
    );
    assert.ok(first && second);
    const [one, other] = [first, second].map((page) => JSON.parse(page.text) as Options);
    assert.ok(one && other);
    assert.notEqual(one.challenge, other.challenge);
    assert.deepEqual({ ...one, challenge: '' }, { ...other, challenge: '' });
    assert.equal(one.userVerification, 'required');
    assert.deepEqual(one.allowCredentials ?? [], []);
    for (const page of [first, second]) {
      assert.equal(page.headers['cache-control'], 'no-store');
      assert.match(page.headers['content-type'] ?? '', /json/);
    }
  });

  it('is remembered where the box is ticked, and for this browser otherwise', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const authenticator = await addPasskey(latchkey(), account);
    for (const remember of [false, true]) {
      const browser = latchkey().browser();
      const { page } = await ask(latchkey(), browser, client);
      await pressPasskey(browser, page, authenticator, { remember });
      const lines = browser.visited
        .flatMap((one) => one.cookies)
        .filter((line) => line.startsWith('latchkey_session='));
      assert.equal(lines.at(-1)?.includes('expires='), remember, lines.at(-1));
    }
  });

  it('confirms who is signed in, and nobody else', async () => {
    const [client, account, other] = [
      await latchkey().createClient(),
      await latchkey().createAccount({ password: null }),
      await latchkey().createAccount(),
    ];
    const mine = await addPasskey(latchkey(), account);
    const theirs = await addPasskey(latchkey(), other);
    const browser = latchkey().browser();
    const first = await ask(latchkey(), browser, client);
    await landed(latchkey(), browser, client, await pressPasskey(browser, first.page, mine), first.verifier);
    const again = await ask(latchkey(), browser, client, { prompt: 'login' });
    assert.equal(again.page.id, 'reauthenticate');
    const refused = await pressPasskey(browser, again.page, theirs);
    assert.equal(refused.status, 422);
    assert.equal(refused.id, 'reauthenticate');
    assert.deepEqual(await reasonsOf(latchkey(), other.id), ['passkey-other-account']);
    const page = await pressPasskey(browser, refused, mine);
    assert.equal((await landed(latchkey(), browser, client, page, again.verifier)).sub, account.subject);
  });

  describe('that does not fit', () => {
    it('gets one answer for every reason, and the page is as good as before', async () => {
      const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
      const authenticator = await addPasskey(latchkey(), account);
      const disabled = await latchkey().createAccount();
      const locked = await addPasskey(latchkey(), disabled);
      await latchkey().app.sessionsAndGrants.disable(disabled, { actor: { kind: 'cli' } });
      const stranger = new Authenticator(latchkey().issuer);
      const somebody = await latchkey().createAccount();
      await addPasskey(latchkey(), somebody, 'way-in', stranger);
      await latchkey().app.factors.remove(somebody.id, {
        kind: 'passkey',
        id: (await latchkey().app.factors.overview(somebody.id)).passkeys[0]?.id ?? '',
      });
      const browser = latchkey().browser();
      const { page } = await ask(latchkey(), browser, client);
      const elsewhere = latchkey().browser();
      const foreign = await ask(latchkey(), elsewhere, client);
      const optionsOf = async (who = browser, where = page) =>
        JSON.parse((await passkeyOptions(who, where)).text) as Options;
      const good = authenticator.answer('get', await optionsOf()) as { response: Record<string, string> };
      const used = authenticator.answer('get', await optionsOf());
      await sendPasskey(browser, page, '{"nonsense":1}');
      const withoutUser = new Authenticator(latchkey().issuer);
      await addPasskey(latchkey(), account, 'way-in', withoutUser);
      withoutUser.isUserVerified = false;
      const answers: Record<string, unknown> = {
        'no JSON': '{',
        empty: '',
        'another challenge': { ...good, response: { ...good.response, clientDataJSON: 'e30' } },
        'a challenge of another browser': authenticator.answer('get', await optionsOf(elsewhere, foreign.page)),
        'a broken signature': { ...good, response: { ...good.response, signature: 'AAAA' } },
        'its challenge used up': good,
        'a deleted passkey': stranger.answer('get', await optionsOf()),
        'a disabled account': locked.answer('get', await optionsOf()),
        'no user verification': withoutUser.answer('get', { ...(await optionsOf()), userVerification: 'discouraged' }),
      };
      for (const [what, answer] of Object.entries(answers)) {
        const refused = await sendPasskey(browser, page, answer);
        assert.equal(refused.status, 422, `${what}: ${refused.describe()}`);
        assert.equal(refused.id, 'login', what);
        assert.match(refused.element('#problems').text, /The passkey did not work here/, what);
      }
      const next = await sendPasskey(browser, page, used);
      assert.equal(next.id, 'consent', next.describe());
    });

    it('tells the browser to forget it when it is gone, and then only', async () => {
      const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
      const authenticator = await addPasskey(latchkey(), account);
      const browser = latchkey().browser();
      const { page } = await ask(latchkey(), browser, client);
      const wrong = await sendPasskey(browser, page, '{}');
      assert.equal(wrong.html.querySelector('[data-passkey-signal]'), null);
      const [passkey] = (await latchkey().app.factors.overview(account.id)).passkeys;
      await latchkey().app.factors.remove(account.id, { kind: 'passkey', id: passkey?.id ?? '' });
      const gone = await pressPasskey(browser, page, authenticator);
      const signal = gone.element('[data-passkey-signal=signalUnknownCredential]');
      assert.deepEqual(JSON.parse(signal.getAttribute('data-passkey-details') ?? ''), {
        rpId: 'localhost',
        credentialId: passkey?.credentialId,
      });
    });

    it('is not taken from another site, nor without the token of the page', async () => {
      const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
      await addPasskey(latchkey(), account);
      const browser = latchkey().browser();
      const { page } = await ask(latchkey(), browser, client);
      for (const path of [`${page.url.pathname}/passkey`, `${page.url.pathname}/passkey/options`]) {
        assert.equal((await browser.post(path, 'answer=x')).status, 403, path);
        const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
        const foreign = await browser.post(path, `answer=x&csrf=${csrf}`, {
          origin: 'https://evil.example',
          'sec-fetch-site': 'cross-site',
        });
        assert.equal(foreign.status, 403, path);
      }
    });
  });

  it('answers once: of twenty that arrive together one signs in', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const authenticator = await addPasskey(latchkey(), account);
    const browser = latchkey().browser();
    const { page } = await ask(latchkey(), browser, client);
    const options = await passkeyOptions(browser, page);
    const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
    const answer = JSON.stringify(authenticator.answer('get', JSON.parse(options.text)));
    const body = new URLSearchParams({ csrf, answer }).toString();
    const pages = await together(20, () => browser.post(`${page.url.pathname}/passkey`, body));
    assert.deepEqual(pages.map((one) => one.status).toSorted(), [303, ...Array<number>(19).fill(422)]);
  });

  it('leads in while guesses have locked the password, for its account and its network', async () => {
    const [client, account] = [await latchkey().createClient(), await latchkey().createAccount()];
    const authenticator = await addPasskey(latchkey(), account);
    const browser = latchkey().browser();
    let { page } = await ask(latchkey(), browser, client);
    for (let count = 0; count < 25; count += 1) {
      page = await browser.submit(page, { login: account.email ?? '', password: 'not the right password' });
    }
    assert.equal(page.status, 429);
    const locked = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.equal(locked.status, 429);
    assert.equal((await pressPasskey(browser, locked, authenticator)).id, 'consent');
  });
});

describeOnEachBackend('answers that are no passkey’s', (latchkey) => {
  it('end, with a time to wait, for a network that sends nothing else', async () => {
    const client = await latchkey().createClient();
    const browser = latchkey().browser();
    const { page } = await ask(latchkey(), browser, client);
    for (let count = 0; count < 60; count += 1) assert.equal((await sendPasskey(browser, page, '{}')).status, 422);
    const refused = await sendPasskey(browser, page, '{}');
    assert.equal(refused.status, 429);
    const wait = Number(refused.headers['retry-after']);
    assert.ok(wait > 0 && wait <= 900, String(wait));
    assert.equal(refused.id, 'login');
    const account = await latchkey().createAccount();
    assert.equal((await answerPrompts(browser, refused, { account })).status, 429, 'the page is shown, not signed in');
    const fresh = await ask(latchkey(), browser, client);
    const next = await browser.submit(fresh.page, { login: account.email ?? '', password: TEST_PASSWORD });
    assert.equal(next.id, 'consent', 'passwords are counted apart');
  });
});

describe('where browsers know no passkeys', () => {
  it('none is offered, and none is answered', async () => {
    const latchkey = await startLatchkey({ host: '127.0.0.1' });
    try {
      const client = await latchkey.createClient();
      const browser = latchkey.browser();
      const { page } = await ask(latchkey, browser, client, essential(AAL1));
      assert.equal(page.html.querySelector('[data-passkey]'), null);
      const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
      assert.equal((await browser.post(`${page.url.pathname}/passkey/options`, `csrf=${csrf}`)).status, 404);
    } finally {
      await latchkey.stop();
    }
  });
});
