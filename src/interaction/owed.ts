// What a sign-in still owes after what was proven: the account's own second factor, what the policy demands, what the app asks for. Nothing of
// it is remembered: it is asked anew at each step, so that a change in between counts.
import type { AccountRow } from '../account/accounts.ts';
import {
  ACR_LEVELS,
  type Acr,
  assuranceOf,
  type Proof,
  satisfies,
  secondFactorsAfter,
} from '../credential/assurance.ts';
import {
  canEnrolTelegram,
  type FactorOverview,
  type Factors,
  type SecondFactor,
  secondFactorsFor,
} from '../credential/factors.ts';
import { requestedAcr } from '../oidc/acr.ts';
import type { SignInPolicy } from '../oidc/sign-in-policy.ts';
import type { Interaction, InteractionParts } from './interaction.ts';

export interface OwedParts {
  readonly factors: Factors;
  readonly signInPolicy: SignInPolicy;
  readonly bot: InteractionParts['bot'];
}

/** What an account can set up while it signs in. */
export type Enrolment = 'passkey' | 'totp' | 'telegram';

export type Owed =
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'factor';
      /** Any one of them does; the last used first. */
      readonly methods: readonly SecondFactor[];
      /** Only a passkey that verifies its person does. */
      readonly isPhishingResistant: boolean;
      /** The app would like it and takes the sign-in without it as well. */
      readonly isOptional: boolean;
      /** A browser on which the second factor rests may stand in for it. */
      readonly mayBeTrusted: boolean;
    }
  | {
      readonly kind: 'enrolment';
      readonly choices: readonly Enrolment[];
      /** Otherwise it is linked with its enrolment. */
      readonly isTelegramLinked: boolean;
    }
  /** The account has second factors and none of them may follow this first one: Telegram is not independent of Telegram. */
  | { readonly kind: 'other-way' };

const [AAL1, AAL2, PHR] = ['urn:latchkey:aal1', 'urn:latchkey:aal2', 'urn:latchkey:phr'] as const;

export async function findOwed(
  parts: OwedParts,
  interaction: Interaction,
  account: AccountRow,
  proofs: readonly Proof[],
): Promise<Owed> {
  const overview = await parts.factors.overview(account.id);
  const policy = await parts.signInPolicy.requiredAcr(account.id, interaction.clientId);
  const asked = askedLevel(interaction, overview);
  const own = overview.owesSecondFactor ? AAL2 : AAL1;
  const firm = strongest([own, policy, ...(asked.isEssential ? [asked.level] : [])]);
  const have = assuranceOf(proofs).acr;
  // Never where the passkey is what counts: a new one could be made on the strength of a browser.
  const mayBeTrusted = firm !== PHR && !isShownNow(interaction);
  const factor = (level: Acr, isOptional = false): Owed | null => {
    const methods = methodsFor(overview, proofs, level);
    if (satisfies(have, level) || methods.length === 0) return null;
    const isPhishingResistant = level === PHR;
    return { kind: 'factor', methods, isPhishingResistant, isOptional, mayBeTrusted };
  };
  // The strongest first, so that nobody is asked for two where one does. Whoever has shown a second factor is not asked for what the app
  // would only like.
  const step =
    factor(firm) ??
    factor(policy) ??
    factor(own) ??
    (satisfies(have, firm) && proofs.length === 1 ? factor(asked.level, true) : null);
  if (step) return step;
  // Nor is anything set up on the strength of half of what the account owes.
  if (!satisfies(have, own)) return { kind: 'other-way' };
  // Somebody whose account has nothing that would do. What an app asks for, and the policy does not, ends as the engine's error.
  if (satisfies(have, policy)) return { kind: 'nothing' };
  const isTelegramLinked = overview.others.some(({ kind }) => kind === 'telegram');
  if (policy === PHR) return { kind: 'enrolment', choices: ['passkey'], isTelegramLinked };
  const mayLink = interaction.upstreams.some(({ door }) => door === 'bot');
  const isInBot = parts.bot !== null && (isTelegramLinked || mayLink) && mayFollow(overview, proofs);
  return {
    kind: 'enrolment',
    choices: ['passkey', 'totp', ...(isInBot ? ['telegram' as const] : [])],
    isTelegramLinked,
  };
}

/** Whether an approval in the bot would be another proof than what was shown: Telegram is not independent of Telegram. */
function mayFollow(overview: FactorOverview, proofs: readonly Proof[]): boolean {
  return canEnrolTelegram(overview) && proofs.some(({ method }) => secondFactorsAfter(method).includes('telegram'));
}

/** The weakest level that is enough for the request, as far as the account can reach it or the app insists. */
function askedLevel({ details }: Interaction, overview: FactorOverview): { level: Acr; isEssential: boolean } {
  const request = requestedAcr(details.params);
  const level = ACR_LEVELS.find((one) => request?.values.includes(one)) ?? AAL1;
  const isEssential = request?.isEssential ?? false;
  return isEssential || satisfies(overview.strongest, level) ? { level, isEssential } : { level: AAL1, isEssential };
}

/** Whether a person is asked for proof now, and not only for as much as this browser has shown before. */
function isShownNow({ details: { params } }: Interaction): boolean {
  const { prompt } = params;
  const isFresh = typeof prompt === 'string' && prompt.split(' ').includes('login');
  return isFresh || params['max_age'] !== undefined || requestedAcr(params) !== undefined;
}

function methodsFor(overview: FactorOverview, proofs: readonly Proof[], level: Acr): readonly SecondFactor[] {
  const all = overview.secondFactors.filter((one) =>
    proofs.some((proof) => secondFactorsFor(overview, proof.method).includes(one)),
  );
  if (level !== PHR) return all.toSorted((one, other) => lastUse(overview, other) - lastUse(overview, one));
  // A key that was made as a second factor only may not be able to verify anybody.
  const hasWayIn = overview.passkeys.some((passkey) => passkey.kind === 'way-in');
  return hasWayIn ? all.filter((one) => one === 'passkey') : [];
}

/** Milliseconds since 1970; what stands in for another factor comes last. */
function lastUse({ totp, passkeys, telegram }: FactorOverview, factor: SecondFactor): number {
  const single = factor === 'totp' ? totp : factor === 'telegram' ? telegram : null;
  const entries = factor === 'passkey' ? passkeys : single === null ? [] : [single];
  return Math.max(0, ...entries.map(({ lastUsedAt, createdAt }) => (lastUsedAt ?? createdAt).getTime()));
}

function strongest(levels: readonly Acr[]): Acr {
  return ACR_LEVELS.findLast((level) => levels.includes(level)) ?? AAL1;
}
