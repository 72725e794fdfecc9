// The room's front: the bot with its name, how updates reach it, and questions and notices to chats that we know. Telegram may be slow, away or
// blocked at any time: nothing here makes a page wait for it, and every other way in goes on without it.
import { setTimeout as wait } from 'node:timers/promises';
import type { Bot } from 'grammy';
import { type Log, serializeError } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Sql } from '../storage/sql.ts';
import type { AskedApproval } from './approvals.ts';
import { isTelegramAway, isUnreachable } from './bot-api.ts';
import { type ConversationParts, codeText, createConversation, questionText, type SentCode } from './conversation.ts';
import { ALLOWED_UPDATES, type Update, Updates } from './updates.ts';

export interface TelegramParts extends ConversationParts {
  readonly bot: Bot;
  readonly sql: Sql;
  readonly log: Log;
  readonly mode: 'polling' | 'webhook';
  readonly metrics?: Metrics;
  /** What Telegram sends with each update to the webhook. */
  readonly webhookSecret: string;
  /** Milliseconds between tries, for tests. */
  readonly retryMs?: number;
}

/** Milliseconds between two tries to learn the bot's name. */
const RETRY_MS = 10_000;

export class Telegram {
  readonly #parts: TelegramParts;
  readonly #updates: Updates;
  #starting: Promise<void> | undefined;
  #isReady = false;
  readonly #stop = new AbortController();

  constructor(parts: TelegramParts) {
    this.#parts = parts;
    const { bot, log } = parts;
    bot.use(createConversation(parts));
    this.#updates = new Updates({
      bot,
      sql: parts.sql,
      log,
      metrics: parts.metrics,
      ...(parts.retryMs === undefined ? {} : parts),
    });
  }

  /** The bot's name without @; null until Telegram told it: then no page offers the bot. */
  get username(): string | null {
    return this.#isReady ? this.#parts.bot.botInfo.username : null;
  }

  /** Learns the bot's name and begins to listen, in the background. */
  start(): void {
    this.#starting ??= this.#begin();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#starting;
    await this.#updates.stop();
  }

  /** What Telegram posted to the webhook; the secret was checked before it was read. */
  handle(update: Update): Promise<void> {
    return this.#updates.handle(update);
  }

  sweep(): Promise<void> {
    return this.#updates.sweep();
  }

  /** Puts a question to a chat that we know. @returns false when it cannot be reached */
  async ask(asked: AskedApproval, telegramId: string): Promise<boolean> {
    const { locales, chats } = this.#parts;
    const chat = await chats.find(telegramId);
    if (!chat?.isReachable) return false;
    const locale = locales.pick({ uiLocales: chat.locale ?? '' });
    const { text, keyboard } = questionText(locale, this.#parts, asked);
    return this.#send(telegramId, text, keyboard);
  }

  /** Brings a code to the chat that proved a number. @returns false when it cannot be reached */
  async sendCode(sent: Omit<SentCode, 'number'>): Promise<boolean> {
    const { locales, chats } = this.#parts;
    const chat = await chats.find(sent.telegramId);
    if (!chat?.isReachable) return false;
    const wishes = [sent.locale, chat.locale].filter((one) => one !== null);
    const locale = locales.pick({ uiLocales: wishes.join(' ') });
    return this.#send(sent.telegramId, codeText(locale, this.#parts, sent));
  }

  /** A message that asks for nothing: that it arrives is what it is about. @returns false when the person cannot be reached */
  async sendTest(telegramId: string): Promise<boolean> {
    const { locales, chats, productName, issuer } = this.#parts;
    const chat = await chats.find(telegramId);
    if (!chat?.isReachable) return false;
    const t = locales.t(locales.pick({ uiLocales: chat.locale ?? '' }));
    return this.#send(telegramId, t('bot.test', { product: productName, host: new URL(issuer).host }));
  }

  /** @returns false when the person cannot be reached */
  async #send(
    telegramId: string,
    text: string,
    keyboard?: ReturnType<typeof questionText>['keyboard'],
  ): Promise<boolean> {
    try {
      await this.#parts.bot.api.sendMessage(
        Number(telegramId),
        text,
        keyboard === undefined ? {} : { reply_markup: keyboard },
      );
      return true;
    } catch (error) {
      if (isUnreachable(error)) await this.#parts.chats.leave(telegramId);
      else if (!isTelegramAway(error))
        this.#parts.log.warn({ err: serializeError(error) }, 'Telegram refused a message');
      return false;
    }
  }

  async #begin(): Promise<void> {
    const { bot, log, mode, retryMs = RETRY_MS } = this.#parts;
    const { signal } = this.#stop;
    for (let hasFailed = false; !signal.aborted; ) {
      try {
        await bot.init(signal as Parameters<Bot['init']>[0]);
        await this.#listen();
        this.#isReady = true;
        log.info({ bot: bot.botInfo.username, mode }, 'the bot listens');
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!hasFailed) log.warn({ err: serializeError(error), hint: hintFor(error) }, 'the bot has to wait');
        hasFailed = true;
        await wait(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  async #listen(): Promise<void> {
    const { bot, mode, issuer, webhookSecret } = this.#parts;
    if (mode === 'polling') {
      // Telegram refuses to be asked while a webhook is set.
      await bot.api.deleteWebhook();
      this.#updates.poll();
      return;
    }
    await bot.api.setWebhook(`${issuer}/telegram/webhook`, {
      secret_token: webhookSecret,
      allowed_updates: [...ALLOWED_UPDATES],
      drop_pending_updates: false,
      max_connections: 4,
    });
  }
}

/** What an operator should look at. */
function hintFor(error: unknown): string {
  const { error_code: code } = error as { error_code?: unknown };
  if (code === 401 || code === 404) return 'telegram.botToken is wrong: copy it again from BotFather';
  if (isTelegramAway(error))
    return 'api.telegram.org cannot be reached from here: set telegram.proxy or telegram.apiRoot';
  return 'see the error';
}
