// The rows of notices that wait to be written to a chat, as those of mails do: with the change that caused them or not at all, the link sealed
// and gone from the row when there is nothing left to send. What a chat cannot be told any more goes out as a mail, where the owner had chosen
// the chat instead of it. It writes to no chat: see telegram/notice-worker.ts.
import { randomUUID } from 'node:crypto';
import { type Seal, SealError } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { checkLink, type Message, type NoticeModel } from './message.ts';

export interface ChatNotice {
  readonly accountId: string;
  readonly telegramId: string;
  readonly locale: string;
  /** IANA name; without one times are in UTC. */
  readonly zone: string | null;
  readonly model: NoticeModel;
  readonly expiresAt: Date;
  /** Where it goes as a mail when the chat cannot be told; null where a mail tells it anyway. */
  readonly fallback: { readonly email: string; readonly locale: string } | null;
}

/** What lies sealed in the row. */
type Content = Pick<ChatNotice, 'zone' | 'model' | 'fallback'>;

export interface ClaimedNotice {
  readonly id: string;
  readonly telegramId: string;
  readonly locale: string;
  readonly sealed: Uint8Array;
  /** Counted with the claim; also tells this claim from a later one. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Seconds for which a claimed row belongs to its claimer: well above what one attempt takes. */
const LEASE = 60;
/** Seconds between attempts; the last one repeats. */
export const CHAT_RETRY_SECONDS = [5, 30, 120, 300, 600, 1800, 3600] as const;
/** Seconds between two messages to one chat (telegram.md 8). */
const CHAT_PACE = 1;
const KEEP_DAYS = 30;
/** Rows that are given up in one transaction. */
const AT_ONCE = 100;
/** Milliseconds that a mail in place of a message has. */
const FALLBACK_LIFE = 24 * 3600 * 1000;

export const sealedChatNotices: SealedTable = {
  table: 'outbox_chat',
  key: 'id',
  columns: ['telegram_id::text'],
  purpose: (id, telegramId = '') => purposeOf(id, telegramId),
};

/** The drivers differ in what they make of a timestamp, not in numbers. */
const CREATED_AT = 'floor(extract(epoch from created_at) * 1000)::float8 as "createdAt"';
const INSERT = `insert into outbox_chat
    (id, account_id, telegram_id, kind, locale, sealed, next_attempt_at, expires_at, created_at)
  values (?, ?, ?::bigint, ?, ?, ?, now(), ?, now())`;
const CLAIM = {
  name: 'outbox_chat_claim',
  text: `update outbox_chat set attempts = attempts + 1, attempted_at = now(), claimed_until = now() + make_interval(secs => ${LEASE})
    where id in (select id from outbox_chat o where state = 'queued' and next_attempt_at <= now() and expires_at > now()
      and (claimed_until is null or claimed_until <= now())
      and not exists (select from outbox_chat other where other.telegram_id = o.telegram_id and other.id <> o.id
        and other.attempted_at > now() - make_interval(secs => ${CHAT_PACE}))
      order by next_attempt_at, created_at limit 1 for update skip locked)
    returning id, telegram_id::text as "telegramId", locale, sealed, attempts, ${CREATED_AT}`,
};
const SENT = {
  name: 'outbox_chat_sent',
  text: `update outbox_chat set state = 'sent', sealed = null, claimed_until = null, finished_at = now(), last_error_code = null
    where id = $1 and attempts = $2 and state = 'queued'`,
};
const LATER = {
  name: 'outbox_chat_later',
  text: `update outbox_chat set claimed_until = null, last_error_code = $3,
      next_attempt_at = now() + make_interval(secs => $4::float8)
    where id = $1 and attempts = $2 and state = 'queued'`,
};
const SWEEP = {
  name: 'outbox_chat_sweep',
  text: `delete from outbox_chat where id in (select id from outbox_chat
    where state <> 'queued' and finished_at < now() - make_interval(days => ${KEEP_DAYS}) limit 1000)`,
};
const BACKLOG = {
  name: 'outbox_chat_backlog',
  text: `select count(*)::int as queued from outbox_chat where state = 'queued'`,
};

interface Ended {
  readonly id: string;
  readonly accountId: string;
  readonly telegramId: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export class ChatOutbox {
  readonly #database: Database;
  readonly #seal: Seal;
  readonly #mail: (em: EntityManager, message: Message) => Promise<unknown>;
  /** One object for all transactions: a transaction's event manager takes the same subscriber only once. */
  readonly #afterCommit: { afterTransactionCommit(): Promise<void> };
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly database: Database;
    readonly seal: Seal;
    /** Queues what a chat could not be told. */
    mail(em: EntityManager, message: Message): Promise<unknown>;
  }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
    this.#mail = (em, message) => parts.mail(em, message);
    this.#afterCommit = { afterTransactionCommit: async () => this.#wake() };
  }

