// Accounts with a username: beside the address or instead of it, and names that somebody else has, or something that looks like them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import type { Page } from '../../support/browser-client.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { FREE_ENV, finishAtClient, MAIL_ENV, newAddress, readMail, select, type Visit, visit } from './stories.ts';

const PASSWORD = 'seven green bottles on a wall';

/** Without characters that others look like. */
function newName(): string {
  return `ada_${randomBytes(6).toString('hex').replaceAll(/[01]/g, 'x')}`;
}

async function openRegister(latchkey: Latchkey): Promise<{ readonly one: Visit; readonly form: Page }> {
  const one = await visit(latchkey);
  const form = await one.browser.get(`${one.path}/register`);
  assert.equal(form.id, 'register', form.describe());
  return { one, form };
}

function accountsOf(latchkey: Latchkey, username: string) {
  return select<{ subject: string; status: string; email: string | null }>(
    latchkey,
    'select subject, status, email from account where lower(username) = lower($1)',
    [username],
  );
}

async function signsIn(latchkey: Latchkey, login: string): Promise<boolean> {
  const one = await visit(latchkey);
  return (await one.browser.submit(one.login, { login, password: PASSWORD })).id === 'consent';
}

describeOnEachBackend(
  'registration with a username instead of an address',
  (latchkey) => {
    it('makes an active account at once and goes back to the app', async () => {
      const { one, form } = await openRegister(latchkey());
      const username = newName();
      const next = await one.browser.submit(form, { username: ` ${username} `, new_password: PASSWORD });
      const { claims } = await finishAtClient(latchkey(), one, next);
      assert.deepEqual(claims['amr'], ['pwd']);
      assert.deepEqual(await accountsOf(latchkey(), username), [
        { subject: claims['sub'], status: 'active', email: null },
      ]);
      assert.equal(await signsIn(latchkey(), username.toUpperCase()), true);
    });

    it('needs one of the two, a well-formed name, and no reserved one or its look-alike', async () => {
      const { one, form } = await openRegister(latchkey());
      const refused = async (username: string) => {
        const page = await one.browser.submitOnce(form, { username, new_password: PASSWORD });
        assert.equal(page.status, 422, page.describe());
        return page.element('#username-problem').structuredText;
      };
      for (const name of ['', 'ab', 'a b c', 'аda_cyrillic', 'ada@example.com', 'x'.repeat(51)]) {
        assert.match(await refused(name), /3 to 50/, name);
      }
      for (const name of ['admin', 'Adm1n', 'R00T', '_support_']) assert.match(await refused(name), /taken/, name);
      assert.deepEqual(await accountsOf(latchkey(), 'adm1n'), []);
    });

    it('tells that a name is taken, also in another case or by its look, and keeps what was typed', async () => {
      const { one, form } = await openRegister(latchkey());
      const username = `modern_${newName()}`;
      await latchkey().createAccount({ username });
      for (const name of [username, username.toUpperCase(), username.replace('rn', 'm'), `_${username}_`]) {
        const page = await one.browser.submitOnce(form, { username: name, name: 'Ada', new_password: PASSWORD });
        assert.equal(page.status, 422, page.describe());
        assert.match(page.element('#username-problem').structuredText, /taken/, name);
        assert.equal(page.element('#username').getAttribute('value'), name);
        assert.equal(page.element('#name').getAttribute('value'), 'Ada');
        assert.equal(page.element('#new_password').getAttribute('value'), undefined);
      }
    });

    it('gives a name, and what looks like it, to one of twenty that come at once', async () => {
      const { one, form } = await openRegister(latchkey());
      const username = `modern_${newName()}`;
      const names = [username, username.replace('rn', 'm'), username.toUpperCase(), `${username}_`];
      const browsers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => (index < 10 ? { one, form } : await openRegister(latchkey()))),
      );
      const answers = await Promise.all(
        browsers.map((two, index) =>
          two.one.browser.submitOnce(two.form, { username: names[index % 4] ?? '', new_password: PASSWORD }),
        ),
      );
      const made = await Promise.all(names.map((name) => accountsOf(latchkey(), name)));
      assert.equal(
        new Set(made.flat().map(({ subject }) => subject)).size,
        1,
        answers.map((answer) => answer.describe()).join('\n'),
      );
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
    });

    it('keeps a name for who still has to prove an address, and gives it free for the same browser', async () => {
      const first = await openRegister(latchkey());
      const username = newName();
      const address = newAddress();
      const waiting = await first.one.browser.submit(first.form, { username, email: address, new_password: PASSWORD });
      assert.equal(waiting.id, 'verify-email', waiting.describe());
      const other = await openRegister(latchkey());
      const refused = await other.one.browser.submitOnce(other.form, { username, new_password: PASSWORD });
      assert.match(refused.element('#username-problem').structuredText, /taken/);
      const again = newAddress();
      const form = await first.one.browser.get(`${first.one.path}/register`);
      const page = await first.one.browser.submit(form, { username, email: again, new_password: PASSWORD });
      assert.equal(page.id, 'verify-email', 'back, and with another address');
      const { code } = await readMail(latchkey(), again);
      await finishAtClient(latchkey(), first.one, await first.one.browser.submit(page, { code }));
      assert.equal((await accountsOf(latchkey(), username)).length, 1);
      const reservations = await select(latchkey(), 'select 1 from username_reservation where username = $1', [
        username,
      ]);
      assert.deepEqual(reservations, []);
    });

    it('answers the same for a free name whether the address beside it has an account or not', async () => {
      const known = await latchkey().createAccount({ email: newAddress() });
      for (const email of [known.email ?? '', newAddress()]) {
        const { one, form } = await openRegister(latchkey());
        const page = await one.browser.submit(form, { username: newName(), email, new_password: PASSWORD });
        assert.equal(page.id, 'verify-email', page.describe());
      }
    });
  },
  {
    env: {
      ...FREE_ENV,
      LATCHKEY_REGISTRATION: 'open',
      LATCHKEY_USERNAMES: 'optional',
      LATCHKEY_REGISTRATION_EMAIL: 'optional',
    },
  },
);

