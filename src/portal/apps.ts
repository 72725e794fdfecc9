// The apps that somebody uses with the own account: what each was allowed and when it was used, and the button that takes it back. Every app is
// looked up among those of the account that asks, so another account's is not there (404).
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Clients } from '../client/clients.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { AppsModel } from '../http/page-model.ts';
import type { AllowedApp, Apps } from '../oidc/apps.ts';
import { grantedScopes } from '../oidc/asked-scopes.ts';
import { registeredClientView } from '../oidc/client-view.ts';
import type { Resources } from '../oidc/resources.ts';
import { causeOf, type PortalSession, type PortalSessions } from './portal-session.ts';

const HOME = '/account/apps';
const REVOKE_FORM = z.strictObject({ client: z.string().min(1).max(2000) });

export interface AppsParts {
  readonly sessions: PortalSessions;
  readonly apps: Apps;
  readonly clients: Clients;
  readonly resources: Resources;
  /** That have a sentence of ours. */
  readonly ownScopes: readonly string[];
  readonly pages: Pages;
  readonly csrf: Csrf;
}

export function appsRoutes(parts: AppsParts): Router {
  const router = new Router();
  router.get(HOME, async (ctx) => {
    const session = await parts.sessions.find(ctx);
    if (session) await show(ctx, parts, session);
    else await parts.sessions.start(ctx, HOME);
  });
  router.post(`${HOME}/revoke`, formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const session = await parts.sessions.find(ctx);
    if (!session) {
      await parts.sessions.start(ctx, HOME);
      return;
    }
    const { client } = parseForm(ctx, REVOKE_FORM);
    const { account } = session;
    await parts.apps.revoke(account, client, causeOf(ctx, account.id));
    ctx.status = 303;
    ctx.redirect(`${HOME}?done=revoked`);
  });
  return router;
}

async function show(ctx: RouterContext, parts: AppsParts, { account }: PortalSession): Promise<void> {
  const found = await parts.apps.list(account);
  const model: AppsModel = {
    apps: await Promise.all(found.map((one) => appModel(parts, one))),
    zone: account.zoneinfo,
    done: ctx.query['done'] === 'revoked',
  };
  parts.pages.show(ctx, 'account-apps', model, {
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

async function appModel(parts: AppsParts, one: AllowedApp): Promise<AppsModel['apps'][number]> {
  const metadata = (await parts.clients.find(one.clientId))?.metadata;
  const scopes = grantedScopes(one, parts);
  return {
    ...registeredClientView(one.clientId, metadata),
    id: one.clientId,
    scopes,
    isOffline: scopes.some(({ name }) => name === 'offline_access'),
    isOurs: metadata?.latchkey_first_party === true,
    firstUsedAt: new Date(one.firstUsedAt).toISOString(),
    lastUsedAt: new Date(one.lastUsedAt).toISOString(),
  };
}
