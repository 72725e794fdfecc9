// `audit`: what was written down, and whether it is still all there.
import { type Command, InvalidArgumentError } from 'commander';
import type { App } from '../app.ts';
import { type AuditEntry, type AuditFilter, csvLine, EXPORT_COLUMNS, exportCells, jsonLine } from '../audit/history.ts';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import type { Outcome } from './task.ts';
import { table } from './text.ts';

/** Events of one listing at most. */
const MOST = 1000;
const PAGE = 500;
/** Events of one export at most: it is one document, in memory. */
const MOST_EXPORTED = 200_000;

interface FilterOptions {
  readonly account?: string;
  readonly action?: string;
  readonly result?: 'success' | 'failure';
  readonly from?: Date;
  readonly to?: Date;
}

export function auditCommands(program: Command, choose: Choose): void {
  const audit = group(program, 'audit', 'what was written down');
  filtered(leaf(audit, 'list', 'show events, newest first'))
    .option('--limit <n>', 'how many', count, 50)
    .action((options: FilterOptions & { limit: number }, command: Command) =>
      choose(
        onStorage(async (app) => {
          const { entries } = await app.history.list(await filterOf(app, options), options.limit);
          return { json: { events: entries }, text: listing(entries) };
        }),
        command,
      ),
    );
  filtered(leaf(audit, 'export', 'print events, newest first, as CSV or as JSON lines'))
    .option('--format <format>', 'csv or jsonl', format, 'csv')
    .action((options: FilterOptions & { format: 'csv' | 'jsonl' }, command: Command) =>
      choose(
        onStorage((app) => exportEvents(app, options)),
        command,
      ),
    );
  leaf(audit, 'verify', 'check that no event was changed or taken away').action((_: object, command: Command) =>
    choose(onStorage(verify), command),
  );
}

function filtered(command: Command): Command {
  return command
    .option('--account <id-or-email>', 'events of this account or about it')
    .option('--action <action>', 'one action, or a beginning that ends in a dot: session.')
    .option('--result <result>', 'success or failure', result)
    .option('--from <time>', 'not before this time (ISO 8601)', time)
    .option('--to <time>', 'before this time (ISO 8601)', time);
}

async function filterOf(app: App, options: FilterOptions): Promise<AuditFilter> {
  const { account, ...rest } = options;
  const { action, result: ending, from, to } = rest;
  return {
    ...(account === undefined ? {} : { accountId: (await app.accounts.get(account)).id }),
    ...(action === undefined ? {} : { action }),
    ...(ending === undefined ? {} : { result: ending }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

async function exportEvents(app: App, options: FilterOptions & { format: 'csv' | 'jsonl' }): Promise<Outcome> {
  const filter = await filterOf(app, options);
  const entries: AuditEntry[] = [];
  let before: string | null = null;
  do {
    const page = await app.history.list(filter, PAGE, before);
    entries.push(...page.entries);
    ({ before } = page);
  } while (before !== null && entries.length < MOST_EXPORTED);
  const lines =
    options.format === 'csv'
      ? [csvLine(EXPORT_COLUMNS), ...entries.map((entry) => csvLine(exportCells(entry)))]
      : entries.map(jsonLine);
  const isCut = before !== null;
  return {
    json: { events: entries, isComplete: !isCut },
    text: lines.join(''),
    ...(isCut ? { failure: `only the newest ${entries.length} events were printed: go on with --to` } : {}),
  };
}

async function verify(app: App): Promise<Outcome> {
  await app.auditChain.extend();
  const verdict = await app.auditChain.verify();
  if (verdict.isWhole) {
    const { rows, seq, head } = verdict;
    return { json: verdict, text: `${rows} events, none changed or missing. Head: ${seq} ${head}` };
  }
  const what = { changed: 'was changed', missing: 'is missing', ends: 'is where the chain was cut or moved' };
  return {
    json: verdict,
    text: '',
    failure: `the audit chain is broken: event ${verdict.seq} ${what[verdict.problem]}`,
  };
}

function listing(entries: readonly AuditEntry[]): string {
  const rows = entries.map((entry) => [
    entry.at.toISOString().slice(0, 19),
    entry.actorId === null ? entry.actorKind : `${entry.actorKind} ${entry.actorId}`,
    entry.action,
    entry.targetId === null ? '' : `${entry.targetKind ?? ''} ${entry.targetId}`,
    entry.reason === null ? entry.result : `${entry.result} (${entry.reason})`,
    entry.network,
  ]);
  return table(['time (UTC)', 'who', 'what', 'whom', 'result', 'from'], rows);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > MOST) throw new InvalidArgumentError(`1 to ${MOST}.`);
  return value;
}

function format(text: string): 'csv' | 'jsonl' {
  if (text === 'csv' || text === 'jsonl') return text;
  throw new InvalidArgumentError('csv or jsonl.');
}

function result(text: string): 'success' | 'failure' {
  if (text === 'success' || text === 'failure') return text;
  throw new InvalidArgumentError('success or failure.');
}

function time(text: string): Date {
  const value = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('a time such as 2026-11-21T08:00:00Z.');
  }
  return value;
}
