// Another e-mail address: asked for with a fresh proof, proven by a code or link that goes to it, told to the old one, which can take it back. An
// address that has an owner gets no code, and nobody is told why.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { EMAIL_CHANGE_TTL, EmailTaken } from '../account/email-changes.ts';
import { parseEmail } from '../account/sign-in-name.ts';
import { type CodeProblem, codedMessage, maskTyped, tooEarly, waitingForCode } from '../credential/mailed-page.ts';
import type { FoundSecret, MailDraft, MailedSecret, MailRefusal } from '../credential/mailed-secret.ts';
import { NotFound } from '../errors.ts';
import { asker } from '../http/asker.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { EntityManager } from '../storage/database.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, toProfile } from './profile-page.ts';

const EMAIL = `${PROFILE}/email`;
const FORM = z.strictObject({ email: z.string().max(1000) });
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const LINK_FORM = z.strictObject({ token: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
const NOTICE_LIFE = 24 * 3600 * 1000;

/** What is sealed with the mail. */
interface Content {
  readonly newEmail: string;
}

export function emailChangeRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const body = formBody();
  const { seen, proven, submit } = portalDoors(parts, PROFILE);
  const post = (path: string, step: (ctx: RouterContext, session: PortalSession) => Promise<void>): void => {
    const run = seen(step);
    router.post(path, body, async (ctx) => {
      parts.csrf.check(ctx, csrfField(ctx));
      await run(ctx);
    });
  };
  router.get(
    EMAIL,
    proven((ctx, session) => showProfile(ctx, parts, session, { stage: 'email' })),
  );
  router.post(
    EMAIL,
    body,
    submit((ctx, session) => requestEmail(ctx, parts, session)),
  );
  // The button behind the link: bound to the browser that asked, signed in or not.
  router.post(`${EMAIL}/link`, body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await submitLink(ctx, parts);
  });
  post(`${EMAIL}/cancel`, (ctx, session) => cancel(ctx, parts, session));
  router.get(
    `${EMAIL}/:requestId`,
    seen((ctx, session) => showCode(ctx, parts, session)),
  );
  post(`${EMAIL}/:requestId`, (ctx, session) => submitCode(ctx, parts, session));
  post(`${EMAIL}/:requestId/resend`, (ctx, session) => resend(ctx, parts, session));
  return router;
}

async function requestEmail(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, FORM);
  const { account } = session;
  const email = parseEmail(form.email);
  if (email === null || email.toLowerCase() === account.email?.toLowerCase()) {
    const problem = email === null ? 'register.problem.email' : 'profile.problem.same-email';
    const errors = { summary: 'form.problem', fields: { email: problem } };
    await showProfile(ctx, parts, session, { stage: 'email', typedEmail: form.email, errors }, 422);
    return;
  }
  const draft = await sendCode(ctx, parts, account, email, false);
  if (!draft.isAllowed) {
    ctx.set('Retry-After', String(draft.retryAfter));
    const errors = { summary: 'mailed.problem.wait', fields: {} };
    const state = { stage: 'email', typedEmail: form.email, errors, retryAfter: draft.retryAfter } as const;
    await showProfile(ctx, parts, session, state, 429);
    return;
  }
  ctx.status = 303;
  ctx.redirect(`${EMAIL}/${draft.requestId}`);
}

/** The code to the new address, and the first time the notice to the old one, all in one transaction. */
async function sendCode(
  ctx: RouterContext,
  parts: ProfileParts,
  account: AccountRow,
  newEmail: string,
  isResend: boolean,
): Promise<MailDraft | MailRefusal> {
  const draft = await parts.mailed.draft('email-change', newEmail.toLowerCase(), account.id);
  if (!draft.isAllowed) return draft;
  const browserId = ensureBrowserId(ctx, parts.naming);
  const owner = await parts.accounts.findBySignInName(newEmail);
  const cause = causeOf(ctx, account.id);
  const locale = account.locale ?? parts.pages.locale(ctx);
  const shared = { locale, zone: account.zoneinfo, accountId: account.id };
  const expiresAt = new Date(Date.now() + EMAIL_CHANGE_TTL * 1000);
  await parts.database.transaction(async (em) => {
    const undoPath = isResend ? null : await parts.emailChanges.request(em, account, newEmail, cause);
    await parts.mailed.put(em, draft, { accountId: account.id, browserId, content: { newEmail } satisfies Content });
    // The owner of an address that has one is told as at registration, and gets no code.
    const message = owner
      ? ({
          ...({ kind: 'already-registered', to: owner.email ?? newEmail, accountId: owner.id, expiresAt } as const),
          ...{ locale: owner.locale ?? locale, model: { path: '/', asked: asker(ctx) } },
        } as const)
      : codedMessage(ctx, 'email-change', { ...shared, email: newEmail }, draft, undefined);
    await parts.notifications.send(em, { ...message, isResend });
    if (undoPath === null || account.email === null) return;
    // The old address is told whatever its owner chose: it is the one that can take the change back.
    await parts.notifications.send(em, {
      ...({ kind: 'email-change-notice', to: account.email, ...shared, expiresAt } as const),
      model: { path: undoPath, asked: asker(ctx), newAddress: maskTyped(newEmail) ?? '' },
    });
    const about = { what: 'email-change-asked', asked: asker(ctx) } as const;
    await parts.notices.tell(em, { owner: account, about, ...{ locale, path: undoPath, expiresAt, isMailed: true } });
  });
  return draft;
}

