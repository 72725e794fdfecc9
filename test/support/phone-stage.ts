// People of the fake Telegram with accounts and phone numbers, through the doors that people take.
import assert from 'node:assert/strict';
import type { AccountRow } from '../../src/account/accounts.ts';
import { TELEGRAM_ISSUER } from '../../src/account/linked-identities.ts';
import type { Browser, Page } from './browser-client.ts';
import type { Latchkey, TestClient } from './server.ts';
import type { SentMessage, TelegramApi, TestTelegramPerson } from './telegram-api.ts';
import { newTelegramPerson, openWithBot } from './telegram-stage.ts';

let counter = 0;

/** A number of the range that nobody has, never twice. */
export function newPhone(): string {
  counter += 1;
  return `+1202555${String(counter + 100).padStart(4, '0')}`;
}

/** Writes and waits for the answer. @param more members of the message; a contact takes the place of the text */
export async function say(
  api: TelegramApi,
  user: TestTelegramPerson,
  text: string,
  more: Record<string, unknown> = {},
): Promise<SentMessage> {
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  api.write(user, text, 'contact' in more ? { ...more, text: undefined } : more);
  return api.nextMessage(user, seen);
}

/** What the contact button sends. */
export async function shareContact(
  api: TelegramApi,
  user: TestTelegramPerson,
  number: string,
  more: Record<string, unknown> = {},
): Promise<SentMessage> {
  const contact = { phone_number: number.slice(1), first_name: user.firstName ?? 'Zoë', user_id: user.id };
  return say(api, user, '', { contact, ...more });
}

/** Makes the account of a Telegram person by the bot's link. */
export async function signInByBot(latchkey: Latchkey, api: TelegramApi, user: TestTelegramPerson): Promise<Browser> {
  const browser = latchkey.browser();
  const message = await say(api, user, '/login');
  const page = await browser.submit(await browser.get(new URL(message.buttons[0]?.url ?? '')));
  assert.equal(page.id, 'account-sessions', page.describe());
  return browser;
}

/** Somebody with an account and a proven number. */
export async function newPhoneOwner(
  latchkey: Latchkey,
  api: TelegramApi,
): Promise<{ readonly user: TestTelegramPerson; readonly number: string; readonly accountId: string }> {
  const user = newTelegramPerson();
  await signInByBot(latchkey, api, user);
  const number = newPhone();
  await shareContact(api, user, number);
  const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
  const accountId = await latchkey.app.identities.findAccountId(key);
  assert.ok(accountId);
  return { user, number, accountId };
}

/** As if linked in the portal: how one gets there is its own test. */
export async function linkTelegram({ app }: Latchkey, account: AccountRow, user: TestTelegramPerson): Promise<void> {
  const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
  const details = { username: null, email: null, picture: null, tokens: null };
  await app.database.transaction((em) => app.identities.link(em, account.id, key, details));
}

/** Links somebody new and proves a number by the contact button. */
export async function givePhone(
  latchkey: Latchkey,
  api: TelegramApi,
  account: AccountRow,
  number = newPhone(),
): Promise<{ readonly user: TestTelegramPerson; readonly number: string }> {
  const user = newTelegramPerson();
  await linkTelegram(latchkey, account, user);
  await shareContact(api, user, number);
  assert.equal((await latchkey.app.accounts.findByPhone(number))?.id, account.id);
  return { user, number };
}

/** The page that asks for a number. */
export async function openPhone(latchkey: Latchkey, browser: Browser, client: TestClient): Promise<Page> {
  const login = await openWithBot(latchkey, browser, client);
  const page = await browser.get(login.element('a[href$="/phone"]').getAttribute('href') ?? '');
  assert.equal(page.id, 'phone', page.describe());
  return page;
}

/** The newest code in somebody's chat. @param seen how many messages were there before it was asked for */
export async function nextCode(api: TelegramApi, user: TestTelegramPerson, seen: number): Promise<string> {
  const { text } = await api.nextMessage(user, seen);
  return /^(\d{6}) /.exec(text)?.[1] ?? assert.fail(`no code: ${text}`);
}

export function messagesTo(api: TelegramApi, user: TestTelegramPerson): number {
  return api.messages.filter((one) => one.chatId === user.id).length;
}
