// What the page about an account's security shows: what is enrolled, how many independent ways lead in, what to do next, and what happened of
// late (requirements F3, F10). It changes nothing.

import type { RouterContext } from '@koa/router';
import type { Accounts } from '../account/accounts.ts';
import type { LinkedIdentities } from '../account/linked-identities.ts';
import type { Audit, OwnEvent } from '../audit/audit.ts';
import { adviceFor, type FactorOverview } from '../credential/factors.ts';
import type { Passkeys, PasskeyView } from '../credential/passkey.ts';
import type { Passwords } from '../credential/password.ts';
import { passwordRules } from '../credential/password-rules.ts';
import type { RecoveryCodes } from '../credential/recovery-code.ts';
import type { Totp } from '../credential/totp.ts';
import type { CookieNaming } from '../http/browser.ts';
import { moment } from '../http/moment.ts';
import type { Pages } from '../http/page.ts';
import type { SecurityModel } from '../http/page-model.ts';
import type { Factor } from '../notification/message.ts';
import type { Notices } from '../notification/notices.ts';
import type { SessionsAndGrants } from '../oidc/sessions-and-grants.ts';
import type { SignInPolicy } from '../oidc/sign-in-policy.ts';
import type { Database } from '../storage/database.ts';
import type { ApprovalPageParts } from '../telegram/approval-page.ts';
import { TELEGRAM_IDENTITIES } from '../upstream/upstreams.ts';
import type { FreshProofParts } from './fresh-proof.ts';
import type { PortalSession } from './portal-session.ts';

const MOST_EVENTS = 8;
/** The words for what happened: `security.event.*`; what has a second word has another one when it failed. */
const EVENTS: Readonly<Record<string, readonly [done: string, failed: string]>> = {
  'session.start': ['sign-in', 'sign-in-failed'],
  'session.step-up': ['step-up', 'sign-in-failed'],
  'password.change': ['password', 'refused'],
  'password.reset': ['password', 'refused'],
  'account.set-password': ['password', 'refused'],
  'account.reset-credentials': ['reset', 'refused'],
  'factor.add': ['factor-added', 'refused'],
  'factor.remove': ['factor-removed', 'refused'],
  'recovery-code.use': ['recovery-code', 'refused'],
  'account.sign-out': ['signed-out', 'refused'],
};

export const SECURITY = '/account/security';

export interface SecurityParts extends FreshProofParts {
  /** Null where there is no bot. */
  readonly bot: ApprovalPageParts['bot'];
  readonly identities: LinkedIdentities;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly totp: Totp;
  readonly passkeys: Passkeys;
  readonly recoveryCodes: RecoveryCodes;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly notices: Notices;
  readonly audit: Audit;
  readonly database: Database;
  readonly pages: Pages;
  readonly naming: CookieNaming;
  readonly signInPolicy: SignInPolicy;
  /** Of one account within an hour (requirements P7). */
  readonly passwordChanges: number;
}

type State = Partial<
  Pick<
    SecurityModel,
    'stage' | 'rules' | 'authenticator' | 'newCodes' | 'confirmation' | 'passkey' | 'errors' | 'retryAfter'
  >
>;

export async function showSecurity(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  state: State = {},
  status = 200,
): Promise<void> {
  const { account } = session;
  const overview = await parts.factors.overview(account.id);
  const { changed } = ctx.query;
  const isOverview = state.stage === undefined;
  const locale = parts.pages.locale(ctx, { accountLocale: account.locale });
  const view = (passkey: PasskeyView) => passkeyModel(passkey, overview, locale, account.zoneinfo);
  // A browser that was told once forgets what is gone; also when the last one is.
  const isTold = isOverview && (overview.passkeys.length > 0 || changed === 'passkey');
  const events = isOverview ? await parts.audit.listOwn(account.id, Object.keys(EVENTS), MOST_EVENTS) : [];
  const chosenAt = isOverview ? await parts.passwords.findChangedAt(account.id) : null;
  const model: SecurityModel = {
    stage: 'overview',
    changed: isOverview && typeof changed === 'string' && changed !== '',
    hasPassword: overview.hasPassword,
    passwordChangedAt: chosenAt === null ? null : moment(chosenAt, locale, account.zoneinfo),
    hasAuthenticator: overview.totp !== null,
    authenticatorUse: useOf(overview.totp, locale, account.zoneinfo),
    canPasskey: parts.passkeys.isAvailable,
    passkeys: overview.passkeys.map(view),
    passkeySignal: isTold ? { ...(await parts.passkeys.signal(account.id)) } : null,
    telegram: await telegramOf(parts, account.id, overview),
    telegramUse: useOf(overview.telegram, locale, account.zoneinfo),
    hasSecondFactor: overview.secondFactors.length > 0,
    recoveryCodes: overview.recoveryCodes,
    waysIn: overview.waysIn,
    advice: adviceFor(overview, parts.passkeys.isAvailable),
    events: events.map((event) => eventModel(event, locale, account.zoneinfo)),
    minLength: parts.passwords.minLength,
    rules: passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values)),
    authenticator: null,
    newCodes: null,
    confirmation: null,
    passkey: null,
    errors: { fields: {} },
    ...state,
  };
  parts.pages.show(ctx, 'account-security', model, {
    status,
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

async function telegramOf(
  { bot, identities }: SecurityParts,
  accountId: string,
  overview: FactorOverview,
): Promise<SecurityModel['telegram']> {
  // It can be turned off without a bot as well.
  if (overview.telegram !== null) return 'on';
  if (bot === null) return 'absent';
  const isLinked = (await identities.list(accountId)).some((one) => one.upstream === TELEGRAM_IDENTITIES);
  return isLinked ? 'off' : 'unlinked';
}

function passkeyModel(
  passkey: PasskeyView,
  overview: FactorOverview,
  locale: string,
  zone: string | null,
): SecurityModel['passkeys'][number] {
  const isSynced = passkey.deviceType === 'multiDevice' && passkey.isBackedUp;
  return {
    id: passkey.id,
    name: passkey.name,
    provider: passkey.provider,
    isSynced,
    isWayIn: passkey.kind === 'way-in',
    // Lost with its device, and the account with it.
    isRisky: !isSynced && passkey.kind === 'way-in' && overview.waysIn === 1,
    ...useOf(passkey, locale, zone),
  };
}

function useOf<Used extends { readonly createdAt: Date; readonly lastUsedAt: Date | null } | null>(
  used: Used,
  locale: string,
  zone: string | null,
) {
  const times = (one: NonNullable<Used>) => ({
    createdAt: moment(one.createdAt, locale, zone),
    lastUsedAt: one.lastUsedAt === null ? null : moment(one.lastUsedAt, locale, zone),
  });
  return (used === null ? null : times(used)) as Used extends null ? null : ReturnType<typeof times>;
}

function eventModel(event: OwnEvent, locale: string, zone: string | null): SecurityModel['events'][number] {
  const [done, failed] = EVENTS[event.action] ?? ['refused', 'refused'];
  const isFailure = event.result === 'failure';
  return {
    what: isFailure ? failed : done,
    isFailure,
    at: moment(event.at, locale, zone),
    network: event.network,
  };
}

/** @param changed which kind of factor: the page says that it is done */
export function toSecurity(ctx: RouterContext, changed?: Factor): void {
  ctx.status = 303;
  ctx.redirect(changed === undefined ? SECURITY : `${SECURITY}?changed=${changed}`);
}
