// Signing in by a mailed link or code. The page is the same whether the address has an account or not; the link signs in nobody but the browser
// that asked, and opening it changes nothing. One factor, and never a second one.

import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { parseEmail } from '../account/sign-in-name.ts';
import { type CodeProblem, codedMessage, maskTyped, tooEarly, waitingForCode } from '../credential/mailed-page.ts';
import type { CodeOutcome, FoundSecret, LinkOutcome, MailDraft, MailRefusal } from '../credential/mailed-secret.ts';
import { AppError } from '../errors.ts';
import { withFloor } from '../http/answer-time.ts';
import { findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { MailedCodeModel } from '../http/page-model.ts';
import { type Interaction, origin } from './interaction.ts';
import { showLogin } from './login.ts';
import { beginMailed, linkUsed, type MailedParts, showGone, takeOrGone } from './mailed.ts';
import { beginPhoneCode } from './phone.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';
import { isNumberFaulty, typedNumber } from './typed-name.ts';

const REQUEST_FORM = z.strictObject({
  login: z.string().max(2000),
  // The button stands in the form with the password, which may be filled in and does not count here.
  password: z.string().optional(),
  method: z.literal('mail-code'),
  remember: z.literal('on').optional(),
});
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
const LINK_FORM = z.strictObject({ token: z.string().max(100) });

/** What is sealed with the mail. */
export interface SignInContent {
  readonly interaction: string;
  readonly typed: string;
  readonly remember: boolean;
}

/** Whether the button below the password was pressed instead of the one for it. */
export function isMailCodeRequest(ctx: Context): boolean {
  const { body } = ctx.request as { body?: { method?: unknown } };
  return body?.method === 'mail-code';
}

export async function requestMailCode(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
): Promise<void> {
  const { login, remember: box } = parseForm(ctx, REQUEST_FORM);
  const form = { login, remember: box === 'on' };
  if (isNumberFaulty(parts, login)) {
    showLogin(ctx, parts, interaction, { status: 422, ...form, problem: 'number' });
    return;
  }
  const refusal = await beginCode(ctx, parts, interaction, form);
  if (refusal === null) return;
  const { retryAfter } = refusal;
  showLogin(ctx, parts, interaction, { status: 429, ...form, problem: 'locked', retryAfter });
}

/** To a number its code goes by Telegram. @returns null when the browser was sent to the page that waits for the code */
async function beginCode(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  form: { readonly login: string; readonly remember: boolean },
): Promise<{ readonly retryAfter: number } | null> {
  const { phones } = parts;
  const number = typedNumber(parts, form.login);
  if (phones !== null && number !== null) {
    return beginPhoneCode(ctx, { ...parts, phones }, interaction, number, form.remember);
  }
  const draft = await sendMail(ctx, parts, interaction, form, false);
  if (!draft.isAllowed) return draft;
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/mail-code/${draft.requestId}`);
  return null;
}

/** Another mail to the same name; its code and link take the place of the last ones. */
export async function resendMailCode(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await findWaiting(ctx, parts, interaction, requestId);
  if (!found) {
    showGone(ctx, parts, interaction);
    return;
  }
  const { typed, remember } = found.content;
  const draft = await sendMail(ctx, parts, interaction, { login: typed, remember }, true);
  if (!draft.isAllowed) {
    await showMailCode(ctx, parts, interaction, requestId, tooEarly(draft.retryAfter));
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/mail-code/${draft.requestId}`);
}

function sendMail(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  form: { readonly login: string; readonly remember: boolean },
  isResend: boolean,
): Promise<MailDraft | MailRefusal> {
  return withFloor(parts.answerFloorMs, parts.answerJitterMs, async () => {
    const account = await parts.accounts.findBySignInName(form.login);
    const active = account?.status === 'active' ? account : null;
    const typed = form.login.slice(0, 254);
    const isNew = account === null && makesAccounts(parts) && parseEmail(form.login) !== null;
    const content: SignInContent = { interaction: interaction.uid, typed, remember: form.remember };
    return beginMailed(ctx, parts, {
      purpose: 'sign-in',
      address: form.login,
      account: active,
      content,
      isResend,
      message: (made, notMe) => {
        const email = active?.email ?? (isNew ? parseEmail(form.login) : null);
        if (email === null) return null;
        const to = {
          email,
          accountId: active?.id ?? null,
          locale: active?.locale ?? parts.pages.locale(ctx, interaction),
          zone: active?.zoneinfo ?? null,
        };
        return codedMessage(ctx, 'sign-in', to, made, notMe);
      },
    });
  });
}

