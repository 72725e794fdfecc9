// What happened, who did it and from where. Rows are written in the transaction of the change they tell of wherever there is one; nobody
// edits or deletes them. It does not decide what is worth telling: the rooms above do.
import type { Database, EntityManager } from '../storage/database.ts';

export type Actor =
  | { readonly kind: 'account' | 'client'; readonly id: string }
  | { readonly kind: 'cli' | 'system' | 'anonymous' };

/** Where a request came from, as far as it concerns the record. */
export interface Origin {
  readonly network?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly requestId?: string | undefined;
}

/** Who does something and from where: what every change hands on to the audit. */
export interface Cause {
  readonly actor: Actor;
  readonly origin?: Origin | undefined;
  /** Why, in the words of an administrator; never shown to the person it is about. */
  readonly note?: string | undefined;
}

export interface AuditRecord {
  readonly actor: Actor;
  /** `noun.verb`, for example `account.disable`. */
  readonly action: string;
  readonly target?: { readonly kind: string; readonly id: string };
  readonly clientId?: string | undefined;
  readonly origin?: Origin | undefined;
  readonly result?: 'success' | 'failure';
  /** A stable word, never text that somebody typed. */
  readonly reason?: string | undefined;
  /** What an administrator gave as reason, as typed. */
  readonly note?: string | undefined;
}

/** Characters. */
export const MOST_NOTE = 500;

const COLUMNS = `at, actor_kind, actor_id, action, target_kind, target_id, network, user_agent, client_id, request_id,
  result, reason, note`;
const INSERT = {
  name: 'audit_insert',
  text: `insert into audit_event (${COLUMNS}) values (now(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
};

/** What a person is shown of what happened to the own account. */
export interface OwnEvent {
  readonly at: Date;
  readonly action: string;
  readonly result: 'success' | 'failure';
  readonly reason: string | null;
  readonly network: string | null;
  readonly userAgent: string | null;
}

const LIST_OWN = {
  name: 'audit_list_own',
  text: `select (extract(epoch from at) * 1000)::float8 as at, action, result, reason, network, user_agent as "userAgent"
    from audit_event where target_kind = 'account' and target_id = $1 and action = any($2::text[])
    order by id desc limit $3`,
};

export class Audit {
  readonly #database: Database;
  readonly #onRecord: ((event: AuditRecord) => void) | undefined;

  /** @param parts `onRecord` counts; it must not throw */
  constructor(parts: { readonly database: Database; readonly onRecord?: (event: AuditRecord) => void }) {
    this.#onRecord = parts.onRecord;
    this.#database = parts.database;
  }

  /** @param em the transaction of the change; without it the row is written at once and on its own */
  async record(event: AuditRecord, em?: EntityManager): Promise<void> {
    const { actor, target, origin } = event;
    const values = [
      actor.kind,
      'id' in actor ? actor.id : null,
      event.action,
      target?.kind ?? null,
      target ? plain(target.id, 300) : null,
      origin?.network ?? null,
      origin?.userAgent === undefined ? null : plain(origin.userAgent, 300),
      event.clientId === undefined ? null : plain(event.clientId, 200),
      origin?.requestId ?? null,
      event.result ?? 'success',
      event.reason ?? null,
      event.note === undefined ? null : plain(event.note, MOST_NOTE),
    ];
    if (em) {
      const marks = values.map(() => '?').join(', ');
      await em.execute(`insert into audit_event (${COLUMNS}) values (now(), ${marks})`, values);
    } else {
      await this.#database.sql.query(INSERT, values);
    }
    this.#onRecord?.(event);
  }

  /** What happened to an account, the newest first. */
  async listOwn(accountId: string, actions: readonly string[], limit: number): Promise<readonly OwnEvent[]> {
    const { rows } = await this.#database.sql.query<Omit<OwnEvent, 'at'> & { at: number }>(LIST_OWN, [
      ...[accountId, actions, limit],
    ]);
    return rows.map((row) => ({ ...row, at: new Date(row.at) }));
  }
}

/** Without control and direction characters, which could fake a line of a log or of an export. */
function plain(text: string, most: number): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').slice(0, most);
}
