// A phone number is proven by the bot's contact button, and by nothing that looks like it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { newPhone, say, shareContact, signInByBot } from '../../support/phone-stage.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import type { TestTelegramPerson } from '../../support/telegram-api.ts';
import { newTelegramPerson, setTelegramStage } from '../../support/telegram-stage.ts';
import { checkMail, MAIL_ENV, mailsTo, newAddress, partsOf } from '../mailed/stories.ts';

const { api, env } = await setTelegramStage();
const KEY = { upstream: 'telegram', issuer: 'https://telegram.org' } as const;
const NOT_YOURS = /not your own contact/;

async function accountOf(latchkey: Latchkey, user: TestTelegramPerson): Promise<AccountRow | null> {
  const id = await latchkey.app.identities.findAccountId({ ...KEY, subject: String(user.id) });
  return id === null ? null : latchkey.app.accounts.findById(id);
}

async function numberOf(latchkey: Latchkey, user: TestTelegramPerson): Promise<string | null> {
  return (await accountOf(latchkey, user))?.phoneNumber ?? null;
}

/** Somebody with an account. */
async function member(latchkey: Latchkey): Promise<TestTelegramPerson> {
  const user = newTelegramPerson();
  await signInByBot(latchkey, api, user);
  return user;
}

async function auditOf(latchkey: Latchkey, user: TestTelegramPerson): Promise<readonly string[]> {
  const account = await accountOf(latchkey, user);
  const rows = await latchkey.app.database
    .em()
    .execute<{ text: string }[]>(
      "select action || ' ' || coalesce(reason, '') as text from audit_event where target_id = ? and action like 'phone.%' order by id",
      [account?.id ?? ''],
    );
  return rows.map(({ text }) => text.trim());
}

async function noticesOf(latchkey: Latchkey, user: TestTelegramPerson): Promise<readonly object[]> {
  return latchkey.app.database.em().execute('select kind from outbox_chat where telegram_id = ?', [user.id]);
}

