// From a proven first factor to a finished sign-in. An account that owes a second factor gets nothing but its page: what was proven so far is
// a record on the server, bound to this browser and this interaction, and no session (requirements F6).
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import { assuranceOf, type Proof } from '../credential/assurance.ts';
import { type Factors, type SecondFactor, secondFactorsFor } from '../credential/factors.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { OneTime } from '../storage/one-time.ts';
import { type Interaction, type InteractionParts, origin } from './interaction.ts';
import { finishLogin } from './result.ts';

export interface SignInParts extends InteractionParts {
  readonly oneTime: OneTime;
  readonly factors: Factors;
}

const KIND = 'half-signed-in';
/** Seconds. */
const TTL = 600;

/** What has been proven so far. */
export interface HalfSignedIn {
  readonly browser: string;
  readonly interaction: string;
  readonly accountId: string;
  /** A change of credentials meanwhile ends it. */
  readonly credentialVersion: number;
  readonly first: Proof;
  readonly remember: boolean;
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
  const overview = await parts.factors.overview(account.id);
  if (!overview.owesSecondFactor) {
    await completeSignIn(ctx, parts, interaction, account, [first], remember);
    return;
  }
  const half: HalfSignedIn = {
    browser: ensureBrowserId(ctx, parts.naming),
    interaction: interaction.uid,
    accountId: account.id,
    credentialVersion: account.credentialVersion,
    first,
    remember,
  };
  const token = await parts.oneTime.put(KIND, half, { ttl: TTL, subject: account.id });
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/second-factor/${token}`);
}

/** The record behind a second-factor page, and its account; null for any other browser or interaction, and after a change of credentials. */
export async function findHalfSignedIn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  token: string,
): Promise<{
  readonly half: HalfSignedIn;
  readonly account: AccountRow;
  readonly factors: readonly SecondFactor[];
} | null> {
  const half = await parts.oneTime.find<HalfSignedIn>(KIND, token);
  if (half === null || half.interaction !== interaction.uid || half.browser !== findBrowserId(ctx, parts.naming))
    return null;
  const account = await parts.accounts.findById(half.accountId);
  if (account?.status !== 'active' || account.credentialVersion !== half.credentialVersion) return null;
  const factors = secondFactorsFor(await parts.factors.overview(account.id), half.first.method);
  return { half, account, factors };
}

/** Takes the record, once: of two proofs that arrive together one signs in. */
export async function takeHalfSignedIn(parts: SignInParts, token: string): Promise<boolean> {
  return (await parts.oneTime.take<HalfSignedIn>(KIND, token)) !== null;
}

/** Everything that the account owes was proven. */
export async function completeSignIn(
  ctx: Context,
  parts: SignInParts,
  interaction: Interaction,
  account: AccountRow,
  proofs: readonly Proof[],
  remember: boolean,
): Promise<void> {
  await parts.accounts.noteSignIn(account.id, clientNetwork(ctx));
  await parts.audit.record({
    actor: { kind: 'account', id: account.id },
    action: 'session.start',
    target: { kind: 'account', id: account.id },
    clientId: interaction.clientId,
    origin: origin(ctx),
    reason: proofs.map((proof) => proof.method).join('+'),
  });
  parts.knownAccounts.remember(ctx, account);
  await finishLogin(ctx, parts.engine, { subject: account.subject, ...assuranceOf(proofs), remember });
}
