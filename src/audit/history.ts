// Looking at what was written down: pages and commands read events from newest to oldest, a page at a time, by where the last page ended. A
// person sees the events that are about the own account and nothing else; that is for the caller to ask for.
import { InvalidRequest } from '../errors.ts';
import type { Database } from '../storage/database.ts';

/** Everything that is given must be so. */
export interface AuditFilter {
  /** Events that an account did or that were done to it. */
  readonly accountId?: string;
  /** The same without what the account did to others. */
  readonly ownAccountId?: string;
  readonly actorKind?: AuditEntry['actorKind'];
  /** Null for one that has no id, such as the command line. */
  readonly actorId?: string | null;
  readonly targetId?: string;
  readonly clientId?: string;
  /** The whole action, or a prefix that ends in a dot: `session.`. */
  readonly action?: string;
  /** One of these; empty for none. */
  readonly actions?: readonly string[];
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
  /** Why, in the words of an administrator. */
  readonly note: string | null;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** For the next page; null at the end. */
  readonly before: string | null;
}

const COLUMNS = `id::text as id, at, actor_kind as "actorKind", actor_id as "actorId", action, target_kind as "targetKind",
  target_id as "targetId", network, user_agent as "userAgent", client_id as "clientId", request_id as "requestId", result, reason, note`;

/** An id of at most this many digits fits into a bigint. */
const CURSOR = /^\d{1,18}$/;
const LAST = '9223372036854775807';
/** Longer than any transaction lives. */
const SLACK = "interval '10 minutes'";
/** Events of an export that are in memory at once. */
const AT_ONCE = 1000;

export class History {
  readonly #database: Database;

  constructor(parts: { readonly database: Database }) {
    this.#database = parts.database;
  }

  /**
   * @param before where the page before ended @param limit entries of a page
   * @throws InvalidRequest `invalid-cursor`
   */
  async list(filter: AuditFilter, limit: number, before: string | null = null): Promise<AuditPage> {
    if (before !== null && !CURSOR.test(before))
      throw new InvalidRequest('There is no such page.', { code: 'invalid-cursor' });
    const { conditions, values } = conditionsOf(filter);
    const actions = filter.action?.endsWith('.') ? await this.#actionsBelow(filter.action) : null;
    if (before !== null) {
      conditions.push('id < ?');
      values.push(before);
    }
    const select = (condition: readonly string[]): string =>
      `select ${COLUMNS} from audit_event ${condition.length === 0 ? '' : `where ${condition.join(' and ')}`}
       order by audit_event.id desc limit ${limit + 1}`;
    const accountId = filter.accountId ?? filter.ownAccountId;
    const em = this.#database.em();
    if (actions !== null) {
      if (actions.length === 0) return { entries: [], before: null };
      if (!isNarrow(filter)) {
        // The newest of each action, from its own part of the index: in one go over all events, rare actions would be looked for to the end.
        const each = actions.map(() => `(${select([...conditions, 'action = ?'])})`).join(' union all ');
        const rows = await em.execute<AuditEntry[]>(
          `select * from (${each}) as found order by found.id::bigint desc limit ${limit + 1}`,
          actions.flatMap((action) => [...values, action]),
        );
        return pageOf(rows, limit);
      }
      conditions.push(`action in (${actions.map(() => '?').join(', ')})`);
      values.push(...actions);
    }
    const isOwn =
      filter.ownAccountId === undefined ? [] : ["(target_kind is distinct from 'account' or target_id = ?)"];
    const own = isOwn.map(() => accountId);
    // Two look-ups in two indexes: `or` over both columns would read the table from its end.
    const rows =
      accountId === undefined
        ? await em.execute<AuditEntry[]>(select(conditions), values)
        : await em.execute<AuditEntry[]>(
            `select * from (
               (${select([...conditions, "actor_kind = 'account' and actor_id = ?", ...isOwn])}) union
               (${select([...conditions, "target_kind = 'account' and target_id = ?"])})
             ) as found order by found.id::bigint desc limit ${limit + 1}`,
            [...values, accountId, ...own, ...values, accountId],
          );
    return pageOf(rows, limit);
  }

