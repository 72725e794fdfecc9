// Creating an account with an e-mail address, where the operator allows it. Nothing exists before the address is proven: what was typed waits
// sealed with the mail, so an unproven registration can neither block nor pre-empt the true owner of an address (requirements R3 to R7).
import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { parseEmail } from '../account/sign-in-name.ts';
import { AppError, NotFound } from '../errors.ts';
import { withFloor } from '../http/answer-time.ts';
import { asker } from '../http/asker.ts';
import { findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { MailedCodeModel, RegisterModel } from '../http/page-model.ts';
import type { EntityManager } from '../storage/database.ts';
import { type Interaction, origin } from './interaction.ts';
import { beginMailed, codedMessage, linkUsed, type MailedParts, maskTyped, showGone, takeOrGone } from './mailed.ts';
import { completeSignIn, type SignInParts } from './sign-in.ts';

const FORM = z.strictObject({
  email: z.string().max(1000),
  name: z.string().max(1000).optional(),
  new_password: z.string(),
});
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const LINK_FORM = z.strictObject({ token: z.string().max(100) });
/** Attempts from one network (requirements R9). */
const NETWORK_BUDGET = { limit: 5, window: 3600 };

/** What waits, sealed, until the address is proven. */
export interface RegistrationContent {
  readonly interaction: string;
  readonly email: string;
  readonly name: string | null;
  /** Argon2, as it will be stored. */
  readonly passwordHash: string;
  readonly locale: string;
  readonly clientId: string;
}

interface State {
  readonly email?: string;
  readonly name?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly retryAfter?: number;
}

export function showRegister(
  ctx: Context,
  parts: MailedParts,
  interaction: Interaction,
  state: State = {},
  status = 200,
): void {
  refuseUnlessOpen(parts);
  const { fields = {}, retryAfter } = state;
  const summary = retryAfter === undefined ? 'form.problem' : 'mailed.problem.wait';
  const model: RegisterModel = {
    client: interaction.client,
    action: `/interaction/${interaction.uid}/register`,
    signInUrl: `/interaction/${interaction.uid}`,
    email: state.email ?? '',
    name: state.name ?? '',
    minLength: parts.passwords.minLength,
    rules: parts.passwords.rules().map((rule) => parts.pages.text(ctx, `password.rule.${rule.key}`, rule.values)),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    errors: { ...(Object.keys(fields).length > 0 || retryAfter !== undefined ? { summary } : {}), fields },
  };
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  parts.pages.show(ctx, 'register', model, { status, uiLocales: interaction.uiLocales });
}

export async function submitRegister(ctx: Context, parts: MailedParts, interaction: Interaction): Promise<void> {
  refuseUnlessOpen(parts);
  const form = parseForm(ctx, FORM);
  const name = form.name?.trim() || null;
  const email = parseEmail(form.email);
  const fields: Record<string, string> = {};
  if (email === null) fields['email'] = 'register.problem.email';
  if (name !== null && name.length > 255) fields['name'] = 'register.problem.name';
  const problem = await parts.passwords.findProblemAnywhere(form.new_password, { email });
  if (problem !== null) fields['new_password'] = `password.problem.${problem}`;
  const typed = { email: form.email, name: form.name ?? '' };
  if (email === null || Object.keys(fields).length > 0) {
    showRegister(ctx, parts, interaction, { ...typed, fields }, 422);
    return;
  }
  const spending = await parts.budgets.spend(`register:${clientNetwork(ctx)}`, NETWORK_BUDGET);
  if (!spending.isAllowed) {
    showRegister(ctx, parts, interaction, { ...typed, retryAfter: spending.retryAfter }, 429);
    return;
  }
  const leak = await parts.passwords.findProblemAnywhere(form.new_password, { email });
  if (leak !== null) {
    showRegister(ctx, parts, interaction, { ...typed, fields: { new_password: `password.problem.${leak}` } }, 422);
    return;
  }
  const draft = await withFloor(parts.answerFloorMs, parts.answerJitterMs, async () => {
    const passwordHash = await parts.passwords.hash(form.new_password);
    const owner = await parts.accounts.findBySignInName(email);
    const locale = parts.pages.locale(ctx, interaction);
    const content: RegistrationContent = {
      ...{ interaction: interaction.uid, email, name, passwordHash, locale, clientId: interaction.clientId },
    };
    return beginMailed(ctx, parts, {
      purpose: 'verify-email',
      address: email,
      account: null,
      content,
      message: (made) =>
        owner === null
          ? codedMessage(ctx, 'verify-email', { email, accountId: null, locale, zone: null }, made, undefined)
          : {
              kind: 'already-registered',
              // Only the stored address is ever written to.
              to: owner.email ?? email,
              accountId: owner.id,
              locale: owner.locale ?? locale,
              expiresAt: new Date(Date.now() + made.linkTtl * 1000),
              model: { path: '/', asked: asker(ctx) },
            },
    });
  });
  if (!draft.isAllowed) {
    showRegister(ctx, parts, interaction, { ...typed, retryAfter: draft.retryAfter }, 429);
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/verify/${draft.requestId}`);
}

export async function showVerify(
  ctx: Context,
  parts: MailedParts,
  interaction: Interaction,
  requestId: string,
  problem?: { readonly status: number; readonly key: string; readonly retryAfter?: number },
): Promise<void> {
  const found = await parts.mailed.findRequest<RegistrationContent>(requestId, findBrowserId(ctx, parts.naming));
  if (found?.purpose !== 'verify-email' || found.content.interaction !== interaction.uid) {
    if (problem) {
      showGone(ctx, parts, interaction);
      return;
    }
    ctx.status = 303;
    ctx.redirect(`/interaction/${interaction.uid}`);
    return;
  }
  const model: MailedCodeModel = {
    client: interaction.client,
    action: ctx.path,
    address: maskTyped(found.content.email),
    minutes: Math.max(1, Math.round((found.expiresAt.getTime() - Date.now()) / 60_000)),
    otherWayUrl: `/interaction/${interaction.uid}/register`,
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem ? { summary: problem.key, fields: { code: '' } } : { fields: {} },
  };
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  parts.pages.show(ctx, 'verify-email', model, { status: problem?.status ?? 200, uiLocales: interaction.uiLocales });
}

export async function submitVerify(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const registration = confirmRegistration(ctx, parts, interaction.uid);
  const browserId = findBrowserId(ctx, parts.naming);
  const request = { purpose: 'verify-email', requestId, browserId, network: clientNetwork(ctx), code } as const;
  const outcome = await takeOrGone(parts.mailed.takeByCode<RegistrationContent>(request, registration.alongside));
  const account = registration.account();
  if (outcome.kind === 'taken' && account !== null) {
    // The code proves the address; the account is new, so nothing else can be owed.
    await completeSignIn(ctx, parts, interaction, account, [{ method: 'mail' }], false);
    return;
  }
  if (outcome.kind === 'wait') {
    await showVerify(ctx, parts, interaction, requestId, {
      ...{ status: 429, key: 'mailed.problem.wait', retryAfter: outcome.retryAfter },
    });
    return;
  }
  const key = outcome.kind === 'malformed' ? 'mailed.problem.malformed' : 'mailed.problem.wrong';
  await showVerify(ctx, parts, interaction, requestId, { status: 422, key });
}

/** The button behind the mailed link, in the browser that registered, while what it came from waits. */
export async function submitVerifyLink(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
): Promise<void> {
  const { token } = parseForm(ctx, LINK_FORM);
  const registration = confirmRegistration(ctx, parts, interaction.uid);
  const browserId = findBrowserId(ctx, parts.naming);
  const outcome = await takeOrGone(
    parts.mailed.takeByLink<RegistrationContent>('verify-email', token, browserId, registration.alongside),
  );
  const account = registration.account();
  if (outcome.kind === 'taken' && account !== null) {
    await completeSignIn(ctx, parts, interaction, account, [{ method: 'mail' }], false);
    return;
  }
  showGone(ctx, parts, interaction);
}

/** Makes the account in the transaction that takes the proof of its address. @param uid the interaction it must belong to; any if undefined */
export function confirmRegistration(ctx: Context, parts: MailedParts, uid?: string) {
  let account: AccountRow | null = null;
  return {
    account: (): AccountRow | null => account,
    alongside: async (em: EntityManager, { content }: { readonly content: RegistrationContent }): Promise<void> => {
      if (uid !== undefined && content.interaction !== uid) throw linkUsed();
      const { email, name, passwordHash, locale, clientId } = content;
      const cause = { actor: { kind: 'anonymous' }, origin: origin(ctx) } as const;
      try {
        account = await parts.accounts.create(
          { email, isVerified: true, locale, sourceClientId: clientId, ...(name === null ? {} : { name }) },
          cause,
          em,
        );
        await parts.passwords.set(em, account.id, passwordHash);
      } catch (error) {
        // The address got an owner meanwhile, who proved it first: what waited here is worth nothing.
        if (error instanceof AppError && error.code === 'email-taken') throw linkUsed();
        throw error;
      }
    },
  };
}

/** @throws NotFound where accounts are not created by whoever comes */
function refuseUnlessOpen(parts: MailedParts): void {
  if (parts.registration !== 'open') throw new NotFound(undefined, { code: 'page-not-found' });
}
