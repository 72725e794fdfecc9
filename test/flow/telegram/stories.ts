// What the stories about approvals in the bot have in common: accounts that have enrolled one, sign-ins that are half-way, questions and answers.
import assert from 'node:assert/strict';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { TELEGRAM_ISSUER } from '../../../src/account/linked-identities.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { eventually } from '../../support/eventually.ts';
import { linkTelegram } from '../../support/phone-stage.ts';
import type { Parameters } from '../../support/relying-party.ts';
import { type Latchkey, TEST_PASSWORD } from '../../support/server.ts';
import type { SentMessage, TelegramApi, TestTelegramPerson } from '../../support/telegram-api.ts';
import { ask, landed } from '../factors/stories.ts';

export const csrfOf = (page: Page): string => page.element('input[name=csrf]').getAttribute('value') ?? '';
export const numberOf = (page: Page): string => page.element('[data-number]').text;

/** As if enrolled in the portal, by somebody who talked to the bot before. */
export async function enrolInBot(
  api: TelegramApi,
  latchkey: Latchkey,
  account: AccountRow,
  user: TestTelegramPerson,
): Promise<void> {
  await linkTelegram(latchkey, account, user);
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  api.write(user, '/start');
  await api.nextMessage(user, seen);
  const key = { upstream: 'telegram', issuer: TELEGRAM_ISSUER, subject: String(user.id) };
  const outcome = await latchkey.app.factors.enrolTelegram(account.id, String(user.id), (em) =>
    latchkey.app.identities.findId(em, account.id, key),
  );
  assert.equal(outcome, 'enrolled');
}

export interface HalfWay {
  readonly page: Page;
  readonly finish: (page: Page) => ReturnType<typeof landed>;
}

/** The password is right. */
export async function halfWay(
  latchkey: Latchkey,
  browser: Browser,
  account: AccountRow,
  params: Parameters = {},
): Promise<HalfWay> {
  const client = await latchkey.createClient();
  const { page, verifier } = await ask(latchkey, browser, client, params);
  const next = await browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD });
  assert.equal(next.id, 'second-factor', next.describe());
  return { page: next, finish: (end) => landed(latchkey, browser, client, end, verifier) };
}

/** Presses "Ask me in Telegram". @returns the page that waits, and what the bot asks */
export async function askFactor(api: TelegramApi, browser: Browser, page: Page, user: TestTelegramPerson) {
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  // The bot's name comes a moment after the start.
  const ready = await eventually(async () => {
    const found = await browser.get(page.url);
    if (!found.html.querySelector('#submit')) throw new Error(`no bot: ${found.describe()}`);
    return found;
  });
  const wait = await browser.submit(ready);
  assert.equal(wait.id, 'telegram-wait', wait.describe());
  return { wait, message: await api.nextMessage(user, seen) };
}

/** Answers, and waits until the bot has taken it. */
export async function pressIn(
  api: TelegramApi,
  user: TestTelegramPerson,
  message: SentMessage,
  button: string,
): Promise<void> {
  const asked = message.text;
  api.press(user, message, button);
  await eventually(() => assert.notEqual(message.text, asked));
}
