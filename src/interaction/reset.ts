// A new password for somebody who forgot the old one. The answer never tells whether there is an account; the mail's link or code leads to a
// form, and only its post changes anything. It signs nobody in, keeps the second factor, and ends all sessions and tokens (requirements P8).

import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { lockCredentials } from '../credential/credential-version.ts';
import { type CodeProblem, codedMessage, maskTyped, tooEarly, waitingForCode } from '../credential/mailed-page.ts';
import type { FoundSecret, MailDraft, MailRefusal } from '../credential/mailed-secret.ts';
import type { PasswordContext } from '../credential/password.ts';
import { passwordRules } from '../credential/password-rules.ts';
import { withFloor } from '../http/answer-time.ts';
import { asker } from '../http/asker.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { NewPasswordModel, ResetModel } from '../http/page-model.ts';
import type { SessionsAndGrants } from '../oidc/sessions-and-grants.ts';
import type { EntityManager } from '../storage/database.ts';
import { origin } from './interaction.ts';
import { beginMailed, linkUsed, type MailedParts, takeOrGone } from './mailed.ts';
import { countedAs, findTyped } from './typed-name.ts';

const FORM = z.strictObject({ login: z.string().max(2000), interaction: z.string().max(100).optional() });
const EMPTY_FORM = z.strictObject({});
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const PASSWORD_FORM = z.strictObject({ new_password: z.string() });

/** A code was right: this browser may choose a new password, once (seconds). */
const TICKET = 'new-password';
const TICKET_TTL = 900;

export interface ResetParts extends MailedParts {
  readonly sessionsAndGrants: SessionsAndGrants;
}

/** What is sealed with the mail. */
export interface ResetContent {
  readonly typed: string;
  readonly interaction: string | null;
}

interface Ticket {
  readonly browser: string;
  readonly accountId: string;
  /** A change of credentials meanwhile ends it. */
  readonly credentialVersion: number;
  readonly interaction: string | null;
}

export function resetRoutes(parts: ResetParts): Router {
  const router = new Router();
  const body = formBody();
  router.get('/reset', (ctx) => showReset(ctx, parts, { interaction: uidOf(ctx.query['interaction']) }));
  router.post('/reset', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await requestReset(ctx, parts);
  });
  router.post('/reset/:requestId/resend', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await resendReset(ctx, parts);
  });
  router.get('/reset/:requestId/resend', (ctx) => {
    ctx.status = 303;
    ctx.redirect(pathOf(ctx));
  });
  router.get('/reset/:requestId', (ctx) => showSent(ctx, parts));
  router.post('/reset/:requestId', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await submitCode(ctx, parts);
  });
  router.get('/reset/new/:ticket', async (ctx) => {
    await getTicket(ctx, parts);
    showNewPassword(ctx, parts, ctx.path);
  });
  router.post('/reset/new/:ticket', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await submitTicket(ctx, parts);
  });
  return router;
}

async function requestReset(ctx: RouterContext, parts: ResetParts): Promise<void> {
  const form = parseForm(ctx, FORM);
  const interaction = uidOf(form.interaction);
  const draft = await sendReset(ctx, parts, { typed: form.login, interaction }, false);
  if (!draft.isAllowed) {
    ctx.set('Retry-After', String(draft.retryAfter));
    showReset(ctx, parts, { interaction, login: form.login, retryAfter: draft.retryAfter }, 429);
    return;
  }
  await parts.audit.record({ actor: { kind: 'anonymous' }, action: 'password.reset-request', origin: origin(ctx) });
  ctx.status = 303;
  ctx.redirect(`/reset/${draft.requestId}`);
}

