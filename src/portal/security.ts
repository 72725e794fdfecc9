// How an account proves itself, changed by its owner: password, authenticator app, recovery codes. Every change asks for a fresh proof at least
// as strong as the strongest that is enrolled, and tells the owner by mail (requirements S6, F1, F2, F4, P7).
import Router, { type RouterContext } from '@koa/router';
import { renderSVG } from 'uqr';
import { z } from 'zod';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { Audit, Cause } from '../audit/audit.ts';
import { satisfies } from '../credential/assurance.ts';
import type { Factors } from '../credential/factors.ts';
import type { Passwords } from '../credential/password.ts';
import type { RecoveryCodes } from '../credential/recovery-code.ts';
import type { Totp } from '../credential/totp.ts';
import { NotFound } from '../errors.ts';
import { asker } from '../http/asker.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { SecurityModel } from '../http/page-model.ts';
import { requestId } from '../http/request-id.ts';
import type { Factor, Notice } from '../notification/message.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { GrantStorage } from '../oidc/grant-adapter.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { PortalSession, PortalSessions } from './portal-session.ts';

const PASSWORD_FORM = z.strictObject({ new_password: z.string(), keep_sessions: z.literal('on').optional() });
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
const HOME = '/account/security';
/** Seconds for which "it was not me" works. */
const NOT_ME_TTL = 7 * 24 * 3600;

export interface SecurityParts {
  readonly sessions: PortalSessions;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly totp: Totp;
  readonly recoveryCodes: RecoveryCodes;
  readonly factors: Factors;
  readonly grants: GrantStorage;
  readonly notifications: Notifications;
  readonly oneTime: OneTime;
  readonly audit: Audit;
  readonly database: Database;
  readonly pages: Pages;
  readonly csrf: Csrf;
  /** Seconds: how old a proof may be for a change. */
  readonly freshProof: number;
}

type Step = (ctx: RouterContext, session: PortalSession) => Promise<void>;

export function securityRoutes(parts: SecurityParts): Router {
  const router = new Router();
  const body = formBody();
  const seen = (step: Step) => async (ctx: RouterContext) => {
    const session = await parts.sessions.find(ctx);
    if (session) await step(ctx, session);
    else await parts.sessions.start(ctx, ctx.method === 'GET' ? ctx.path : HOME);
  };
  /** With a fresh proof, or off to give one and back to the page. */
  const proven = (step: Step) =>
    seen(async (ctx, session) => {
      const { strongest } = await parts.factors.overview(session.account.id);
      const isFresh = Date.now() / 1000 - session.authTime <= parts.freshProof;
      // What the pages cannot ask for yet must not lock anybody out of the weaker ways that they can.
      const needed = strongest === 'urn:latchkey:phr' ? 'urn:latchkey:aal2' : strongest;
      if (isFresh && satisfies(acrOf(session.acr), needed)) await step(ctx, session);
      else await parts.sessions.start(ctx, ctx.method === 'GET' ? ctx.path : HOME, { isFresh: true });
    });
  const submit = (step: Step) => {
    const run = proven(step);
    return async (ctx: RouterContext) => {
      parts.csrf.check(ctx, csrfField(ctx));
      await run(ctx);
    };
  };

  router.get('/account', (ctx) => {
    ctx.status = 303;
    ctx.redirect(HOME);
  });
  router.get('/account/callback', async (ctx) => {
    const path = await parts.sessions.finish(ctx);
    if (path === null) throw new NotFound(undefined, { code: 'link-used' });
    ctx.status = 303;
    ctx.redirect(path);
  });
  router.get(
    HOME,
    seen((ctx, session) => show(ctx, parts, session, {})),
  );
  router.get(
    `${HOME}/password`,
    proven((ctx, session) => show(ctx, parts, session, { stage: 'password' })),
  );
  router.post(
    `${HOME}/password`,
    body,
    submit((ctx, session) => changePassword(ctx, parts, session)),
  );
  router.get(
    `${HOME}/authenticator`,
    proven((ctx, session) => showAuthenticator(ctx, parts, session)),
  );
  router.post(
    `${HOME}/authenticator`,
    body,
    submit((ctx, session) => confirmAuthenticator(ctx, parts, session)),
  );
  router.post(
    `${HOME}/authenticator/remove`,
    body,
    submit((ctx, session) => removeAuthenticator(ctx, parts, session)),
  );
  router.post(
    `${HOME}/recovery-codes`,
    body,
    submit((ctx, session) => renewRecoveryCodes(ctx, parts, session)),
  );
  return router;
}