async function resend(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await findWaiting(ctx, parts, session);
  if (!found) throw gone();
  const draft = await sendCode(ctx, parts, session.account, found.content.newEmail, true);
  if (!draft.isAllowed) {
    await showCode(ctx, parts, session, tooEarly(draft.retryAfter));
    return;
  }
  ctx.status = 303;
  ctx.redirect(`${EMAIL}/${draft.requestId}`);
}

async function cancel(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { id } = session.account;
  await parts.database.transaction((em) => parts.emailChanges.cancel(em, id, causeOf(ctx, id)));
  toProfile(ctx);
}

async function findWaiting(
  ctx: RouterContext,
  parts: ProfileParts,
  session: PortalSession,
): Promise<FoundSecret<Content> | null> {
  const browserId = findBrowserId(ctx, parts.naming);
  const found = await parts.mailed.findRequest<Content>(String(ctx.params['requestId']), browserId);
  return found?.purpose === 'email-change' && found.accountId === session.account.id ? found : null;
}

async function showCode(
  ctx: RouterContext,
  parts: ProfileParts,
  session: PortalSession,
  problem?: CodeProblem,
): Promise<void> {
  const found = await findWaiting(ctx, parts, session);
  if (!found) {
    if (problem) throw gone();
    toProfile(ctx);
    return;
  }
  const action = `${EMAIL}/${found.requestId}`;
  const { code, ...state } = await waitingForCode(ctx, parts, found, action, problem);
  const shown = { stage: 'code', code: { action, ...code }, typedEmail: found.content.newEmail, ...state } as const;
  await showProfile(ctx, parts, session, shown, problem?.status ?? 200);
}

async function submitCode(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  if (!(await findWaiting(ctx, parts, session))) throw gone();
  const requestId = String(ctx.params['requestId']);
  const browserId = findBrowserId(ctx, parts.naming);
  const request = {
    purpose: 'email-change',
    requestId,
    browserId,
    network: clientNetwork(ctx),
    origin: requestOrigin(ctx),
    code,
  } as const;
  const outcome = await orGone(parts.mailed.takeByCode<Content>(request, complete(ctx, parts)));
  if (outcome.kind === 'taken') {
    parts.accounts.forgetRecent();
    toProfile(ctx, 'email');
    return;
  }
  if (outcome.kind === 'wait') {
    await showCode(ctx, parts, session, { status: 429, key: 'mailed.problem.wait', retryAfter: outcome.retryAfter });
    return;
  }
  const key = outcome.kind === 'malformed' ? 'mailed.problem.malformed' : 'mailed.problem.wrong';
  await showCode(ctx, parts, session, { status: 422, key });
}

async function submitLink(ctx: RouterContext, parts: ProfileParts): Promise<void> {
  const { token } = parseForm(ctx, LINK_FORM);
  const browserId = findBrowserId(ctx, parts.naming);
  // Elsewhere it would give somebody else's account an address by the hand of the one who reads its mail.
  if (browserId === undefined) throw gone();
  const outcome = await orGone(parts.mailed.takeByLink('email-change', token, browserId, complete(ctx, parts)));
  if (outcome.kind !== 'taken') throw gone();
  parts.accounts.forgetRecent();
  toProfile(ctx, 'email');
}

/** In the transaction that takes the proof; the old address is told, with the way back. */
function complete(ctx: RouterContext, parts: ProfileParts) {
  return async (em: EntityManager, { accountId, content }: MailedSecret<Content>): Promise<void> => {
    const account = accountId === null ? null : await parts.accounts.findByIdWithin(em, accountId);
    if (!account) throw gone();
    const done = await parts.emailChanges.complete(em, account.id, content.newEmail, causeOf(ctx, account.id));
    if (!done) throw gone();
    const about = { what: 'email-changed', asked: asker(ctx) } as const;
    const locale = parts.pages.locale(ctx);
    const path = done.undoPath === null ? {} : { path: done.undoPath };
    if (done.oldEmail !== null && done.undoPath !== null) {
      await parts.notifications.send(em, {
        ...({ kind: 'notice', to: done.oldEmail, accountId: account.id, zone: account.zoneinfo } as const),
        locale: account.locale ?? locale,
        expiresAt: new Date(Date.now() + NOTICE_LIFE),
        model: { ...about, path: done.undoPath },
      });
    }
    await parts.notices.tell(em, { owner: account, about, locale, ...path, isMailed: true });
  };
}

function gone(): NotFound {
  return new NotFound(undefined, { code: 'link-used' });
}

/** What was proven is worth nothing any more: told like a code or link that is gone. */
async function orGone<Outcome>(taking: Promise<Outcome>): Promise<Outcome | { readonly kind: 'gone' }> {
  try {
    return await taking;
  } catch (error) {
    if (error instanceof EmailTaken || (error instanceof NotFound && error.code === 'link-used'))
      return { kind: 'gone' };
    throw error;
  }
}
