// Signing in at an upstream, from an app's request to the app: to whom an identity belongs, in both orders and against everybody who would
// like to have it, and what an answer is worth that is used twice, brought by another browser or by another upstream.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest, redeem } from '../support/relying-party.ts';
import { html } from '../support/scripted-upstream.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../support/server.ts';
import { openSignIn, passThrough, press, setStage, signInThere } from '../support/upstream-stage.ts';
import { addTotp, codeOf } from './factors/stories.ts';

const stage = await setStage({
  company: { label: 'Company', trustEmail: true, domains: ['company.example'] },
  other: { label: 'Other' },
  strong: { label: 'Strong', trustSecondFactor: true, refreshProfile: true },
});
const { company, other, strong } = stage.upstreams;
if (!company || !other || !strong) throw new Error('the stage is not set');
let counter = 0;

function newPerson(change: object = {}) {
  counter += 1;
  const email = `someone${counter}@company.example`;
  return { sub: `subject-${counter}`, email, email_verified: true, name: `Someone ${counter}`, ...change };
}

afterEach(() => {
  for (const upstream of [company, other, strong]) upstream.reset();
});

/** Allows what is asked and says what the app got. */
async function arrive(browser: Browser, page: Page): Promise<Page> {
  const end = await answerPrompts(browser, page, {});
  assert.ok(end.params['code'], `no code: ${end.describe()}`);
  return end;
}

async function subjectAt(latchkey: Latchkey, walk: (browser: Browser, page: Page) => Promise<Page>): Promise<string> {
  const client = await latchkey.createClient();
  const browser = latchkey.browser();
  const request = authorizationRequest(latchkey.issuer, client);
  const end = await arrive(browser, await walk(browser, await browser.get(request.url)));
  const tokens = await redeem(latchkey, client, { ...request, code: end.params['code'] ?? '' });
  const [, payload = ''] = String(tokens.body['id_token']).split('.');
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }).sub;
}

