// Signing in with a password. A wrong name, a wrong password, a disabled account: one text, one status, one time; the difference goes to the
// audit. Every try is counted before it is checked.
import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import type { Passkeys } from '../credential/passkey.ts';
import { hashToken } from '../crypto/random.ts';
import { withFloor } from '../http/answer-time.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { LoginModel } from '../http/page-model.ts';
import { accountView, counts, type Interaction, type InteractionParts, origin, text } from './interaction.ts';
import { findLastWay } from './last-way.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';
import { countedAs, findTyped } from './typed-name.ts';

const FORM = z.strictObject({
  login: z.string().max(2000),
  password: z.string(),
  remember: z.literal('on').optional(),
});

interface Outcome {
  readonly status: number;
  readonly login: string;
  readonly remember: boolean;
  readonly problem: 'mismatch' | 'locked' | 'passkey' | 'number';
  readonly retryAfter?: number | undefined;
  /** The id of a passkey that nobody has any more. */
  readonly unknownPasskey?: string;
}

const FAULTY_FIELDS: Partial<Record<Outcome['problem'], LoginModel['errors']['fields']>> = {
  mismatch: { login: '', password: '' },
  number: { login: '' },
};

interface LoginParts extends InteractionParts {
  readonly passkeys: Passkeys;
}

export function showLogin(ctx: Context, parts: LoginParts, interaction: Interaction, outcome?: Outcome): void {
  const { details, uid, account, demand } = interaction;
  const isAgain = account !== null && !wantsOtherAccount(interaction);
  const hint = text(details.params['login_hint'])?.slice(0, 254) ?? '';
  const login = isAgain
    ? signInName(account)
    : (outcome?.login ?? (hint || chosenName(interaction) || (interaction.pendingLink?.identity.email ?? '')));
  const pending = linkingView(interaction);
  const lastUsed = findLastWay(ctx, parts.naming);
  const model: LoginModel = {
    client: interaction.client,
    action: `/interaction/${uid}/login`,
    login,
    loginReadonly: isAgain,
    ...(isAgain ? { reason: 'reauthenticate', switchAction: `/interaction/${uid}/switch` } : {}),
    remember: outcome?.remember ?? false,
    rememberDays: parts.rememberDays,
    takesPhone: parts.phones !== null && !isAgain && counts(demand, 'phone'),
    methods: {
      password: counts(demand, 'password'),
      mailCode: counts(demand, 'mail'),
      passkey: parts.passkeys.isAvailable && counts(demand, 'passkey'),
    },
    ...(demand === null ? {} : { organization: demand.name }),
    passkey: {
      action: `/interaction/${uid}/passkey`,
      optionsUrl: `/interaction/${uid}/passkey/options`,
      rpId: parts.passkeys.rpId,
      unknownId: outcome?.unknownPasskey ?? null,
    },
    upstreams: interaction.upstreams
      // A bot that cannot be reached asks nobody.
      .filter((one) => one.door !== 'bot' || (parts.bot?.telegram.username ?? null) !== null)
      .map(({ id, label, icon }) => ({ id, label, icon })),
    upstreamAction: `/interaction/${uid}/upstream`,
    ...(parts.phones?.delivery.isReady && counts(demand, 'phone') ? { phoneUrl: `/interaction/${uid}/phone` } : {}),
    isPasswordOptional: interaction.upstreams.some((one) => (one.settings.domains?.length ?? 0) > 0),
    ...(pending ? { linking: pending } : {}),
    ...(lastUsed === undefined ? {} : { lastUsed }),
    registerUrl: mayRegister(ctx, parts) && !isAgain ? `/interaction/${uid}/register` : null,
    forgotUrl: `/reset?interaction=${uid}`,
    abortAction: `/interaction/${uid}/abort`,
    ...(outcome?.retryAfter === undefined ? {} : { retryAfter: outcome.retryAfter }),
    errors: outcome
      ? {
          summary: `login.problem.${outcome.problem}`,
          fields: FAULTY_FIELDS[outcome.problem] ?? {},
        }
      : { fields: {} },
  };
  if (outcome?.retryAfter !== undefined) ctx.set('Retry-After', String(outcome.retryAfter));
  parts.pages.show(ctx, isAgain ? 'reauthenticate' : 'login', model, {
    status: outcome?.status ?? 200,
    uiLocales: interaction.uiLocales,
    accountLocale: account?.locale,
    account: isAgain ? accountView(account) : null,
  });
}

