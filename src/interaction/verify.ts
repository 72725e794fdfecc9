// From the mail of a registration to the account: the page that waits for the code, the button behind the link, another mail. The account is made
// in the transaction that takes the proof of its address, and with it goes whatever the registration needs once: the invitation, the username.

import type { Context } from 'koa';
import { z } from 'zod';
import type { Invitations } from '../access/invitations.ts';
import type { AccountRow } from '../account/accounts.ts';
import type { UsernameReservations } from '../account/username-reservations.ts';
import { type CodeProblem, codedMessage, maskTyped, tooEarly, waitingForCode } from '../credential/mailed-page.ts';
import type { FoundSecret, MailDraft, MailRefusal } from '../credential/mailed-secret.ts';
import { AppError } from '../errors.ts';
import { withFloor } from '../http/answer-time.ts';
import { asker } from '../http/asker.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { MailedCodeModel } from '../http/page-model.ts';
import type { EntityManager } from '../storage/database.ts';
import { type Interaction, origin } from './interaction.ts';
import { beginMailed, linkUsed, type MailedParts, showGone, takeOrGone } from './mailed.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';

const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
const LINK_FORM = z.strictObject({ token: z.string().max(100) });

export interface RegisterParts extends MailedParts, SignInParts {
  readonly invitations: Invitations;
  readonly usernames: UsernameReservations;
  readonly limits: MailedParts['limits'] & { readonly usernameChecks: number };
  /** Seconds: for as long a username is kept for who has not proven the address yet. */
  readonly verificationLinkTtl: number;
}

/** What waits, sealed, until the address is proven. */
export interface RegistrationContent {
  readonly interaction: string;
  readonly email: string;
  readonly username: string | null;
  readonly name: string | null;
  /** Argon2, as it will be stored. */
  readonly passwordHash: string;
  readonly locale: string;
  readonly clientId: string;
  readonly termsVersion: string | null;
  readonly invitationId: string | null;
}

/** Another mail to the same address; its code and link take the place of the last ones. */
export async function resendVerification(
  ctx: Context,
  parts: RegisterParts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await findWaiting(ctx, parts, interaction, requestId);
  if (!found) {
    showGone(ctx, parts, interaction);
    return;
  }
  const draft = await withFloor(parts.answerFloorMs, parts.answerJitterMs, () =>
    sendVerification(ctx, parts, found.content, true),
  );
  if (draft === 'username-taken') {
    showGone(ctx, parts, interaction);
    return;
  }
  if (!draft.isAllowed) {
    await showVerify(ctx, parts, interaction, requestId, tooEarly(draft.retryAfter));
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/verify/${draft.requestId}`);
}

/**
 * The mail with the code, or to the owner of an address that has one the mail that says so (requirements R5). The username is kept either way.
 */
export async function sendVerification(
  ctx: Context,
  parts: RegisterParts,
  content: RegistrationContent,
  isResend: boolean,
): Promise<MailDraft | MailRefusal | 'username-taken'> {
  const { email, username, locale } = content;
  const owner = await parts.accounts.findBySignInName(email);
  const browserId = ensureBrowserId(ctx, parts.naming);
  let isTaken = false;
  const draft = await beginMailed(ctx, parts, {
    ...({ purpose: 'verify-email', address: email, account: null, content, isResend } as const),
    alongside: async (em) => {
      if (!username) return;
      isTaken = !(await parts.usernames.reserve(em, username, browserId, parts.verificationLinkTtl));
      if (isTaken) throw linkUsed();
    },
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
  }).catch((error: unknown) => {
    if (isTaken) return 'username-taken' as const;
    throw error;
  });
  return draft;
}

async function findWaiting(
  ctx: Context,
  parts: RegisterParts,
  interaction: Interaction,
  requestId: string,
): Promise<FoundSecret<RegistrationContent> | null> {
  const found = await parts.mailed.findRequest<RegistrationContent>(requestId, findBrowserId(ctx, parts.naming));
  return found?.purpose === 'verify-email' && found.content.interaction === interaction.uid ? found : null;
}

export async function showVerify(
  ctx: Context,
  parts: RegisterParts,
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
  const action = `/interaction/${interaction.uid}/verify/${requestId}`;
  const { code, ...state } = await waitingForCode(ctx, parts, found, action, problem);
  const model: MailedCodeModel = {
    ...{ client: interaction.client, action, ...code, ...state },
    address: maskTyped(found.content.email),
    otherWayUrl: `/interaction/${interaction.uid}/register`,
  };
  parts.pages.show(ctx, 'verify-email', model, { status: problem?.status ?? 200, uiLocales: interaction.uiLocales });
}

export async function submitVerify(
  ctx: Context,
  parts: RegisterParts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const registration = confirmRegistration(ctx, parts, interaction.uid);
  const browserId = findBrowserId(ctx, parts.naming);
  const request = {
    purpose: 'verify-email',
    requestId,
    browserId,
    network: clientNetwork(ctx),
    origin: origin(ctx),
    code,
  } as const;
  const outcome = await takeOrGone(parts.mailed.takeByCode<RegistrationContent>(request, registration.alongside));
  const account = registration.account();
  if (outcome.kind === 'taken' && account !== null) {
    await completeFirstFactor(ctx, parts, interaction, account, { method: 'mail' }, false);
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
export async function submitVerifyLink(ctx: Context, parts: RegisterParts, interaction: Interaction): Promise<void> {
  const { token } = parseForm(ctx, LINK_FORM);
  const registration = confirmRegistration(ctx, parts, interaction.uid);
  const browserId = findBrowserId(ctx, parts.naming);
  const outcome = await takeOrGone(
    parts.mailed.takeByLink<RegistrationContent>('verify-email', token, browserId, registration.alongside),
  );
  const account = registration.account();
  if (outcome.kind === 'taken' && account !== null) {
    await completeFirstFactor(ctx, parts, interaction, account, { method: 'mail' }, false);
    return;
  }
  showGone(ctx, parts, interaction);
}

/** Makes the account in the transaction that takes the proof of its address. @param uid the interaction it must belong to; any if undefined */
export function confirmRegistration(ctx: Context, parts: RegisterParts, uid?: string) {
  let account: AccountRow | null = null;
  return {
    account: (): AccountRow | null => account,
    alongside: async (em: EntityManager, { content }: { readonly content: RegistrationContent }): Promise<void> => {
      if (uid !== undefined && content.interaction !== uid) throw linkUsed();
      const { email, username, name, passwordHash, locale, clientId, termsVersion, invitationId } = content;
      const cause = { actor: { kind: 'anonymous' }, origin: origin(ctx) } as const;
      try {
        account = await parts.accounts.create(
          {
            ...{ email, isVerified: true, locale, sourceClientId: clientId, termsVersion },
            ...{ name: name ?? undefined, username: username ?? undefined },
          },
          cause,
          em,
        );
        if (username) await parts.usernames.release(em, username);
        await parts.passwords.set(em, account.id, passwordHash);
        // As it is now, with what was just changed.
        account = await parts.accounts.findByIdWithin(em, account.id);
      } catch (error) {
        // The address or the name got an owner meanwhile, who proved it first: what waited here is worth nothing.
        if (error instanceof AppError && ['email-taken', 'username-taken'].includes(error.code)) throw linkUsed();
        throw error;
      }
      if (account === null || !invitationId) return;
      const isInvited = await parts.invitations.take(em, invitationId, { id: account.id, email }, cause);
      if (!isInvited) throw linkUsed();
      parts.heldInvitations.forget(ctx);
    },
  };
}
