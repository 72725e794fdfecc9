// The audit for administrators: what happened, filtered and a page at a time, and its export. Nothing here changes or deletes an event; that an
// export was made is an event of its own.
import { Readable } from 'node:stream';
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Permission } from '../../access/permission.ts';
import type { Accounts } from '../../account/accounts.ts';
import type { Audit } from '../../audit/audit.ts';
import {
  type AuditEntry,
  type AuditFilter,
  csvLine,
  EXPORT_COLUMNS,
  exportCells,
  type History,
  jsonLine,
} from '../../audit/history.ts';
import { deviceOf } from '../../http/asker.ts';
import { networkOf } from '../../http/client-address.ts';
import { formBody, parseForm } from '../../http/form.ts';
import { instantOf } from '../../http/moment.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminAuditModel, FormProblems } from '../../http/page-model.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/audit';
const PAGE = 50;
const NAMES = ['who', 'action', 'target', 'result', 'network', 'client', 'from', 'to'] as const;
/** More than the longest id that is written down. */
const MOST = 300;
const typed = z.string().max(MOST);
const EXPORT_FORM = z.strictObject({
  ...{ who: typed, action: typed, target: typed, result: typed, network: typed, client: typed, from: typed, to: typed },
  format: z.enum(['csv', 'jsonl']),
});
const TYPES = { csv: 'text/csv; charset=utf-8', jsonl: 'application/jsonl; charset=utf-8' } as const;
/** Actors without an id. */
const NOBODY = ['cli', 'system', 'anonymous'] as const;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

export interface AdminAuditParts extends AdminDoorParts {
  readonly history: History;
  readonly audit: Audit;
  readonly accounts: Accounts;
  readonly pages: Pages;
}

type Typed = AdminAuditModel['filter'];
type Party = AdminAuditModel['events'][number]['who'];
type May = (permission: Permission) => boolean;
interface Understood {
  readonly filter: AuditFilter;
  readonly fields: Readonly<Record<string, string>>;
}

export function adminAuditRoutes(parts: AdminAuditParts): Router {
  const router = new Router();
  const { look, change } = adminDoors(parts, HOME);

  router.get(
    HOME,
    look('audit:read', (ctx, who) => {
      const words = Object.fromEntries(NAMES.map((name) => [name, parameter(ctx, name)]));
      return showList(ctx, parts, who, words as unknown as Typed);
    }),
  );
  router.post(
    `${HOME}/export`,
    formBody(),
    change('audit:export', async (ctx, who) => {
      const { format, ...words } = parseForm(ctx, EXPORT_FORM);
      const { filter, fields } = await understand(parts, who, words);
      if (Object.keys(fields).length > 0) {
        await showList(ctx, parts, who, words);
        return;
      }
      const cause = causeOf(ctx, who.session.account.id);
      // Before the first line leaves: what cannot be written down is not given out.
      await parts.audit.record({ ...cause, action: 'audit.export', reason: format });
      ctx.status = 200;
      ctx.attachment(`audit-${new Date().toISOString().slice(0, 10)}.${format}`);
      ctx.type = TYPES[format];
      ctx.body = Readable.from(linesOf(parts.history.all(filter), format));
    }),
  );
  return router;
}

async function* linesOf(entries: AsyncIterable<AuditEntry>, format: 'csv' | 'jsonl'): AsyncGenerator<string> {
  if (format === 'csv') yield csvLine(EXPORT_COLUMNS);
  for await (const entry of entries) yield format === 'csv' ? csvLine(exportCells(entry)) : jsonLine(entry);
}