describeOnEachBackend(
  'signing in at an upstream',
  (latchkey) => {
    test('makes an account, once, and finds it again by the identity alone', async () => {
      const person = newPerson();
      const first = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'company', company, person),
      );
      // Its address is another one now, and somebody else's.
      const moved = { ...person, email: 'taken@company.example' };
      await latchkey().createAccount({ email: `taken${counter}@company.example` });
      const second = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'company', company, moved),
      );
      assert.equal(second, first);
      const account = await latchkey().app.accounts.findBySubject(first);
      assert.equal(account?.email, person.email);
      assert.equal(account?.emailVerified, true);
    });

    test('an upstream that is not trusted for addresses brings none', async () => {
      const person = newPerson();
      const subject = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'other', other, person),
      );
      assert.equal((await latchkey().app.accounts.findBySubject(subject))?.email, null);
    });

    test('a trusted upstream links by a verified address to a verified account, and tells the owner', async () => {
      const person = newPerson();
      const account = await latchkey().createAccount({ email: person.email });
      const subject = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'company', company, person),
      );
      assert.equal(subject, account.subject);
    });

    for (const [what, upstreamId, change] of [
      ['the upstream is not trusted for addresses', 'other', {}],
      ['the upstream says "true" instead of true', 'company', { email_verified: 'true' }],
      ['the upstream says that the address is not verified', 'company', { email_verified: false }],
      ['the upstream says nothing', 'company', { email_verified: undefined }],
    ] as const) {
      test(`no account is given away when ${what}; its owner may link it by a proof`, async () => {
        const upstream = upstreamId === 'other' ? other : company;
        const person = newPerson(change);
        const account = await latchkey().createAccount({ email: person.email });
        const client = await latchkey().createClient();
        const browser = latchkey().browser();
        const page = await passThrough(
          browser,
          await openSignIn(latchkey(), browser, client),
          upstreamId,
          upstream,
          person,
        );
        assert.equal(page.id, 'upstream-account');
        const asked = await browser.submit(page, {}, { form: 'form[action$="/link"]' });
        assert.equal(asked.id, 'login');
        assert.match(asked.text, /will then be connected with/);
        const end = await answerPrompts(browser, asked, { account });
        assert.ok(end.params['code'], end.describe());
        const again = await subjectAt(latchkey(), (one, start) =>
          passThrough(one, start, upstreamId, upstream, person),
        );
        assert.equal(again, account.subject);
      });
    }

    test('an account whose own address is unproven is not linked to by itself', async () => {
      const person = newPerson();
      await latchkey().app.accounts.create({ email: person.email }, { actor: { kind: 'cli' } });
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const page = await passThrough(browser, start, 'company', company, person);
      assert.equal(page.id, 'upstream-account');
      assert.equal(page.html.querySelector('form[action$="/create"]'), null);
    });

    test('an address registered first through an upstream keeps its true owner from nothing', async () => {
      const victim = newPerson();
      // The attacker says at an upstream that the address is his, before and without proof.
      const attacker = { ...victim, sub: 'attacker', email_verified: false };
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const page = await passThrough(browser, start, 'company', company, attacker);
      const end = await arrive(browser, await browser.submit(page, {}, { form: 'form[action$="/create"]' }));
      assert.ok(end.params['code']);
      const owner = await subjectAt(latchkey(), (one, first) => passThrough(one, first, 'company', company, victim));
      const again = await subjectAt(latchkey(), (one, first) => passThrough(one, first, 'company', company, attacker));
      assert.notEqual(owner, again);
      assert.equal((await latchkey().app.accounts.findBySubject(owner))?.email, victim.email);
      assert.equal((await latchkey().app.accounts.findBySubject(again))?.email, null);
    });

    test('whether an unproven address has an account is not told', async () => {
      const known = newPerson({ email_verified: false });
      await latchkey().createAccount({ email: known.email });
      const client = await latchkey().createClient();
      const texts: string[] = [];
      for (const person of [known, newPerson({ email_verified: false, name: known.name })]) {
        const browser = latchkey().browser();
        const page = await passThrough(
          browser,
          await openSignIn(latchkey(), browser, client),
          'company',
          company,
          person,
        );
        texts.push(page.element('main').text.replaceAll(/someone\d+@|[\w-]{20,}/g, ''));
      }
      assert.equal(texts[0], texts[1]);
    });

    test('two people at one upstream with one address stay two people', async () => {
      const first = newPerson();
      const second = { ...first, sub: `${first.sub}-second` };
      const one = await subjectAt(latchkey(), (browser, page) => passThrough(browser, page, 'company', company, first));
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const page = await passThrough(browser, start, 'company', company, second);
      assert.equal(page.id, 'upstream-account', 'the second is asked to prove the account of the first');
      const still = await subjectAt(latchkey(), (next, begin) => passThrough(next, begin, 'company', company, first));
      assert.equal(still, one);
    });

    test('a proof of another account than the one asked for links nothing', async () => {
      const person = newPerson();
      await latchkey().createAccount({ email: person.email });
      const stranger = await latchkey().createAccount();
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const page = await passThrough(browser, start, 'other', other, person);
      const asked = await browser.submit(page, {}, { form: 'form[action$="/link"]' });
      await arrive(browser, await browser.submit(asked, { login: stranger.email ?? '', password: TEST_PASSWORD }));
      const next = latchkey().browser();
      const again = await passThrough(
        next,
        await openSignIn(latchkey(), next, await latchkey().createClient()),
        'other',
        other,
        person,
      );
      assert.equal(again.id, 'upstream-account', 'it still belongs to nobody');
    });

    test('a pending link waits in its own browser and interaction only', async () => {
      const person = newPerson();
      const account = await latchkey().createAccount({ email: person.email });
      const client = await latchkey().createClient();
      const browser = latchkey().browser();
      const page = await passThrough(browser, await openSignIn(latchkey(), browser, client), 'other', other, person);
      await browser.submit(page, {}, { form: 'form[action$="/link"]' });
      // The same browser, another request.
      const elsewhere = await openSignIn(latchkey(), browser, client);
      assert.doesNotMatch(elsewhere.text, /will then be connected with/);
      await arrive(browser, await answerPrompts(browser, elsewhere, { account }));
      const next = latchkey().browser();
      const again = await passThrough(next, await openSignIn(latchkey(), next, client), 'other', other, person);
      assert.equal(again.id, 'upstream-account');
    });

    test('of twenty parallel answers with one state one goes on, and the upstream is asked once', async () => {
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const callback = signInThere(company, await press(browser, start, 'company'), newPerson());
      company.asked.length = 0;
      const answers = await Promise.all(Array.from({ length: 20 }, () => browser.request(callback)));
      assert.equal(answers.filter((one) => one.status === 303).length, 1);
      assert.equal(answers.filter((one) => one.status === 410 && one.error === 'upstream-gone').length, 19);
      assert.equal(company.asked.filter((path) => path === '/token').length, 1);
    });

    test('of twenty parallel uses of one ticket one signs in, and one account is made', async () => {
      const browser = latchkey().browser();
      const person = newPerson();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const back = await browser.request(signInThere(company, await press(browser, start, 'company'), person));
      assert.ok(back.location);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () =>
          browser.request(back.location ?? '', { headers: { 'sec-fetch-site': 'same-origin' } }),
        ),
      );
      assert.equal(answers.filter((one) => one.location?.pathname.startsWith('/auth/')).length, 1);
    });

    test('parallel first sign-ins of one person in several browsers make one account', async () => {
      const person = newPerson();
      const subjects = await Promise.all(
        Array.from({ length: 5 }, () =>
          subjectAt(latchkey(), (browser, page) => passThrough(browser, page, 'company', company, person)),
        ),
      );
      assert.equal(new Set(subjects).size, 1);
    });

    test('an answer in another browser, without a state, or at another upstream reaches no token endpoint', async () => {
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const callback = signInThere(company, await press(browser, start, 'company'), newPerson());
      company.asked.length = 0;
      const stranger = latchkey().browser();
      await stranger.get('/');
      const stateless = new URL(callback);
      stateless.searchParams.delete('state');
      const doubled = new URL(callback);
      doubled.searchParams.append('state', callback.searchParams.get('state') ?? '');
      const crossed = new URL(callback.href.replace('/upstream/company/', '/upstream/other/'));
      for (const [who, url] of [
        [stranger, callback],
        [browser, stateless],
        [browser, doubled],
        [browser, crossed],
      ] as const) {
        const page = await who.get(url);
        assert.equal(page.status, 410);
        assert.equal(page.error, 'upstream-gone');
      }
      assert.deepEqual([...company.asked, ...other.asked.filter((path) => path === '/token')], []);
      // None of them spent it.
      assert.ok((await arrive(browser, await browser.get(callback))).params['code']);
    });

    test('an answer that names another issuer reaches no token endpoint, and the state is spent', async () => {
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const callback = signInThere(company, await press(browser, start, 'company'), newPerson());
      company.asked.length = 0;
      const mixed = new URL(callback);
      mixed.searchParams.set('iss', other.issuer);
      const page = await browser.get(mixed);
      assert.equal(page.error, 'upstream-exchange');
      assert.deepEqual(company.asked, []);
      assert.equal((await browser.get(callback)).error, 'upstream-gone');
    });

    test('an answer by form post becomes a navigation of our own, and signs in', async () => {
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const callback = signInThere(company, await press(browser, start, 'company'), newPerson());
      const posted = await browser.request(callback.pathname, {
        method: 'POST',
        // A cross-site post: without our cookies.
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          cookie: '',
          'sec-fetch-site': 'cross-site',
          origin: company.issuer,
        },
        body: `${callback.searchParams.toString()}&id_token=${'x'.repeat(50)}&extra=1`,
      });
      assert.equal(posted.status, 303);
      assert.equal(posted.location?.pathname, callback.pathname);
      assert.deepEqual([...(posted.location?.searchParams.keys() ?? [])].toSorted(), ['code', 'state']);
      await arrive(browser, await browser.get(posted.location ?? ''));
    });

    test('a ticket of one sign-in is worth nothing in another one', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      const first = await openSignIn(latchkey(), browser, client);
      const back = await browser.request(signInThere(company, await press(browser, first, 'company'), newPerson()));
      const second = await openSignIn(latchkey(), browser, client);
      const ticket = back.location?.pathname.split('/').at(-1);
      const page = await browser.get(`${second.url.pathname}/upstream/${ticket}`);
      assert.equal(page.id, 'login');
    });

    test('a disabled account is not signed in by its identity', async () => {
      const person = newPerson();
      const subject = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'company', company, person),
      );
      const account = await latchkey().app.accounts.findBySubject(subject);
      await latchkey().app.accounts.setStatus(
        account?.id ?? '',
        { from: ['active'], to: 'disabled', action: 'account.disable' },
        { actor: { kind: 'cli' } },
      );
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const page = await passThrough(browser, start, 'company', company, person);
      assert.equal(page.status, 403);
      assert.equal(page.error, 'upstream-account');
    });

    test('who says no there, or whose upstream is down, comes back to the sign-in page', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      company.script.callback = { code: undefined, error: 'access_denied' };
      const denied = await passThrough(browser, await openSignIn(latchkey(), browser, client), 'company', company);
      assert.equal(denied.error, 'upstream-denied');
      const back = denied.element('a[href*="/interaction/"]').getAttribute('href') ?? '';
      const page = await browser.get(back);
      assert.equal(page.id, 'login');
      company.reset();
      company.script.answers.set('/token', html(502));
      const down = await passThrough(browser, page, 'company', company);
      assert.equal(down.status, 502);
      assert.equal(down.error, 'upstream-unreachable');
      assert.ok(down.html.querySelector('a[href*="/interaction/"]'));
    });

    test('an app may go to an upstream at once, and comes back to the page when it fails', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      const redirect = await openSignIn(latchkey(), browser, client, { idp_hint: 'other' });
      assert.equal(redirect.location?.origin, other.issuer);
      other.script.callback = { code: undefined, error: 'access_denied' };
      const denied = await browser.get(signInThere(other, redirect));
      const page = await browser.get(denied.element('a[href*="/interaction/"]').getAttribute('href') ?? '');
      assert.equal(page.id, 'login');
      assert.equal((await openSignIn(latchkey(), latchkey().browser(), client, { idp_hint: 'nobody' })).id, 'login');
    });

    test('an app shows the upstreams that it names and no others, whatever is posted', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient({ latchkey_upstreams: ['other'] });
      const page = await openSignIn(latchkey(), browser, client);
      const shown = page.html.querySelectorAll('[data-upstream]').map((one) => one.getAttribute('data-upstream'));
      assert.deepEqual(shown, ['other']);
      const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
      const forced = await browser.post(`${page.url.pathname}/upstream`, `csrf=${csrf}&upstream=company`);
      assert.equal(forced.location?.origin, latchkey().issuer);
      const hinted = await openSignIn(latchkey(), latchkey().browser(), client, { idp_hint: 'company' });
      assert.equal(hinted.id, 'login');
    });

    test('an address without a password leads to the upstream of its domain', async () => {
      const browser = latchkey().browser();
      const page = await openSignIn(latchkey(), browser, await latchkey().createClient());
      const redirect = await browser.submit(page, { login: 'ann@company.example', password: '' });
      assert.equal(redirect.location?.origin, company.issuer);
      assert.equal(redirect.location?.searchParams.get('login_hint'), 'ann@company.example');
    });

    test('the way used last is marked, and nothing else is remembered of it', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      await arrive(
        browser,
        await passThrough(browser, await openSignIn(latchkey(), browser, client), 'other', other, newPerson()),
      );
      assert.equal(await browser.cookie('latchkey_last_way'), 'other');
      const page = await openSignIn(latchkey(), browser, client, { prompt: 'login' });
      assert.ok(page.element('[data-upstream=other]').querySelector('.badge'));
    });

    test('an account with a second factor owes it, unless the upstream is trusted for it', async () => {
      for (const [id, upstream, acr] of [
        ['other', other, null],
        ['strong', strong, 'urn:latchkey:aal2'],
      ] as const) {
        const person = newPerson();
        const subject = await subjectAt(latchkey(), (browser, page) =>
          passThrough(browser, page, id, upstream, person),
        );
        const account = await latchkey().app.accounts.findBySubject(subject);
        assert.ok(account);
        const secret = await addTotp(latchkey(), account);
        const browser = latchkey().browser();
        const client = await latchkey().createClient();
        const request = authorizationRequest(latchkey().issuer, client);
        let page = await passThrough(browser, await browser.get(request.url), id, upstream, person);
        if (acr === null) {
          assert.equal(page.id, 'second-factor');
          // Half signed in is not signed in.
          const other = await openSignIn(latchkey(), browser, client, { prompt: 'none' });
          assert.equal(other.params['error'], 'login_required');
          page = await browser.submit(page, { code: codeOf(secret, 1) });
        }
        const end = await arrive(browser, page);
        const tokens = await redeem(latchkey(), client, { ...request, code: end.params['code'] ?? '' });
        const [, payload = ''] = String(tokens.body['id_token']).split('.');
        const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { acr: string; amr: string[] };
        assert.equal(claims.acr, 'urn:latchkey:aal2');
        if (acr !== null) assert.deepEqual(claims.amr, ['mfa'], 'it adds no method of its own');
      }
    });

    test('names follow a trusted upstream where the settings say so', async () => {
      const person = newPerson();
      const subject = await subjectAt(latchkey(), (browser, page) =>
        passThrough(browser, page, 'strong', strong, person),
      );
      const renamed = { ...person, name: 'New Name' };
      await subjectAt(latchkey(), (browser, page) => passThrough(browser, page, 'strong', strong, renamed));
      assert.equal((await latchkey().app.accounts.findBySubject(subject))?.name, 'New Name');
    });

    test('whoever is asked to prove who they are does not become somebody else by it', async () => {
      const browser = latchkey().browser();
      const client = await latchkey().createClient();
      const [first, second] = [newPerson(), newPerson()];
      for (const person of [second, first]) {
        const own = latchkey().browser();
        await arrive(own, await passThrough(own, await openSignIn(latchkey(), own, client), 'other', other, person));
      }
      await arrive(
        browser,
        await passThrough(browser, await openSignIn(latchkey(), browser, client), 'other', other, first),
      );
      const again = await openSignIn(latchkey(), browser, client, { prompt: 'login' });
      assert.equal(again.id, 'reauthenticate');
      const redirect = await press(browser, again, 'other');
      assert.equal(redirect.location?.searchParams.get('prompt'), 'login');
      const page = await browser.get(signInThere(other, redirect, second));
      assert.equal(page.error, 'upstream-other-account');
    });
  },
  { env: { ...stage.env, LATCHKEY_REGISTRATION: 'open' } },
);

