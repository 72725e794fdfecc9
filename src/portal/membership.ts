// The organizations that somebody belongs to, for themselves: the list, leaving one, and joining one with the account that is there. Joining needs an
// invitation whose link was opened in this browser, and the invited address proven: by the account, or by a code that goes there now. It is taken
// once, in the transaction of that proof.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { HeldInvitations } from '../access/held-invitation.ts';
import type { Invitations, OpenInvitation } from '../access/invitations.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Accounts } from '../account/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import { type CodeProblem, codedMessage, maskTyped, tooEarly, waitingForCode } from '../credential/mailed-page.ts';
import type { FoundSecret, MailDraft, MailedSecret, MailedSecrets, MailRefusal } from '../credential/mailed-secret.ts';
import { AppError, NotFound } from '../errors.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { AccountInvitationModel, AccountOrganizationsModel, FormProblems } from '../http/page-model.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { type FreshProofParts, type PortalStep, portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';

export const ORGANIZATIONS = '/account/organizations';
export const JOIN = `${ORGANIZATIONS}/join`;
const EMPTY_FORM = z.strictObject({});
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const LINK_FORM = z.strictObject({ token: z.string().max(100) });
const NO_PROBLEMS: FormProblems = { fields: {} };
const LAST_OWNER: FormProblems = { summary: 'admin_organization.problem.last-organization-owner', fields: {} };

export interface MembershipParts extends FreshProofParts {
  readonly organizations: Organizations;
  readonly invitations: Invitations;
  readonly heldInvitations: HeldInvitations;
  readonly accounts: Accounts;
  readonly mailed: MailedSecrets;
  readonly notifications: Notifications;
  readonly audit: Audit;
  readonly database: Database;
  readonly pages: Pages;
  readonly naming: CookieNaming;
}

/** What is sealed with the mail. */
interface Content {
  readonly invitationId: string;
}

type Invited = OpenInvitation & { readonly organization: NonNullable<OpenInvitation['organization']> };

export function membershipRoutes(parts: MembershipParts): Router {
  const router = new Router();
  const body = formBody();
  const { seen } = portalDoors(parts, ORGANIZATIONS);
  const post = (path: string, step: PortalStep): void => {
    const run = seen(step);
    router.post(path, body, async (ctx) => {
      parts.csrf.check(ctx, csrfField(ctx));
      await run(ctx);
    });
  };
  router.get(
    ORGANIZATIONS,
    seen((ctx, session) => showList(ctx, parts, session)),
  );
  router.get(
    JOIN,
    seen((ctx, session) => showQuestion(ctx, parts, session)),
  );
  post(JOIN, (ctx, session) => join(ctx, parts, session));
  post(`${JOIN}/link`, (ctx, session) => submitLink(ctx, parts, session));
  router.get(
    `${JOIN}/:requestId`,
    seen((ctx, session) => showCode(ctx, parts, session)),
  );
  post(`${JOIN}/:requestId`, (ctx, session) => submitCode(ctx, parts, session));
  post(`${JOIN}/:requestId/resend`, (ctx, session) => resend(ctx, parts, session));
  router.get(
    `${ORGANIZATIONS}/:id/leave`,
    seen(async (ctx, session) => {
      const found = await findMembership(parts, session, String(ctx.params['id']));
      await showList(ctx, parts, session, { leaving: { name: found.name, action: ctx.path } });
    }),
  );
  post(`${ORGANIZATIONS}/:id/leave`, (ctx, session) => leave(ctx, parts, session));
  return router;
}

async function showList(
  ctx: RouterContext,
  parts: MembershipParts,
  session: PortalSession,
  shown: Partial<Pick<AccountOrganizationsModel, 'leaving' | 'errors'>> = {},
): Promise<void> {
  const all = await parts.organizations.listOf(session.account.id);
  const model: AccountOrganizationsModel = {
    organizations: all.map(({ id, slug, name, logoUrl, role }) => ({
      ...{ id, slug, name, logoUrl, memberRole: role },
      manageUrl: role === 'member' ? null : `/admin/organizations/${id}`,
    })),
    leaving: shown.leaving ?? null,
    done: ctx.query['joined'] === undefined ? (ctx.query['left'] === undefined ? null : 'left') : 'joined',
    errors: shown.errors ?? NO_PROBLEMS,
  };
  show(ctx, parts, session, 'account-organizations', model, shown.errors ? 409 : 200);
}

/** @throws NotFound for one that the account does not belong to, whether it exists or not */
async function findMembership(parts: MembershipParts, { account }: PortalSession, id: string) {
  const found = (await parts.organizations.listOf(account.id)).find((one) => one.id === id);
  if (!found) throw new NotFound('There is no such organization.', { code: 'organization-not-found' });
  return found;
}

async function leave(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { id } = session.account;
  try {
    await parts.organizations.leave(String(ctx.params['id']), id, causeOf(ctx, id));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'last-organization-owner')) throw error;
    await showList(ctx, parts, session, { errors: LAST_OWNER });
    return;
  }
  seeOther(ctx, `${ORGANIZATIONS}?left`);
}