  /** Everything that a filter lets through, newest first, as it is read: what is added in the meantime is not part of it. */
  async *all(filter: AuditFilter): AsyncGenerator<AuditEntry> {
    let before: string | null = null;
    do {
      const page: AuditPage = await this.list(filter, AT_ONCE, before);
      yield* page.entries;
      ({ before } = page);
    } while (before !== null);
  }

  /** Every action that was ever written down, in the order of the alphabet. */
  async actions(): Promise<readonly string[]> {
    // From one to the next in the index: there are many events and few actions.
    const rows = await this.#database.em().execute<{ action: string }[]>(
      `with recursive known as (
         select min(action) as action from audit_event
         union all
         select (select min(e.action) from audit_event e where e.action > known.action) from known where known.action is not null
       ) select action from known where action is not null`,
    );
    return rows.map(({ action }) => action);
  }

  async #actionsBelow(prefix: string): Promise<readonly string[]> {
    return (await this.actions()).filter((action) => action.startsWith(prefix));
  }
}

/** Whether a filter names something that few events have, so that its own index is the way in. */
function isNarrow(filter: AuditFilter): boolean {
  const { accountId, ownAccountId, actorId, targetId, clientId, network } = filter;
  return [accountId, ownAccountId, actorId, targetId, clientId, network].some((one) => typeof one === 'string');
}

function pageOf(rows: readonly AuditEntry[], limit: number): AuditPage {
  const entries = rows.slice(0, limit).map((row) => ({ ...row, at: new Date(row.at) }));
  return { entries, before: rows.length > limit ? (entries.at(-1)?.id ?? null) : null };
}

function conditionsOf(filter: AuditFilter): { conditions: string[]; values: unknown[] } {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const add = (condition: string, value: unknown): void => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  const { action, result, from, to } = filter;
  add('actor_kind = ?', filter.actorKind);
  if (filter.actorId === null) conditions.push('actor_id is null');
  else add('actor_id = ?', filter.actorId);
  add('target_id = ?', filter.targetId);
  add('client_id = ?', filter.clientId);
  if (!action?.endsWith('.')) add('action = ?', action);
  // In the statement itself, where the index of failures is recognised.
  if (result !== undefined) conditions.push(result === 'failure' ? "result = 'failure'" : "result = 'success'");
  if (filter.actions) {
    conditions.push(filter.actions.length === 0 ? 'false' : `action in (${filter.actions.map(() => '?').join(', ')})`);
    values.push(...filter.actions);
  }
  add('network = ?', filter.network);
  // Ids are given in the order of time but for the length of a transaction: they say where in the order of the pages to begin and to end.
  add(
    `id >= coalesce((select e.id from audit_event e where e.at < ?::timestamptz - ${SLACK} order by e.at desc limit 1), 0)`,
    from,
  );
  add('at >= ?', from);
  add(
    `id <= coalesce((select e.id from audit_event e where e.at >= ?::timestamptz + ${SLACK} order by e.at limit 1), ${LAST})`,
    to,
  );
  add('at < ?', to);
  return { conditions, values };
}

const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The columns of an export, in its order. */
export const EXPORT_COLUMNS = [
  ...(['at', 'actorKind', 'actorId', 'action', 'targetKind', 'targetId', 'result', 'reason'] as const),
  ...(['network', 'userAgent', 'clientId', 'requestId', 'note', 'id'] as const),
];

/** One line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe. */
export function csvLine(cells: readonly (string | null)[]): string {
  return `${cells.map((cell) => csvCell(cell ?? '')).join(',')}\r\n`;
}

/** One line of JSON. What steers a terminal is written as escapes. */
export function jsonLine(entry: AuditEntry): string {
  return `${JSON.stringify(entry).replace(STEERING, (char) =>
    [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )}\n`;
}

function csvCell(cell: string): string {
  const plain = cell.replace(STEERING, ' ');
  const harmless = /^\s*[=+\-@]/u.test(plain) ? `'${plain}` : plain;
  return /[",']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** The cells of an event. */
export function exportCells(entry: AuditEntry): readonly (string | null)[] {
  return EXPORT_COLUMNS.map((name) => (name === 'at' ? entry.at.toISOString() : entry[name]));
}
