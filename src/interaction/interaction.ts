// What every page of an interaction starts from: the engine's record of it, bound to this browser by the engine's cookie, and who and what it
// is about.
import type { Context } from 'koa';
import type Provider from 'oidc-provider';
import type { HeldInvitations } from '../access/held-invitation.ts';
import type { Organizations } from '../access/organizations.ts';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { ProvenPhones } from '../account/proven-phones.ts';
import type { Audit, Origin } from '../audit/audit.ts';
import type { Lockout } from '../credential/lockout.ts';
import type { Passwords } from '../credential/password.ts';
import type { PhoneCodes } from '../credential/phone-code.ts';
import type { CookieNaming } from '../http/browser.ts';
import type { Csrf } from '../http/csrf.ts';
import type { Pages } from '../http/page.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { OrganizationDemand } from '../oidc/chosen-organization.ts';
import { type ClientView, clientView } from '../oidc/client-view.ts';
import type { Consents } from '../oidc/consents.ts';
import type { Engine } from '../oidc/engine.ts';
import type { Resources } from '../oidc/resources.ts';
import type { Trail } from '../oidc/trail.ts';
import type { Approvals } from '../telegram/approvals.ts';
import type { CodeDelivery } from '../telegram/code-delivery.ts';
import type { Telegram } from '../telegram/telegram.ts';
import type { UsedData } from '../telegram/used-data.ts';
import type { Linking, PendingLink } from '../upstream/linking.ts';
import type { Upstream, Upstreams } from '../upstream/upstreams.ts';
import type { KnownAccounts } from './known-accounts.ts';

/** What a new account needs. */
export interface RegistrationRules {
  /** Whether signing in by mail makes one, where registration is open. */
  readonly byMailCode: boolean;
  /** … or with somebody else's proof. */
  readonly byUpstream: boolean;
  readonly byTelegram: boolean;
  readonly email: 'required' | 'optional';
  readonly usernames: 'off' | 'optional' | 'required';
}

/** What everybody has to agree to. */
export interface TermsDocument {
  readonly url: string;
  readonly version: string;
}

/** Signing in by a code to a proven phone number. */
export interface PhoneParts {
  readonly proven: ProvenPhones;
  readonly codes: PhoneCodes;
  readonly delivery: CodeDelivery;
}

export interface InteractionParts {
  readonly engine: Engine;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly passwords: Passwords;
  readonly lockout: Lockout;
  readonly consents: Consents;
  readonly resources: Resources;
  readonly audit: Audit;
  readonly trail: Trail;
  readonly knownAccounts: KnownAccounts;
  readonly naming: CookieNaming;
  readonly upstreams: Upstreams;
  readonly linking: Linking;
  /** Null where there is no bot. */
  readonly bot: { readonly telegram: Telegram; readonly approvals: Approvals } | null;
  /** Null where phone numbers are turned off, or cannot be proven. */
  readonly phones: PhoneParts | null;
  /** Null unless the legacy widget is turned on. */
  readonly widget: { readonly botToken: string; readonly usedData: UsedData } | null;
  /** Milliseconds: the least time an answer takes that must not tell whether an account exists. */
  readonly answerFloorMs: number;
  readonly answerJitterMs: number;
  readonly registration: 'open' | 'invite' | 'closed';
  readonly registrationRules: RegistrationRules;
  readonly terms: TermsDocument | null;
  readonly heldInvitations: HeldInvitations;
  /** Days for which "remember me" holds at most. */
  readonly rememberDays: number;
}

export type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

export interface Interaction {
  readonly uid: string;
  readonly details: Details;
  readonly client: ClientView | null;
  readonly clientId: string;
  /** Who is signed in with this browser, and still may be. */
  readonly account: AccountRow | null;
  readonly uiLocales: string | undefined;
  /** Those that this client shows, in the order of the buttons. */
  readonly upstreams: readonly Upstream[];
  /** The organization that asks for this sign-in, and the ways that count for it. */
  readonly demand: OrganizationDemand | null;
  /** What becomes part of the account that is proven here. */
  readonly pendingLink: PendingLink | null;
}

/** @throws errors.SessionNotFound of the engine when the interaction is over or belongs to another browser */
export async function loadInteraction(ctx: Context, parts: InteractionParts): Promise<Interaction> {
  const { provider } = parts.engine;
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const clientId = String(details.params['client_id']);
  const engineClient = await provider.Client.find(clientId);
  const client = clientView(engineClient, text(details.params['redirect_uri']));
  const demand = demandOf(details);
  const upstreams = shownUpstreams(parts.upstreams, engineClient?.['latchkey_upstreams']).filter(({ id }) =>
    counts(demand, `upstream:${id}`),
  );
  const isLogin = details.prompt.name === 'login' && upstreams.length > 0;
  const subject = details.session?.accountId;
  const found = subject === undefined ? null : await parts.accounts.findBySubject(subject);
  parts.trail.note(ctx, details.uid, clientId);
  // Disabled, deleted, or signed out everywhere: the engine asks because nobody is signed in any more.
  const account = found?.status === 'active' && !details.prompt.reasons.includes('account_gone') ? found : null;
  if (account) parts.pages.honourTheme(ctx, account);
  return {
    uid: details.uid,
    details,
    client,
    clientId,
    account,
    uiLocales: text(details.params['ui_locales']),
    upstreams,
    demand,
    pendingLink: isLogin ? await parts.linking.findPending(ctx, details.uid) : null,
  };
}

function demandOf({ prompt }: Details): OrganizationDemand | null {
  const { organization } = prompt.details as { organization?: OrganizationDemand };
  return organization ?? null;
}

/** Whether a way of signing in is one that the organization takes: what is left out of the page would not end the question. */
export function counts(demand: OrganizationDemand | null, way: string): boolean {
  return demand === null || demand.ways === null || demand.ways.includes(way);
}

/** All of them, unless the client names some. */
function shownUpstreams(upstreams: Upstreams, named: unknown): readonly Upstream[] {
  const all = upstreams.list();
  return Array.isArray(named) ? all.filter((one) => named.includes(one.id)) : all;
}

export function origin(ctx: Context): Origin {
  return requestOrigin(ctx);
}

/** How a page names an account. */
export function accountView(account: AccountRow): { readonly name: string; readonly email: string | null } {
  return { name: account.name ?? account.username ?? account.email ?? account.subject, email: account.email };
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