/** The invitation of this browser; null when there is none, or when it is worth nothing any more. */
async function findInvited(ctx: RouterContext, parts: MembershipParts): Promise<Invited | null> {
  const found = await parts.heldInvitations.find(ctx);
  return found?.organization ? { ...found, organization: found.organization } : null;
}

async function showQuestion(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  const invited = await findInvited(ctx, parts);
  // Used meanwhile, in another tab or by a second click: the list says what came of it.
  if (invited) await showInvitation(ctx, parts, session, invited, { stage: 'question' });
  else seeOther(ctx, ORGANIZATIONS);
}

async function showInvitation(
  ctx: RouterContext,
  parts: MembershipParts,
  session: PortalSession,
  invited: Invited,
  state: Pick<AccountInvitationModel, 'stage'> & Partial<AccountInvitationModel>,
  status = 200,
): Promise<void> {
  const { organization, email } = invited;
  const isMember = (await parts.organizations.roleIn(organization.id, session.account.id)) !== null;
  const model: AccountInvitationModel = {
    organization: organization.name,
    memberRole: organization.role,
    action: JOIN,
    address: hasProven(session.account, email) ? null : (maskTyped(email) ?? ''),
    isMember,
    code: null,
    errors: NO_PROBLEMS,
    ...state,
  };
  show(ctx, parts, session, 'account-invitation', model, status);
}

/** Whether the account has proven the invited address: somebody else's invitation is nobody's way in. */
function hasProven(
  account: { readonly email: string | null; readonly emailVerified: boolean },
  email: string,
): boolean {
  return account.emailVerified && account.email?.toLowerCase() === email.toLowerCase();
}

async function join(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const invited = await findInvited(ctx, parts);
  if (!invited) {
    seeOther(ctx, ORGANIZATIONS);
    return;
  }
  const { id: accountId } = session.account;
  if (!hasProven(session.account, invited.email)) {
    const draft = await sendCode(ctx, parts, session, invited, false);
    if (draft.isAllowed) seeOther(ctx, `${JOIN}/${draft.requestId}`);
    else await showRefusal(ctx, parts, session, invited, draft);
    return;
  }
  let isJoined = false;
  await parts.database
    .transaction(async (em) => {
      // Asked again where it counts: an address that was changed a moment ago is not theirs any more.
      const account = await parts.accounts.findByIdWithin(em, accountId);
      if (account === null || !hasProven(account, invited.email)) throw gone();
      await take(ctx, parts, em, invited.id, { id: accountId, email: invited.email });
      isJoined = true;
    })
    .catch(unlessGone);
  await finish(ctx, parts, session, invited, isJoined);
}

/** @throws NotFound `link-used` when it is worth nothing, so that nothing of the transaction stays */
async function take(
  ctx: RouterContext,
  parts: MembershipParts,
  em: EntityManager,
  invitationId: string,
  who: { readonly id: string; readonly email: string },
): Promise<void> {
  const account = await parts.accounts.findByIdWithin(em, who.id);
  const isTaken =
    account?.status === 'active' && (await parts.invitations.take(em, invitationId, who, causeOf(ctx, who.id)));
  if (!isTaken) throw gone();
}

/** Whoever was a moment too late with the same wish has what they wanted. */
async function finish(
  ctx: RouterContext,
  parts: MembershipParts,
  { account }: PortalSession,
  { organization }: Invited,
  isJoined: boolean,
): Promise<void> {
  if (!isJoined && (await parts.organizations.roleIn(organization.id, account.id)) === null) throw gone();
  parts.heldInvitations.forget(ctx);
  seeOther(ctx, `${ORGANIZATIONS}?joined`);
}

async function sendCode(
  ctx: RouterContext,
  parts: MembershipParts,
  { account }: PortalSession,
  { id: invitationId, email }: Invited,
  isResend: boolean,
): Promise<MailDraft | MailRefusal> {
  const draft = await parts.mailed.draft('membership', email.toLowerCase(), account.id);
  if (!draft.isAllowed) return draft;
  const browserId = ensureBrowserId(ctx, parts.naming);
  const to = {
    ...{ email, accountId: account.id, zone: account.zoneinfo },
    locale: account.locale ?? parts.pages.locale(ctx),
  };
  await parts.database.transaction(async (em) => {
    const content: Content = { invitationId };
    await parts.mailed.put(em, draft, { accountId: account.id, browserId, content });
    await parts.notifications.send(em, { ...codedMessage(ctx, 'verify-email', to, draft, undefined), isResend });
    const action = isResend ? 'mail-code.resend' : 'mail-code.issue';
    const target = { kind: 'account', id: account.id } as const;
    await parts.audit.record({ ...causeOf(ctx, account.id), action, target, reason: 'membership' }, em);
  });
  return draft;
}

