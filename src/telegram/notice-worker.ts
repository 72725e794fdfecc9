// Writes the notices that wait to their chats, one after another, in the one process that holds the lease: so the pace that Telegram allows is
// kept over all processes, and what it asks for when it is too much is obeyed by all of them. A message is claimed, sent outside of every
// transaction, and its outcome written; a Telegram that is away makes nobody wait but the messages.
import { setTimeout as wait } from 'node:timers/promises';
import { type Bot, InlineKeyboard } from 'grammy';
import { SealError } from '../crypto/seal.ts';
import { type Log, serializeError } from '../log.ts';
import type { ChatOutbox, ClaimedNotice } from '../notification/chat-outbox.ts';
import { type NoticeTextParts, noticeText } from '../notification/notice-text.ts';
import type { Lease } from '../storage/lease.ts';
import { failureOf } from './bot-api.ts';
import type { Chats } from './chats.ts';

/** Seconds: longer than one attempt can take. */
const LEASE = 60;
/** Milliseconds between two looks when nobody wakes the worker. */
const POLL = 2000;
/** Milliseconds between two messages: thirty a second are allowed in all (telegram.md 8), and answers of the bot need some of them. */
const PACE = 50;
/** Milliseconds for which nothing is sent after Telegram did not answer; doubled each time up to the last. */
const AWAY = 5000;
const LONGEST_AWAY = 60_000;
/** Milliseconds that the message on its way has when the process stops. */
const STOP_GRACE = 5000;
/** Within the claim. */
const RECORD_TRIES = 15;
const RECORD_PAUSE = 1000;

export interface NoticeWorkerParts extends NoticeTextParts {
  /** That tries each call once. */
  readonly bot: Bot;
  readonly outbox: ChatOutbox;
  readonly chats: Chats;
  readonly lease: Lease;
  readonly log: Log;
  /** Milliseconds in place of AWAY, for tests. */
  readonly away?: number;
}

export class NoticeWorker {
  readonly #parts: NoticeWorkerParts;
  readonly #stop = new AbortController();
  readonly #cutOff = new AbortController();
  #running: Promise<void> | undefined;
  #awake = new AbortController();
  /** Milliseconds since 1970: nothing is sent before. */
  #notBefore = 0;
  #failures = 0;

  constructor(parts: NoticeWorkerParts) {
    this.#parts = parts;
    parts.outbox.onQueued(() => this.#awake.abort());
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Takes nothing new; a message on its way is cut off when it takes too long, and tried again by whoever runs next. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const cutOff = setTimeout(() => this.#cutOff.abort(), STOP_GRACE);
    await this.#running;
    clearTimeout(cutOff);
  }

  async #loop(): Promise<void> {
    const { lease, log } = this.#parts;
    while (!this.#stop.signal.aborted) {
      // A new one for each round: what was queued during its work makes the worker look again.
      this.#awake = new AbortController();
      try {
        const isOurs = await lease.hold(LEASE);
        const rest = this.#notBefore - Date.now();
        if (isOurs && rest > 0) await this.#pause(Math.min(rest, POLL));
        else if (!isOurs || !(await this.#sendNext())) await this.#pause(POLL, this.#awake.signal);
      } catch (error) {
        log.warn({ err: serializeError(error) }, 'notices for chats have to wait: their rows cannot be read');
        await this.#pause(POLL);
      }
    }
    await lease.release().catch(() => undefined);
  }

  async #pause(milliseconds: number, awake?: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, ...(awake ? [awake] : [])]);
    await wait(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
  }

  /** @returns whether there was one */
  async #sendNext(): Promise<boolean> {
    const { outbox, chats } = this.#parts;
    const notice = await outbox.claim();
    if (notice === null) return false;
    const chat = await chats.find(notice.telegramId);
    if (chat?.isReachable) await this.#attempt(notice);
    else await outbox.giveUpChat(notice.telegramId, 'chat-left');
    return true;
  }

  async #attempt(notice: ClaimedNotice): Promise<void> {
    const { outbox, log } = this.#parts;
    const about = { notice: notice.id, attempt: notice.attempts };
    this.#notBefore = Date.now() + PACE;
    const failure = await this.#send(notice).then(() => null, reasonOf);
    if (failure === null) {
      this.#failures = 0;
      await this.#record(notice, () => outbox.markSent(notice));
      return;
    }
    const { kind, code, retryAfter } = failure;
    log.warn({ ...about, kind, code, retryAfter }, 'a notice did not reach its chat');
    if (kind === 'unreachable') {
      await this.#parts.chats.leave(notice.telegramId);
      await this.#record(notice, () => outbox.giveUpChat(notice.telegramId, code));
    } else if (kind === 'refused') await this.#record(notice, () => outbox.giveUp(notice, code));
    else {
      this.#notBefore = Date.now() + (retryAfter === undefined ? this.#away() : retryAfter * 1000);
      await this.#record(notice, () => outbox.retryLater(notice, code, retryAfter));
    }
  }

  #away(): number {
    this.#failures += 1;
    return Math.min(LONGEST_AWAY, (this.#parts.away ?? AWAY) * 2 ** (this.#failures - 1));
  }

  async #send(notice: ClaimedNotice): Promise<void> {
    const { text, button } = noticeText(this.#parts, notice, this.#parts.outbox.open(notice));
    await this.#parts.bot.api.sendMessage(
      Number(notice.telegramId),
      text,
      {
        reply_markup: new InlineKeyboard().url(button.label, button.url),
        link_preview_options: { is_disabled: true },
      },
      this.#cutOff.signal as Parameters<Bot['api']['sendMessage']>[3],
    );
  }

  /** The message is out, or is not to go out: a database that is away for a moment must not make it go again. */
  async #record(notice: ClaimedNotice, write: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await write();
        return;
      } catch (error) {
        if (tries === RECORD_TRIES) throw error;
        const err = serializeError(error);
        if (tries === 1) this.#parts.log.warn({ err, notice: notice.id }, 'the outcome of a notice has to wait');
        await wait(RECORD_PAUSE, undefined, { ref: false });
      }
    }
  }
}

/** What was sealed for another secret, or changed, is lost whatever Telegram says. */
function reasonOf(error: unknown): ReturnType<typeof failureOf> {
  return error instanceof SealError ? { kind: 'refused', code: 'cannot-open' } : failureOf(error);
}
