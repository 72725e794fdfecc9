// Twenty at once, at each limit that a form or an endpoint meets and that has no story of its own: no more get through than one after the other.
// What guards a single secret (passwords, codes, factors) is tried in parallel where that secret is tested.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { Page } from '../support/browser-client.ts';
import { answerPrompts, authorizationRequest } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';
import { send } from '../support/web.ts';
import { MAIL_ENV, newAddress } from './mailed/stories.ts';

const AT_ONCE = 20;
const PASSWORD = 'seven green bottles on a wall';

type Send = (index: number) => Promise<Pick<Page, 'status'>>;

interface Row {
  readonly setting: string;
  readonly limit: number;
  /** What stands for an answer that was let through. */
  readonly through: number;
  /** @returns how one of the twenty is sent */
  readonly prepare: (latchkey: Latchkey) => Promise<Send>;
}

/** Each row comes from a network of its own. */
let networks = 0;
function elsewhere(latchkey: Latchkey) {
  networks += 1;
  return latchkey.browser({ headers: { 'x-forwarded-for': `198.51.100.${networks}` } });
}

async function openLogin(latchkey: Latchkey): Promise<{ browser: ReturnType<typeof elsewhere>; login: Page }> {
  const browser = elsewhere(latchkey);
  const client = await latchkey.createClient();
  return { browser, login: await browser.get(authorizationRequest(latchkey.issuer, client).url) };
}

async function openRegister(latchkey: Latchkey) {
  const { browser, login } = await openLogin(latchkey);
  const form = await browser.get(`${login.url.pathname.split('/').slice(0, 3).join('/')}/register`);
  assert.equal(form.id, 'register', form.describe());
  return { browser, form };
}

const rows: readonly Row[] = [
  {
    setting: 'LATCHKEY_NETWORK_FAILURES',
    limit: 5,
    through: 422,
    prepare: async (latchkey) => {
      const { browser, login } = await openLogin(latchkey);
      return (index) => browser.submitOnce(login, { login: `stranger_${index}`, password: PASSWORD });
    },
  },
  {
    setting: 'LATCHKEY_REGISTRATION_LIMIT',
    limit: 3,
    through: 303,
    prepare: async (latchkey) => {
      const { browser, form } = await openRegister(latchkey);
      return () => browser.submitOnce(form, { email: newAddress(), username: '', name: '', new_password: PASSWORD });
    },
  },
  {
    setting: 'LATCHKEY_MAIL_NETWORK_LIMIT',
    limit: 4,
    through: 303,
    prepare: async (latchkey) => {
      const browser = elsewhere(latchkey);
      const form = await browser.get('/reset');
      return () => browser.submitOnce(form, { login: newAddress() });
    },
  },
  {
    setting: 'LATCHKEY_RESEND_LIMIT',
    // They have to be thirty seconds apart as well.
    limit: 1,
    through: 303,
    prepare: async (latchkey) => {
      const login = newAddress();
      await latchkey.createAccount({ email: login });
      const forms = await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const browser = elsewhere(latchkey);
          return { browser, form: await browser.get('/reset') };
        }),
      );
      return async (index) => {
        const one = forms[index];
        assert.ok(one);
        return one.browser.submitOnce(one.form, { login });
      };
    },
  },
  {
    setting: 'LATCHKEY_PASSWORD_CHANGE_LIMIT',
    limit: 2,
    through: 303,
    prepare: async (latchkey) => {
      const account = await latchkey.createAccount();
      const browser = elsewhere(latchkey);
      await answerPrompts(browser, await browser.get('/account/security'), { account });
      const form = await browser.get('/account/security/password');
      return (index) => browser.submitOnce(form, { new_password: `another good passphrase ${index}` });
    },
  },
  {
    setting: 'LATCHKEY_CLIENT_REGISTRATION_LIMIT',
    limit: 3,
    through: 201,
    prepare: async (latchkey) => {
      networks += 1;
      const network = `198.51.100.${networks}`;
      return () =>
        send(`${latchkey.issuer}/reg`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-forwarded-for': network },
          body: JSON.stringify({ redirect_uris: ['https://app.example.com/callback'] }),
        });
    },
  },
];

describeOnEachBackend(
  'twenty at once',
  (latchkey) => {
    for (const { setting, limit, through, prepare } of rows) {
      it(`are stopped by ${setting} like one after the other`, async () => {
        const one = await prepare(latchkey());
        const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => one(index)));
        const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
        const passed = statuses.filter((status) => status === through).length;
        assert.equal(passed, limit, `${setting}: ${statuses.join(' ')}`);
        assert.equal(statuses.filter((status) => status === 429).length, AT_ONCE - limit, statuses.join(' '));
      });
    }

    it('learn of a taken username no more often than one after the other', async () => {
      const username = `ada_${randomUUID().slice(0, 8)}`;
      await latchkey().createAccount({ username });
      const { browser, form } = await openRegister(latchkey());
      const pages = await Promise.all(
        Array.from({ length: AT_ONCE }, () =>
          browser.submitOnce(form, { email: newAddress(), username, name: '', new_password: PASSWORD }),
        ),
      );
      const told = pages.filter((page) => page.html.querySelector('#username-problem') !== null);
      assert.equal(told.length, 2);
      assert.ok(pages.every(({ status }) => status === 422 || status === 429));
    });
  },
  {
    env: {
      ...MAIL_ENV,
      ...Object.fromEntries(rows.map(({ setting, limit }) => [setting, String(limit)])),
      LATCHKEY_RESEND_LIMIT: '3',
      LATCHKEY_USERNAME_CHECK_LIMIT: '2',
      LATCHKEY_USERNAMES: 'optional',
      LATCHKEY_REGISTRATION: 'open',
      LATCHKEY_CLIENT_REGISTRATION: 'open',
      LATCHKEY_TRUSTED_PROXIES: '1',
      LATCHKEY_PASSWORD_HASH_QUEUE: '64',
    },
  },
);
