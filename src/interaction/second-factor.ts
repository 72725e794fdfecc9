// The page between a first factor and the sign-in: a passkey, a code of the authenticator app, an approval in the bot, or a recovery code. Tries are counted per account
// over all sign-ins, so that starting over buys no new ones (requirements L5). It offers only what is enough for what is owed.

import type { Context } from 'koa';
import { z } from 'zod';
import type { Proof } from '../credential/assurance.ts';
import { tellOfChange } from '../credential/change-notice.ts';
import type { SecondFactor } from '../credential/factors.ts';
import type { Attempt } from '../credential/lockout.ts';
import { maskTyped } from '../credential/mailed-page.ts';
import type { RecoveryCodes } from '../credential/recovery-code.ts';
import type { TelegramFactors } from '../credential/telegram-factor.ts';
import type { Totp } from '../credential/totp.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { SecondFactorModel } from '../http/page-model.ts';
import { accountView, type Interaction, origin } from './interaction.ts';
import type { MailedParts } from './mailed.ts';
import type { Owed } from './owed.ts';
import { parseAnswer, spendOptions } from './passkey-login.ts';
import { findHalfSignedIn, type HalfWay, halfWayPath, proceed, type SignInParts, takeHalfSignedIn } from './sign-in.ts';
import { trustBrowser } from './trusted-browser.ts';

const FORM = z.strictObject({
  code: z.string().max(100).optional(),
  answer: z.string().max(30_000).optional(),
  trust: z.literal('on').optional(),
  decision: z.literal('skip').optional(),
});
const DAY = 86_400;

export interface SecondFactorParts extends MailedParts, SignInParts {
  readonly totp: Totp;
  readonly telegramFactors: TelegramFactors;
  readonly recoveryCodes: RecoveryCodes;
  /** The name that authenticator apps show. */
  readonly totpIssuer: string;
}

type Method = SecondFactor;
type OwedFactor = Extract<Owed, { readonly kind: 'factor' }>;
export type Half = Omit<HalfWay, 'owed'> & { readonly owed: OwedFactor };

interface Problem {
  readonly status: number;
  readonly key: string;
  readonly retryAfter?: number | undefined;
  /** Of the page that says so; otherwise the one that its address names. */
  readonly method?: Method;
}

export async function showSecondFactor(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  problem?: Problem,
): Promise<void> {
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  const method = problem?.method ?? methodOf(ctx, parts, half.owed);
  const others = methodsOf(parts, half.owed).filter((one) => one !== method);
  const { account } = half;
  const bot = method === 'telegram' ? botOf(parts) : null;
  const path = `/interaction/${interaction.uid}/second-factor/${token}`;
  const urlOf = (one: Method): string => `${path}?method=${one}`;
  const model: SecondFactorModel = {
    client: interaction.client,
    action: method === 'telegram' ? `${path}/telegram` : urlOf(method),
    method,
    entry: method === 'totp' ? `${parts.totpIssuer} · ${maskTyped(account.email ?? '') ?? '•••'}` : null,
    others: others.map((one) => ({ method: one, url: urlOf(one) })),
    optionsUrl: method === 'passkey' ? `${path}/options` : null,
    bot,
    trustDays: method === 'telegram' && bot === null ? null : trustDaysOf(parts, half.owed),
    isOptional: half.owed.isOptional,
    switchAction: `/interaction/${interaction.uid}/switch`,
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem
      ? { summary: problem.key, fields: method === 'passkey' || method === 'telegram' ? {} : { code: '' } }
      : { fields: {} },
  };
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  parts.pages.show(ctx, 'second-factor', model, {
    status: problem?.status ?? 200,
    uiLocales: interaction.uiLocales,
    accountLocale: account.locale,
    account: accountView(account),
  });
}

/** For script: the account's passkeys, which whoever has given the first factor may know. */
export async function sendSecondFactorOptions(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  await spendOptions(ctx, parts);
  const who = { accountId: half.account.id, browserId: ensureBrowserId(ctx, parts.naming) };
  ctx.body = await parts.passkeys.authenticationOptions(purposeOf(half), who, half.owed.isPhishingResistant);
}

export async function submitSecondFactor(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const form = parseForm(ctx, FORM);
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  const { account, owed } = half;
  if (form.decision === 'skip' && owed.isOptional) {
    await goOn(ctx, parts, interaction, token, half, null);
    return;
  }
  const method = methodOf(ctx, parts, owed);
  // Asked for and answered at addresses of its own: see second-factor-telegram.ts.
  if (method === 'telegram') {
    await showSecondFactor(ctx, parts, interaction, token);
    return;
  }
  const attempt = await attemptMethod(ctx, parts, interaction, token, half, method);
  if (attempt === null) return;
  const proof = await prove(ctx, parts, half, method, form, attempt);
  if (proof === null) {
    await auditFailure(ctx, parts, interaction, half, `wrong-${method}`);
    await showSecondFactor(ctx, parts, interaction, token, { status: 422, key: `second_factor.problem.${method}` });
    return;
  }
  await attempt.succeed();
  if (form.trust === 'on' && trustDaysOf(parts, owed) !== null) await trustBrowser(ctx, parts, account);
  await goOn(ctx, parts, interaction, token, half, proof);
}

