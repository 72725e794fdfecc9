// Approvals in the bot: somebody at a browser asks, one Telegram account answers. Pressing Start only claims the question; the answer is the
// number that the asking browser shows, so a link or QR code handed to somebody else signs in neither of the two. Each step is one conditional
// write: the first to claim owns it, one answer decides it, and what was approved is taken once, by the browser that asked.
import { randomInt, randomUUID } from 'node:crypto';
import { hashToken, isEqual, randomDigits, randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import type { Sql } from '../storage/sql.ts';
import type { TelegramPerson } from './signed-data.ts';

/** What Telegram said of the person (`person`) is not sealed again: it lies there for minutes. */
export const sealedApprovals: SealedTable = {
  table: 'telegram_approval',
  key: 'id',
  purpose: (id) => sealedAs(id),
};

/** Seconds. */
const TTL = 300;
const HANDLE = 'telegram-approval';
const BROWSER = 'telegram-approval-browser';

export type ApprovalPurpose = 'sign-in' | 'second-factor' | 'fresh-proof' | 'link' | 'enrolment';

/** What an approval counts for and nothing else. */
export interface ApprovalFor {
  readonly purpose: ApprovalPurpose;
  /** An interaction, a session of the portal. */
  readonly context: string;
}

/** What the bot tells about who asks. */
export interface ApprovalQuestion extends ApprovalFor {
  /** Name of the client, or null for our own pages. */
  readonly client: string | null;
  readonly browser: string | null;
  readonly system: string | null;
  readonly network: string;
  /** Days for which a yes lets this browser in without another question, where its person asked for that. */
  readonly trustDays?: number | null;
}

interface Sealed {
  readonly question: ApprovalQuestion;
  /** Null where the question went to a chat that we know. */
  readonly handle: string | null;
  /** Two digits, shown by the browser only. */
  readonly number: string;
  /** What the bot offers, the number among them. */
  readonly choices: readonly string[];
  readonly askedAt: string;
}

export type ApprovalState = 'open' | 'claimed' | 'approved' | 'denied' | 'taken';

interface Row {
  readonly id: string;
  readonly state: ApprovalState;
  readonly telegramId: string | null;
  readonly sealed: Uint8Array;
  readonly person: Uint8Array | null;
  /** A driver makes of a time what it likes. */
  readonly expiresAt: string | Date;
  readonly isOver: boolean;
}

/** For the page of the browser that asked. */
export interface PendingApproval extends ApprovalFor {
  readonly id: string;
  readonly state: ApprovalState | 'expired';
  /** For the link to the bot; null when the question went to a chat that we know. */
  readonly handle: string | null;
  readonly number: string;
  readonly expiresAt: Date;
  /** As it was asked. */
  readonly trustDays: number | null;
}

export interface Approver {
  readonly telegramId: string;
  /** What Telegram said of who pressed Start; null where the question went to a chat that we know. */
  readonly person: TelegramPerson | null;
  /** As it was asked, and told to whoever approved. */
  readonly trustDays: number | null;
}

/** For the bot. */
export interface AskedApproval {
  readonly id: string;
  readonly question: ApprovalQuestion;
  readonly choices: readonly string[];
  readonly askedAt: Date;
}

const COLUMNS = `id, state, telegram_id::text as "telegramId", sealed, person, expires_at as "expiresAt",
  expires_at <= now() as "isOver"`;
const BEGIN = {
  name: 'telegram_approval_begin',
  text: `insert into telegram_approval
      (id, handle_hash, browser_hash, sealed, state, telegram_id, answer, created_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, now(), now() + make_interval(secs => ${TTL}))
    returning expires_at as "expiresAt"`,
};
const FIND = {
  name: 'telegram_approval_find',
  text: `select ${COLUMNS} from telegram_approval where id = $1 and browser_hash = $2`,
};
const CLAIM = {
  name: 'telegram_approval_claim',
  text: `update telegram_approval set state = 'claimed', telegram_id = $2::bigint, person = $3
    where handle_hash = $1 and expires_at > now()
      and (state = 'open' or (state = 'claimed' and telegram_id = $2::bigint))
    returning ${COLUMNS}`,
};
/** The wrong number decides as much as the right one: there is no second guess. */
const DECIDE = {
  name: 'telegram_approval_decide',
  text: `update telegram_approval set state = case when answer = $3 then 'approved' else 'denied' end
    where id = $1 and telegram_id = $2::bigint and state = 'claimed' and expires_at > now()
    returning ${COLUMNS}`,
};
const TAKE = {
  name: 'telegram_approval_take',
  text: `update telegram_approval set state = 'taken'
    where id = $1 and browser_hash = $2 and state = 'approved' and expires_at > now()
    returning ${COLUMNS}`,
};
const SWEEP = {
  name: 'telegram_approval_sweep',
  text: `delete from telegram_approval where id in (select id from telegram_approval
    where expires_at <= now() - interval '1 hour' order by id limit 1000 for update skip locked)`,
};

export class Approvals {
  readonly #sql: Sql;
  readonly #seal: Seal;

  constructor(parts: { readonly sql: Sql; readonly seal: Seal }) {
    this.#sql = parts.sql;
    this.#seal = parts.seal;
  }

  /**
   * @param browserId the browser that asks and that alone may go on
   * @param telegramId whom the question goes to; without it whoever presses Start first owns it
   */
  async begin(
    question: ApprovalQuestion,
    browserId: string,
    telegramId?: string,
  ): Promise<PendingApproval & { readonly asked: AskedApproval }> {
    const id = randomUUID();
    const random = randomToken();
    const handle = telegramId === undefined ? random : null;
    const number = randomDigits(2);
    const choices = choicesAround(number);
    const askedAt = new Date();
    const content: Sealed = { question, handle, number, choices, askedAt: askedAt.toISOString() };
    const state = telegramId === undefined ? 'open' : 'claimed';
    const { rows } = await this.#sql.query<Pick<Row, 'expiresAt'>>(BEGIN, [
      ...[
        id,
        hashToken(HANDLE, random),
        hashToken(BROWSER, browserId),
        this.#seal.seal(sealedAs(id), JSON.stringify(content)),
      ],
      ...[state, telegramId ?? null, number],
    ]);
    const { purpose, context, trustDays = null } = question;
    return {
      ...{ id, state, handle, number, purpose, context, trustDays },
      expiresAt: new Date(rows[0]?.expiresAt ?? askedAt),
      asked: { id, question, choices, askedAt },
    };
  }

  /** What the asking browser may know; null for any other. */
  async find(id: string, browserId: string | undefined): Promise<PendingApproval | null> {
    if (browserId === undefined || !isId(id)) return null;
    const { rows } = await this.#sql.query<Row>(FIND, [id, hashToken(BROWSER, browserId)]);
    const [row] = rows;
    if (!row) return null;
    const { question, handle, number } = this.#open(row);
    const isWaiting = row.state === 'open' || row.state === 'claimed' || row.state === 'approved';
    return {
      id,
      state: isWaiting && row.isOver ? 'expired' : row.state,
      handle,
      number,
      ...{ purpose: question.purpose, context: question.context, trustDays: question.trustDays ?? null },
      expiresAt: new Date(row.expiresAt),
    };
  }

  /** Somebody pressed Start with this handle. Null: used, too old, somebody else's, or never ours. */
  async claim(handle: string, person: TelegramPerson): Promise<AskedApproval | null> {
    const sealed = this.#seal.seal(personSealedAs(person.id), JSON.stringify(person));
    const { rows } = await this.#sql.query<Row>(CLAIM, [hashToken(HANDLE, handle), person.id, sealed]);
    const [row] = rows;
    return row ? this.#asked(row) : null;
  }

  /**
   * The answer of who claimed it.
   * @param choice one of the numbers; null says no
   * @returns null when there is nothing to decide: for anybody else, a second time, or too late
   */
  async decide(
    id: string,
    telegramId: string,
    choice: string | null,
  ): Promise<{ readonly isApproved: boolean; readonly question: ApprovalQuestion } | null> {
    if (!isId(id)) return null;
    const { rows } = await this.#sql.query<Row>(DECIDE, [id, telegramId, choice ?? 'no']);
    const [row] = rows;
    return row ? { isApproved: row.state === 'approved', question: this.#open(row).question } : null;
  }

  /**
   * Who approved, once, for the browser that asked.
   * @param asked what it was asked for: an approval counts for nothing else
   */
  async take(id: string, browserId: string | undefined, asked: ApprovalFor): Promise<Approver | null> {
    const found = await this.find(id, browserId);
    if (browserId === undefined || found?.purpose !== asked.purpose || !isEqual(found.context, asked.context))
      return null;
    const { rows } = await this.#sql.query<Row>(TAKE, [id, hashToken(BROWSER, browserId)]);
    const [row] = rows;
    if (!row?.telegramId) return null;
    const { telegramId, person } = row;
    const opened = person === null ? null : this.#seal.openText(personSealedAs(telegramId), person);
    const { trustDays } = found;
    return { telegramId, person: opened === null ? null : (JSON.parse(opened) as TelegramPerson), trustDays };
  }

  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
  }

  #open(row: Row): Sealed {
    return JSON.parse(this.#seal.openText(sealedAs(row.id), row.sealed)) as Sealed;
  }

  #asked(row: Row): AskedApproval {
    const { question, choices, askedAt } = this.#open(row);
    return { id: row.id, question, choices, askedAt: new Date(askedAt) };
  }
}

/** Three different numbers in any order. */
function choicesAround(number: string): readonly string[] {
  const others = new Set<string>();
  while (others.size < 2) {
    const other = randomDigits(2);
    if (other !== number) others.add(other);
  }
  const choices = [...others];
  choices.splice(randomInt(0, 3), 0, number);
  return choices;
}

function sealedAs(id: string): string {
  return `telegram-approval:${id}`;
}

function personSealedAs(telegramId: string): string {
  return `telegram-person:${telegramId}`;
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}
