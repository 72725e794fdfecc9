// What every page of an interaction starts from: the engine's record of it, bound to this browser by the engine's cookie, and who and what it
// is about.
import type { Context } from 'koa';
import type Provider from 'oidc-provider';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { Audit, Origin } from '../audit/audit.ts';
import type { Lockout } from '../credential/lockout.ts';
import type { Passwords } from '../credential/password.ts';
import type { CookieNaming } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Csrf } from '../http/csrf.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import { type ClientView, clientView } from '../oidc/client-view.ts';
import type { Consents } from '../oidc/consents.ts';
import type { Engine } from '../oidc/engine.ts';
import type { Resources } from '../oidc/resources.ts';
import type { Trail } from '../oidc/trail.ts';
import type { KnownAccounts } from './known-accounts.ts';

export interface InteractionParts {
  readonly engine: Engine;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly lockout: Lockout;
  readonly consents: Consents;
  readonly resources: Resources;
  readonly audit: Audit;
  readonly trail: Trail;
  readonly knownAccounts: KnownAccounts;
  readonly naming: CookieNaming;
  /** Milliseconds: the least time an answer takes that must not tell whether an account exists. */
  readonly answerFloorMs: number;
  readonly answerJitterMs: number;
  readonly registration: 'open' | 'invite' | 'closed';
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
}

/** @throws errors.SessionNotFound of the engine when the interaction is over or belongs to another browser */
export async function loadInteraction(ctx: Context, parts: InteractionParts): Promise<Interaction> {
  const { provider } = parts.engine;
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const clientId = String(details.params['client_id']);
  const client = clientView(await provider.Client.find(clientId), text(details.params['redirect_uri']));
  const subject = details.session?.accountId;
  const found = subject === undefined ? null : await parts.accounts.findBySubject(subject);
  parts.trail.note(ctx, details.uid, clientId);
  return {
    uid: details.uid,
    details,
    client,
    clientId,
    account: found?.status === 'active' ? found : null,
    uiLocales: text(details.params['ui_locales']),
  };
}

export function origin(ctx: Context): Origin {
  return { network: clientNetwork(ctx), userAgent: ctx.get('user-agent') || undefined, requestId: requestId(ctx) };
}

/** How a page names an account. */
export function accountView(account: AccountRow): { readonly name: string; readonly email: string | null } {
  return { name: account.name ?? account.username ?? account.email ?? account.subject, email: account.email };
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
