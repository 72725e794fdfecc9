// Where somebody is signed in, for themselves: the list of their sessions, a name for each, and ending one, all others, or all. Every one of them
// is looked up below the account that asks, so another account's is not there (404).
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Clients } from '../client/clients.ts';
import { NotFound } from '../errors.ts';
import { deviceOf } from '../http/asker.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { SessionsModel } from '../http/page-model.ts';
import { type BrowserSession, type BrowserSessions, MOST_DEVICE_NAME } from '../oidc/browser-sessions.ts';
import type { SessionsAndGrants } from '../oidc/sessions-and-grants.ts';
import { causeOf, PORTAL_CLIENT_ID, type PortalSession, type PortalSessions } from './portal-session.ts';

const HOME = '/account/sessions';
const EMPTY_FORM = z.strictObject({});
const NAME_FORM = z.strictObject({ name: z.string().max(1000) });

export interface SessionsParts {
  readonly sessions: PortalSessions;
  readonly browserSessions: BrowserSessions;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly clients: Clients;
  readonly pages: Pages;
  readonly csrf: Csrf;
}

type Step = (ctx: RouterContext, session: PortalSession) => Promise<void>;

export function sessionsRoutes(parts: SessionsParts): Router {
  const router = new Router();
  const body = formBody();
  const seen = (step: Step) => async (ctx: RouterContext) => {
    const session = await parts.sessions.find(ctx);
    if (session) await step(ctx, session);
    else await parts.sessions.start(ctx, HOME);
  };
  const submit = (path: string, step: Step): void => {
    const run = seen(step);
    router.post(path, body, async (ctx) => {
      parts.csrf.check(ctx, csrfField(ctx));
      await run(ctx);
    });
  };

  router.get(
    HOME,
    seen((ctx, session) => show(ctx, parts, session)),
  );
  submit(`${HOME}/end-others`, async (ctx, { account, uid }) => {
    parseForm(ctx, EMPTY_FORM);
    await parts.sessionsAndGrants.endOthers(account, uid, causeOf(ctx, account.id));
    redirect(ctx, HOME);
  });
  submit(`${HOME}/end-all`, async (ctx, { account }) => {
    parseForm(ctx, EMPTY_FORM);
    await parts.sessionsAndGrants.endAll(account, causeOf(ctx, account.id), 'everywhere');
    redirect(ctx, '/');
  });
  submit(`${HOME}/:id/end`, async (ctx, { account, uid }) => {
    parseForm(ctx, EMPTY_FORM);
    const ended = await parts.sessionsAndGrants.endSession(account, idOf(ctx), causeOf(ctx, account.id));
    redirect(ctx, ended === uid ? '/' : HOME);
  });
  submit(`${HOME}/:id/name`, async (ctx, { account }) => {
    const { name } = parseForm(ctx, NAME_FORM);
    if (!(await parts.browserSessions.rename(account.id, idOf(ctx), name))) {
      throw new NotFound('There is no such session.', { code: 'session-not-found' });
    }
    redirect(ctx, HOME);
  });
  return router;
}

async function show(ctx: RouterContext, parts: SessionsParts, session: PortalSession): Promise<void> {
  const { account, uid } = session;
  const found = await parts.sessionsAndGrants.list(account);
  const rows = await Promise.all(found.map((one) => rowOf(parts, one, uid)));
  const model: SessionsModel = {
    // This device first; the others stay in the order of their last use.
    sessions: [...rows.filter((row) => row.isCurrent), ...rows.filter((row) => !row.isCurrent)],
    zone: account.zoneinfo,
    mostName: MOST_DEVICE_NAME,
  };
  parts.pages.show(ctx, 'account-sessions', model, {
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

async function rowOf(
  parts: SessionsParts,
  one: BrowserSession,
  currentUid: string,
): Promise<SessionsModel['sessions'][number]> {
  const ids = one.engine.clients.map(({ clientId }) => clientId).filter((clientId) => clientId !== PORTAL_CLIENT_ID);
  const clients = await Promise.all(ids.map((clientId) => parts.clients.find(clientId)));
  return {
    ...deviceOf(one.userAgent),
    id: one.id,
    name: one.name,
    address: one.address === 'unknown' ? null : one.address,
    methods: one.methods,
    apps: ids.map((clientId, index) => clients[index]?.metadata.client_name ?? clientId),
    firstSeen: new Date(one.createdAt).toISOString(),
    lastSeen: new Date(one.lastUsedAt).toISOString(),
    isCurrent: one.engine.uid === currentUid,
    action: `${HOME}/${one.id}`,
  };
}

function idOf(ctx: RouterContext): string {
  return String(ctx.params['id']);
}

function redirect(ctx: RouterContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