/** Counts a try. @returns null when there are none left, and the page says for how long */
export async function attemptMethod(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  half: Half,
  method: Method,
): Promise<(Attempt & { readonly isAllowed: true }) | null> {
  const attempt = await parts.lockout.attemptFactor({
    ...subjectOf(ctx, parts, half),
    isPasskey: method === 'passkey',
  });
  if (attempt.isAllowed) return attempt;
  await auditFailure(ctx, parts, interaction, half, `locked-${attempt.reason}`);
  const retryAfter = attempt.retryAfter ?? undefined;
  const problem = { status: 429, key: 'mailed.problem.wait', retryAfter, method };
  await showSecondFactor(ctx, parts, interaction, token, problem);
  return null;
}

/** Whose tries are counted, and from where. */
export function subjectOf(ctx: Context, parts: SecondFactorParts, { account }: Half) {
  return {
    accountId: account.id,
    network: clientNetwork(ctx),
    isKnownDevice: parts.knownAccounts.isKnown(ctx, account),
  };
}

/** Takes the record and looks at what is owed now. @param proof null for what the app would only have liked */
export async function goOn(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  half: Half,
  proof: Proof | null,
): Promise<void> {
  if (!(await takeHalfSignedIn(parts, token))) {
    toInteraction(ctx, interaction);
    return;
  }
  const { proven, account } = half;
  if (proof === null) await proceed(ctx, parts, interaction, account, { ...proven, isEnough: true });
  else await proceed(ctx, parts, interaction, account, { ...proven, proofs: [...proven.proofs, proof] });
}

async function prove(
  ctx: Context,
  parts: SecondFactorParts,
  half: Half,
  method: Exclude<Method, 'telegram'>,
  form: z.infer<typeof FORM>,
  attempt: Attempt & { readonly isAllowed: true },
): Promise<Proof | null> {
  const { account } = half;
  const { code = '' } = form;
  switch (method) {
    case 'totp':
      return (await parts.totp.verify(account.id, code)) ? { method } : null;
    case 'recovery-code': {
      const taking = parts.recoveryCodes.take(account.id, code, (em, remaining) =>
        tellOfChange(ctx, parts, em, account, {
          ...({ action: 'recovery-code.use', what: 'recovery-code-used', remaining } as const),
        }),
      );
      const left = await taking.catch(async (error: unknown) => {
        // Too busy to look.
        await attempt.withdraw();
        throw error;
      });
      return left === null ? null : { method };
    }
    default: {
      const who = { accountId: account.id, browserId: findBrowserId(ctx, parts.naming) ?? '' };
      const outcome = await parts.passkeys.authenticate(purposeOf(half), who, parseAnswer(form.answer ?? ''));
      if (outcome.kind !== 'verified') return null;
      return { method, isUserVerified: outcome.isUserVerified, deviceType: outcome.deviceType };
    }
  }
}

/** What is owed, as far as it is this page's; null when the browser was sent to where it belongs. */
export async function findHalf(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<Half | null> {
  const found = await findHalfSignedIn(ctx, parts, interaction, token);
  if (found?.owed.kind === 'factor' && methodsOf(parts, found.owed).length > 0) return { ...found, owed: found.owed };
  if (found?.owed.kind === 'enrolment') {
    ctx.status = 303;
    ctx.redirect(halfWayPath(interaction, token, found.owed));
  } else {
    toInteraction(ctx, interaction);
  }
  return null;
}

/** Without the bot nobody can be asked there: an account that has nothing else does not become weaker by it. */
function methodsOf({ bot }: SecondFactorParts, { methods }: OwedFactor): readonly Method[] {
  return methods.filter((one) => one !== 'telegram' || bot !== null);
}

/** Null while it is not there. */
export function botOf({ bot }: SecondFactorParts): SecondFactorModel['bot'] {
  const username = bot?.telegram.username ?? null;
  return username === null ? null : { url: `https://t.me/${username}`, name: `@${username}` };
}

function methodOf(ctx: Context, parts: SecondFactorParts, owed: OwedFactor): Method {
  const methods = methodsOf(parts, owed);
  return methods.find((one) => one === ctx.query['method']) ?? methods[0] ?? 'totp';
}

export function purposeOf({ proven }: Half): 'second-factor' | 'step-up' {
  return proven.before === null ? 'second-factor' : 'step-up';
}

/** Days for which "trust this browser" would hold; null where it is not offered. */
export function trustDaysOf({ trustedDevices }: SecondFactorParts, owed: OwedFactor): number | null {
  const isOffered = trustedDevices.isOffered && owed.mayBeTrusted && !owed.isOptional;
  return isOffered ? Math.max(1, Math.round(trustedDevices.ttl / DAY)) : null;
}

function toInteraction(ctx: Context, { uid }: Interaction): void {
  ctx.status = 303;
  ctx.redirect(`/interaction/${uid}`);
}

export async function auditFailure(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  { account, proven }: Half,
  reason: string,
): Promise<void> {
  await parts.audit.record({
    actor: { kind: 'account', id: account.id },
    action: proven.before === null ? 'session.start' : 'session.step-up',
    target: { kind: 'account', id: account.id },
    clientId: interaction.clientId,
    origin: origin(ctx),
    result: 'failure',
    reason,
  });
}
