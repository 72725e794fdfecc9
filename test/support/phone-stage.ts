// People of the fake Telegram with accounts and phone numbers, through the doors that people take.
import assert from 'node:assert/strict';
import type { Browser } from './browser-client.ts';
import type { Latchkey } from './server.ts';
import type { SentMessage, TelegramApi, TestTelegramPerson } from './telegram-api.ts';

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
