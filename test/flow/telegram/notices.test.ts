// Security notices in Telegram: what happens to an account is told in the chats of its owner, who can say "it was not me" there, and a Telegram that
// is away or blocked harms nothing.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import type { Browser } from '../../support/browser-client.ts';
import { eventually } from '../../support/eventually.ts';
import { linkTelegram, say, signInByBot } from '../../support/phone-stage.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import type { SentMessage, TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';
import {
  assertKeptNowhere,
  countQueued,
  FREE_ENV,
  isSignedIn,
  mailsTo,
  newAddress,
  partsOf,
  plainText,
  readMail,
  select,
} from '../mailed/stories.ts';

const { api, env } = await setTelegramStage();
const NOT_ME = 'This was not me';

/** Somebody with an address, a password, and a Telegram account that has talked to the bot. */
async function member(latchkey: Latchkey) {
  const email = newAddress();
  const account = await latchkey.createAccount({ email });
  const user = newTelegramPerson();
  await linkTelegram(latchkey, account, user);
  await say(api, user, '/start');
  return { account, email, user };
}

async function signIn(latchkey: Latchkey, account: AccountRow, path = '/account/profile'): Promise<Browser> {
  const browser = latchkey.browser();
  await answerPrompts(browser, await browser.get(path), { account });
  return browser;
}

/** Somebody whose only way in is Telegram. */
async function telegramOnly(latchkey: Latchkey): Promise<{ user: TestTelegramPerson; owner: Browser; id: string }> {
  const user = newTelegramPerson();
  await say(api, user, '/start');
  const owner = await signInByBot(latchkey, api, user);
  const key = { upstream: 'telegram', issuer: 'https://telegram.org', subject: String(user.id) };
  const id = await latchkey.app.identities.findAccountId(key);
  assert.ok(id);
  return { user, owner, id };
}

function linkOf(message: SentMessage | undefined): URL {
  const [button, ...others] = message?.buttons ?? [];
  assert.deepEqual(others, []);
  return new URL(button?.url ?? '');
}

async function inChat(latchkey: Latchkey, user: TestTelegramPerson): Promise<readonly string[]> {
  const rows = await select<{ text: string }>(
    latchkey,
    "select kind || ' ' || state as text from outbox_chat where telegram_id = $1::bigint order by created_at",
    [user.id],
  );
  return rows.map(({ text }) => text);
}

