// What happened to somebody's own account: from newest to oldest, by kind or by app, a page at a time. What others did to it is told without where
// they did it from, and what the person did to others is not told here. "It was not me" leads to the page that mails lead to as well.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { AuditEntry, History } from '../audit/history.ts';
import type { Clients } from '../client/clients.ts';
import type { Budgets } from '../credential/budget.ts';
import { InvalidRequest, TooManyRequests } from '../errors.ts';
import { deviceOf } from '../http/asker.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { ActivityModel } from '../http/page-model.ts';
import { NOT_ME } from '../notification/notices.ts';
import { registeredClientView } from '../oidc/client-view.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { PortalSession, PortalSessions } from './portal-session.ts';

const HOME = '/account/activity';
const PAGE = 20;
/** Seconds. */
const NOT_ME_TTL = 900;
/** Each is a value that is kept. */
const NOT_ME_BUDGET = { limit: 20, window: 3600 };
const EMPTY_FORM = z.strictObject({});

/** What has words, by kind: `activity.event.*`, with a dash for the dot. */
export const ACTIVITY = {
  'sign-in': [
    ...['session.start', 'session.step-up', 'session.new-device', 'session.end', 'session.revoke', 'account.sign-out'],
    ...['telegram.approve', 'telegram.mini-app', 'telegram.widget', 'password.reset-request'],
  ],
  security: [
    ...['password.change', 'password.reset', 'account.set-password', 'account.reset-credentials', 'recovery-code.use'],
    ...['factor.add', 'factor.remove', 'factor.rename', 'identity.link', 'identity.unlink', 'telegram.take-approval'],
    ...['email.change-request', 'email.change-cancel', 'email.change', 'email.change-undo'],
    ...['phone.prove', 'phone.remove'],
  ],
  apps: ['consent.grant', 'consent.deny', 'consent.revoke'],
  account: [
    ...['account.create', 'account.update', 'account.disable', 'account.enable', 'terms.accept', 'setup.complete'],
    ...['account.delete-request', 'account.delete-undo', 'account.export', 'account.notices'],
    ...['role.assign', 'role.revoke', 'invitation.use'],
    ...['membership.create', 'membership.update', 'membership.delete'],
  ],
} as const;
type Kind = keyof typeof ACTIVITY;
const KINDS = Object.keys(ACTIVITY) as readonly Kind[];
const EVERYTHING = Object.values(ACTIVITY).flat();

const QUERY = z.strictObject({
  kind: z.union([z.literal(''), z.enum(KINDS)]).optional(),
  client: z.string().max(2000).optional(),
  before: z
    .string()
    .regex(/^[1-9]\d{0,17}$/)
    .optional(),
});

export interface ActivityParts {
  readonly sessions: PortalSessions;
  readonly history: History;
  readonly clients: Clients;
  readonly oneTime: OneTime;
  readonly budgets: Budgets;
  readonly pages: Pages;
  readonly csrf: Csrf;
}

export function activityRoutes(parts: ActivityParts): Router {
  const router = new Router();
  router.get(HOME, async (ctx) => {
    const session = await parts.sessions.find(ctx);
    if (session) await show(ctx, parts, session);
    else await parts.sessions.start(ctx, ctx.url);
  });
  router.post(`${HOME}/not-me`, formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const session = await parts.sessions.find(ctx);
    if (!session) {
      await parts.sessions.start(ctx, HOME);
      return;
    }
    parseForm(ctx, EMPTY_FORM);
    const { id } = session.account;
    const spending = await parts.budgets.spend(`not-me:${id}`, NOT_ME_BUDGET);
    if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
    const token = await parts.oneTime.put(NOT_ME, { accountId: id }, { ttl: NOT_ME_TTL, subject: id });
    ctx.status = 303;
    ctx.redirect(`/not-me/${token}`);
  });
  return router;
}

async function show(ctx: RouterContext, parts: ActivityParts, { account }: PortalSession): Promise<void> {
  const query = QUERY.safeParse({ ...ctx.query });
  if (!query.success) throw new InvalidRequest('There is no such list.', { code: 'unexpected-field' });
  const { kind = '', client = '', before } = query.data;
  const { entries, before: next } = await parts.history.list(
    {
      ownAccountId: account.id,
      actions: kind === '' ? EVERYTHING : ACTIVITY[kind],
      ...(client === '' ? {} : { clientId: client }),
    },
    PAGE,
    before ?? null,
  );
  const names = await namesOf(parts, [...entries.map((one) => one.clientId ?? ''), client]);
  const model: ActivityModel = {
    events: entries.map((entry) => eventModel(entry, account.id, names)),
    kinds: KINDS,
    kind,
    app: client === '' ? null : { id: client, name: names.get(client) ?? client },
    nextUrl: next === null ? null : `${HOME}?${new URLSearchParams({ kind, client, before: next })}`,
    isFirst: before === undefined,
    zone: account.zoneinfo,
  };
  parts.pages.show(ctx, 'account-activity', model, {
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

function eventModel(
  entry: AuditEntry,
  accountId: string,
  names: ReadonlyMap<string, string>,
): ActivityModel['events'][number] {
  // Failed sign-ins of strangers are the person's business, wherever they came from; where an administrator works is not.
  const isOther = !(entry.actorKind === 'anonymous' || (entry.actorKind === 'account' && entry.actorId === accountId));
  return {
    id: entry.id,
    what: entry.action.replace('.', '-'),
    isFailure: entry.result === 'failure',
    at: entry.at.toISOString(),
    isOther,
    address: isOther || entry.network === 'unknown' ? null : entry.network,
    ...(isOther ? { browser: null, system: null } : deviceOf(entry.userAgent ?? '')),
    app: entry.clientId === null ? null : (names.get(entry.clientId) ?? null),
  };
}

/** Of clients that are there; for the others their ids say enough. */
async function namesOf(parts: ActivityParts, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const each = [...new Set(ids)].filter((id) => id !== '');
  const clients = await Promise.all(each.map((id) => parts.clients.find(id)));
  return new Map(each.map((id, index) => [id, registeredClientView(id, clients[index]?.metadata).name]));
}
