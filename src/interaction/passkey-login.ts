// Signing in with a passkey and nothing else, by the button or from the browser's own list (WebAuthn Level 3, conditional mediation). The
// options are the same for everybody and name no passkey: who it is, the authenticator says. It always has to verify its person.
import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { networkKeys } from '../credential/budget.ts';
import type { AuthenticationOutcome } from '../credential/passkey.ts';
import { NotFound, TooManyRequests } from '../errors.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import { type Interaction, origin } from './interaction.ts';
import { showLogin, wantsOtherAccount } from './login.ts';
import type { MailedParts } from './mailed.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';

const ANSWER_FORM = z.strictObject({
  answer: z.string().max(30_000),
  // The button stands in the form with the password; what is filled in there does not count here.
  login: z.string().optional(),
  password: z.string().optional(),
  remember: z.literal('on').optional(),
});
/** Every open sign-in page of a network asks for options again before they are too old, and each is a row. */
const OPTIONS_BUDGET = { limit: 300, window: 900 };
const ANSWERS = 'passkey-answers';
/** Nobody guesses a passkey; what is bounded is the work. A success is given back. */
const ANSWER_BUDGET = { limit: 60, window: 900 };

/** @throws TooManyRequests, NotFound where browsers know no passkeys */
export async function sendPasskeyOptions(ctx: Context, parts: MailedParts & SignInParts): Promise<void> {
  await spendOptions(ctx, parts);
  ctx.body = await parts.passkeys.authenticationOptions('sign-in', {
    accountId: null,
    browserId: ensureBrowserId(ctx, parts.naming),
  });
}

/** Before a challenge is made, whatever for. @throws TooManyRequests, NotFound where browsers know no passkeys */
export async function spendOptions(ctx: Context, parts: MailedParts & SignInParts): Promise<void> {
  if (!parts.passkeys.isAvailable) throw new NotFound(undefined, { code: 'page-not-found' });
  const spending = await parts.budgets.spendNetwork('passkey-options', clientNetwork(ctx), OPTIONS_BUDGET);
  if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
}

export async function submitPasskey(
  ctx: Context,
  parts: MailedParts & SignInParts,
  interaction: Interaction,
): Promise<void> {
  const form = parseForm(ctx, ANSWER_FORM);
  const remember = form.remember === 'on';
  const again = { login: form.login?.slice(0, 254) ?? '', remember };
  const network = clientNetwork(ctx);
  const spending = await parts.budgets.spendNetwork(ANSWERS, network, ANSWER_BUDGET);
  if (!spending.isAllowed) {
    await audit(ctx, parts, interaction, null, 'locked-network');
    showLogin(ctx, parts, interaction, { ...again, status: 429, problem: 'locked', retryAfter: spending.retryAfter });
    return;
  }
  const answer = parseAnswer(form.answer);
  const who = { accountId: null, browserId: findBrowserId(ctx, parts.naming) ?? '' };
  const outcome = await parts.passkeys.authenticate('sign-in', who, answer);
  const account = outcome.kind === 'verified' ? await parts.accounts.findById(outcome.accountId) : null;
  const reason = refusalOf(interaction, outcome, account);
  if (reason !== null || account === null || outcome.kind !== 'verified') {
    await audit(ctx, parts, interaction, account, `passkey-${reason}`);
    const unknown = reason === 'unknown-passkey' ? { unknownPasskey: idOf(answer) } : {};
    showLogin(ctx, parts, interaction, { ...again, status: 422, problem: 'passkey', ...unknown });
    return;
  }
  await parts.budgets.giveBack(...networkKeys(ANSWERS, network));
  const { isUserVerified, deviceType } = outcome;
  const proof = { method: 'passkey', isUserVerified, deviceType } as const;
  await completeFirstFactor(ctx, parts, interaction, account, proof, remember);
}

/** What the browser's form carries; nonsense is refused with everything else. */
export function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A stable word for the audit; the person gets one answer for all of them. */
function refusalOf(
  interaction: Interaction,
  outcome: AuthenticationOutcome,
  account: AccountRow | null,
): string | null {
  if (outcome.kind === 'refused') return outcome.reason;
  if (account?.status !== 'active') return `account-${account?.status ?? 'gone'}`;
  const expected = wantsOtherAccount(interaction) ? null : interaction.account;
  return expected !== null && expected.id !== account.id ? 'other-account' : null;
}

function idOf(answer: unknown): string {
  const { id } = answer as { id?: unknown };
  return typeof id === 'string' ? id : '';
}

async function audit(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow | null,
  reason: string,
): Promise<void> {
  await parts.audit.record({
    actor: account ? { kind: 'account', id: account.id } : { kind: 'anonymous' },
    action: 'session.start',
    ...(account ? { target: { kind: 'account', id: account.id } } : {}),
    clientId: interaction.clientId,
    origin: origin(ctx),
    result: 'failure',
    reason,
  });
}
