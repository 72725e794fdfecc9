// The identities that an account has at upstreams, managed by its owner: linked by going there, taken away but for the last way in. Both ask for
// a fresh proof first, and what comes back is linked only to the account and in the session that began it (requirements U4, F4, S6).
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { LinkedIdentities, LinkedIdentityView } from '../account/linked-identities.ts';
import { type ChangeNoticeParts, tellOfChange } from '../credential/change-notice.ts';
import { NotFound } from '../errors.ts';
import { clientNetwork } from '../http/client-address.ts';
import { formBody, parseForm } from '../http/form.ts';
import type { IdentitiesModel } from '../http/page-model.ts';
import { requestId } from '../http/request-id.ts';
import type { NoticeChat } from '../notification/notices.ts';
import type { SignInPolicy } from '../oidc/sign-in-policy.ts';
import {
  type ApprovalPageParts,
  askInBot,
  findAsked,
  sendAskedState,
  showWait,
  streamAskedState,
  takeAsked,
} from '../telegram/approval-page.ts';
import type { ApprovalFor } from '../telegram/approvals.ts';
import { telegramIdentity } from '../telegram/person.ts';
import { UpstreamFailure, type UpstreamIdentity } from '../upstream/adapter.ts';
import type { Linking } from '../upstream/linking.ts';
import { showUpstreamFailure } from '../upstream/routes.ts';
import { isUnchanged, type Transactions } from '../upstream/transaction.ts';
import type { Upstream, Upstreams } from '../upstream/upstreams.ts';
import { type FreshProofParts, portalDoors } from './fresh-proof.ts';
import type { PortalSession } from './portal-session.ts';

const HOME = '/account/identities';
const LINKED = `${HOME}/linked`;
const IN_BOT = `${HOME}/telegram`;
const LINK_FORM = z.strictObject({ upstream: z.string().max(32) });
const EMPTY_FORM = z.strictObject({});

export interface IdentitiesParts extends FreshProofParts, ChangeNoticeParts, ApprovalPageParts {
  readonly identities: LinkedIdentities;
  readonly upstreams: Upstreams;
  readonly transactions: Transactions;
  readonly linking: Linking;
  readonly signInPolicy: SignInPolicy;
}

export function identitiesRoutes(parts: IdentitiesParts): Router {
  const router = new Router();
  const body = formBody();
  const { seen, proven, submit } = portalDoors(parts, HOME);
  router.get(
    HOME,
    seen((ctx, session) => show(ctx, parts, session, {})),
  );
  router.post(
    `${HOME}/link`,
    body,
    submit((ctx, session) => begin(ctx, parts, session)),
  );
  router.get(
    `${LINKED}/:ticket`,
    seen((ctx, session) => finish(ctx, parts, session)),
  );
  router.get(
    `${IN_BOT}/:approval`,
    seen((ctx, session) => showApproval(ctx, parts, session)),
  );
  router.post(
    `${IN_BOT}/:approval`,
    body,
    submit((ctx, session) => finishApproval(ctx, parts, session)),
  );
  router.post(
    IN_BOT,
    body,
    submit(async (ctx, session) => {
      parseForm(ctx, EMPTY_FORM);
      await beginApproval(ctx, parts, session);
    }),
  );
  router.get(
    `${IN_BOT}/:approval/state`,
    inSession(parts, (ctx, session) => sendAskedState(ctx, parts, linkIn(session), approvalOf(ctx))),
  );
  router.get(
    `${IN_BOT}/:approval/events`,
    inSession(parts, (ctx, session) => streamAskedState(ctx, parts, linkIn(session), approvalOf(ctx))),
  );
  router.get(
    `${HOME}/:id/unlink`,
    proven(async (ctx, session) => showUnlink(ctx, parts, session, await getIdentity(ctx, parts, session))),
  );
  router.post(
    `${HOME}/:id/unlink`,
    body,
    submit(async (ctx, session) => unlink(ctx, parts, session, await getIdentity(ctx, parts, session))),
  );
  return router;
}

/** One of the account's own. @throws NotFound */
async function getIdentity(
  ctx: RouterContext,
  parts: IdentitiesParts,
  session: PortalSession,
): Promise<LinkedIdentityView> {
  const identities = await parts.identities.list(session.account.id);
  const found = identities.find((one) => one.id === ctx.params['id']);
  if (!found) throw new NotFound(undefined, { code: 'page-not-found' });
  return found;
}

