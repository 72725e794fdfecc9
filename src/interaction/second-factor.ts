// The page between a first factor and the sign-in: a passkey, a code of the authenticator app, or a recovery code. Tries are counted per account
// over all sign-ins, so that starting over buys no new ones (requirements L5). It offers only what is enough for what is owed.

import type { Context } from 'koa';
import { z } from 'zod';
import type { Proof } from '../credential/assurance.ts';
import { tellOfChange } from '../credential/change-notice.ts';
import type { SecondFactor } from '../credential/factors.ts';
import type { Attempt } from '../credential/lockout.ts';
import { maskTyped } from '../credential/mailed-page.ts';
import type { RecoveryCodes } from '../credential/recovery-code.ts';
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
  readonly recoveryCodes: RecoveryCodes;
  /** The name that authenticator apps show. */
  readonly totpIssuer: string;
}

/** What these pages can ask for. */
type Method = Exclude<SecondFactor, 'telegram'>;
type OwedFactor = Extract<Owed, { readonly kind: 'factor' }>;
type Half = Omit<HalfWay, 'owed'> & { readonly owed: OwedFactor };

interface Problem {
  readonly status: number;
  readonly key: string;
  readonly retryAfter?: number | undefined;
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
  const method = methodOf(ctx, half.owed);
  const others = methodsOf(half.owed).filter((one) => one !== method);
  const { account } = half;
  const urlOf = (one: Method): string => `${ctx.path}?method=${one}`;
  const model: SecondFactorModel = {
    client: interaction.client,
    action: urlOf(method),
    method,
    entry: method === 'totp' ? `${parts.totpIssuer} · ${maskTyped(account.email ?? '') ?? '•••'}` : null,
    others: others.map((one) => ({ method: one, url: urlOf(one) })),
    optionsUrl: method === 'passkey' ? `${ctx.path}/options` : null,
    trustDays: isTrustOffered(parts, half.owed) ? Math.max(1, Math.round(parts.trustedDevices.ttl / DAY)) : null,
    isOptional: half.owed.isOptional,
    switchAction: `/interaction/${interaction.uid}/switch`,
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem ? { summary: problem.key, fields: method === 'passkey' ? {} : { code: '' } } : { fields: {} },
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
  const method = methodOf(ctx, owed);
  const attempt = await parts.lockout.attemptFactor({
    accountId: account.id,
    network: clientNetwork(ctx),
    isKnownDevice: parts.knownAccounts.isKnown(ctx, account),
    isPasskey: method === 'passkey',
  });
  if (!attempt.isAllowed) {
    await auditFailure(ctx, parts, interaction, half, `locked-${attempt.reason}`);
    const retryAfter = attempt.retryAfter ?? undefined;
    await showSecondFactor(ctx, parts, interaction, token, { status: 429, key: 'mailed.problem.wait', retryAfter });
    return;
  }
  const proof = await prove(ctx, parts, half, method, form, attempt);
  if (proof === null) {
    await auditFailure(ctx, parts, interaction, half, `wrong-${method}`);
    await showSecondFactor(ctx, parts, interaction, token, { status: 422, key: `second_factor.problem.${method}` });
    return;
  }
  await attempt.succeed();
  if (form.trust === 'on' && isTrustOffered(parts, owed)) await trustBrowser(ctx, parts, account);
  await goOn(ctx, parts, interaction, token, half, proof);
}

/** Takes the record and looks at what is owed now. @param proof null for what the app would only have liked */
async function goOn(
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
  method: Method,
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
async function findHalf(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<Half | null> {
  const found = await findHalfSignedIn(ctx, parts, interaction, token);
  if (found?.owed.kind === 'factor' && methodsOf(found.owed).length > 0) return { ...found, owed: found.owed };
  if (found?.owed.kind === 'enrolment') {
    ctx.status = 303;
    ctx.redirect(halfWayPath(interaction, token, found.owed));
  } else {
    toInteraction(ctx, interaction);
  }
  return null;
}

function methodsOf({ methods }: OwedFactor): readonly Method[] {
  return methods.filter((one) => one !== 'telegram');
}

function methodOf(ctx: Context, owed: OwedFactor): Method {
  const methods = methodsOf(owed);
  return methods.find((one) => one === ctx.query['method']) ?? methods[0] ?? 'totp';
}

function purposeOf({ proven }: Half): 'second-factor' | 'step-up' {
  return proven.before === null ? 'second-factor' : 'step-up';
}

function isTrustOffered(parts: SecondFactorParts, owed: OwedFactor): boolean {
  return parts.trustedDevices.isOffered && owed.mayBeTrusted && !owed.isOptional;
}

function toInteraction(ctx: Context, { uid }: Interaction): void {
  ctx.status = 303;
  ctx.redirect(`/interaction/${uid}`);
}

async function auditFailure(
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
