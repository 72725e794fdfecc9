// What the bot does by command for whoever is signed in with it: a way into the account, the list of its sessions, and leaving.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { TELEGRAM_ISSUER } from '../../../src/account/linked-identities.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { together } from '../../support/credentials.ts';
import { eventually } from '../../support/eventually.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import type { SentMessage, TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';

const { api, env } = await setTelegramStage();

async function say(user: TestTelegramPerson, text: string): Promise<SentMessage> {
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  api.write(user, text);
  return api.nextMessage(user, seen);
}

async function loginUrl(user: TestTelegramPerson): Promise<URL> {
  return new URL((await say(user, '/login')).buttons[0]?.url ?? '');
}

async function signInBy(latchkey: Latchkey, user: TestTelegramPerson): Promise<Browser> {
  const browser = latchkey.browser();
  const page = await browser.submit(await browser.get(await loginUrl(user)));
  assert.equal(page.id, 'account-sessions', page.describe());
  return browser;
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.get('/account/sessions')).id === 'account-sessions';
}

describeOnEachBackend(
  'commands of the bot',
  (latchkey) => {
    test('/login leads to a page that shows whose it is, and one press there signs in, once', async () => {
      const user = newTelegramPerson({ firstName: 'Zoë' });
      const url = await loginUrl(user);
      assert.equal(url.origin, latchkey().issuer);
      const preview = latchkey().browser();
      for (let count = 0; count < 3; count += 1) assert.equal((await preview.get(url)).status, 200);
      assert.equal(await isSignedIn(preview), false, 'opening it signs nobody in');
      const browser = latchkey().browser();
      const page: Page = await browser.get(url);
      assert.match(page.text, /as <[^>]*>Zoë/);
      assert.match(page.headers['content-security-policy'] ?? '', /frame-ancestors 'none'/);
      const answers = await together(20, () => browser.submitOnce(page));
      assert.equal(answers.filter(({ status }) => status === 303).length, 1);
      assert.equal((await preview.get(url)).status, 410);
    });

    test('/login is the same account each time, and needs the form of our own page', async () => {
      const user = newTelegramPerson();
      await signInBy(latchkey(), user);
      await signInBy(latchkey(), user);
      const rows = await latchkey()
        .app.database.em()
        .execute('select 1 as one from linked_identity where subject = ?', [String(user.id)]);
      assert.equal(rows.length, 1);
      const url = await loginUrl(user);
      const browser = latchkey().browser();
      const page = await browser.get(url);
      assert.equal((await browser.post(url, 'csrf=made-up')).status, 403);
      assert.equal((await latchkey().browser().submitOnce(page)).status, 403, "another browser's form");
      assert.equal((await browser.submitOnce(page)).status, 303, 'nothing was spent');
    });

    test('/sessions lists them with the last used first, and ends one', async () => {
      const user = newTelegramPerson();
      const browser = await signInBy(latchkey(), user);
      const message = await say(user, '/sessions');
      assert.match(message.text, /1\. Firefox on Linux, last used \d{4}-/);
      api.press(user, message, 'End 1');
      await eventually(() => assert.match(message.text, /not signed in/));
      assert.equal(await isSignedIn(browser), false);
    });

    test("nobody ends a session of somebody else's, whatever button they bring", async () => {
      const [owner, stranger] = [newTelegramPerson(), newTelegramPerson()];
      const browser = await signInBy(latchkey(), owner);
      await signInBy(latchkey(), stranger);
      const message = await say(owner, '/sessions');
      api.press(stranger, message, 'End 1');
      await say(stranger, '/help');
      assert.match(message.text, /1\. Firefox/);
      assert.equal(await isSignedIn(browser), true);
      assert.match((await say(newTelegramPerson(), '/sessions')).text, /does not belong to an account/);
    });

    /** The account that signed in by Telegram, with one more way in. */
    async function accountOf(user: TestTelegramPerson): Promise<AccountRow> {
      const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
      return latchkey().app.accounts.get((await latchkey().app.identities.findAccountId(key)) ?? '');
    }

    async function isLinked(user: TestTelegramPerson): Promise<boolean> {
      const rows = await latchkey()
        .app.database.em()
        .execute('select 1 as one from linked_identity where subject = ?', [String(user.id)]);
      return rows.length === 1;
    }

    async function addPassword(account: AccountRow): Promise<void> {
      const { app } = latchkey();
      const hash = await app.passwords.hash('a long enough passphrase');
      await app.database.transaction((em) => app.passwords.set(em, account.id, hash));
    }

    async function events(account: AccountRow): Promise<readonly string[]> {
      const rows = await latchkey()
        .app.database.em()
        .execute<{ what: string }[]>(
          `select result || ':' || coalesce(reason, '') as what from audit_event
           where actor_id = ? and action = 'identity.unlink' order by at`,
          [account.id],
        );
      return rows.map((row) => row.what);
    }

    test('/unlink asks first, refuses to take the only way in, and says what to do', async () => {
      const user = newTelegramPerson();
      await signInBy(latchkey(), user);
      const account = await accountOf(user);
      const message = await say(user, '/unlink');
      assert.match(message.text, /^Take this Telegram account away/);
      api.press(user, message, 'Yes, take it away');
      await eventually(() => assert.match(message.text, /only way to sign in.*\/account\/security$/));
      assert.equal(await isLinked(user), true);
      assert.deepEqual(await events(account), ['failure:last-way']);
    });

    test('/unlink takes it away after one press, once, and tells the owner by mail', async () => {
      const user = newTelegramPerson();
      await signInBy(latchkey(), user);
      const account = await accountOf(user);
      await addPassword(account);
      await latchkey()
        .app.database.em()
        .execute('update account set email = ?, email_verified_at = now() where id = ?', [
          `unlink${user.id}@example.com`,
          account.id,
        ]);
      latchkey().app.accounts.forgetRecent();
      const kept = await say(user, '/unlink');
      api.press(user, kept, 'No, keep it');
      await eventually(() => assert.match(kept.text, /stays as it is/));
      assert.equal(await isLinked(user), true);
      const message = await say(user, '/unlink');
      api.press(user, message, 'Yes, take it away');
      await eventually(() => assert.match(message.text, /^Done/));
      assert.equal(await isLinked(user), false);
      assert.deepEqual(await events(account), ['success:']);
      const [mail] = await latchkey()
        .app.database.em()
        .execute<{ count: number }[]>('select count(*)::int as count from outbox_mail where account_id = ?', [
          account.id,
        ]);
      assert.equal(mail?.count, 1);
      assert.match((await say(user, '/unlink')).text, /does not belong to an account/);
    });

    test('/unlink is answered for whoever presses, and not by a press of another day', async () => {
      const [owner, stranger] = [newTelegramPerson(), newTelegramPerson()];
      await signInBy(latchkey(), owner);
      await addPassword(await accountOf(owner));
      const message = await say(owner, '/unlink');
      api.press(stranger, message, 'Yes, take it away');
      await say(stranger, '/help');
      assert.equal(await isLinked(owner), true);
      const old = await say(owner, '/unlink');
      api.press(owner, old, 'Yes, take it away', { data: `u:${Math.trunc(Date.now() / 1000) - 900}` });
      await eventually(() => assert.match(old.text, /^This question is over/));
      assert.equal(await isLinked(owner), true);
    });
  },
  { env: { ...env, LATCHKEY_REGISTRATION: 'open' } },
);