for (const [name, closing] of [
  ['by invitation only', {}],
  ['by another way only', { LATCHKEY_REGISTRATION: 'open', LATCHKEY_REGISTRATION_BY_UPSTREAM: 'false' }],
] as const) {
  describeOnEachBackend(
    `signing in at an upstream where it makes no accounts: ${name}`,
    (latchkey) => {
      test('a stranger gets no account, and may prove one', async () => {
        const browser = latchkey().browser();
        const start = await openSignIn(latchkey(), browser, await latchkey().createClient());
        const page = await passThrough(browser, start, 'company', company, newPerson());
        assert.equal(page.id, 'upstream-account');
        assert.equal(page.html.querySelector('form[action$="/create"]'), null);
        const csrf = page.element('input[name=csrf]').getAttribute('value') ?? '';
        const forced = await browser.post(`${page.url.pathname}/create`, `csrf=${csrf}&name=x`);
        assert.equal(forced.id, 'upstream-account');
      });
    },
    { env: { ...stage.env, ...closing } },
  );
}

describeOnEachBackend(
  'signing in at an upstream too often',
  (latchkey) => {
    test('has to wait, and no other way in does', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const start = await openSignIn(latchkey(), browser, client);
      const answers = await Promise.all(Array.from({ length: 20 }, () => press(browser, start, 'other')));
      const begun = answers.filter(({ location }) => location?.origin === other.issuer);
      assert.equal(begun.length, 2);
      assert.equal(answers.filter(({ status }) => status === 429).length, 18);
      const page = await openSignIn(latchkey(), browser, client);
      const refused = await press(browser, page, 'other');
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers['retry-after']) > 0);
      assert.ok((await answerPrompts(browser, page, { account })).params['code']);
    });
  },
  { env: { ...stage.env, LATCHKEY_UPSTREAM_NETWORK_LIMIT: '2' } },
);
