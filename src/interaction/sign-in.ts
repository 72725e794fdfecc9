// From a proven first factor to a finished sign-in. An account that owes more gets nothing but the page for it: what was proven so far is
// a record on the server, bound to this browser and this interaction, and no session (requirements F6).
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import { assuranceOf, type Proof } from '../credential/assurance.ts';
import type { Passkeys } from '../credential/passkey.ts';
import type { TrustedDevices } from '../credential/trusted-device.ts';
import { Forbidden } from '../errors.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { OneTime } from '../storage/one-time.ts';
import { type Interaction, origin } from './interaction.ts';
import { noteLastWay, wayOf } from './last-way.ts';
import { type NewDeviceParts, tellOfNewDevice } from './new-device.ts';
import { findOwed, type Owed, type OwedParts } from './owed.ts';
import { finishLogin } from './result.ts';
import { findTrust } from './trusted-browser.ts';

export interface SignInParts extends NewDeviceParts, OwedParts {
  readonly oneTime: OneTime;
  readonly passkeys: Passkeys;
  readonly trustedDevices: TrustedDevices;
}

const KIND = 'half-signed-in';
/** Seconds. */
const TTL = 600;

/** What has been proven so far. */
export interface Proven {
  /** In this sign-in. */
  readonly proofs: readonly Proof[];
  /** By the session that is stepped up, and when (seconds since 1970). */
  readonly before: { readonly proof: Proof; readonly at: number } | null;
  /** Whether the person asked to be kept signed in; null leaves a session as it is. */
  readonly remember: boolean | null;
  /** What the app would only have liked was asked for, and declined. */
  readonly isEnough?: boolean;
}

interface HalfSignedIn extends Proven {
  readonly browser: string;
  readonly interaction: string;
  readonly accountId: string;
  /** A change of credentials meanwhile ends it. */
  readonly credentialVersion: number;
}

export interface HalfWay {
  readonly proven: Proven;
  readonly account: AccountRow;
  readonly owed: Owed;
}

/** @param first what was just proven @param remember whether the person asked to be kept signed in */
export async function completeFirstFactor(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  first: Proof,
  remember: boolean,
): Promise<void> {
  const proven: Proven = { proofs: [first], before: null, remember };
  const owed = await findOwed(parts, interaction, account, proven.proofs);
  const isTrusted =
    owed.kind === 'factor' && owed.mayBeTrusted && !owed.isOptional && (await findTrust(ctx, parts, account));
  if (isTrusted) {
    await proceed(ctx, parts, interaction, account, { ...proven, proofs: [first, { method: 'trusted-device' }] });
  } else {
    await goOn(ctx, parts, interaction, account, proven, owed);
  }
}

/** On to what is still owed, or to the end. */
export async function proceed(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proven: Proven,
): Promise<void> {
  const owed = await findOwed(parts, interaction, account, allProofs(proven));
  await goOn(ctx, parts, interaction, account, proven, owed);
}

async function goOn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proven: Proven,
  owed: Owed,
): Promise<void> {
  if (owed.kind === 'nothing' || (owed.kind === 'factor' && owed.isOptional && proven.isEnough === true)) {
    await completeSignIn(ctx, parts, interaction, account, proven);
    return;
  }
  if (owed.kind === 'other-way') {
    await refuseHalf(ctx, parts, interaction, account, proven);
    return;
  }
  const token = await putHalfSignedIn(ctx, parts, interaction, account, proven);
  ctx.status = 303;
  ctx.redirect(halfWayPath(interaction, token, owed));
}

/** What was proven cannot be completed: the account has to be proven by another way first. */
async function refuseHalf(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proven: Proven,
): Promise<void> {
  await parts.audit.record({
    actor: { kind: 'account', id: account.id },
    action: proven.before === null ? 'session.start' : 'session.step-up',
    target: { kind: 'account', id: account.id },
    ...{ clientId: interaction.clientId, origin: origin(ctx), result: 'failure', reason: 'no-independent-factor' },
  });
  const error = new Forbidden(undefined, { code: 'telegram-not-enough' });
  const url = `/interaction/${interaction.uid}?choose=1`;
  const nextSteps = [{ label: parts.pages.text(ctx, 'mailed.other_way'), url }];
  parts.pages.show(
    ctx,
    'error',
    { code: error.code, client: interaction.client, nextSteps, details: null },
    { status: error.status, uiLocales: interaction.uiLocales, accountLocale: account.locale },
  );
}

/** The page for what is owed. */
export function halfWayPath({ uid }: Interaction, token: string, owed: Owed): string {
  if (owed.kind === 'other-way') return `/interaction/${uid}?choose=1`;
  return `/interaction/${uid}/${owed.kind === 'factor' ? 'second-factor' : 'second-factor-setup'}/${token}`;
}