  /** @param wake called when rows may have become visible */
  onQueued(wake: () => void): void {
    this.#wake = wake;
  }

  /** Writes the row, in the transaction of its cause. */
  async enqueue(em: EntityManager, notice: ChatNotice): Promise<void> {
    checkLink(notice.model.path);
    const { accountId, telegramId, locale, zone, model, fallback } = notice;
    const id = randomUUID();
    const sealed = this.#seal.seal(
      purposeOf(id, telegramId),
      JSON.stringify({ zone, model, fallback } satisfies Content),
    );
    await em.execute(INSERT, [id, accountId, telegramId, model.what, locale, sealed, notice.expiresAt]);
    em.getEventManager().registerSubscriber(this.#afterCommit);
  }

  /** One that is due, of a chat that was not written to just now. */
  async claim(): Promise<ClaimedNotice | null> {
    const { rows } = await this.#database.sql.query<ClaimedNotice>(CLAIM);
    return rows[0] ?? null;
  }

  /** @throws SealError when the master secret changed meanwhile or the row was tampered with */
  open({ id, telegramId, sealed }: Pick<ClaimedNotice, 'id' | 'telegramId' | 'sealed'>): Content {
    return JSON.parse(this.#seal.openText(purposeOf(id, telegramId), sealed)) as Content;
  }

  /** @returns false when the claim is no longer ours */
  async markSent(notice: ClaimedNotice): Promise<boolean> {
    return (await this.#database.sql.query(SENT, [notice.id, notice.attempts])).count === 1;
  }

  /** @param retryAfter seconds that Telegram asked for; without it by our own times */
  async retryLater(notice: ClaimedNotice, code: string, retryAfter?: number): Promise<void> {
    const own = CHAT_RETRY_SECONDS[Math.min(notice.attempts, CHAT_RETRY_SECONDS.length) - 1] ?? 5;
    await this.#database.sql.query(LATER, [notice.id, notice.attempts, code, retryAfter ?? own]);
  }

  /** For good: this claim. */
  async giveUp(notice: ClaimedNotice, code: string): Promise<void> {
    await this.#end('failed', code, 'id = ? and attempts = ?', [notice.id, notice.attempts]);
  }

  /** For good: everything that waits for a chat that cannot be written to. */
  async giveUpChat(telegramId: string, code: string): Promise<void> {
    await this.#end('failed', code, 'telegram_id = ?::bigint', [telegramId]);
  }

  /** How many wait. */
  async countQueued(): Promise<number> {
    return (await this.#database.sql.query<{ queued: number }>(BACKLOG)).rows[0]?.queued ?? 0;
  }

  /** Gives up what is too late and deletes what is old, a bounded batch of each. */
  async sweep(): Promise<void> {
    await this.#end('expired', null, 'expires_at <= now() and (claimed_until is null or claimed_until <= now())', []);
    await this.#database.sql.query(SWEEP);
  }

  /** The end of rows and the mails that take their place are one decision. @param condition ours, never input */
  async #end(
    state: 'failed' | 'expired',
    code: string | null,
    condition: string,
    values: readonly unknown[],
  ): Promise<void> {
    await this.#database.transaction(async (em) => {
      const rows = await em.execute<Ended[]>(
        `select id, account_id as "accountId", telegram_id::text as "telegramId", sealed, ${CREATED_AT} from outbox_chat
          where state = 'queued' and ${condition} order by created_at limit ${AT_ONCE} for update skip locked`,
        [...values],
      );
      for (const row of rows) {
        await em.execute(
          `update outbox_chat set state = ?, sealed = null, claimed_until = null, finished_at = now(),
            last_error_code = coalesce(?, last_error_code) where id = ?`,
          [state, code, row.id],
        );
        await this.#fallBack(em, row);
      }
    });
  }

  async #fallBack(em: EntityManager, row: Ended): Promise<void> {
    const content = this.#openOrNull(row);
    if (!content?.fallback) return;
    const { email: to, locale } = content.fallback;
    await this.#mail(em, {
      ...({ kind: 'notice', to, accountId: row.accountId, locale, zone: content.zone } as const),
      expiresAt: new Date(Date.now() + FALLBACK_LIFE),
      model: { ...content.model, at: new Date(row.createdAt).toISOString() },
    });
  }

  /** A row that does not open is given up all the same. */
  #openOrNull(row: Ended): Content | null {
    try {
      return this.open(row);
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }
}

/** Row and chat are part of the seal: content put into another row, or a row given another chat, does not open. */
function purposeOf(id: string, telegramId: string): string {
  return `outbox-chat ${id} ${telegramId}`;
}