export async function submitLogin(ctx: Context, parts: SignInParts, interaction: Interaction): Promise<void> {
  const form = parseForm(ctx, FORM);
  const signedIn = wantsOtherAccount(interaction) ? null : interaction.account;
  // Where the page already names the account, what the form says about it is not asked.
  const login = signedIn ? signInName(signedIn) : form.login;
  const remember = form.remember === 'on';
  const outcome = await withFloor(parts.answerFloorMs, parts.answerJitterMs, () =>
    check(ctx, parts, interaction, { login, password: form.password, remember, signedIn }),
  );
  if ('problem' in outcome) {
    showLogin(ctx, parts, interaction, outcome);
    return;
  }
  await completeFirstFactor(ctx, parts, interaction, outcome.account, { method: 'password' }, remember);
}

async function check(
  ctx: Context,
  parts: InteractionParts,
  interaction: Interaction,
  input: { login: string; password: string; remember: boolean; signedIn: AccountRow | null },
): Promise<{ readonly account: AccountRow } | Outcome> {
  const { login, password, remember } = input;
  const account = input.signedIn ?? (await findTyped(parts, login));
  const network = clientNetwork(ctx);
  const attempt = await parts.lockout.attempt({
    subject: account?.id ?? hashToken('sign-in-name', countedAs(parts, login)),
    network,
    isKnownDevice: account !== null && parts.knownAccounts.isKnown(ctx, account),
  });
  const event = {
    actor: account ? ({ kind: 'account', id: account.id } as const) : ({ kind: 'anonymous' } as const),
    action: 'session.start',
    ...(account ? { target: { kind: 'account', id: account.id } } : {}),
    clientId: interaction.clientId,
    origin: origin(ctx),
  };
  if (!attempt.isAllowed) {
    await parts.audit.record({ ...event, result: 'failure', reason: `locked-${attempt.reason}` });
    return { status: 429, login, remember, problem: 'locked', retryAfter: attempt.retryAfter ?? undefined };
  }
  const matches = await parts.passwords.verify(account?.id ?? null, password).catch(async (error: unknown) => {
    // Too busy to look: whoever comes back later has not guessed wrong.
    await attempt.withdraw();
    throw error;
  });
  if (!account || !matches || account.status !== 'active') {
    const reason = !account ? 'unknown-account' : matches ? `account-${account.status}` : 'wrong-password';
    await parts.audit.record({ ...event, result: 'failure', reason });
    return { status: 422, login, remember, problem: 'mismatch' };
  }
  await attempt.succeed();
  return { account };
}

/** Whether the form leads anywhere; it looks again. */
function mayRegister(ctx: Context, { registration, heldInvitations }: InteractionParts): boolean {
  return registration === 'open' || (registration === 'invite' && heldInvitations.has(ctx));
}

/** The chooser, or "not you?", asked for somebody else than who is signed in. */
export function wantsOtherAccount({ details }: Interaction): boolean {
  return details.prompt.reasons.includes('other_account');
}

/** The account that was picked in the chooser and has to sign in again. */
function chosenName({ details }: Interaction): string {
  const choice = details.lastSubmission?.['select_account'] as { login?: string } | undefined;
  return choice?.login ?? '';
}

/** What a sign-in here will connect, said before it happens. */
function linkingView({ pendingLink, upstreams }: Interaction): LoginModel['linking'] {
  const upstream = upstreams.find((one) => one.id === pendingLink?.upstream);
  if (!pendingLink || !upstream) return undefined;
  const { email, username, name } = pendingLink.identity;
  return { upstream: upstream.label, identity: email ?? username ?? name };
}

function signInName(account: AccountRow): string {
  return account.email ?? account.username ?? '';
}
