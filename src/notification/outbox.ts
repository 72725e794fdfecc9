// The rows of mails that wait. A row is written in the transaction of what caused the mail, so both happen or neither; a worker of any process
// claims it with one conditional write and holds it for a lease, so that sending happens outside of every transaction and a process that dies
// leaves its mail to another. Codes and links are sealed, and gone from the row as soon as there is nothing left to send.
import { randomUUID } from 'node:crypto';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { checkMessage, type Message } from './message.ts';
import { checkRecipient } from './recipient.ts';

/** What lies sealed in the row. */
export interface Content {
  readonly model: Message['model'];
  readonly zone: string | null;
  /** ISO; the end of link and code, which is a little after the end of the row. */
  readonly validUntil: string;
}

export interface ClaimedMail {
  readonly id: string;
  readonly kind: Message['kind'];
  readonly recipient: string;
  readonly locale: string;
  readonly sealed: Uint8Array;
  readonly isResend: boolean;
  /** Counted with the claim: 1 is the first. Also tells this claim from a later one. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Milliseconds before link or code end at which a mail is given up: what arrives then helps nobody. */
const MARGIN_MS = 60_000;
/** … or this part of their life, when that is shorter. */
const MARGIN_PART = 0.1;
/** Seconds for which a claimed row belongs to its claimer: well above what one attempt over two transports can take. */
export const LEASE = 120;
/** Minutes between attempts (requirements M3); the last one repeats. */
export const RETRY_MINUTES = [1, 2, 5, 10, 20, 40, 60] as const;
/** Mails that may wait at once; security messages are taken beyond it. */
const MOST_QUEUED = 10_000;
const ALWAYS_TAKEN: ReadonlySet<Message['kind']> = new Set(['notice', 'email-change-notice']);
const KEEP_DAYS = 30;

export const sealedMails: SealedTable = {
  table: 'outbox_mail',
  key: 'id',
  columns: ['recipient'],
  purpose: (id, recipient = '') => purposeOf(id, recipient),
};

const INSERT = `insert into outbox_mail
    (id, kind, recipient, account_id, locale, sealed, is_resend, next_attempt_at, expires_at, created_at)
  select $1::uuid, $2::text, $3::text, $4::uuid, $5::text, $6::bytea, $7::boolean, now(), $8::timestamptz, now()
  where $9::boolean or (select count(*) from (select 1 from outbox_mail where state = 'queued' limit ${MOST_QUEUED}) as waiting) < ${MOST_QUEUED}
  returning id`;
const ENQUEUE = { name: 'outbox_enqueue', text: INSERT };
const CLAIM = {
  name: 'outbox_claim',
  text: `update outbox_mail set attempts = attempts + 1, attempted_at = now(), claimed_until = now() + make_interval(secs => ${LEASE})
    where id in (select id from outbox_mail where state = 'queued' and next_attempt_at <= now() and expires_at > now()
      and (claimed_until is null or claimed_until <= now())
      order by next_attempt_at limit $1::int for update skip locked)
    returning id, kind, recipient, locale, sealed, is_resend as "isResend", attempts,
      ${milliseconds('created_at')} as "createdAt"`,
};
const SENT = {
  name: 'outbox_sent',
  text: `update outbox_mail set state = 'sent', sealed = null, claimed_until = null, finished_at = now(), server_message_id = $3,
      last_error_code = null
    where id = $1 and attempts = $2 and state = 'queued'`,
};
const FAILED = {
  name: 'outbox_failed',
  text: `update outbox_mail set state = 'failed', sealed = null, claimed_until = null, finished_at = now(), last_error_code = $3
    where id = $1 and attempts = $2 and state = 'queued'`,
};
/** Another attempt, or none when it would come too late. */
const LATER = {
  name: 'outbox_later',
  text: `update outbox_mail set claimed_until = null, last_error_code = $3, next_attempt_at = attempted_at + due.wait,
      state = case when attempted_at + due.wait < expires_at then 'queued' else 'expired' end,
      sealed = case when attempted_at + due.wait < expires_at then sealed end,
      finished_at = case when attempted_at + due.wait < expires_at then null else now() end
    from (select make_interval(mins => $4::int) as wait) as due
    where id = $1 and attempts = $2 and state = 'queued'
    returning state`,
};
const EXPIRE = {
  name: 'outbox_expire',
  text: `update outbox_mail set state = 'expired', sealed = null, claimed_until = null, finished_at = now()
    where id in (select id from outbox_mail where state = 'queued' and expires_at <= now()
      and (claimed_until is null or claimed_until <= now()) limit 1000 for update skip locked)`,
};
const SWEEP = {
  name: 'outbox_sweep',
  text: `delete from outbox_mail where id in (select id from outbox_mail
    where state <> 'queued' and finished_at < now() - make_interval(days => ${KEEP_DAYS}) limit 1000)`,
};
const BACKLOG = {
  name: 'outbox_backlog',
  text: `select
      (select count(*) from outbox_mail where state = 'queued')::int as queued,
      (select ${milliseconds('min(created_at)')} from outbox_mail where state = 'queued') as "oldestAt",
      (select count(*) from outbox_mail where state in ('failed', 'expired') and finished_at > now() - interval '1 day')::int as lost`,
};
const FIND_OUTCOME = `select state, last_error_code as "code", ${milliseconds('finished_at')} as "at" from outbox_mail
    where lower(recipient) = lower($1) and state in ('sent', 'failed') order by finished_at desc limit 1`;
const LAST_OUTCOME = { name: 'outbox_last_outcome', text: FIND_OUTCOME };

interface Outcome {
  readonly state: string;
  readonly code: string | null;
  readonly at: number;
}

export interface Backlog {
  /** Mails that wait. */
  readonly queued: number;
  /** Milliseconds since 1970. */
  readonly oldestAt: number | null;
  /** Mails that were refused or given up within a day. */
  readonly lost: number;
}

export class Outbox {
  readonly #database: Database;
  readonly #seal: Seal;
  /** One object for all transactions: a transaction's event manager takes the same subscriber only once. */
  readonly #afterCommit: { afterTransactionCommit(): Promise<void> };
  #wake: () => void = () => undefined;

