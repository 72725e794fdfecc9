// Latchkey beside a Telegram on loopback, declared in YAML, and the walk of a person through page and bot.
import { after } from 'node:test';
import type { Browser, Page } from './browser-client.ts';
import { eventually } from './eventually.ts';
import { authorizationRequest, type Parameters } from './relying-party.ts';
import type { Latchkey, TestClient } from './server.ts';
import { settingsFile } from './settings-file.ts';
import { BOT_TOKEN, startTelegramApi, type TelegramApi, type TestTelegramPerson } from './telegram-api.ts';

export interface TelegramStage {
  readonly api: TelegramApi;
  /** For `startLatchkey`. */
  readonly env: Readonly<Record<string, string>>;
}

/** @param settings members of the declaration beside those that reach the bot */
export async function setTelegramStage(settings: object = {}): Promise<TelegramStage> {
  const api = await startTelegramApi();
  after(() => api.close());
  return {
    api,
    env: settingsFile(JSON.stringify({ telegram: { botToken: BOT_TOKEN, apiRoot: api.url, ...settings } })),
  };
}

let counter = 5_000_000_000_000;

/** Somebody new, with a number beyond 32 bits. */
export function newTelegramPerson(change: Partial<TestTelegramPerson> = {}): TestTelegramPerson {
  counter += 1;
  return { id: counter, username: `person_${counter}`, firstName: 'Zoë', language: 'en', ...change };
}

/** The sign-in page of an app's request, once the bot is there. */
export async function openWithBot(
  latchkey: Latchkey,
  browser: Browser,
  client: TestClient,
  params: Parameters = {},
): Promise<Page> {
  return eventually(async () => {
    const page = await browser.get(authorizationRequest(latchkey.issuer, client, params).url);
    if (!page.text.includes('data-upstream="telegram-bot"')) throw new Error(`no bot: ${page.describe()}`);
    return page;
  });
}

/** Presses the button of the bot. @returns the page that waits */
export async function askBot(browser: Browser, page: Page): Promise<Page> {
  return browser.submit(page, {}, { button: ['upstream', 'telegram-bot'] });
}

/** What the page hands to the bot, and shows to its reader. */
export function readWait(page: Page): { readonly start: string; readonly number: string } {
  const link = new URL(page.element('a[href^="https://t.me/"]').getAttribute('href') ?? '');
  return { start: `/start ${link.searchParams.get('start') ?? ''}`, number: page.element('[data-number]').text };
}

/** Presses Start and then a button: the right number unless another is said. */
export async function answerInBot(
  api: TelegramApi,
  user: TestTelegramPerson,
  page: Page,
  button?: string,
): Promise<void> {
  const { start, number } = readWait(page);
  const seen = api.messages.filter((one) => one.chatId === user.id).length;
  api.write(user, start);
  const message = await api.nextMessage(user, seen);
  const asked = message.text;
  api.press(user, message, button ?? number);
  await eventually(() => {
    if (message.text === asked) throw new Error('the bot has not taken the answer');
  });
}
