// How updates reach the bot: asked for by the one process that holds the lease, or posted by Telegram. Either way each is handled once, by
// whichever process gets its number first; duplicates and a wrong order are normal.
import { setTimeout as wait } from 'node:timers/promises';
import { type Bot, BotError } from 'grammy';
import { Unavailable } from '../errors.ts';
import { type Log, serializeError } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { Lease } from '../storage/lease.ts';
import type { Sql } from '../storage/sql.ts';
import { isTelegramAway, LONG_POLL } from './bot-api.ts';

/** What the bot understands; everything else is not even sent. */
export const ALLOWED_UPDATES = ['message', 'callback_query', 'my_chat_member'] as const;
/** Seconds: longer than one question for updates stays open, so that nobody else asks meanwhile. */
const LEASE = 40;
/** Milliseconds between two tries to get the lease, and after a failure. */
const RETRY_MS = 5000;

const FIRST = {
  name: 'telegram_update_first',
  text: `insert into telegram_update (update_id, at) values ($1::bigint, now()) on conflict do nothing returning update_id`,
};
const FORGET = { name: 'telegram_update_forget', text: 'delete from telegram_update where update_id = $1::bigint' };
const SWEEP = {
  name: 'telegram_update_sweep',
  text: `delete from telegram_update where update_id in (select update_id from telegram_update
    where at < now() - interval '1 day' order by update_id limit 1000 for update skip locked)`,
};

export type Update = Parameters<Bot['handleUpdate']>[0];

export class Updates {
  readonly #bot: Bot;
  readonly #sql: Sql;
  readonly #lease: Lease;
  readonly #log: Log;
  readonly #retryMs: number;
  readonly #metrics: Metrics | undefined;
  #running: Promise<void> | undefined;
  #stop = new AbortController();

  constructor(parts: {
    readonly bot: Bot;
    readonly sql: Sql;
    readonly log: Log;
    readonly retryMs?: number;
    readonly metrics?: Metrics | undefined;
  }) {
    this.#metrics = parts.metrics;
    this.#bot = parts.bot;
    this.#sql = parts.sql;
    this.#lease = new Lease({ sql: parts.sql, name: 'telegram-polling' });
    this.#log = parts.log;
    this.#retryMs = parts.retryMs ?? RETRY_MS;
  }

  /** Handles an update unless somebody did. @throws what its handler throws: it may then come again */
  async handle(update: Update): Promise<void> {
    const { rows } = await this.#sql.query(FIRST, [update.update_id]);
    if (rows.length === 0) {
      this.#metrics?.noteUpdate(kindOf(update), 'repeated');
      return;
    }
    try {
      await this.#bot.handleUpdate(update);
      this.#metrics?.noteUpdate(kindOf(update), 'done');
    } catch (error) {
      this.#metrics?.noteUpdate(kindOf(update), 'failed');
      await this.#sql.query(FORGET, [update.update_id]);
      throw error;
    }
  }

  /** Asks for updates until `stop`, whenever no other process does. */
  poll(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    let offset: number | undefined;
    let hasFailed = false;
    while (!signal.aborted) {
      try {
        if (!(await this.#lease.hold(LEASE))) {
          offset = undefined;
          await pause(this.#retryMs, signal);
          continue;
        }
        offset = await this.#ask(offset, signal);
        if (hasFailed) this.#log.info('Telegram answers again');
        hasFailed = false;
      } catch (error) {
        if (signal.aborted) break;
        // Once for an outage, not once for each try.
        if (!hasFailed) this.#log.warn({ err: serializeError(error) }, 'updates from Telegram have to wait');
        hasFailed = true;
        await pause(this.#retryMs, signal);
      }
    }
    await this.#lease.release().catch(() => undefined);
  }

  /** @returns the number that the next question begins at: asking for it tells Telegram that the ones before are done */
  async #ask(offset: number | undefined, signal: AbortSignal): Promise<number | undefined> {
    const updates = await this.#bot.api.getUpdates(
      { ...(offset === undefined ? {} : { offset }), timeout: LONG_POLL, allowed_updates: [...ALLOWED_UPDATES] },
      signal as Parameters<Bot['api']['getUpdates']>[1],
    );
    let next = offset;
    for (const update of updates) {
      await this.handle(update).catch((error: unknown) => {
        // While storage or Telegram is away, the update stays with Telegram until they are back.
        if (!(error instanceof BotError) || error.error instanceof Unavailable || isTelegramAway(error.error))
          throw error;
        this.#log.error({ updateId: update.update_id, err: serializeError(error) }, 'an update from Telegram failed');
      });
      next = update.update_id + 1;
    }
    return next;
  }
}

function kindOf(update: Update) {
  return ALLOWED_UPDATES.find((kind) => update[kind] !== undefined) ?? 'other';
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}