/** Another mail to the same name; its code and link take the place of the last ones. */
async function resendReset(ctx: RouterContext, parts: ResetParts): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await getWaiting(ctx, parts);
  const draft = await sendReset(ctx, parts, found.content, true);
  if (!draft.isAllowed) {
    await showSent(ctx, parts, tooEarly(draft.retryAfter));
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/reset/${draft.requestId}`);
}

function sendReset(
  ctx: RouterContext,
  parts: ResetParts,
  { typed, interaction }: ResetContent,
  isResend: boolean,
): Promise<MailDraft | MailRefusal> {
  return withFloor(parts.answerFloorMs, parts.answerJitterMs, async () => {
    const account = await findTyped(parts, typed);
    const active = account?.status === 'active' && account.email !== null ? account : null;
    const content: ResetContent = { typed: typed.slice(0, 254), interaction };
    return beginMailed(ctx, parts, {
      ...({ purpose: 'reset', address: countedAs(parts, typed), account: active, content, isResend } as const),
      message: (made, notMe) =>
        active?.email ? codedMessage(ctx, 'reset', toOf(ctx, parts, active, active.email), made, notMe) : null,
    });
  });
}

/** @throws NotFound where this browser waits for no such mail */
async function getWaiting(ctx: RouterContext, parts: ResetParts): Promise<FoundSecret<ResetContent>> {
  const requestId = String(ctx.params['requestId']);
  const found = await parts.mailed.findRequest<ResetContent>(requestId, findBrowserId(ctx, parts.naming));
  if (found?.purpose !== 'reset') throw linkUsed();
  return found;
}

/** Of the page that waits for the code. */
function pathOf(ctx: RouterContext): string {
  return `/reset/${encodeURIComponent(String(ctx.params['requestId']))}`;
}

function showReset(
  ctx: RouterContext,
  parts: ResetParts,
  state: { readonly interaction: string | null; readonly login?: string; readonly retryAfter?: number },
  status = 200,
): void {
  const model: ResetModel = {
    action: '/reset',
    login: state.login ?? '',
    takesPhone: parts.phones !== null,
    interaction: state.interaction,
    backUrl: state.interaction === null ? '/' : `/interaction/${state.interaction}`,
    ...(state.retryAfter === undefined ? {} : { retryAfter: state.retryAfter }),
    errors: state.retryAfter === undefined ? { fields: {} } : { summary: 'mailed.problem.wait', fields: {} },
  };
  parts.pages.show(ctx, 'reset', model, { status });
}

async function showSent(ctx: RouterContext, parts: ResetParts, problem?: CodeProblem): Promise<void> {
  const found = await getWaiting(ctx, parts);
  const { typed, interaction } = found.content;
  const action = pathOf(ctx);
  const { code, ...state } = await waitingForCode(ctx, parts, found, action, problem);
  const model: ResetModel = {
    ...{ action, login: '', takesPhone: parts.phones !== null, interaction, ...state },
    backUrl: interaction === null ? '/' : `/interaction/${interaction}`,
    sent: { address: maskTyped(typed), ...code },
  };
  parts.pages.show(ctx, 'reset', model, { status: problem?.status ?? 200 });
}

async function submitCode(ctx: RouterContext, parts: ResetParts): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const browserId = findBrowserId(ctx, parts.naming);
  const requestId = String(ctx.params['requestId']);
  let ticket: string | null = null;
  const taking = parts.mailed.takeByCode<ResetContent>(
    { purpose: 'reset', requestId, browserId, network: clientNetwork(ctx), origin: origin(ctx), code },
    async (em, { accountId, content }) => {
      const account = accountId === null ? null : await parts.accounts.findByIdWithin(em, accountId);
      if (account?.status !== 'active') throw linkUsed();
      const { id, credentialVersion } = account;
      const browser = ensureBrowserId(ctx, parts.naming);
      const value: Ticket = { browser, accountId: id, credentialVersion, interaction: content.interaction };
      ticket = await parts.oneTime.put(TICKET, value, { ttl: TICKET_TTL, subject: id, em });
    },
  );
  const outcome = await takeOrGone(taking);
  if (outcome.kind === 'wait') {
    await showSent(ctx, parts, { status: 429, key: 'mailed.problem.wait', retryAfter: outcome.retryAfter });
    return;
  }
  if (outcome.kind !== 'taken' || ticket === null) {
    const key = outcome.kind === 'malformed' ? 'mailed.problem.malformed' : 'mailed.problem.wrong';
    await showSent(ctx, parts, { status: 422, key });
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/reset/new/${String(ticket)}`);
}

/** The form for a new password, behind the link or after the code. */
export function showNewPassword(
  ctx: RouterContext,
  parts: ResetParts,
  action: string,
  problem?: string,
  typed?: { readonly password: string; readonly context: PasswordContext },
): void {
  const model: NewPasswordModel = {
    action,
    minLength: parts.passwords.minLength,
    rules: passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values), typed),
    done: false,
    backUrl: '/',
    errors: problem === undefined ? { fields: {} } : { summary: 'form.problem', fields: { new_password: problem } },
  };
  parts.pages.show(ctx, 'reset-confirm', model, { status: problem === undefined ? 200 : 422, formTarget: 'self' });
}

