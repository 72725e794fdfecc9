// Upstreams for administrators: what is declared, the callback URL to register there, how it has gone of late, and a test of the connection. What
// the settings declare is shown and changes there only.
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
import type { Upstream, Upstreams } from '../../upstream/upstreams.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/upstreams';
const EMPTY_FORM = z.strictObject({});
/** Of one upstream: each goes out to it with our credentials. */
const TESTS = { limit: 20, window: 3600 };

export interface AdminUpstreamsParts extends AdminDoorParts {
  readonly upstreams: Upstreams;
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
      const upstream = parts.upstreams.find(String(ctx.params['id']));
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

async function show(
  ctx: RouterContext,
  parts: AdminUpstreamsParts,
  who: Administrator,
  tested: Tested | null,
): Promise<void> {
  const upstreams = await Promise.all(parts.upstreams.list().map((one) => modelOf(parts, one, tested)));
  const model: AdminUpstreamsModel = { upstreams, zone: who.session.account.zoneinfo };
  showAdminPage(ctx, parts, who, 'admin-upstreams', model);
}

async function modelOf(
  parts: AdminUpstreamsParts,
  upstream: Upstream,
  tested: Tested | null,
): Promise<AdminUpstreamsModel['upstreams'][number]> {
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
    kind: isOwnDoor ? upstream.door : settings.kind,
    issuer: isOwnDoor ? null : (settings.endpoints?.issuer ?? upstream.expectedIssuer),
    clientId: isOwnDoor ? null : settings.clientId,
    callbackUrl: isOwnDoor ? null : callbackUrl(parts, upstream),
    testUrl: isOwnDoor ? null : `${HOME}/${encodeURIComponent(upstream.id)}/test`,
    isPaused: upstream.isPaused?.() ?? false,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    lastFailure: failed ? { failedAt: new Date(failed.at).toISOString(), reason: failed.reason ?? '' } : null,
    takes: takesOf(upstream),
    domains: settings.domains ?? [],
    tested: tested?.id === upstream.id ? tested.parts : null,
  };
}

/** What of its word is believed, by its settings. */
function takesOf({ method, settings }: Upstream): AdminUpstreamsModel['upstreams'][number]['takes'] {
  return [
    'subject',
    ...(method === 'telegram' ? [] : settings.trustEmail ? (['email'] as const) : (['email_shown'] as const)),
    settings.refreshProfile ? 'profile_always' : 'profile_once',
    ...(settings.trustSecondFactor ? (['second_factor'] as const) : []),
    ...(settings.keepTokens ? (['tokens'] as const) : []),
  ];
}

function callbackUrl({ issuer }: AdminUpstreamsParts, { id }: Upstream): string {
  return `${issuer}/upstream/${id}/callback`;
}
