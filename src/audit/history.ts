// Looking at what was written down: pages and commands read events from newest to oldest, a page at a time, by where the last page ended. A
// person sees the events that are about the own account and nothing else; that is for the caller to ask for.
import type { Database } from '../storage/database.ts';

/** Everything that is given must be so. */
export interface AuditFilter {
  /** Events that an account did or that were done to it. */
  readonly accountId?: string;
  readonly actorId?: string;
  readonly targetId?: string;
  readonly clientId?: string;
  /** The whole action, or a prefix that ends in a dot: `session.`. */
  readonly action?: string;
  readonly result?: 'success' | 'failure';
  readonly network?: string;
  readonly from?: Date;
  /** Not itself. */
  readonly to?: Date;
}

export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly actorKind: string;
  readonly actorId: string | null;
  readonly action: string;
  readonly targetKind: string | null;
  readonly targetId: string | null;
  readonly network: string | null;
  readonly userAgent: string | null;
  readonly clientId: string | null;
  readonly requestId: string | null;
  readonly result: 'success' | 'failure';
  readonly reason: string | null;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** For the next page; null at the end. */
  readonly before: string | null;
}

const COLUMNS = `id::text as id, at, actor_kind as "actorKind", actor_id as "actorId", action, target_kind as "targetKind",
  target_id as "targetId", network, user_agent as "userAgent", client_id as "clientId", request_id as "requestId", result, reason`;

export class History {
  readonly #database: Database;

  constructor(parts: { readonly database: Database }) {
    this.#database = parts.database;
  }

  /** @param before where the page before ended @param limit entries of a page */
  async list(filter: AuditFilter, limit: number, before: string | null = null): Promise<AuditPage> {
    const { conditions, values } = conditionsOf(filter);
    if (before !== null) {
      conditions.push('id < ?');
      values.push(before);
    }
    const select = (condition: readonly string[]): string =>
      `select ${COLUMNS} from audit_event ${condition.length === 0 ? '' : `where ${condition.join(' and ')}`}
       order by audit_event.id desc limit ${limit + 1}`;
    const { accountId } = filter;
    const em = this.#database.em();
    // Two look-ups in two indexes: `or` over both columns would read the table from its end.
    const rows =
      accountId === undefined
        ? await em.execute<AuditEntry[]>(select(conditions), values)
        : await em.execute<AuditEntry[]>(
            `select * from (
               (${select([...conditions, "actor_kind = 'account' and actor_id = ?"])}) union
               (${select([...conditions, "target_kind = 'account' and target_id = ?"])})
             ) as found order by found.id::bigint desc limit ${limit + 1}`,
            [...values, accountId, ...values, accountId],
          );
    const entries = rows.slice(0, limit).map((row) => ({ ...row, at: new Date(row.at) }));
    return { entries, before: rows.length > limit ? (entries.at(-1)?.id ?? null) : null };
  }
}

function conditionsOf(filter: AuditFilter): { conditions: string[]; values: unknown[] } {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const add = (condition: string, value: unknown): void => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  const { action } = filter;
  add('actor_id = ?', filter.actorId);
  add('target_id = ?', filter.targetId);
  add('client_id = ?', filter.clientId);
  if (action?.endsWith('.')) add('starts_with(action, ?)', action);
  else add('action = ?', action);
  add('result = ?', filter.result);
  add('network = ?', filter.network);
  add('at >= ?', filter.from);
  add('at < ?', filter.to);
  return { conditions, values };
}

/** The columns of an export, in its order. */
export const EXPORT_COLUMNS = [
  ...(['at', 'actorKind', 'actorId', 'action', 'targetKind', 'targetId', 'result', 'reason'] as const),
  ...(['network', 'userAgent', 'clientId', 'requestId', 'id'] as const),
];

/** One line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map((cell) => csvCell(cell ?? '')).join(',')}\r\n`;
}

function csvCell(cell: string): string {
  const plain = cell.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');
  const harmless = /^\s*[=+\-@]/u.test(plain) ? `'${plain}` : plain;
  return /[",']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** The cells of an event. */
export function exportCells(entry: AuditEntry): readonly (string | null)[] {
  return EXPORT_COLUMNS.map((name) => (name === 'at' ? entry.at.toISOString() : entry[name]));
}