/** The new password as typed, hashed; null when the form was shown again with what is wrong. */
export async function readNewPassword(
  ctx: RouterContext,
  parts: ResetParts,
  action: string,
  accountId: string | null,
): Promise<string | null> {
  const { new_password: password } = parseForm(ctx, PASSWORD_FORM);
  const owner = accountId === null ? null : await parts.accounts.findById(accountId);
  const context = { email: owner?.email ?? null, username: owner?.username ?? null };
  const problem = await parts.passwords.findProblemAnywhere(password, context);
  if (problem !== null) {
    showNewPassword(ctx, parts, action, `password.problem.${problem}`, { password, context });
    return null;
  }
  return parts.passwords.hash(password);
}

/** @throws NotFound for a ticket that is used, too old, or another browser's */
async function getTicket(ctx: RouterContext, parts: ResetParts): Promise<Ticket> {
  const ticket = await parts.oneTime.find<Ticket>(TICKET, String(ctx.params['ticket']));
  if (ticket === null || ticket.browser !== findBrowserId(ctx, parts.naming)) throw linkUsed();
  const account = await parts.accounts.findById(ticket.accountId);
  if (account?.credentialVersion !== ticket.credentialVersion) throw linkUsed();
  return ticket;
}

async function submitTicket(ctx: RouterContext, parts: ResetParts): Promise<void> {
  const value = String(ctx.params['ticket']);
  const seen = await getTicket(ctx, parts);
  const hash = await readNewPassword(ctx, parts, ctx.path, seen.accountId);
  if (hash === null) return;
  const isChanged = await parts.database.transaction(async (em) => {
    await lockCredentials(em, seen.accountId);
    const ticket = await parts.oneTime.takeWithin<Ticket>(em, TICKET, value);
    const account = ticket && (await parts.accounts.findByIdWithin(em, ticket.accountId));
    if (!account || account.credentialVersion !== ticket.credentialVersion) return false;
    return setPassword(ctx, parts, em, account.id, hash);
  });
  if (!isChanged) throw linkUsed();
  await finishReset(ctx, parts, seen.accountId, seen.interaction);
}

/** In the transaction that takes the proof. @returns false for an account that may not sign in */
export async function setPassword(
  ctx: RouterContext,
  parts: ResetParts,
  em: EntityManager,
  accountId: string,
  hash: string,
): Promise<boolean> {
  const account = await parts.accounts.findByIdWithin(em, accountId);
  if (account?.status !== 'active') return false;
  await parts.passwords.set(em, accountId, hash);
  await parts.mailed.revokeAll(em, accountId);
  // With the new password, so that nobody stays in when the process dies before it has ended the sessions.
  await parts.accounts.noteSignOut(accountId, em);
  const cause = { actor: { kind: 'account', id: accountId } as const, origin: origin(ctx) };
  await parts.audit.record({ ...cause, action: 'password.reset', target: { kind: 'account', id: accountId } }, em);
  await parts.notices.tell(em, {
    owner: account,
    about: { what: 'password-changed', asked: asker(ctx) },
    locale: parts.pages.locale(ctx),
  });
  return true;
}

/** Sessions, tokens and locks end; whoever reset signs in anew, with the second factor if there is one. */
export async function finishReset(
  ctx: RouterContext,
  parts: ResetParts,
  accountId: string,
  interaction: string | null,
): Promise<void> {
  parts.accounts.forgetRecent();
  const account = await parts.accounts.findById(accountId);
  if (account) {
    const cause = { actor: { kind: 'account', id: accountId } as const, origin: origin(ctx) };
    await parts.sessionsAndGrants.endAll(account, cause, 'password-reset');
    await parts.lockout.clear(accountId);
  }
  const model: NewPasswordModel = {
    action: '',
    minLength: parts.passwords.minLength,
    rules: [],
    done: true,
    backUrl: interaction === null ? '/' : `/interaction/${interaction}`,
    errors: { fields: {} },
  };
  parts.pages.show(ctx, 'reset-confirm', model);
}

function toOf(ctx: RouterContext, parts: ResetParts, account: AccountRow, email: string) {
  const locale = account.locale ?? parts.pages.locale(ctx);
  return { email, accountId: account.id, locale, zone: account.zoneinfo };
}

function uidOf(value: unknown): string | null {
  return typeof value === 'string' && /^[\w-]{20,64}$/.test(value) ? value : null;
}