describeOnEachBackend(
  'security notices in Telegram',
  (latchkey) => {
    it('tell of a new device, to somebody without an address, with a button that leads to a page', async () => {
      const { user, owner } = await telegramOnly(latchkey());
      assert.deepEqual(await inChat(latchkey(), user), [], 'the first sign-in is no news');
      const thief = await signInByBot(latchkey(), api, user);
      const [message] = await api.noticesTo(user, 1);
      assert.match(message?.text ?? '', /^New sign-in to Latchkey\n\n.*\n\nBrowser: Firefox\nSystem: Linux\nTime: /);
      assert.equal(message?.buttons[0]?.text, NOT_ME);
      const link = linkOf(message);
      assert.equal(link.origin, latchkey().issuer);
      assert.match(link.pathname, /^\/not-me\/[\w-]{43}$/);

      const scanner = latchkey().browser();
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await scanner.get(link)).id, 'not-me');
        assert.equal((await scanner.request(link, { method: 'HEAD' })).status, 200);
      }
      assert.equal(await isSignedIn(latchkey(), thief), true);
      assert.match(plainText(await scanner.get(link)), /tells you in Telegram what to do next/);

      const reader = latchkey().browser();
      const page = await reader.get(link);
      const done = await reader.submit(page);
      assert.equal(done.id, 'not-me', done.describe());
      assert.match(plainText(done), /Settings → Devices/);
      assert.equal(await isSignedIn(latchkey(), thief), false);
      assert.equal(await isSignedIn(latchkey(), owner), false);
      const [, next] = await api.noticesTo(user, 2);
      assert.match(next?.text ?? '', /^You are signed out of Latchkey everywhere/);
      assert.equal(String(linkOf(next)), `${latchkey().issuer}/account/security`, 'no way in, and no new password');

      assert.equal((await reader.submit(page)).error, 'link-used', 'again');
      assert.equal((await latchkey().browser().get(link)).error, 'link-used');
      const back = await signInByBot(latchkey(), api, user);
      assert.equal((await back.get('/account/security')).id, 'account-security');
    });

    it('of one change go by mail and to the chat with one link, and recovery begins with a mail', async () => {
      const { account, email, user } = await member(latchkey());
      await signIn(latchkey(), account);
      const thief = await signIn(latchkey(), account);
      const [message] = await api.noticesTo(user, 1);
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      assert.equal(String(partsOf(latchkey(), mail).notMe), String(linkOf(message)));
      const reader = latchkey().browser();
      const done = await reader.submit(await reader.get(linkOf(message)));
      assert.match(plainText(done), /A mail for a new password is on its way/);
      assert.equal(await isSignedIn(latchkey(), thief), false);
      const reset = await readMail(latchkey(), email, 2);
      assert.equal((await reader.get(reset.link)).id, 'reset-confirm');
      const [, told] = await api.noticesTo(user, 2);
      assert.ok(!JSON.stringify(told).includes(reset.token), 'a chat gets no link for a new password');
    });

    it('are in the language of the account, also when a stranger asks in another one', async () => {
      const { account, user } = await member(latchkey());
      await select(latchkey(), "update account set locale = 'ru' where id = $1", [account.id]);
      latchkey().app.accounts.forgetRecent();
      await signIn(latchkey(), account);
      await signIn(latchkey(), account);
      const [message] = await api.noticesTo(user, 1);
      assert.match(message?.text ?? '', /[а-яё]/i);
      assert.equal(message?.buttons[0]?.text, 'Это не я');
    });

    it('tell of each change in the portal', async () => {
      const { account, user } = await member(latchkey());
      const browser = await signIn(latchkey(), account, '/account/security/password');
      const form = await browser.get('/account/security/password');
      await browser.submit(form, { new_password: 'seven green bottles on a wall' });
      const [password] = await api.noticesTo(user, 1);
      assert.match(password?.text ?? '', /^Your password for Latchkey was changed/);
    });

    it('of a change of address lead to the page that takes it back', async () => {
      const { account, email, user } = await member(latchkey());
      const browser = await signIn(latchkey(), account, '/account/profile/email');
      const next = newAddress();
      const page = await browser.submit(await browser.get('/account/profile/email'), { email: next });
      const [asked] = await api.noticesTo(user, 1);
      assert.match(asked?.text ?? '', /is about to change/);
      assert.match(linkOf(asked).pathname, /^\/email-undo\//);
      const { code } = await readMail(latchkey(), next);
      await browser.submit(page, { code });
      const [, changed] = await api.noticesTo(user, 2);
      assert.match(changed?.text ?? '', /was added or changed/);
      const reader = latchkey().browser();
      const undone = await reader.submit(await reader.get(linkOf(changed)));
      assert.equal(undone.id, 'link-confirm', undone.describe());
      assert.equal((await latchkey().app.accounts.findById(account.id))?.email, email);
      assert.equal(await isSignedIn(latchkey(), browser), false);
    });

    it('tell the chat that is taken away that it was', async () => {
      const { account, user } = await member(latchkey());
      const browser = await signIn(latchkey(), account, '/account/identities');
      const page = await browser.get('/account/identities');
      await browser.submit(await browser.get(page.element('a[href$="/unlink"]').getAttribute('href') ?? ''));
      assert.equal((await latchkey().app.identities.list(account.id)).length, 0);
      const [message] = await api.noticesTo(user, 1);
      assert.match(message?.text ?? '', /^A way to sign in to Latchkey was removed[^]*\nName: /);
    });

    it('of a reset by an administrator reach the chat that goes with it, and carry no link for a new password', async () => {
      const { account, user } = await member(latchkey());
      await latchkey().app.sessionsAndGrants.resetCredentials(account, { actor: { kind: 'cli' } });
      assert.equal((await latchkey().app.identities.list(account.id)).length, 0);
      const [message] = await api.noticesTo(user, 1);
      assert.match(message?.text ?? '', /^The ways to sign in to your account at Latchkey were reset/);
      assert.ok(!message?.text.includes('Browser:'), 'where administrators work is not told');
      assert.match(linkOf(message).pathname, /^\/not-me\//);
    });

    it('are not sent to a chat that asked for silence, nor for somebody who never pressed Start, and come again', async () => {
      const { account, user } = await member(latchkey());
      await say(api, user, '/stop');
      await signIn(latchkey(), account);
      await signIn(latchkey(), account);
      assert.deepEqual(await inChat(latchkey(), user), []);
      await say(api, user, '/start');
      await signIn(latchkey(), account);
      await api.noticesTo(user, 1);
      const stranger = await latchkey().createAccount({ email: newAddress() });
      const never = newTelegramPerson();
      await linkTelegram(latchkey(), stranger, never);
      await signIn(latchkey(), stranger);
      await signIn(latchkey(), stranger);
      assert.deepEqual(await inChat(latchkey(), never), []);
    });

    it('stop for good where the bot is blocked, and nothing else does', async () => {
      const { account, email, user } = await member(latchkey());
      api.blockedBy.add(user.id);
      await signIn(latchkey(), account);
      await signIn(latchkey(), account);
      await eventually(async () => assert.deepEqual(await inChat(latchkey(), user), ['new-device failed']));
      await mailsTo(email, 1);
      await signIn(latchkey(), account);
      assert.deepEqual(await inChat(latchkey(), user), ['new-device failed'], 'not tried again');
      await mailsTo(email, 2);
    });

    it('wait out a Telegram that is away, while everything else goes on', async () => {
      const { account, email, user } = await member(latchkey());
      await signIn(latchkey(), account);
      const isNotice = ({ method, payload }: { method: string; payload: Record<string, unknown> }) =>
        method === 'sendMessage' && payload['chat_id'] === user.id;
      // Never an answer: whoever waited for it would wait for ten seconds.
      api.setFaultFor('silent', isNotice);
      const begun = performance.now();
      await signIn(latchkey(), account);
      assert.ok(performance.now() - begun < 9000, 'nobody waits');
      await mailsTo(email, 1);
      await eventually(() => assert.ok(api.calls.some(isNotice)));
      api.setFault(null);
      await eventually(async () => {
        await select(
          latchkey(),
          "update outbox_chat set next_attempt_at = now(), claimed_until = null where telegram_id = $1::bigint and state = 'queued' and claimed_until is null",
          [user.id],
        );
        assert.deepEqual(await inChat(latchkey(), user), ['new-device sent']);
      });
      assert.equal((await api.noticesTo(user, 1)).length, 1);
    });

    it('leave no link in the database or the log, and none of what they say holds a secret', async () => {
      const { account, user } = await member(latchkey());
      await signIn(latchkey(), account);
      await signIn(latchkey(), account);
      const [message] = await api.noticesTo(user, 1);
      const token = linkOf(message).pathname.split('/').at(-1) ?? '';
      await assertKeptNowhere(latchkey(), [token]);
      assert.ok(!message?.text.includes(token));
      assert.ok(!/\d{6}/.test(message?.text ?? ''), 'nothing like a code');
    });

    it('are cancelled with the change that failed: a wrong second try tells nobody', async () => {
      const { account, user, email } = await member(latchkey());
      const browser = await signIn(latchkey(), account, '/account/security/password');
      const form = await browser.get('/account/security/password');
      const refused = await browser.submit(form, { new_password: 'short' });
      assert.equal(refused.status, 422);
      assert.deepEqual(await inChat(latchkey(), user), []);
      assert.equal(await countQueued(latchkey(), email), 0);
    });
  },
  { env: { ...FREE_ENV, ...env, LATCHKEY_NEW_DEVICE_NOTICES: 'true', LATCHKEY_REGISTRATION: 'open' } },
);