async function showList(ctx: RouterContext, parts: AdminAuditParts, who: Administrator, words: Typed): Promise<void> {
  const may: May = (permission) => who.authority.permissions.has(permission);
  const { filter, fields } = await understand(parts, who, words);
  const isFaulty = Object.keys(fields).length > 0;
  const cursor = parameter(ctx, 'before');
  const [actions, page] = await Promise.all([
    parts.history.actions(),
    isFaulty ? { entries: [], before: null } : parts.history.list(filter, PAGE, cursor === '' ? null : cursor),
  ]);
  const nameOf = may('accounts:read') ? await namesIn(page.entries, parts.accounts) : new Map<string, string>();
  const party = (kind: string, id: string | null): Party => ({
    ...{ kind, id, name: id === null || kind !== 'account' ? null : (nameOf.get(id) ?? null) },
    url: id === null ? null : urlOf(kind, id, may),
  });
  const asked = Object.entries(words).filter(([, value]) => value !== '');
  const url = (more: Record<string, string>): string =>
    `${HOME}?${new URLSearchParams({ ...Object.fromEntries(asked), ...more })}`;
  const errors: FormProblems = isFaulty ? { summary: 'form.problem', fields } : { fields };
  const model: AdminAuditModel = {
    filter: words,
    actions: choices(actions, words.action),
    events: page.entries.map((entry) => ({
      ...{ id: entry.id, happenedAt: entry.at.toISOString(), action: entry.action, result: entry.result },
      who: party(entry.actorKind, entry.actorId),
      target: entry.targetKind === null ? null : party(entry.targetKind, entry.targetId),
      ...{
        reason: entry.reason,
        note: entry.note,
        network: entry.network,
        userAgent: entry.userAgent,
        requestId: entry.requestId,
      },
      ...deviceOf(entry.userAgent ?? ''),
      client: entry.clientId === null ? null : party('client', entry.clientId),
    })),
    zone: who.session.account.zoneinfo,
    newestUrl: cursor === '' ? null : url({}),
    nextUrl: page.before === null ? null : url({ before: page.before }),
    canExport: may('audit:export'),
    errors,
  };
  showAdminPage(ctx, parts, who, 'admin-audit', model, isFaulty && ctx.method === 'POST' ? { status: 422 } : {});
}

/** What is meant by what was typed, and what of it cannot be meant. */
async function understand(parts: AdminAuditParts, who: Administrator, words: Typed): Promise<Understood> {
  const fields: Record<string, string> = {};
  const zone = who.session.account.zoneinfo;
  const time = (name: 'from' | 'to'): Date | undefined => {
    const found = words[name] === '' ? undefined : instantOf(words[name], zone);
    if (found === null) fields[name] = 'admin_audit.problem.time';
    return found ?? undefined;
  };
  /** Who may not look at accounts cannot ask here whose address it is. */
  const accountId = async (name: 'who' | 'target'): Promise<string | null> => {
    const text = words[name];
    if (UUID.test(text)) return text;
    const found = who.authority.permissions.has('accounts:read') ? await parts.accounts.findBySignInName(text) : null;
    if (found === null && text.includes('@')) fields[name] = 'admin_audit.problem.account';
    return found?.id ?? null;
  };
  const network = words.network === '' ? undefined : networkOf(words.network.replace(/\/64$/, ''));
  if (network === 'unknown') fields['network'] = 'admin_audit.problem.network';
  const [from, to] = [time('from'), time('to')];
  const actor = words.who === '' ? {} : actorOf(words.who, await accountId('who'));
  const targetId = words.target === '' ? undefined : ((await accountId('target')) ?? words.target);
  const filter: AuditFilter = {
    ...actor,
    ...(words.action === '' ? {} : { action: words.action }),
    ...(targetId === undefined ? {} : { targetId }),
    ...(words.result === 'success' || words.result === 'failure' ? { result: words.result } : {}),
    ...(network === undefined ? {} : { network }),
    ...(words.client === '' ? {} : { clientId: words.client }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
  return { filter, fields };
}

/** @param accountId of the account that is meant; null when it is none */
function actorOf(text: string, accountId: string | null): Pick<AuditFilter, 'actorKind' | 'actorId'> {
  const nobody = NOBODY.find((kind) => kind === text);
  if (nobody !== undefined) return { actorKind: nobody, actorId: null };
  return accountId === null ? { actorKind: 'client', actorId: text } : { actorKind: 'account', actorId: accountId };
}

async function namesIn(entries: readonly AuditEntry[], accounts: Accounts): Promise<ReadonlyMap<string, string>> {
  const ids = entries.flatMap(({ actorKind, actorId, targetKind, targetId }) => [
    ...(actorKind === 'account' && actorId !== null ? [actorId] : []),
    ...(targetKind === 'account' && targetId !== null ? [targetId] : []),
  ]);
  return accounts.namesOf([...new Set(ids)]);
}

function urlOf(kind: string, id: string, may: May): string | null {
  if (kind === 'account' && UUID.test(id) && may('accounts:read')) return `/admin/accounts/${id}`;
  if (kind === 'client' && may('clients:read')) return `/admin/clients/${encodeURIComponent(id)}`;
  return null;
}

/** Beginnings before what begins so; what is filtered by is among them, also when there is no such event yet. */
function choices(actions: readonly string[], chosen: string): readonly string[] {
  const beginnings = actions.map((action) => action.slice(0, action.indexOf('.') + 1)).filter((one) => one !== '');
  return [...new Set([...actions, ...beginnings, ...(chosen === '' ? [] : [chosen])])].toSorted();
}

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
function parameter(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= MOST && !value.includes('\0') ? value.trim() : '';
}
