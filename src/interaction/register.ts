// The form for a new account: an address, a username or both, as the operator wants it. With an address nothing exists before it is proven: what was
// typed waits sealed with the mail, so an unproven registration can neither block nor pre-empt the true owner of an address (requirements R3 to
// R6). Whether an address has an account is never told; that a username is taken is, because usernames are public names, and only so often.

import type { Context } from 'koa';
import { z } from 'zod';
import type { OpenInvitation } from '../access/invitations.ts';
import { parseEmail, parseUsername } from '../account/sign-in-name.ts';
import type { PasswordContext } from '../credential/password.ts';
import { passwordRules } from '../credential/password-rules.ts';
import { AppError, NotFound } from '../errors.ts';
import { withFloor } from '../http/answer-time.ts';
import { ensureBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { RegisterModel } from '../http/page-model.ts';
import { type Interaction, origin } from './interaction.ts';
import { completeFirstFactor } from './sign-in.ts';
import { type RegisterParts, type RegistrationContent, sendVerification } from './verify.ts';

const FORM = z.strictObject({
  email: z.string().max(1000).optional(),
  username: z.string().max(1000).optional(),
  name: z.string().max(1000).optional(),
  new_password: z.string(),
  terms: z.literal('on').optional(),
});
type Form = z.infer<typeof FORM>;
const HOUR = 3600;

interface State {
  readonly form?: Form;
  /** The password, for the marks of its rules. */
  readonly typed?: { readonly password: string; readonly context: PasswordContext };
  readonly fields?: Readonly<Record<string, string>>;
  readonly retryAfter?: number;
}

/** What was typed and is in order. */
interface Checked {
  readonly email: string | null;
  readonly username: string | null;
  readonly name: string | null;
}

export async function showRegister(ctx: Context, parts: RegisterParts, interaction: Interaction): Promise<void> {
  show(ctx, parts, interaction, await getInvitation(ctx, parts), {});
}

function show(
  ctx: Context,
  parts: RegisterParts,
  interaction: Interaction,
  invitation: OpenInvitation | null,
  state: State,
  status = 200,
): void {
  const { form, fields = {}, retryAfter } = state;
  const { usernames, email } = parts.registrationRules;
  const summary = retryAfter === undefined ? 'form.problem' : 'mailed.problem.wait';
  const model: RegisterModel = {
    client: interaction.client,
    action: `/interaction/${interaction.uid}/register`,
    signInUrl: `/interaction/${interaction.uid}`,
    email: invitation?.email ?? form?.email ?? '',
    emailUse: invitation ? 'invited' : email,
    username: form?.username ?? '',
    usernameUse: usernames,
    name: form?.name ?? '',
    termsUrl: parts.terms?.url ?? null,
    termsAccepted: form?.terms === 'on',
    minLength: parts.passwords.minLength,
    rules: passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values), state.typed),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    errors: { ...(Object.keys(fields).length > 0 || retryAfter !== undefined ? { summary } : {}), fields },
  };
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  parts.pages.show(ctx, 'register', model, { status, uiLocales: interaction.uiLocales });
}

