// Mails that an administrator starts: a new account, a new password, and everything anew. The person chooses the password behind the link; whoever
// asked for the mail can do nothing with it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Browser, Page } from '../../support/browser-client.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import { assertKeptNowhere, checkMail, countQueued, FREE_ENV, mailsTo, newAddress, partsOf, visit } from './stories.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const HOME = '/admin/accounts';
const NEW_PASSWORD = 'seven green bottles on a wall';
const CREATE = { form: `form[method=post][action="${HOME}"]` };

async function open(latchkey: Latchkey, role: string): Promise<Browser> {
  const account = await latchkey.createAccount();
  const { database, roles } = latchkey.app;
  await database.transaction((em) => roles.assign(em, account.id, role, CLI));
  const browser = latchkey.browser();
  await answerPrompts(browser, await browser.get(HOME), { account });
  return browser;
}

async function create(browser: Browser, fields: Readonly<Record<string, string>>): Promise<Page> {
  return browser.submit(await browser.get(HOME), fields, CREATE);
}

async function act(browser: Browser, id: string, action: string): Promise<Page> {
  return browser.submit(await browser.get(`${HOME}/${id}/${action}`), { reason: 'Lost the telephone' });
}

async function signsIn(latchkey: Latchkey, login: string, password: string): Promise<string | null> {
  const one = await visit(latchkey);
  return (await one.browser.submit(one.login, { login, password })).id;
}

async function choose(latchkey: Latchkey, link: URL): Promise<Page> {
  const browser = latchkey.browser();
  return browser.submit(await browser.get(link), { new_password: NEW_PASSWORD });
}

describeOnEachBackend(
  'a mail that an administrator starts',
  (latchkey) => {
    it('creates an account whose password only its owner chooses', async () => {
      const browser = await open(latchkey(), 'operator');
      const email = newAddress();
      const made = await create(browser, { email, name: 'Grace Hopper', locale: 'en' });
      assert.equal(made.id, 'admin-account', made.describe());
      assert.equal(made.html.querySelector('input[type=password]'), null);
      const account = await latchkey().app.accounts.get(email);
      assert.deepEqual([account.name, account.emailVerified, account.status], ['Grace Hopper', false, 'active']);
      assert.equal((await latchkey().app.factors.overview(account.id)).hasPassword, false);
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      checkMail(latchkey(), mail, email);
      const { code, link, token } = partsOf(latchkey(), mail);
      assert.equal(code, '', 'there is no code to be asked for by telephone');
      await assertKeptNowhere(latchkey(), [token]);
      const done = await choose(latchkey(), link);
      assert.equal(done.status, 200, done.describe());
      assert.notEqual(await signsIn(latchkey(), email, NEW_PASSWORD), 'login');
      assert.equal((await latchkey().browser().get(link)).status, 404, 'once');
    });

    it('is not sent for an account that cannot be made', async () => {
      const browser = await open(latchkey(), 'operator');
      const email = newAddress();
      await latchkey().createAccount({ email, password: null });
      const taken = await create(browser, { email: email.toUpperCase(), locale: 'en' });
      assert.equal(taken.status, 409, taken.describe());
      assert.ok(taken.html.querySelector('#email-problem'));
      for (const [address, username] of [
        ['nobody', ''],
        ['', ''],
        [newAddress(), 'a'],
      ] as const) {
        const refused = await create(browser, { locale: 'en', email: address, username });
        assert.equal(refused.status, 422, refused.describe());
      }
      assert.equal(await countQueued(latchkey(), email), 0);
      const viewer = await open(latchkey(), 'support');
      assert.equal((await viewer.get(HOME)).html.querySelector(CREATE.form), null);
    });

    it('asks for a new password and leaves the old one until there is one', async () => {
      const browser = await open(latchkey(), 'support');
      const email = newAddress();
      const { id } = await latchkey().createAccount({ email });
      const done = await act(browser, id, 'reset');
      assert.equal(done.id, 'admin-account', done.describe());
      assert.notEqual(await signsIn(latchkey(), email, TEST_PASSWORD), 'login');
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      assert.ok(!done.text.includes(partsOf(latchkey(), mail).token));
      await choose(latchkey(), partsOf(latchkey(), mail).link);
      assert.equal(await signsIn(latchkey(), email, TEST_PASSWORD), 'login');
      assert.notEqual(await signsIn(latchkey(), email, NEW_PASSWORD), 'login');
    });

    it('takes everything away and lets the owner of the address begin anew', async () => {
      const browser = await open(latchkey(), 'support');
      const email = newAddress();
      const target = await latchkey().createAccount({ email });
      const person = latchkey().browser();
      await answerPrompts(person, await person.get('/account/profile'), { account: target });
      const done = await act(browser, target.id, 'reset-credentials');
      assert.equal(done.id, 'admin-account', done.describe());
      assert.equal(await signsIn(latchkey(), email, TEST_PASSWORD), 'login');
      assert.equal((await person.get('/account/profile')).id, 'login');
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      await choose(latchkey(), partsOf(latchkey(), mail).link);
      assert.notEqual(await signsIn(latchkey(), email, NEW_PASSWORD), 'login');
      const { entries } = await latchkey().app.history.list(
        { targetId: target.id, action: 'account.reset-credentials' },
        1,
      );
      assert.equal(entries[0]?.note, 'Lost the telephone');
    });

    it('does not go to who may not sign in, nor does its link work then', async () => {
      const browser = await open(latchkey(), 'operator');
      const email = newAddress();
      const target = await latchkey().createAccount({ email });
      await act(browser, target.id, 'reset');
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      await act(browser, target.id, 'disable');
      const { link } = partsOf(latchkey(), mail);
      assert.equal((await latchkey().browser().get(link)).status, 404);
      assert.equal((await act(browser, target.id, 'reset')).status, 409);
      await act(browser, target.id, 'reset-credentials');
      assert.equal(await countQueued(latchkey(), email), 1, 'the first one and no other');
      await act(browser, target.id, 'enable');
      assert.equal((await latchkey().browser().get(link)).status, 404);
    });
  },
  { env: FREE_ENV },
);