export async function showMailCode(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  requestId: string,
  problem?: CodeProblem,
): Promise<void> {
  const found = await findWaiting(ctx, parts, interaction, requestId);
  if (!found) {
    if (problem) {
      showGone(ctx, parts, interaction);
      return;
    }
    ctx.status = 303;
    ctx.redirect(`/interaction/${interaction.uid}`);
    return;
  }
  const action = `/interaction/${interaction.uid}/mail-code/${requestId}`;
  const { code, ...state } = await waitingForCode(ctx, parts, found, action, problem);
  const model: MailedCodeModel = {
    ...{ client: interaction.client, action, ...code, ...state },
    address: maskTyped(found.content.typed),
    otherWayUrl: `/interaction/${interaction.uid}`,
  };
  parts.pages.show(ctx, 'magic-link', model, { status: problem?.status ?? 200, uiLocales: interaction.uiLocales });
}

function makesAccounts({ registration, registrationRules }: MailedParts): boolean {
  return registration === 'open' && registrationRules.byMailCode;
}

async function findWaiting(
  ctx: Context,
  parts: MailedParts,
  interaction: Interaction,
  requestId: string,
): Promise<FoundSecret<SignInContent> | null> {
  const found = await parts.mailed.findRequest<SignInContent>(requestId, findBrowserId(ctx, parts.naming));
  return found?.purpose === 'sign-in' && found.content.interaction === interaction.uid ? found : null;
}

export async function submitMailCode(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const signIn = prepareSignIn(ctx, parts, interaction);
  const browserId = findBrowserId(ctx, parts.naming);
  const request = {
    purpose: 'sign-in',
    requestId,
    browserId,
    network: clientNetwork(ctx),
    origin: origin(ctx),
    code,
  } as const;
  const outcome = await takeOrGone(parts.mailed.takeByCode<SignInContent>(request, signIn.alongside));
  if (outcome.kind === 'taken') {
    await signIn.finish(outcome.secret.content.remember);
    return;
  }
  await auditFailure(ctx, parts, interaction, outcome.kind);
  await showMailCode(ctx, parts, interaction, requestId, problemOf(outcome));
}

/** The button behind the mailed link, in the browser that asked. */
export async function submitMailLink(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
): Promise<void> {
  const { token } = parseForm(ctx, LINK_FORM);
  const signIn = prepareSignIn(ctx, parts, interaction);
  const browserId = findBrowserId(ctx, parts.naming);
  const outcome = await takeOrGone(
    parts.mailed.takeByLink<SignInContent>('sign-in', token, browserId, signIn.alongside),
  );
  if (outcome.kind === 'taken') {
    await signIn.finish(outcome.secret.content.remember);
    return;
  }
  await auditFailure(ctx, parts, interaction, outcome.kind);
  showGone(ctx, parts, interaction);
}

/** Who the proven address belongs to is decided in the transaction that takes the proof; a new account is made there as well. */
function prepareSignIn(ctx: Context, parts: MailedParts & SignInParts, interaction: Interaction) {
  let account: AccountRow | null = null;
  return {
    alongside: async (
      em: Parameters<typeof parts.accounts.create>[2] & object,
      secret: { readonly accountId: string | null; readonly address: string; readonly content: SignInContent },
    ): Promise<void> => {
      if (secret.content.interaction !== interaction.uid) throw linkUsed();
      if (secret.accountId !== null) {
        account = await parts.accounts.findByIdWithin(em, secret.accountId);
        return;
      }
      const email = parseEmail(secret.content.typed);
      if (email === null || !makesAccounts(parts)) return;
      const locale = parts.pages.locale(ctx, interaction);
      try {
        account = await parts.accounts.create(
          { email, isVerified: true, locale, sourceClientId: interaction.clientId },
          { actor: { kind: 'anonymous' }, origin: origin(ctx) },
          em,
        );
      } catch (error) {
        // The address got an owner meanwhile.
        if (error instanceof AppError && error.code === 'email-taken') throw linkUsed();
        throw error;
      }
    },
    finish: async (remember: boolean): Promise<void> => {
      if (account?.status !== 'active') {
        await auditFailure(ctx, parts, interaction, 'account');
        showLogin(ctx, parts, interaction, { status: 422, login: '', remember, problem: 'mismatch' });
        return;
      }
      await completeFirstFactor(ctx, parts, interaction, account, { method: 'mail' }, remember);
    },
  };
}

function problemOf(outcome: Exclude<CodeOutcome<object> | LinkOutcome<object>, { kind: 'taken' }>): CodeProblem {
  if (outcome.kind === 'wait') return { status: 429, key: 'mailed.problem.wait', retryAfter: outcome.retryAfter };
  return { status: 422, key: outcome.kind === 'malformed' ? 'mailed.problem.malformed' : 'mailed.problem.wrong' };
}

async function auditFailure(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  kind: string,
): Promise<void> {
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    action: 'session.start',
    clientId: interaction.clientId,
    origin: origin(ctx),
    result: 'failure',
    reason: `mail-${kind}`,
  });
}