export async function submitRegister(ctx: Context, parts: RegisterParts, interaction: Interaction): Promise<void> {
  const invitation = await getInvitation(ctx, parts);
  const form = parseForm(ctx, FORM);
  const { fields, ...checked } = checkForm(parts, form, invitation);
  const typed = { password: form.new_password, context: checked };
  const again = (state: State, status: number): void =>
    show(ctx, parts, interaction, invitation, { form, typed, ...state }, status);
  const problem = parts.passwords.findProblem(form.new_password, checked);
  if (problem !== null) fields['new_password'] = `password.problem.${problem}`;
  if (Object.keys(fields).length > 0) return again({ fields }, 422);
  const network = clientNetwork(ctx);
  if (checked.username !== null && !(await isFree(ctx, parts, checked.username))) {
    const limit = { limit: parts.limits.usernameChecks, window: HOUR };
    const spending = await parts.budgets.spendNetwork('username-check', network, limit);
    if (!spending.isAllowed) return again({ retryAfter: spending.retryAfter }, 429);
    return again({ fields: { username: 'register.problem.username-taken' } }, 422);
  }
  const budget = { limit: parts.limits.registrations, window: HOUR };
  const spending = await parts.budgets.spendNetwork('register', network, budget);
  if (!spending.isAllowed) return again({ retryAfter: spending.retryAfter }, 429);
  const leak = await parts.passwords.findProblemAnywhere(form.new_password, checked);
  if (leak !== null) return again({ fields: { new_password: `password.problem.${leak}` } }, 422);
  const content = {
    ...{ ...checked, interaction: interaction.uid, clientId: interaction.clientId },
    locale: parts.pages.locale(ctx, interaction),
    termsVersion: parts.terms?.version ?? null,
    invitationId: invitation?.id ?? null,
  };
  const { email } = checked;
  if (email === null) {
    await registerByName(ctx, parts, interaction, content, form, again);
    return;
  }
  const draft = await withFloor(parts.answerFloorMs, parts.answerJitterMs, async () => {
    const passwordHash = await parts.passwords.hash(form.new_password);
    return sendVerification(ctx, parts, { ...content, email, passwordHash }, false);
  });
  if (draft === 'username-taken') return again({ fields: { username: 'register.problem.username-taken' } }, 422);
  if (!draft.isAllowed) return again({ retryAfter: draft.retryAfter }, 429);
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/verify/${draft.requestId}`);
}

/** What the form asked for, and in words what is wrong with it. Where the page has no such field, its value is not one of ours. */
function checkForm(
  parts: RegisterParts,
  form: Form,
  invitation: OpenInvitation | null,
): Checked & { fields: Record<string, string> } {
  const rules = parts.registrationRules;
  const fields: Record<string, string> = {};
  const name = form.name?.trim() || null;
  if (name !== null && name.length > 255) fields['name'] = 'register.problem.name';
  const typedEmail = invitation?.email ?? form.email?.trim() ?? '';
  const email = parseEmail(typedEmail);
  const isEmailNeeded = rules.email === 'required' || typedEmail !== '';
  if (email === null && isEmailNeeded) fields['email'] = 'register.problem.email';
  const typedUsername = rules.usernames === 'off' ? '' : (form.username?.trim() ?? '');
  const username = parseUsername(typedUsername);
  const isUsernameNeeded = rules.usernames === 'required' || typedUsername !== '' || typedEmail === '';
  if (username === null && rules.usernames !== 'off' && isUsernameNeeded) {
    fields['username'] = 'register.problem.username';
  } else if (username !== null && parts.accounts.isReserved(username)) {
    fields['username'] = 'register.problem.username-taken';
  }
  if (parts.terms !== null && form.terms !== 'on') fields['terms'] = 'register.problem.terms';
  return { email, username, name, fields };
}

async function isFree(ctx: Context, parts: RegisterParts, username: string): Promise<boolean> {
  return parts.usernames.isFree(username, ensureBrowserId(ctx, parts.naming));
}

/** Without an address there is nothing to prove: the account is there at once (requirements R3). */
async function registerByName(
  ctx: Context,
  parts: RegisterParts,
  interaction: Interaction,
  content: Omit<RegistrationContent, 'email' | 'passwordHash'>,
  form: Form,
  again: (state: State, status: number) => void,
): Promise<void> {
  const passwordHash = await parts.passwords.hash(form.new_password);
  const { username, name, locale, clientId, termsVersion } = content;
  const cause = { actor: { kind: 'anonymous' }, origin: origin(ctx) } as const;
  try {
    const account = await parts.database.transaction(async (em) => {
      const browserId = ensureBrowserId(ctx, parts.naming);
      if (username === null || !(await parts.usernames.reserve(em, username, browserId, HOUR))) return null;
      const made = await parts.accounts.create(
        { username, locale, sourceClientId: clientId, termsVersion, ...(name === null ? {} : { name }) },
        cause,
        em,
      );
      await parts.usernames.release(em, username);
      await parts.passwords.set(em, made.id, passwordHash);
      return parts.accounts.findByIdWithin(em, made.id);
    });
    if (account) {
      await completeFirstFactor(ctx, parts, interaction, account, { method: 'password' }, false);
      return;
    }
  } catch (error) {
    // Somebody was faster.
    if (!(error instanceof AppError && error.code === 'username-taken')) throw error;
  }
  again({ fields: { username: 'register.problem.username-taken' } }, 422);
}

/** The invitation that is needed, or used where none is. @throws NotFound where accounts are not created by whoever comes */
async function getInvitation(ctx: Context, parts: RegisterParts): Promise<OpenInvitation | null> {
  const held = parts.registration === 'closed' ? null : await parts.heldInvitations.find(ctx);
  if (held === null && parts.registration !== 'open') throw new NotFound(undefined, { code: 'page-not-found' });
  return held;
}
