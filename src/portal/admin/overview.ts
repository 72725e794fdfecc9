// The first page of the admin portal: what happened in the last days, whether everything works, how old the keys are, and what is still to be done
// before people come. All of it is looked up and nothing is counted row by row: a million events cost no more than ten.
import Router, { type RouterContext } from '@koa/router';
import type { DayCounts } from '../../audit/day-counts.ts';
import type { Clients } from '../../client/clients.ts';
import type { Passkeys } from '../../credential/passkey.ts';
import { moment } from '../../http/moment.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminOverviewModel } from '../../http/page-model.ts';
import type { Notifications } from '../../notification/notifications.ts';
import type { BrowserSessions } from '../../oidc/browser-sessions.ts';
import type { Keys } from '../../oidc/keys.ts';
import type { Database } from '../../storage/database.ts';
import type { Upstreams } from '../../upstream/upstreams.ts';
import { PORTAL_CLIENT_ID } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin';
const CHOICES = [7, 30] as const;
const DAY_MS = 86_400_000;
/** Minutes that a mail may wait: the second try is over then. */
const LATE = 5;
/** Owners whose passkeys are looked for. */
const MOST_OWNERS = 20;

export interface AdminOverviewParts extends AdminDoorParts {
  readonly database: Database;
  readonly clients: Clients;
  readonly passkeys: Passkeys;
  readonly browserSessions: BrowserSessions;
  readonly dayCounts: DayCounts;
  readonly keys: Keys;
  readonly notifications: Notifications;
  readonly upstreams: Upstreams;
  readonly pages: Pages;
  readonly issuer: string;
  /** By SMTP and not into files. */
  readonly isMailSent: boolean;
  readonly isRedisUsed: boolean;
  readonly areGrantsUp: () => Promise<boolean>;
  readonly bot: { readonly isReady: () => boolean } | null;
}

type Series = AdminOverviewModel['series'][number];
type Steps = NonNullable<AdminOverviewModel['steps']>;

export function adminOverviewRoutes(parts: AdminOverviewParts): Router {
  const router = new Router();
  const { enter } = adminDoors(parts, HOME);
  router.get(
    HOME,
    enter((ctx, who) => show(ctx, parts, who)),
  );
  return router;
}

async function show(ctx: RouterContext, parts: AdminOverviewParts, who: Administrator): Promise<void> {
  const { account } = who.session;
  const asked = CHOICES.find((one) => String(one) === ctx.query['days']) ?? CHOICES[0];
  const days = lastDays(asked);
  const [series, backlog, areGrantsUp, isDatabaseUp, keys, steps] = await Promise.all([
    seriesOf(parts, days),
    parts.notifications.backlog(),
    parts.areGrantsUp(),
    parts.database.isHealthy(),
    parts.keys.list(),
    who.authority.permissions.has('settings:read') ? stepsOf(parts) : [],
  ]);
  const locale = parts.pages.locale(ctx, { accountLocale: account.locale });
  const minutes = backlog.oldestAt === null ? 0 : Math.max(0, Math.floor((Date.now() - backlog.oldestAt) / 60_000));
  const model: AdminOverviewModel = {
    days: asked,
    choices: CHOICES,
    series,
    rows: days
      .map((day, index) => ({
        day: moment(new Date(day), locale, 'UTC').day,
        counts: series.map(({ counts }) => counts[index] ?? null),
      }))
      .toReversed(),
    health: [
      { part: 'database', isWell: isDatabaseUp, label: null },
      ...(parts.isRedisUsed ? [{ part: 'redis', isWell: areGrantsUp, label: null } as const] : []),
      { part: 'mail', isWell: backlog.lost === 0 && minutes < LATE, label: null },
      ...(parts.bot === null ? [] : [{ part: 'bot', isWell: parts.bot.isReady(), label: null } as const]),
      ...parts.upstreams
        .list()
        .flatMap(({ isPaused, label }) =>
          isPaused === undefined ? [] : [{ part: 'upstream', isWell: !isPaused(), label } as const],
        ),
    ],
    mail: { queued: backlog.queued, minutes, lost: backlog.lost },
    keys: keys
      .filter(({ state }) => state === 'signing')
      .map(({ algorithm, kid, activeAt }) => ({
        ...{ algorithm, kid: kid.slice(0, 8), activeAt: activeAt.toISOString() },
        days: Math.max(0, Math.floor((Date.now() - activeAt.getTime()) / DAY_MS)),
      })),
    steps: steps.every(({ isDone }) => isDone) ? null : steps,
    zone: account.zoneinfo,
    errors: { fields: {} },
  };
  showAdminPage(ctx, parts, who, 'admin-overview', model);
}

/** `2026-11-21`, the oldest first, today at the end; in UTC, as events are counted. */
function lastDays(count: number): readonly string[] {
  const now = Date.now();
  return Array.from({ length: count }, (_, index) =>
    new Date(now - (count - 1 - index) * DAY_MS).toISOString().slice(0, 10),
  );
}

async function seriesOf(parts: AdminOverviewParts, days: readonly string[]): Promise<readonly Series[]> {
  const [events, sessions, alive] = await Promise.all([
    parts.dayCounts.list(['session.start', 'account.create'], days.length),
    parts.browserSessions.listDays(days.length),
    parts.browserSessions.countAlive(),
  ]);
  const counted = (action: string, result: string): readonly number[] => {
    const byDay = new Map(
      events.filter((one) => one.action === action && one.result === result).map(({ day, count }) => [day, count]),
    );
    return days.map((day) => byDay.get(day) ?? 0);
  };
  const countsOf = (kind: Series['kind'], counts: readonly number[]): Series => ({
    ...{ kind, counts },
    total: counts.reduce((sum, count) => sum + count, 0),
    most: Math.max(1, ...counts),
  });
  const mostOn = new Map(sessions.map(({ day, count }) => [day, count]));
  // Today counts up to now, also before it was noted.
  const living = days.map((day, index) => {
    const noted = mostOn.get(day) ?? null;
    return index === days.length - 1 ? Math.max(noted ?? 0, alive) : noted;
  });
  return [
    countsOf('sign-ins', counted('session.start', 'success')),
    countsOf('failures', counted('session.start', 'failure')),
    countsOf('accounts', counted('account.create', 'success')),
    { kind: 'sessions', counts: living, total: alive, most: Math.max(1, ...living.map((count) => count ?? 0)) },
  ];
}

async function stepsOf(parts: AdminOverviewParts): Promise<Steps> {
  const [administrators, clients] = await Promise.all([
    parts.roles.listAdministrators(MOST_OWNERS),
    parts.clients.page({ query: '', after: '', limit: 2 }),
  ]);
  const owners = administrators.filter(({ isOwner }) => isOwner);
  const passkeys = await Promise.all(owners.map(({ accountId }) => parts.passkeys.list(accountId)));
  return [
    { step: 'https', isDone: parts.issuer.startsWith('https:'), url: null },
    { step: 'mail', isDone: parts.isMailSent, url: null },
    { step: 'passkey', isDone: owners.length > 0 && passkeys.every((own) => own.length > 0), url: '/account/security' },
    { step: 'administrator', isDone: administrators.length > 1, url: '/admin/accounts' },
    { step: 'client', isDone: clients.some(({ clientId }) => clientId !== PORTAL_CLIENT_ID), url: '/admin/clients' },
  ];
}