async function show(
  ctx: RouterContext,
  parts: IdentitiesParts,
  session: PortalSession,
  state: { readonly problem?: string; readonly unlink?: LinkedIdentityView },
): Promise<void> {
  const { account } = session;
  const identities = await parts.identities.list(account.id);
  const { waysIn, others } = await parts.factors.overview(account.id);
  const done = ctx.query['done'];
  const model: IdentitiesModel = {
    identities: identities.map((one) => ({
      id: one.id,
      label: labelOf(parts, one),
      icon: parts.upstreams.findByIdentities(one.upstream)?.icon ?? null,
      name: one.email ?? one.username,
      linkedAt: one.linkedAt.toISOString(),
      lastUsedAt: one.lastUsedAt?.toISOString() ?? null,
      isLastWay:
        waysIn === 1 && others.some(({ kind }) => kind === parts.upstreams.findByIdentities(one.upstream)?.method),
    })),
    upstreams: linkable(parts).map(({ id, label, icon }) => ({ id, label, icon })),
    zone: account.zoneinfo,
    unlink: state.unlink ? { action: `${HOME}/${state.unlink.id}/unlink`, label: labelOf(parts, state.unlink) } : null,
    done: done === 'linked' || done === 'unlinked' ? done : null,
    errors: state.problem === undefined ? { fields: {} } : { summary: state.problem, fields: {} },
  };
  parts.pages.show(ctx, 'account-identities', model, {
    status: state.problem === undefined ? 200 : 409,
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

function labelOf(parts: IdentitiesParts, { upstream }: LinkedIdentityView): string {
  return parts.upstreams.labelOf(upstream);
}

/** Those that a browser can be sent to, and the bot while it is there. The legacy widget is for signing in only. */
function linkable(parts: IdentitiesParts): readonly Upstream[] {
  const hasBot = typeof parts.bot?.telegram.username === 'string';
  return parts.upstreams.list().filter(({ door }) => door === 'redirect' || (door === 'bot' && hasBot));
}

/** The bot's answer counts for the account and the session that asked, and for making it a way in. */
function linkIn({ account, uid }: PortalSession): ApprovalFor {
  return { purpose: 'link', context: `portal:${uid}:${account.id}` };
}

function approvalOf(ctx: RouterContext): string {
  return String(ctx.params['approval']);
}

/** For script: nothing that would send it to a page. */
function inSession(parts: IdentitiesParts, step: (ctx: RouterContext, session: PortalSession) => void | Promise<void>) {
  return async (ctx: RouterContext): Promise<void> => {
    const session = await parts.sessions.find(ctx);
    if (!session) throw new NotFound(undefined, { code: 'page-not-found' });
    await step(ctx, session);
  };
}

async function beginApproval(ctx: RouterContext, parts: IdentitiesParts, session: PortalSession): Promise<void> {
  const begun = await askInBot(ctx, parts, linkIn(session), null);
  ctx.status = 303;
  ctx.redirect(begun === null ? HOME : `${IN_BOT}/${begun.id}`);
}

async function showApproval(ctx: RouterContext, parts: IdentitiesParts, session: PortalSession): Promise<void> {
  const approval = await findAsked(ctx, parts, linkIn(session), approvalOf(ctx));
  if (approval === null || approval.state === 'taken') {
    toHome(ctx);
    return;
  }
  const { account } = session;
  showWait(ctx, parts, approval, {
    ...{ client: null, againAction: IN_BOT, otherWayUrl: HOME, accountLocale: account.locale },
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

/** The bot has its answer, and the browser that asked goes on. */
async function finishApproval(ctx: RouterContext, parts: IdentitiesParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const door = parts.upstreams.list().find((one) => one.door === 'bot');
  const approver = door ? await takeAsked(ctx, parts, linkIn(session), approvalOf(ctx)) : null;
  if (door && approver?.person) await link(ctx, parts, session, door, telegramIdentity(approver.person));
  else if (!door) toHome(ctx);
}

async function begin(ctx: RouterContext, parts: IdentitiesParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, LINK_FORM);
  const upstream = linkable(parts).find((one) => one.id === form.upstream);
  if (!upstream) throw new NotFound(undefined, { code: 'page-not-found' });
  if (upstream.door === 'bot') {
    await beginApproval(ctx, parts, session);
    return;
  }
  const account = { id: session.account.id, session: session.uid };
  const uiLocales = [parts.pages.locale(ctx, { accountLocale: session.account.locale })];
  try {
    const attempt = { intent: 'link', returnPath: LINKED, backPath: HOME, account } as const;
    await parts.transactions.begin(ctx, upstream, attempt, { uiLocales });
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    await recordFailure(ctx, parts, session, 'identity.link', error.code);
    showUpstreamFailure(ctx, parts.pages, upstream.label, error, HOME);
  }
}

/** Back from the upstream. */
async function finish(ctx: RouterContext, parts: IdentitiesParts, session: PortalSession): Promise<void> {
  const ticket = await parts.transactions.takeTicket(ctx, LINKED, String(ctx.params['ticket']));
  const found = ticket && parts.upstreams.find(ticket.upstream);
  const upstream = found && isUnchanged(found, ticket) ? found : null;
  if (ticket && !upstream) await recordFailure(ctx, parts, session, 'identity.link', 'upstream-off');
  // A reload, or somebody else signed in meanwhile: the proof was another account's.
  if (ticket?.intent !== 'link' || !upstream || !isSame(ticket.account, session)) {
    toHome(ctx);
    return;
  }
  await link(ctx, parts, session, upstream, ticket.identity);
}

async function link(
  ctx: RouterContext,
  parts: IdentitiesParts,
  session: PortalSession,
  upstream: Upstream,
  identity: UpstreamIdentity,
): Promise<void> {
  if (await parts.linking.link(ctx, upstream, identity, session.account)) {
    toHome(ctx, 'linked');
    return;
  }
  await recordFailure(ctx, parts, session, 'identity.link', 'identity-taken');
  await show(ctx, parts, session, { problem: 'identities.problem.taken' });
}

function isSame(asked: { readonly id: string; readonly session: string } | undefined, session: PortalSession): boolean {
  return asked?.id === session.account.id && asked.session === session.uid;
}

async function showUnlink(
  ctx: RouterContext,
  parts: IdentitiesParts,
  session: PortalSession,
  identity: LinkedIdentityView,
): Promise<void> {
  await show(ctx, parts, session, { unlink: identity });
}

async function unlink(
  ctx: RouterContext,
  parts: IdentitiesParts,
  session: PortalSession,
  identity: LinkedIdentityView,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  const change = { action: 'identity.unlink', what: 'factor-removed', name: labelOf(parts, identity) } as const;
  // The chat that goes with it is the one that has to be told.
  let chats: readonly NoticeChat[] = [];
  const outcome = await parts.factors.removeOther(
    account.id,
    async (em) => {
      chats = await parts.notices.findChats(em, account.id);
      return parts.identities.unlink(em, account.id, identity.id);
    },
    {
      // An approval in the bot goes with its identity.
      isSecondFactorRequired: await parts.signInPolicy.needsSecondFactor(account.id),
      alongside: (em) => tellOfChange(ctx, parts, em, account, { ...change, chats }),
    },
  );
  if (outcome === 'last-way' || outcome === 'last-second-factor') {
    await recordFailure(ctx, parts, session, 'identity.unlink', outcome);
    const problem = outcome === 'last-way' ? 'identities.problem.last' : 'security.problem.last-second-factor';
    await show(ctx, parts, session, { problem });
    return;
  }
  toHome(ctx, outcome === 'removed' ? 'unlinked' : undefined);
}

async function recordFailure(
  ctx: RouterContext,
  parts: IdentitiesParts,
  { account }: PortalSession,
  action: string,
  reason: string,
): Promise<void> {
  const target = { kind: 'account', id: account.id } as const;
  const origin = {
    network: clientNetwork(ctx),
    userAgent: ctx.get('user-agent') || undefined,
    requestId: requestId(ctx),
  };
  await parts.audit.record({ actor: target, action, target, origin, result: 'failure', reason });
}

function toHome(ctx: RouterContext, done?: 'linked' | 'unlinked'): void {
  ctx.status = 303;
  ctx.redirect(done === undefined ? HOME : `${HOME}?done=${done}`);
}
