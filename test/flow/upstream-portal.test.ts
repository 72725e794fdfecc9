// Linked identities in the portal: listed, linked by going there, removed but for the last way in, and never somebody else's.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { openSignIn, passThrough, press, setStage, signInThere } from '../support/upstream-stage.ts';

const stage = await setStage({ company: { label: 'Company' }, other: { label: 'Other', keepTokens: true } });
const { company, other } = stage.upstreams;
if (!company || !other) throw new Error('the stage is not set');
let counter = 0;

function newPerson() {
  counter += 1;
  return {
    sub: `portal-${counter}`,
    email: `portal${counter}@company.example`,
    email_verified: true,
    name: 'Somebody',
  };
}

afterEach(() => {
  company.reset();
  other.reset();
});

const HOME = '/account/identities';

async function openPortal(latchkey: Latchkey, account: { email: string | null; username: string | null }) {
  const browser = latchkey.browser();
  const page = await answerPrompts(browser, await browser.get(HOME), { account });
  assert.equal(page.id, 'account-identities', page.describe());
  return { browser, page };
}

/** Into the portal by the upstream alone. */
async function openPortalBy(latchkey: Latchkey, person: ReturnType<typeof newPerson>) {
  const browser = latchkey.browser();
  if (!company) throw new Error('the stage is not set');
  const page = await passThrough(browser, await browser.get(HOME), 'company', company, person);
  assert.equal(page.id, 'account-identities', page.describe());
  return { browser, page };
}

async function ownersOf(latchkey: Latchkey, subject: string): Promise<readonly string[]> {
  const { rows } = await latchkey.app.database.sql.query<{ id: string }>(
    { name: '', text: 'select account_id as id from linked_identity where subject = $1' },
    [subject],
  );
  return rows.map((row) => row.id);
}

async function unlink(browser: Browser, page: Page): Promise<Page> {
  const path = page.element('a[href$="/unlink"]').getAttribute('href') ?? '';
  return browser.submit(await browser.get(path));
}

describeOnEachBackend(
  'linked identities in the portal',
  (latchkey) => {
    test('are linked by going there, listed, good for signing in, and removed', async () => {
      const account = await latchkey().createAccount();
      const person = newPerson();
      const { browser, page } = await openPortal(latchkey(), account);
      const linked = await browser.get(signInThere(other, await press(browser, page, 'other'), person));
      assert.equal(linked.id, 'account-identities');
      assert.match(linked.element('[data-identity]').text, new RegExp(person.email));

      const app = latchkey().browser();
      const client = await latchkey().createClient();
      const start = await app.get(authorizationRequest(latchkey().issuer, client).url);
      const end = await answerPrompts(app, await passThrough(app, start, 'other', other, person), {});
      assert.ok(end.params['code'], end.describe());

      const left = await unlink(browser, linked);
      assert.equal(left.html.querySelector('[data-identity]'), null, left.describe());
      const stranger = latchkey().browser();
      const again = await passThrough(stranger, await openSignIn(latchkey(), stranger, client), 'other', other, person);
      assert.equal(again.id, 'consent', 'a new account');
      assert.equal((await ownersOf(latchkey(), person.sub)).includes(account.id), false);
      const { rows } = await latchkey().app.database.sql.query<{ action: string }>(
        {
          name: '',
          text: `select action from audit_event where actor_id = $1 and action like 'identity.%' order by at`,
        },
        [account.id],
      );
      assert.deepEqual(
        rows.map((row) => row.action),
        ['identity.link', 'identity.unlink'],
      );
    });

    test('one that belongs to somebody is not taken from them', async () => {
      const [first, second] = [await latchkey().createAccount(), await latchkey().createAccount()];
      const person = newPerson();
      const one = await openPortal(latchkey(), first);
      await one.browser.get(signInThere(other, await press(one.browser, one.page, 'other'), person));
      const two = await openPortal(latchkey(), second);
      const refused = await two.browser.get(signInThere(other, await press(two.browser, two.page, 'other'), person));
      assert.equal(refused.status, 409);
      assert.equal(refused.html.querySelector('[data-identity]'), null);
    });

    test('an answer that another account began in this browser links nothing', async () => {
      const [first, second] = [await latchkey().createAccount(), await latchkey().createAccount()];
      const person = newPerson();
      const { browser, page } = await openPortal(latchkey(), first);
      const callback = signInThere(other, await press(browser, page, 'other'), person);
      // Somebody else signs in with the same browser meanwhile.
      const client = await latchkey().createClient();
      const start = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'login' }).url);
      const switched = await browser.submit(start, {}, { form: 'form#switch' });
      const end = await answerPrompts(browser, switched, { account: second });
      assert.ok(end.params['code'], end.describe());
      await browser.get(callback);
      assert.deepEqual(await ownersOf(latchkey(), person.sub), []);
    });

    test('the last way in stays, also when two are removed at the same moment', async () => {
      const person = newPerson();
      const { browser, page } = await openPortalBy(latchkey(), person);
      assert.equal(page.html.querySelector('a[href$="/unlink"]'), null);
      const id = page.element('[data-identity]').getAttribute('data-identity') ?? '';
      const forced = await browser.submit(await browser.get(`${HOME}/${id}/unlink`));
      assert.equal(forced.status, 409);
      const both = await browser.get(signInThere(other, await press(browser, forced, 'other'), newPerson()));
      const forms = await Promise.all(
        both.html.querySelectorAll('a[href$="/unlink"]').map((link) => browser.get(link.getAttribute('href') ?? '')),
      );
      assert.equal(forms.length, 2);
      const outcomes = await Promise.all(forms.map((form) => browser.submitOnce(form)));
      assert.deepEqual(outcomes.map((one) => one.status).toSorted(), [303, 409]);
    });

    test("another account's identity is not there", async () => {
      const person = newPerson();
      const { page } = await openPortalBy(latchkey(), person);
      const id = page.element('[data-identity]').getAttribute('data-identity') ?? '';
      const { browser } = await openPortal(latchkey(), await latchkey().createAccount());
      assert.equal((await browser.get(`${HOME}/${id}/unlink`)).status, 404);
    });

    test('tokens are kept only where the settings say so, and sealed', async () => {
      const { browser, page } = await openPortal(latchkey(), await latchkey().createAccount());
      await browser.get(signInThere(other, await press(browser, page, 'other'), newPerson()));
      const again = await browser.get(HOME);
      await browser.get(signInThere(company, await press(browser, again, 'company'), newPerson()));
      const { rows } = await latchkey().app.database.sql.query<{ upstream: string; sealed: Uint8Array }>({
        name: '',
        text: `select upstream, sealed from linked_identity_tokens join linked_identity on id = identity_id`,
      });
      assert.ok(rows.length > 0);
      for (const row of rows) {
        assert.equal(row.upstream, 'other');
        assert.doesNotMatch(Buffer.from(row.sealed).toString('latin1'), /accessToken/);
      }
    });

    test('a form from elsewhere starts nothing', async () => {
      const { browser } = await openPortal(latchkey(), await latchkey().createAccount());
      const answer = await browser.post(`${HOME}/link`, 'upstream=other', { 'sec-fetch-site': 'cross-site' });
      assert.equal(answer.status, 403);
    });
  },
  { env: { ...stage.env, LATCHKEY_REGISTRATION: 'open' } },
);