describeOnEachBackend(
  'registration with a username beside an address',
  (latchkey) => {
    it('asks for both, and makes the account when the address is proven', async () => {
      const { one, form } = await openRegister(latchkey());
      const username = newName();
      const missing = await one.browser.submitOnce(form, { username, new_password: PASSWORD });
      assert.ok(missing.html.querySelector('#email-problem'));
      const address = newAddress();
      const page = await one.browser.submit(form, { username, email: address, new_password: PASSWORD });
      assert.deepEqual(await accountsOf(latchkey(), username), []);
      const { code } = await readMail(latchkey(), address);
      await finishAtClient(latchkey(), one, await one.browser.submit(page, { code }));
      assert.equal((await accountsOf(latchkey(), username))[0]?.email, address);
      assert.equal(await signsIn(latchkey(), username), true);
    });

    it('does not make accounts without one by a mailed code', async () => {
      const one = await visit(latchkey());
      const address = newAddress();
      await one.browser.submit(one.login, { login: address }, { button: ['method', 'mail-code'] });
      const rows = await select(latchkey(), 'select 1 from outbox_mail where recipient = $1', [address]);
      assert.deepEqual(rows, []);
    });
  },
  { env: { ...FREE_ENV, LATCHKEY_REGISTRATION: 'open', LATCHKEY_USERNAMES: 'required' } },
);

describeOnEachBackend(
  'the limit of asking for usernames',
  (latchkey) => {
    it('tells a network only so often that a name is taken', async () => {
      const username = newName();
      await latchkey().createAccount({ username });
      const { one, form } = await openRegister(latchkey());
      const send = () => one.browser.submitOnce(form, { username, new_password: PASSWORD });
      for (let count = 0; count < 3; count += 1) assert.equal((await send()).status, 422);
      const full = await send();
      assert.equal(full.status, 429, full.describe());
      assert.equal(full.html.querySelector('#username-problem'), null);
      assert.ok(Number(full.headers['retry-after']) > 600);
    });
  },
  {
    env: {
      ...MAIL_ENV,
      LATCHKEY_REGISTRATION: 'open',
      LATCHKEY_USERNAMES: 'required',
      LATCHKEY_REGISTRATION_EMAIL: 'optional',
      LATCHKEY_USERNAME_CHECK_LIMIT: '3',
    },
  },
);
