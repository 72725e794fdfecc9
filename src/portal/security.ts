// How an account proves itself, changed by its owner: password, passkeys, authenticator app, recovery codes. Every change asks for a fresh proof
// at least as strong as the strongest that is enrolled, and tells the owner by mail (requirements S6, F1, F2, F4, P7). Passkeys and
// the approval in the bot have files of their own.

import Router, { type RouterContext } from '@koa/router';
import { renderSVG } from 'uqr';
import { z } from 'zod';
import { tellOfChange } from '../credential/change-notice.ts';
import type { RemovableFactor } from '../credential/factors.ts';
import { passwordRules } from '../credential/password-rules.ts';
import { NotFound } from '../errors.ts';
import { clientNetwork } from '../http/client-address.ts';
import { formBody, parseForm } from '../http/form.ts';
import type { SecurityModel } from '../http/page-model.ts';
import { requestId } from '../http/request-id.ts';
import type { Factor } from '../notification/message.ts';
import { removeFactor, showFirstCodes } from './factor-change.ts';
import { portalDoors } from './fresh-proof.ts';
import { passkeyRoutes } from './passkeys.ts';
import type { PortalSession } from './portal-session.ts';
import { SECURITY, type SecurityParts, showSecurity, toSecurity } from './security-page.ts';
import { telegramFactorRoutes } from './telegram-factor.ts';

const PASSWORD_FORM = z.strictObject({ new_password: z.string(), keep_sessions: z.literal('on').optional() });
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
const HOUR = 3600;

type Step = (ctx: RouterContext, parts: SecurityParts, session: PortalSession) => Promise<void>;

export function securityRoutes(parts: SecurityParts): Router {
  const router = new Router();
  const body = formBody();
  const { seen, proven, submit } = portalDoors(parts, SECURITY);
  router.get('/account', (ctx) => toSecurity(ctx));
  router.get('/account/callback', async (ctx) => {
    const path = await parts.sessions.finish(ctx);
    if (path === null) throw new NotFound(undefined, { code: 'link-used' });
    ctx.status = 303;
    ctx.redirect(path);
  });
  router.get(
    SECURITY,
    seen((ctx, session) => showSecurity(ctx, parts, session)),
  );
  const page = (path: string, show: Step, act: Step): void => {
    router.get(
      `${SECURITY}/${path}`,
      proven((ctx, session) => show(ctx, parts, session)),
    );
    router.post(
      `${SECURITY}/${path}`,
      body,
      submit((ctx, session) => act(ctx, parts, session)),
    );
  };
  page('password', (ctx, _, session) => showSecurity(ctx, parts, session, { stage: 'password' }), changePassword);
  page('password/remove', confirm('password'), remove({ kind: 'password' }, 'password'));
  page('authenticator', (ctx, _, session) => showAuthenticator(ctx, parts, session), confirmAuthenticator);
  page('authenticator/remove', confirm('totp'), remove({ kind: 'totp' }, 'totp'));
  page('telegram/remove', confirm('telegram'), remove({ kind: 'telegram' }, 'telegram'));
  page('recovery-codes', confirm('recovery-codes'), renewRecoveryCodes);
  router.use(passkeyRoutes(parts).routes());
  router.use(telegramFactorRoutes(parts).routes());
  return router;
}

/** The page that asks whether it is meant, for browsers without script and everybody else. */
function confirm(what: 'password' | 'totp' | 'telegram' | 'recovery-codes'): Step {
  return (ctx, parts, session) => {
    const confirmation = { what, action: ctx.path, name: null };
    return showSecurity(ctx, parts, session, { stage: 'confirm', confirmation });
  };
}

function remove(factor: RemovableFactor, name: Factor): Step {
  return async (ctx, parts, session) => {
    parseForm(ctx, EMPTY_FORM);
    await removeFactor(ctx, parts, session, factor, { factor: name });
  };
}

async function changePassword(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, PASSWORD_FORM);
  const { account } = session;
  const { email, username } = account;
  const problem = await parts.passwords.findProblemAnywhere(form.new_password, { email, username });
  if (problem !== null) {
    const errors = { summary: 'form.problem', fields: { new_password: `password.problem.${problem}` } };
    const typed = { password: form.new_password, context: { email, username } };
    const rules = passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values), typed);
    await showSecurity(ctx, parts, session, { stage: 'password', rules, errors }, 422);
    return;
  }
  const budget = { limit: parts.passwordChanges, window: HOUR };
  const spending = await parts.budgets.spend(`password-change:${account.id}`, budget);
  if (!spending.isAllowed) {
    const { retryAfter } = spending;
    ctx.set('Retry-After', String(retryAfter));
    const errors = { summary: 'mailed.problem.wait', fields: {} };
    await showSecurity(ctx, parts, session, { stage: 'password', errors, retryAfter }, 429);
    return;
  }
  const hash = await parts.passwords.hash(form.new_password);
  await parts.database.transaction(async (em) => {
    await parts.passwords.set(em, account.id, hash);
    await tellOfChange(ctx, parts, em, account, { action: 'password.change', what: 'password-changed' });
  });
  parts.accounts.forgetRecent();
  if (form.keep_sessions === undefined) {
    const origin = {
      network: clientNetwork(ctx),
      userAgent: ctx.get('user-agent') || undefined,
      requestId: requestId(ctx),
    };
    const cause = { actor: { kind: 'account', id: account.id } as const, origin };
    await parts.sessionsAndGrants.endOthers(account, session.uid, cause);
  }
  toSecurity(ctx, 'password');
}

async function showAuthenticator(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  problem?: string,
): Promise<void> {
  const { account } = session;
  const label = account.email ?? account.username ?? account.name ?? account.subject;
  const setUp = (await parts.totp.findPending(account.id, label)) ?? (await parts.totp.begin(account.id, label));
  const authenticator = { secret: setUp.secret, qr: renderSVG(setUp.uri, { border: 2 }) };
  const errors: SecurityModel['errors'] =
    problem === undefined ? { fields: {} } : { summary: 'form.problem', fields: { code: problem } };
  const status = problem === undefined ? 200 : 422;
  await showSecurity(ctx, parts, session, { stage: 'authenticator', authenticator, errors }, status);
}

async function confirmAuthenticator(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const { account } = session;
  const change = { action: 'factor.add', what: 'factor-added', factor: 'totp' } as const;
  const outcome = await parts.totp.confirm(account.id, code, (em) => tellOfChange(ctx, parts, em, account, change));
  if (outcome !== 'confirmed') {
    await showAuthenticator(ctx, parts, session, 'security.problem.code');
    return;
  }
  parts.accounts.forgetRecent();
  await showFirstCodes(ctx, parts, session, 'totp');
}

async function renewRecoveryCodes(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  const { secondFactors } = await parts.factors.overview(account.id);
  // Without a second factor that they stand in for they would be a second password that nobody thinks of.
  if (secondFactors.length === 0) {
    toSecurity(ctx);
    return;
  }
  const change = { action: 'factor.add', what: 'factor-added', factor: 'recovery-codes' } as const;
  const newCodes = await parts.recoveryCodes.regenerate(account.id, (em) =>
    tellOfChange(ctx, parts, em, account, change),
  );
  parts.accounts.forgetRecent();
  await showSecurity(ctx, parts, session, { stage: 'codes', newCodes });
}