  constructor(parts: { readonly database: Database; readonly seal: Seal }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
    this.#afterCommit = { afterTransactionCommit: async () => this.#wake() };
  }

  /** @param wake called when rows may have become visible */
  onQueued(wake: () => void): void {
    this.#wake = wake;
  }

  /**
   * Writes the row. Inside a transaction pass its EntityManager: the mail then exists if and only if the change does. Without one (null) there
   * must be no transaction open, because the embedded database has a single connection.
   * @returns false when the queue is full and the mail was left out; what the person sees must not depend on it
   * @throws InvalidRequest `invalid-recipient`
   */
  async enqueue(em: EntityManager | null, message: Message): Promise<boolean> {
    checkRecipient(message.to);
    checkMessage(message);
    const id = randomUUID();
    const life = message.expiresAt.getTime() - Date.now();
    const expiresAt = new Date(message.expiresAt.getTime() - Math.min(MARGIN_MS, life * MARGIN_PART));
    const content: Content = {
      model: message.model,
      zone: message.zone ?? null,
      validUntil: message.expiresAt.toISOString(),
    };
    const row = [
      id,
      message.kind,
      message.to,
      message.accountId ?? null,
      message.locale,
      this.#seal.seal(purposeOf(id, message.to), JSON.stringify(content)),
      message.isResend ?? false,
      expiresAt,
      ALWAYS_TAKEN.has(message.kind),
    ];
    if (em === null) {
      const { rows } = await this.#database.sql.query(ENQUEUE, row);
      this.#wake();
      return rows.length === 1;
    }
    const rows = await em.execute<{ id: string }[]>(INSERT.replace(/\$\d/g, '?'), row);
    if (em.isInTransaction()) em.getEventManager().registerSubscriber(this.#afterCommit);
    else this.#wake();
    return rows.length === 1;
  }

  /** Up to `most` mails that are due; they are this process's for LEASE seconds. */
  async claim(most: number): Promise<readonly ClaimedMail[]> {
    const { rows } = await this.#database.sql.query<ClaimedMail>(CLAIM, [most]);
    return rows;
  }

  /** @throws SealError when the master secret changed meanwhile or the row was tampered with */
  open(mail: ClaimedMail): Content {
    return JSON.parse(this.#seal.openText(purposeOf(mail.id, mail.recipient), mail.sealed)) as Content;
  }

  /** @returns false when the claim is no longer ours */
  async markSent(mail: ClaimedMail, serverMessageId: string | null): Promise<boolean> {
    return (await this.#database.sql.query(SENT, [mail.id, mail.attempts, serverMessageId])).count === 1;
  }

  /** For good: nobody tries again. */
  async markFailed(mail: ClaimedMail, code: string): Promise<boolean> {
    return (await this.#database.sql.query(FAILED, [mail.id, mail.attempts, code])).count === 1;
  }

  /** @returns what became of the row: `expired` when the next attempt would be too late, null when the claim is no longer ours */
  async retryLater(mail: ClaimedMail, code: string): Promise<'queued' | 'expired' | null> {
    const minutes = RETRY_MINUTES[Math.min(mail.attempts, RETRY_MINUTES.length) - 1] ?? 1;
    const { rows } = await this.#database.sql.query<{ state: 'queued' | 'expired' }>(LATER, [
      mail.id,
      mail.attempts,
      code,
      minutes,
    ]);
    return rows[0]?.state ?? null;
  }

  /** Whether the last mail to this address was refused for good, and with which code. @param em inside a transaction, its own */
  async findRefusal(address: string, em?: EntityManager): Promise<{ readonly code: string; readonly at: Date } | null> {
    const rows = em
      ? await em.execute<Outcome[]>(FIND_OUTCOME.replace('$1', '?'), [address])
      : (await this.#database.sql.query<Outcome>(LAST_OUTCOME, [address])).rows;
    const last = rows[0];
    return last?.state === 'failed' ? { code: last.code ?? 'unknown', at: new Date(last.at) } : null;
  }

  async backlog(): Promise<Backlog> {
    const { rows } = await this.#database.sql.query<Backlog>(BACKLOG);
    return rows[0] ?? { queued: 0, oldestAt: null, lost: 0 };
  }

  /** Gives up what is too late and deletes what is old, a bounded batch of each. @returns how many were given up */
  async sweep(): Promise<number> {
    const { count } = await this.#database.sql.query(EXPIRE);
    await this.#database.sql.query(SWEEP);
    return count;
  }
}

/** The drivers differ in what they make of a timestamp, not in numbers. */
function milliseconds(column: string): string {
  return `floor(extract(epoch from ${column}) * 1000)::float8`;
}

/** Row and address are part of the seal: content put into another row, or a row given another address, does not open. */
function purposeOf(id: string, recipient: string): string {
  return `outbox ${id} ${recipient}`;
}
