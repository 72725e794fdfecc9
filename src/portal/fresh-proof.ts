// The doors of the portal's pages: signed in, or with a proof of now that is at least as strong as the strongest that the account can give
// (requirements S6). A stolen session, or one begun with a weaker factor, changes nothing.
import type { RouterContext } from '@koa/router';
import { satisfies, shownAcr } from '../credential/assurance.ts';
import type { Budgets } from '../credential/budget.ts';
import type { Factors } from '../credential/factors.ts';
import { TooManyRequests } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField } from '../http/form.ts';
import type { PortalSession, PortalSessions } from './portal-session.ts';

export interface FreshProofParts {
  readonly sessions: PortalSessions;
  readonly factors: Factors;
  readonly csrf: Csrf;
  readonly budgets: Budgets;
  /** Seconds: how old a proof may be for a change. */
  readonly freshProof: number;
}

/** Of one account, whatever is changed: each is work, and a mail. */
const CHANGES = { limit: 60, window: 3600 };

export type PortalStep = (ctx: RouterContext, session: PortalSession) => Promise<void>;
type Handler = (ctx: RouterContext) => Promise<void>;

/** @param home where a form leads back to that was sent without what it needs; a page leads back to itself */
export function portalDoors(parts: FreshProofParts, home: string) {
  const seen =
    (step: PortalStep): Handler =>
    async (ctx) => {
      const session = await parts.sessions.find(ctx);
      if (session) await step(ctx, session);
      else await parts.sessions.start(ctx, backTo(ctx));
    };
  const proven = (step: PortalStep): Handler =>
    seen(async (ctx, session) => {
      const { strongest } = await parts.factors.overview(session.account.id);
      const isFresh = Date.now() / 1000 - session.authTime <= parts.freshProof;
      const isStrong = satisfies(shownAcr(session.acr, session.amr), strongest);
      if (isFresh && isStrong) await step(ctx, session);
      else await parts.sessions.start(ctx, backTo(ctx), { isFresh: true, acr: strongest });
    });
  const submit = (step: PortalStep): Handler => {
    const run = proven(async (ctx, session) => {
      const spending = await parts.budgets.spend(`credential-change:${session.account.id}`, CHANGES);
      if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
      await step(ctx, session);
    });
    return async (ctx) => {
      parts.csrf.check(ctx, csrfField(ctx));
      await run(ctx);
    };
  };
  const backTo = (ctx: RouterContext): string => (ctx.method === 'GET' ? ctx.path : home);
  return { seen, proven, submit };
}