/** @returns the value that the address of its page carries */
export async function putHalfSignedIn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proven: Proven,
): Promise<string> {
  const half: HalfSignedIn = {
    ...proven,
    browser: ensureBrowserId(ctx, parts.naming),
    interaction: interaction.uid,
    accountId: account.id,
    credentialVersion: account.credentialVersion,
  };
  return parts.oneTime.put(KIND, half, { ttl: TTL, subject: account.id });
}

/** The record behind a second-factor page, and its account; null for any other browser or interaction, and after a change of credentials. */
export async function findHalfSignedIn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  token: string,
): Promise<HalfWay | null> {
  const half = await parts.oneTime.find<HalfSignedIn>(KIND, token);
  if (half === null || half.interaction !== interaction.uid || half.browser !== findBrowserId(ctx, parts.naming))
    return null;
  const account = await parts.accounts.findById(half.accountId);
  if (account?.status !== 'active' || account.credentialVersion !== half.credentialVersion) return null;
  const owed = await findOwed(parts, interaction, account, allProofs(half));
  return { proven: half, account, owed };
}

/** Takes the record, once: of two proofs that arrive together one signs in. */
export async function takeHalfSignedIn(parts: SignInParts, token: string): Promise<boolean> {
  return (await parts.oneTime.take<HalfSignedIn>(KIND, token)) !== null;
}

function allProofs({ before, proofs }: Proven): readonly Proof[] {
  return before === null ? proofs : [before.proof, ...proofs];
}

/**
 * A session that is not as strong as what is asked for, and nothing else is asked: only what is missing has to be proven (RFC 9470).
 * @returns false when the person has to sign in once more
 */
export async function stepUp(ctx: Context, parts: SignInParts, interaction: Interaction): Promise<boolean> {
  const { details, account } = interaction;
  const { uid, amr = [] } = (details.session ?? {}) as { uid?: string; amr?: readonly string[] };
  if (account === null || uid === undefined || details.prompt.reasons.some((reason) => reason !== 'acr')) return false;
  const session = await parts.engine.provider.Session.findByUid(uid);
  if (session?.loginTs === undefined) return false;
  const before = { proof: firstProofOf(amr), at: session.loginTs };
  const owed = await findOwed(parts, interaction, account, [before.proof]);
  // What is set up now needs a proof of now.
  if (owed.kind !== 'factor') return false;
  await proceed(ctx, parts, interaction, account, { proofs: [], before, remember: null });
  return true;
}

/** What a session of one factor was begun with. Of two that `amr` cannot tell apart it is the one that fewer second factors may follow. */
function firstProofOf(amr: readonly string[]): Proof {
  if (amr.includes('pwd')) return { method: 'password' };
  if (amr.includes('tg')) return { method: 'telegram' };
  if (amr.includes('otp')) return { method: 'phone' };
  return { method: 'upstream', isTrustedForSecondFactor: false };
}

/** Everything that is owed was proven. */
async function completeSignIn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proven: Proven,
): Promise<void> {
  const { before, remember } = proven;
  const all = allProofs(proven);
  const whole = assuranceOf(all);
  // What was proven before counts, and makes the sign-in as old as it is, only where the level rests on it.
  const isNewEnough = before === null || (proven.proofs.length > 0 && assuranceOf(proven.proofs).acr === whole.acr);
  const proofs = isNewEnough ? proven.proofs : all;
  const isFirst = await parts.accounts.noteSignIn(account.id, clientNetwork(ctx));
  if (isFirst) {
    const cause = { actor: { kind: 'account', id: account.id }, origin: origin(ctx), reason: 'domain' } as const;
    await parts.organizations.joinByDomain(account.id, cause);
  }
  await parts.audit.record({
    actor: { kind: 'account', id: account.id },
    action: before === null ? 'session.start' : 'session.step-up',
    target: { kind: 'account', id: account.id },
    clientId: interaction.clientId,
    origin: origin(ctx),
    reason: proofs.map((proof) => proof.method).join('+'),
  });
  const pending = interaction.pendingLink && (await parts.linking.takePending(ctx, interaction.uid));
  if (pending) await parts.linking.linkPending(ctx, pending, account, interaction.upstreams);
  await tellOfNewDevice(ctx, parts, account, isFirst);
  parts.knownAccounts.remember(ctx, account);
  parts.pages.honourTheme(ctx, account);
  const way = wayOf(all[0]);
  if (before === null && way !== undefined) noteLastWay(ctx, parts.naming, way);
  const authTime = isNewEnough ? undefined : before.at;
  const methods = all.map((proof) => proof.method);
  await finishLogin(ctx, parts.engine, {
    ...{ subject: account.subject, ...assuranceOf(proofs), methods, remember, authTime },
    way: before === null ? ruledWay(all[0]) : undefined,
  });
}

/** As the rules of organizations name it. */
function ruledWay(first: Proof | undefined): string | undefined {
  const upstream = first && 'upstream' in first ? first.upstream : undefined;
  return upstream === undefined ? first?.method : `upstream:${upstream}`;
}