describeOnEachBackend(
  'sharing a contact with the bot',
  (latchkey) => {
    test('proves the own number, in E.164, with an event', async () => {
      const user = await member(latchkey());
      const number = newPhone();
      const asked = await say(api, user, '/phone');
      assert.equal(asked.buttons[0]?.request_contact, true);
      assert.match((await shareContact(api, user, number)).text, /now the confirmed number/);
      const account = await accountOf(latchkey(), user);
      assert.deepEqual([account?.phoneNumber, account?.phoneNumberVerified], [number, true]);
      await shareContact(api, user, number);
      assert.deepEqual(await auditOf(latchkey(), user), ['phone.prove contact'], 'once, however often it is sent');
    });

    test('refuses the contact of somebody else, one without a person, and one that was passed on', async () => {
      const [user, other] = [await member(latchkey()), newTelegramPerson()];
      const number = newPhone();
      const contact = { phone_number: number.slice(1), first_name: 'Zoë' };
      const origin = { forward_origin: { type: 'user', date: 1, sender_user: { id: user.id, is_bot: false } } };
      for (const more of [{ contact: { ...contact, user_id: other.id } }, { contact }, origin]) {
        assert.match((await shareContact(api, user, number, more)).text, NOT_YOURS);
      }
      const bot = { via_bot: { id: 9, is_bot: true, first_name: 'Other' } };
      assert.match((await shareContact(api, user, number, bot)).text, NOT_YOURS);
      assert.equal(await numberOf(latchkey(), user), null);
    });

    test('hears nothing in groups, in edited messages and from bots', async () => {
      const user = await member(latchkey());
      const contact = { phone_number: newPhone().slice(1), first_name: 'Zoë', user_id: user.id };
      const seen = api.messages.length;
      api.write(user, '', { text: undefined, contact, chat: { id: -100_500, type: 'group', title: 'Family' } });
      api.push({
        edited_message: { message_id: 5, date: 1, edit_date: 2, chat: { id: user.id, type: 'private' }, contact },
      });
      api.write(user, '', { text: undefined, contact, from: { id: user.id, is_bot: true, first_name: 'Bot' } });
      await say(api, user, '/help');
      assert.equal(api.messages.length, seen + 1, 'nothing but the help was said');
      assert.equal(await numberOf(latchkey(), user), null);
    });

    test('keeps nothing of people without an account, and nothing that is no number', async () => {
      const stranger = newTelegramPerson();
      const number = newPhone();
      assert.match((await shareContact(api, stranger, number)).text, /does not belong to an account/);
      const user = await member(latchkey());
      assert.match((await shareContact(api, user, '+12')).text, /cannot read this number/);
      const rows = await latchkey()
        .app.database.em()
        .execute('select 1 as one from telegram_phone where phone_number in (?, ?)', [number, '+12']);
      assert.equal(rows.length, 0);
    });

    test('moves a number to whoever proves it later; the one before loses it and is told in the chat and by mail', async () => {
      const [before, after] = [await member(latchkey()), await member(latchkey())];
      const number = newPhone();
      await shareContact(api, before, number);
      const email = newAddress();
      const em = latchkey().app.database.em();
      await em.execute('update account set email = ?, email_verified_at = now() where id = ?', [
        email,
        (await accountOf(latchkey(), before))?.id ?? '',
      ]);
      latchkey().app.accounts.forgetRecent();
      await shareContact(api, after, number);
      const [told] = await api.noticesTo(before, 1);
      assert.match(told?.text ?? '', /Somebody else has just confirmed/);
      assert.ok(!told?.text.includes(number));
      const [mail] = await mailsTo(email, 1);
      assert.ok(mail);
      checkMail(latchkey(), mail, email);
      assert.match(mail.email.text ?? '', /Somebody else has just confirmed[^]*Phone number: \+1 ••• /);
      assert.ok(!(mail.email.text ?? '').includes(number));
      const { notMe } = partsOf(latchkey(), mail);
      assert.equal(String(notMe), told?.buttons[0]?.url, 'one link, whichever way it comes');
      assert.equal(
        (
          await latchkey()
            .browser()
            .get(notMe ?? '')
        ).id,
        'not-me',
      );
      assert.deepEqual(await noticesOf(latchkey(), after), [], 'the new owner knows');
      assert.deepEqual([await numberOf(latchkey(), before), await numberOf(latchkey(), after)], [null, number]);
      assert.deepEqual(await auditOf(latchkey(), before), ['phone.prove contact', 'phone.remove moved']);
    });

    test('replaces the number that the account had', async () => {
      const user = await member(latchkey());
      const [first, second] = [newPhone(), newPhone()];
      await shareContact(api, user, first);
      await shareContact(api, user, second);
      assert.equal(await numberOf(latchkey(), user), second);
      const other = await member(latchkey());
      await shareContact(api, other, first);
      assert.equal(await numberOf(latchkey(), other), first);
    });

    test('of many that prove one number at once, one account has it in the end', async () => {
      const people = await Promise.all([1, 2, 3, 4].map(() => member(latchkey())));
      const number = newPhone();
      await Promise.all(people.map((user) => shareContact(api, user, number)));
      const owners = await Promise.all(people.map((user) => numberOf(latchkey(), user)));
      assert.equal(owners.filter((one) => one === number).length, 1);
    });

    test('the profile shows the number and takes it away, after a question and with a fresh proof', async () => {
      const user = newTelegramPerson();
      const browser = await signInByBot(latchkey(), api, user);
      assert.match((await browser.get('/account/profile')).text, /send \/phone/);
      await shareContact(api, user, '+12025550042');
      const page = await browser.get('/account/profile');
      assert.ok(page.text.includes('+1 202 555 0042'), page.describe());
      const asked = await browser.get('/account/profile/phone');
      assert.equal(asked.id, 'account-profile', asked.describe());
      assert.equal(await numberOf(latchkey(), user), '+12025550042', 'nothing has happened yet');
      assert.equal((await latchkey().browser().submitOnce(asked)).status, 403, "another browser's form");
      assert.equal((await browser.post('/account/profile/phone', 'csrf=made-up')).status, 403);
      assert.match((await browser.submit(asked)).text, /The phone number is removed/);
      assert.equal(await numberOf(latchkey(), user), null);
      assert.deepEqual(await auditOf(latchkey(), user), ['phone.prove contact', 'phone.remove']);
    });

    test('the number falls with the Telegram account that proved it', async () => {
      const user = await member(latchkey());
      await shareContact(api, user, newPhone());
      const account = await accountOf(latchkey(), user);
      assert.ok(account);
      await latchkey().app.database.transaction((em) => latchkey().app.identities.unlinkAll(em, account.id));
      assert.equal((await latchkey().app.accounts.findById(account.id))?.phoneNumber, null);
    });
  },
  { env: { ...env, ...MAIL_ENV, LATCHKEY_REGISTRATION: 'open' } },
);