async function showRefusal(
  ctx: RouterContext,
  parts: MembershipParts,
  session: PortalSession,
  invited: Invited,
  { retryAfter }: MailRefusal,
): Promise<void> {
  ctx.set('Retry-After', String(retryAfter));
  const errors = { summary: 'mailed.problem.wait', fields: {} };
  await showInvitation(ctx, parts, session, invited, { stage: 'question', retryAfter, errors }, 429);
}

async function findWaiting(
  ctx: RouterContext,
  parts: MembershipParts,
  session: PortalSession,
): Promise<{ readonly found: FoundSecret<Content>; readonly invited: Invited } | null> {
  const browserId = findBrowserId(ctx, parts.naming);
  const found = await parts.mailed.findRequest<Content>(String(ctx.params['requestId']), browserId);
  if (found?.purpose !== 'membership' || found.accountId !== session.account.id) return null;
  const invited = await findInvited(ctx, parts);
  return invited?.id === found.content.invitationId ? { found, invited } : null;
}

async function showCode(
  ctx: RouterContext,
  parts: MembershipParts,
  session: PortalSession,
  problem?: CodeProblem,
): Promise<void> {
  const waiting = await findWaiting(ctx, parts, session);
  if (!waiting) {
    if (problem) throw gone();
    seeOther(ctx, JOIN);
    return;
  }
  const { found, invited } = waiting;
  const action = `${JOIN}/${found.requestId}`;
  const { code, ...state } = await waitingForCode(ctx, parts, found, action, problem);
  const shown = { stage: 'code', code: { action, ...code }, ...state } as const;
  await showInvitation(ctx, parts, session, invited, shown, problem?.status ?? 200);
}

async function resend(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const waiting = await findWaiting(ctx, parts, session);
  if (!waiting) throw gone();
  const draft = await sendCode(ctx, parts, session, waiting.invited, true);
  if (draft.isAllowed) seeOther(ctx, `${JOIN}/${draft.requestId}`);
  else await showCode(ctx, parts, session, tooEarly(draft.retryAfter));
}

async function submitCode(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const waiting = await findWaiting(ctx, parts, session);
  if (!waiting) throw gone();
  const request = {
    ...({ purpose: 'membership', requestId: String(ctx.params['requestId']), code } as const),
    ...{ browserId: findBrowserId(ctx, parts.naming), network: clientNetwork(ctx), origin: requestOrigin(ctx) },
  };
  const outcome = await parts.mailed.takeByCode<Content>(request, accept(ctx, parts, session)).catch(unlessGone);
  if (outcome?.kind === 'taken') await finish(ctx, parts, session, waiting.invited, true);
  else if (outcome?.kind === 'wait') {
    const { retryAfter } = outcome;
    await showCode(ctx, parts, session, { status: 429, key: 'mailed.problem.wait', retryAfter });
  } else {
    const key = outcome?.kind === 'malformed' ? 'mailed.problem.malformed' : 'mailed.problem.wrong';
    await showCode(ctx, parts, session, { status: 422, key });
  }
}

async function submitLink(ctx: RouterContext, parts: MembershipParts, session: PortalSession): Promise<void> {
  const { token } = parseForm(ctx, LINK_FORM);
  const browserId = findBrowserId(ctx, parts.naming);
  // Elsewhere it would take an invitation for somebody else's account by the hand of the one who reads its mail.
  if (browserId === undefined) throw gone();
  const taking = parts.mailed.takeByLink<Content>('membership', token, browserId, accept(ctx, parts, session));
  const outcome = await taking.catch(unlessGone);
  if (outcome?.kind !== 'taken') throw gone();
  parts.heldInvitations.forget(ctx);
  seeOther(ctx, `${ORGANIZATIONS}?joined`);
}

/** In the transaction that takes the proof of the address. */
function accept(ctx: RouterContext, parts: MembershipParts, session: PortalSession) {
  return async (em: EntityManager, { accountId, address, content }: MailedSecret<Content>): Promise<void> => {
    if (accountId !== session.account.id) throw gone();
    await take(ctx, parts, em, content.invitationId, { id: accountId, email: address });
  };
}

function gone(): NotFound {
  return new NotFound(undefined, { code: 'link-used' });
}

/** What was proven is worth nothing any more: told like a code or link that is gone. */
function unlessGone(error: unknown): undefined {
  if (error instanceof NotFound && error.code === 'link-used') return undefined;
  throw error;
}

function show(
  ctx: RouterContext,
  parts: MembershipParts,
  { account }: PortalSession,
  page: string,
  model: object,
  status: number,
): void {
  parts.pages.show(ctx, page, model, {
    ...{ status, formTarget: 'self', accountLocale: account.locale },
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

function seeOther(ctx: RouterContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
