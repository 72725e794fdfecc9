// What every change of factors in the portal has in common: nobody takes the last way in away, and whoever gets a second factor gets codes for the
// day it is lost.
import type { RouterContext } from '@koa/router';
import { tellOfChange } from '../credential/change-notice.ts';
import type { RemovableFactor, RemovalOutcome } from '../credential/factors.ts';
import type { Factor } from '../notification/message.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { type SecurityParts, showSecurity, toSecurity } from './security-page.ts';

/** Takes one away and shows what is left, or why it stays. @param told what the notice says of it */
export async function removeFactor(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  factor: RemovableFactor,
  told: { readonly factor: Factor; readonly name?: string },
): Promise<void> {
  const { account } = session;
  const outcome: RemovalOutcome = await parts.factors.remove(account.id, factor, {
    isSecondFactorRequired: await parts.signInPolicy.needsSecondFactor(account.id),
    alongside: (em) =>
      tellOfChange(ctx, parts, em, account, { action: 'factor.remove', what: 'factor-removed', ...told }),
  });
  if (outcome === 'last-way' || outcome === 'last-second-factor') {
    const target = { kind: 'account', id: account.id };
    const cause = causeOf(ctx, account.id);
    await parts.audit.record({ ...cause, action: 'factor.remove', target, result: 'failure', reason: outcome });
    const errors = { summary: `security.problem.${outcome}`, fields: {} };
    await showSecurity(ctx, parts, session, { errors }, 409);
    return;
  }
  parts.accounts.forgetRecent();
  toSecurity(ctx, told.factor);
}

/** After a second factor was set up: the codes that stand in for it, unless there are some. */
export async function showFirstCodes(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  factor: Factor,
): Promise<void> {
  const { owesSecondFactor, recoveryCodes } = await parts.factors.overview(session.account.id);
  if (!owesSecondFactor || recoveryCodes > 0) {
    toSecurity(ctx, factor);
    return;
  }
  const newCodes = await parts.recoveryCodes.regenerate(session.account.id);
  parts.accounts.forgetRecent();
  await showSecurity(ctx, parts, session, { stage: 'codes', newCodes });
}
