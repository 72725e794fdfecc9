// Upstreams for administrators, all of them in the order of the buttons: the callback URL to register there, how it has gone of late, and a test of
// the connection. Each that is kept here is changed on its own page (upstream.ts).
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { LinkedIdentities } from '../../account/linked-identities.ts';
import type { Audit } from '../../audit/audit.ts';
import type { History } from '../../audit/history.ts';
import { NotFound, TooManyRequests } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { GuardedFetch } from '../../http/guarded-fetch.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminUpstreamsModel } from '../../http/page-model.ts';
import { type TestedPart, testConnection } from '../../upstream/connection-test.ts';
import type { KeptUpstream, KeptUpstreams } from '../../upstream/kept-upstreams.ts';
import { identitiesOf, type Upstream, type Upstreams } from '../../upstream/upstreams.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { pathOf } from './upstream.ts';

const HOME = '/admin/upstreams';
const EMPTY_FORM = z.strictObject({});
/** Of one upstream: each goes out to it with our credentials. */
const TESTS = { limit: 20, window: 3600 };

export interface AdminUpstreamsParts extends AdminDoorParts {
  readonly upstreams: Upstreams;
  readonly keptUpstreams: KeptUpstreams;
  readonly identities: LinkedIdentities;
  readonly history: History;
  readonly audit: Audit;
  readonly fetch: GuardedFetch;
  readonly pages: Pages;
  readonly issuer: string;
}

interface Tested {
  readonly id: string;
  readonly parts: readonly TestedPart[];
}

export function adminUpstreamsRoutes(parts: AdminUpstreamsParts): Router {
  const router = new Router();
  const { look, change } = adminDoors(parts, HOME);
  router.get(
    HOME,
    look('upstreams:read', (ctx, who) => show(ctx, parts, who, null)),
  );
  router.post(
    `${HOME}/:id/test`,
    formBody(),
    change('upstreams:read', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const upstream = findTestable(parts, String(ctx.params['id']));
      if (upstream?.door !== 'redirect') throw new NotFound(undefined, { code: 'page-not-found' });
      const spending = await parts.budgets.spend(`upstream-test:${upstream.id}`, TESTS);
      if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
      const { fetch } = parts;
      const tested = await testConnection(upstream, { fetch, redirectUri: callbackUrl(parts, upstream) });
      const fault = tested.find((one) => one.problem !== null);
      await parts.audit.record({
        ...causeOf(ctx, who.session.account.id),
        ...{ action: 'upstream.test', target: { kind: 'upstream', id: upstream.id } },
        ...(fault === undefined ? {} : { result: 'failure', reason: `${fault.step}-${fault.problem}` }),
      });
      await show(ctx, parts, who, { id: upstream.id, parts: tested });
    }),
  );
  return router;
}

/** Also one that is turned off, before people come. */
function findTestable({ upstreams, keptUpstreams }: AdminUpstreamsParts, id: string): Upstream | null {
  return upstreams.find(id) ?? keptUpstreams.find(id)?.upstream ?? null;
}

type Entry = AdminUpstreamsModel['upstreams'][number];
/** What is said of one that cannot be used, too. */
type Described = Omit<Upstream, 'authorizationUrl' | 'identify' | 'revision'>;

