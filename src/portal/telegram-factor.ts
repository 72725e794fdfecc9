// Approval in the bot as second factor, set up by its owner: with a fresh proof, and by an approval of the Telegram account that is to be asked from
// then on, which has to be linked (requirements F13, S6). How it is taken away is in security.ts.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { TELEGRAM_ISSUER } from '../account/linked-identities.ts';
import { tellOfChange } from '../credential/change-notice.ts';
import { canEnrolTelegram } from '../credential/factors.ts';
import { NotFound } from '../errors.ts';
import { formBody, parseForm } from '../http/form.ts';
import {
  askInBot,
  findAsked,
  sendAskedState,
  showWait,
  streamAskedState,
  takeAsked,
} from '../telegram/approval-page.ts';
import type { ApprovalFor } from '../telegram/approvals.ts';
import { TELEGRAM_IDENTITIES } from '../upstream/upstreams.ts';
import { showFirstCodes } from './factor-change.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { SECURITY, type SecurityParts, showSecurity, toSecurity } from './security-page.ts';

const HERE = `${SECURITY}/telegram`;
const EMPTY_FORM = z.strictObject({});

type Step = (ctx: RouterContext, parts: SecurityParts, session: PortalSession) => void | Promise<void>;

export function telegramFactorRoutes(parts: SecurityParts): Router {
  const router = new Router();
  const body = formBody();
  const { seen, proven, submit } = portalDoors(parts, SECURITY);
  router.get(
    HERE,
    proven((ctx, session) => showStart(ctx, parts, session)),
  );
  router.post(
    HERE,
    body,
    submit((ctx, session) => begin(ctx, parts, session)),
  );
  router.get(
    `${HERE}/:approval`,
    seen((ctx, session) => showApproval(ctx, parts, session)),
  );
  router.post(
    `${HERE}/:approval`,
    body,
    submit((ctx, session) => finish(ctx, parts, session)),
  );
  for (const [path, step] of [
    ['state', (ctx, _, session) => sendAskedState(ctx, parts, enrolmentIn(session), approvalOf(ctx))],
    ['events', (ctx, _, session) => streamAskedState(ctx, parts, enrolmentIn(session), approvalOf(ctx))],
  ] as const satisfies readonly (readonly [string, Step])[]) {
    // For script: nothing that would send it to a page.
    router.get(`${HERE}/:approval/${path}`, async (ctx) => {
      const session = await parts.sessions.find(ctx);
      if (!session) throw new NotFound(undefined, { code: 'page-not-found' });
      await step(ctx, parts, session);
    });
  }
  return router;
}

async function showStart(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  if (parts.bot === null) throw new NotFound(undefined, { code: 'page-not-found' });
  const confirmation = { what: 'telegram-add', action: HERE, name: null } as const;
  await showSecurity(ctx, parts, session, { stage: 'confirm', confirmation });
}

async function begin(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  if (!canEnrolTelegram(await parts.factors.overview(session.account.id))) {
    await refuse(ctx, parts, session, 'only-way');
    return;
  }
  // By the link, though the chat may be known: pressing Start is what makes it one that we may write to.
  const begun = await askInBot(ctx, parts, enrolmentIn(session), null);
  if (begun === null) throw new NotFound(undefined, { code: 'page-not-found' });
  ctx.status = 303;
  ctx.redirect(`${HERE}/${begun.id}`);
}

async function showApproval(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const approval = await findAsked(ctx, parts, enrolmentIn(session), approvalOf(ctx));
  if (approval === null || approval.state === 'taken') {
    toSecurity(ctx);
    return;
  }
  const { account } = session;
  showWait(ctx, parts, approval, {
    ...{ client: null, againAction: HERE, otherWayUrl: SECURITY, accountLocale: account.locale },
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

/** The bot has its answer, and the browser that asked goes on. */
async function finish(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  const approver = await takeAsked(ctx, parts, enrolmentIn(session), approvalOf(ctx));
  if (approver === null) return;
  const { telegramId } = approver;
  const key = { upstream: TELEGRAM_IDENTITIES, issuer: TELEGRAM_ISSUER, subject: telegramId };
  const change = { action: 'factor.add', what: 'factor-added', factor: 'telegram' } as const;
  const outcome = await parts.factors.enrolTelegram(
    account.id,
    telegramId,
    (em) => parts.identities.findId(em, account.id, key),
    (em) => tellOfChange(ctx, parts, em, account, change),
  );
  if (outcome !== 'enrolled') {
    await refuse(ctx, parts, session, outcome);
    return;
  }
  parts.accounts.forgetRecent();
  await showFirstCodes(ctx, parts, session, 'telegram');
}

async function refuse(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  reason: 'only-way' | 'not-linked',
): Promise<void> {
  const { id } = session.account;
  const target = { kind: 'account', id };
  await parts.audit.record({ ...causeOf(ctx, id), action: 'factor.add', target, result: 'failure', reason });
  const summary = reason === 'only-way' ? 'security.problem.telegram-only' : 'security.problem.telegram-other';
  await showSecurity(ctx, parts, session, { errors: { summary, fields: {} } }, 409);
}

function enrolmentIn({ account, uid }: PortalSession): ApprovalFor {
  return { purpose: 'enrolment', context: `portal:${uid}:${account.id}` };
}

function approvalOf(ctx: RouterContext): string {
  return String(ctx.params['approval']);
}