async function show(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  state: Partial<Pick<SecurityModel, 'stage' | 'authenticator' | 'newCodes'>> & { readonly problem?: [string, string] },
  status = 200,
): Promise<void> {
  const { account } = session;
  const overview = await parts.factors.overview(account.id);
  const { problem, ...rest } = state;
  const model: SecurityModel = {
    stage: 'overview',
    hasPassword: overview.hasPassword,
    hasAuthenticator: overview.totp !== null,
    recoveryCodes: overview.recoveryCodes,
    waysIn: overview.waysIn,
    minLength: parts.passwords.minLength,
    rules: parts.passwords.rules().map((rule) => parts.pages.text(ctx, `password.rule.${rule.key}`, rule.values)),
    authenticator: null,
    newCodes: null,
    errors: problem ? { summary: 'form.problem', fields: { [problem[0]]: problem[1] } } : { fields: {} },
    ...rest,
  };
  parts.pages.show(ctx, 'account-security', model, {
    status,
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

async function changePassword(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, PASSWORD_FORM);
  const { email, username } = session.account;
  const problem = await parts.passwords.findProblemAnywhere(form.new_password, { email, username });
  if (problem !== null) {
    await show(
      ctx,
      parts,
      session,
      { stage: 'password', problem: ['new_password', `password.problem.${problem}`] },
      422,
    );
    return;
  }
  const { account } = session;
  const hash = await parts.passwords.hash(form.new_password);
  await parts.database.transaction(async (em) => {
    await parts.passwords.set(em, account.id, hash);
    await told(ctx, parts, em, account, 'password.change', 'password-changed');
  });
  parts.accounts.forgetRecent();
  if (form.keep_sessions === undefined) {
    await parts.grants.revokeByAccount(account.subject, { exceptSessionUid: session.uid });
  }
  toHome(ctx);
}

async function showAuthenticator(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  problem?: [string, string],
): Promise<void> {
  const { account } = session;
  const label = account.email ?? account.username ?? account.name ?? account.subject;
  const setUp = (await parts.totp.findPending(account.id, label)) ?? (await parts.totp.begin(account.id, label));
  const authenticator = { secret: setUp.secret, qr: renderSVG(setUp.uri, { border: 2 }) };
  await show(
    ctx,
    parts,
    session,
    { stage: 'authenticator', authenticator, ...(problem ? { problem } : {}) },
    problem ? 422 : 200,
  );
}

async function confirmAuthenticator(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const { account } = session;
  const outcome = await parts.totp.confirm(account.id, code, (em) =>
    told(ctx, parts, em, account, 'factor.add', 'factor-added', 'totp'),
  );
  if (outcome !== 'confirmed') {
    await showAuthenticator(ctx, parts, session, ['code', 'security.problem.code']);
    return;
  }
  parts.accounts.forgetRecent();
  if ((await parts.recoveryCodes.count(account.id)) > 0) {
    toHome(ctx);
    return;
  }
  await show(ctx, parts, session, { stage: 'codes', newCodes: await parts.recoveryCodes.regenerate(account.id) });
}

async function removeAuthenticator(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  await parts.factors.remove(
    account.id,
    { kind: 'totp' },
    { alongside: (em) => told(ctx, parts, em, account, 'factor.remove', 'factor-removed', 'totp') },
  );
  parts.accounts.forgetRecent();
  toHome(ctx);
}

async function renewRecoveryCodes(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  const overview = await parts.factors.overview(account.id);
  // Without a second factor that they stand in for they would be a second password that nobody thinks of.
  if (!overview.owesSecondFactor) {
    toHome(ctx);
    return;
  }
  const newCodes = await parts.recoveryCodes.regenerate(account.id, (em) =>
    told(ctx, parts, em, account, 'factor.add', 'factor-added', 'recovery-codes'),
  );
  await show(ctx, parts, session, { stage: 'codes', newCodes });
}

/** Audit and notice, in the transaction of the change. */
async function told(
  ctx: RouterContext,
  parts: SecurityParts,
  em: EntityManager,
  account: AccountRow,
  action: string,
  what: Notice,
  factor?: Factor,
): Promise<void> {
  const origin = { network: clientNetwork(ctx), userAgent: ctx.get('user-agent'), requestId: requestId(ctx) };
  const cause: Cause = { actor: { kind: 'account', id: account.id }, origin };
  await parts.audit.record({ ...cause, action, target: { kind: 'account', id: account.id }, reason: factor }, em);
  if (account.email === null) return;
  const token = await parts.oneTime.put(
    'not-me',
    { accountId: account.id },
    { ttl: NOT_ME_TTL, subject: account.id, em },
  );
  await parts.notifications.send(em, {
    kind: 'notice',
    ...{ to: account.email, accountId: account.id, zone: account.zoneinfo },
    locale: account.locale ?? parts.pages.locale(ctx),
    expiresAt: new Date(Date.now() + 24 * 3600 * 1000),
    model: { what, asked: asker(ctx), path: `/not-me/${token}`, ...(factor === undefined ? {} : { factor }) },
  });
}

function acrOf(acr: string) {
  return acr === 'urn:latchkey:phr' || acr === 'urn:latchkey:aal2' ? acr : 'urn:latchkey:aal1';
}

function toHome(ctx: RouterContext): void {
  ctx.status = 303;
  ctx.redirect(HOME);
}