async function show(
  ctx: RouterContext,
  parts: AdminUpstreamsParts,
  who: Administrator,
  tested: Tested | null,
): Promise<void> {
  await parts.keptUpstreams.refresh();
  const canWrite = who.authority.permissions.has('upstreams:write');
  const kept = parts.keptUpstreams.list();
  const fixed = parts.upstreams.list().filter(({ revision }) => revision === null);
  const fixedEntry = async (one: Upstream): Promise<Entry> => ({
    ...(await entryOf(parts, one, tested)),
    ...{ source: 'yaml', url: one.door === 'redirect' ? pathOf(one.id) : null, isOn: true, isOverridden: false },
  });
  // As the sign-in page shows them: those of the settings, those that are kept here, the doors of Telegram.
  const upstreams = await Promise.all([
    ...fixed.filter(({ door }) => door === 'redirect').map(fixedEntry),
    ...kept.map((one, index) =>
      keptEntry(parts, one, tested, canWrite ? { canRise: index > 0, canSink: index < kept.length - 1 } : null),
    ),
    ...fixed.filter(({ door }) => door !== 'redirect').map(fixedEntry),
  ]);
  const model: AdminUpstreamsModel = {
    upstreams,
    createUrl: canWrite ? `${HOME}/new` : null,
    isDeleted: ctx.query['deleted'] !== undefined,
    zone: who.session.account.zoneinfo,
  };
  showAdminPage(ctx, parts, who, 'admin-upstreams', model);
}

async function keptEntry(
  parts: AdminUpstreamsParts,
  { id, declaration, isOn, place, upstream }: KeptUpstream,
  tested: Tested | null,
  ways: { readonly canRise: boolean; readonly canSink: boolean } | null,
): Promise<Entry> {
  const isOverridden = parts.upstreams.isFixed(id);
  const shown: Described = upstream ?? {
    ...{ id, label: declaration.label ?? id, icon: null, expectedIssuer: null, settings: declaration },
    ...{ identities: identitiesOf(declaration), method: 'upstream', door: 'redirect' },
  };
  const entry = await entryOf(parts, shown, isOverridden ? null : tested);
  return {
    ...entry,
    ...{ source: 'database', url: pathOf(id), isOn, isOverridden },
    // A test by its id would ask the other one.
    testUrl: upstream === null || isOverridden ? null : entry.testUrl,
    move: ways === null ? null : { action: `${pathOf(id)}/move`, place, ...ways },
  };
}

async function entryOf(
  parts: AdminUpstreamsParts,
  upstream: Described,
  tested: Tested | null,
): Promise<Omit<Entry, 'source' | 'url' | 'isOn' | 'isOverridden'>> {
  const { settings } = upstream;
  const isOwnDoor = upstream.door !== 'redirect';
  const lastUsedAt = await parts.identities.lastUsedAt(upstream.identities);
  const failures = await parts.history.list({ targetId: upstream.id, result: 'failure' }, 50);
  const failed = failures.entries.find(
    ({ targetKind, action }) => targetKind === 'upstream' && action !== 'upstream.test',
  );
  return {
    id: upstream.id,
    label: upstream.label,
    icon: upstream.icon,
    move: null,
    kind: isOwnDoor ? upstream.door : settings.kind,
    issuer: isOwnDoor ? null : (settings.endpoints?.issuer ?? upstream.expectedIssuer),
    clientId: isOwnDoor ? null : settings.clientId,
    callbackUrl: isOwnDoor ? null : callbackUrl(parts, upstream),
    testUrl: isOwnDoor ? null : `${pathOf(upstream.id)}/test`,
    isPaused: upstream.isPaused?.() ?? false,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    lastFailure: failed ? { failedAt: new Date(failed.at).toISOString(), reason: failed.reason ?? '' } : null,
    takes: takesOf(upstream),
    domains: settings.domains ?? [],
    tested: tested?.id === upstream.id ? tested.parts : null,
  };
}

/** What of its word is believed, by its settings. */
function takesOf({ method, settings }: Pick<Upstream, 'method' | 'settings'>): Entry['takes'] {
  return [
    'subject',
    ...(method === 'telegram' ? [] : settings.trustEmail ? (['email'] as const) : (['email_shown'] as const)),
    settings.refreshProfile ? 'profile_always' : 'profile_once',
    ...(settings.trustSecondFactor ? (['second_factor'] as const) : []),
    ...(settings.keepTokens ? (['tokens'] as const) : []),
  ];
}

function callbackUrl({ issuer }: AdminUpstreamsParts, { id }: Pick<Upstream, 'id'>): string {
  return `${issuer}/upstream/${id}/callback`;
}
