// Who is in the portal. The portal is a client of our own provider: one gets in by code + PKCE like into any other app, and is in for as long
// as the provider's session lives in which that happened, so that ending a session ends its portal at the same moment.
import type { Context } from 'koa';
import inject from 'light-my-request';
import * as client from 'openid-client';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { Cause } from '../audit/audit.ts';
import type { Acr } from '../credential/assurance.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientAddress } from '../http/client-address.ts';
import type { Pages } from '../http/page.ts';
import { requestOrigin } from '../http/request-origin.ts';
import { safeReturnPath } from '../http/return-path.ts';
import { reaches } from '../oidc/acr.ts';
import type { BrowserSessions } from '../oidc/browser-sessions.ts';
import type { Engine } from '../oidc/engine.ts';
import { isSignedIn } from '../oidc/find-account.ts';
import type { SignInPolicy } from '../oidc/sign-in-policy.ts';
import type { OneTime } from '../storage/one-time.ts';

export const PORTAL_CLIENT_ID = 'latchkey-portal';
const TRANSACTION = 'portal-sign-in';
/** Seconds. */
const TRANSACTION_TTL = 3600;

export interface PortalSession {
  readonly account: AccountRow;
  /** The provider's session. */
  readonly uid: string;
  /** Seconds since 1970: when the person last proved who they are. */
  readonly authTime: number;
  readonly amr: readonly string[];
  readonly acr: string;
}

interface Transaction {
  readonly browser: string;
  readonly verifier: string;
  readonly nonce: string;
  readonly returnPath: string;
}

/** What a fresh proof has to be when the one of the sign-in is not enough. */
export interface Proof {
  /** Asks again even when somebody is signed in. */
  readonly isFresh: boolean;
  readonly acr?: Acr;
}

export function portalClient(issuer: string): { readonly client_id: string; readonly [name: string]: unknown } {
  return {
    client_id: PORTAL_CLIENT_ID,
    client_name: 'Account',
    redirect_uris: [`${issuer}/account/callback`],
    post_logout_redirect_uris: [`${issuer}/`],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
    latchkey_first_party: true,
  };
}

/** The version of the terms that an account has not agreed to yet, if there is one. */
type OwedTerms = (subject: string) => Promise<string | null>;

export class PortalSessions {
  readonly #engine: Engine;
  readonly #accounts: Accounts;
  readonly #browserSessions: BrowserSessions;
  readonly #oneTime: OneTime;
  readonly #naming: CookieNaming;
  readonly #pages: Pages;
  readonly #issuer: string;
  readonly #signInPolicy: SignInPolicy;
  readonly #owedTerms: OwedTerms;
  #configuration: Promise<client.Configuration> | undefined;

  constructor(parts: {
    readonly engine: Engine;
    readonly accounts: Accounts;
    readonly browserSessions: BrowserSessions;
    readonly oneTime: OneTime;
    readonly naming: CookieNaming;
    readonly pages: Pages;
    readonly issuer: string;
    readonly signInPolicy: SignInPolicy;
    readonly owedTerms: OwedTerms;
  }) {
    this.#signInPolicy = parts.signInPolicy;
    this.#owedTerms = parts.owedTerms;
    this.#engine = parts.engine;
    this.#accounts = parts.accounts;
    this.#browserSessions = parts.browserSessions;
    this.#oneTime = parts.oneTime;
    this.#naming = parts.naming;
    this.#pages = parts.pages;
    this.#issuer = parts.issuer;
  }

  /** Null for a browser that is not signed in to the portal, whatever else it is signed in to. */
  async find(ctx: Context): Promise<PortalSession | null> {
    const session = await this.#engine.provider.Session.get(ctx);
    const { accountId, uid, loginTs, amr, acr } = session;
    if (accountId === undefined || session.grantIdFor(PORTAL_CLIENT_ID) === undefined) return null;
    const account = await this.#accounts.findBySubject(accountId);
    if (!account || !isSignedIn(account, loginTs)) return null;
    // Nor one from before the terms of now: the way in asks for them.
    if ((await this.#owedTerms(account.subject)) !== null) return null;
    // A session from before the policy is none for the portal either.
    if (!reaches(acr, await this.#signInPolicy.requiredAcr(account.id, PORTAL_CLIENT_ID))) return null;
    const device = { address: clientAddress(ctx), userAgent: ctx.get('user-agent') };
    this.#browserSessions.noteUse(uid, device, session.exp ?? 0);
    this.#pages.honourTheme(ctx, account);
    return { account, uid, authTime: loginTs ?? 0, amr: amr ?? [], acr: acr ?? '' };
  }

  /** Sends the browser to sign in, or to prove itself again, and afterwards to `returnPath`. */
  async start(ctx: Context, returnPath: string, proof?: Proof): Promise<void> {
    const configuration = await this.#configure();
    const transaction: Transaction = {
      browser: ensureBrowserId(ctx, this.#naming),
      verifier: client.randomPKCECodeVerifier(),
      nonce: client.randomNonce(),
      returnPath: safeReturnPath(returnPath, '/account'),
    };
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: `${this.#issuer}/account/callback`,
      scope: 'openid',
      code_challenge: await client.calculatePKCECodeChallenge(transaction.verifier),
      code_challenge_method: 'S256',
      nonce: transaction.nonce,
      state: await this.#oneTime.put(TRANSACTION, transaction, { ttl: TRANSACTION_TTL }),
      ...(proof?.isFresh ? { prompt: 'login' } : {}),
      ...(proof?.acr === undefined
        ? {}
        : { claims: JSON.stringify({ id_token: { acr: { essential: true, values: [proof.acr] } } }) }),
    });
    ctx.status = 303;
    ctx.redirect(url.href);
  }

  /**
   * The way back from the engine. @returns where to go, or null when this browser did not start it or it was used
   */
  async finish(ctx: Context): Promise<string | null> {
    const state = ctx.query['state'];
    if (typeof state !== 'string') return null;
    const transaction = await this.#oneTime.take<Transaction>(TRANSACTION, state);
    if (!transaction || transaction.browser !== findBrowserId(ctx, this.#naming)) return null;
    try {
      const tokens = await client.authorizationCodeGrant(
        await this.#configure(),
        new URL(`${this.#issuer}/account/callback${ctx.search}`),
        { pkceCodeVerifier: transaction.verifier, expectedNonce: transaction.nonce, expectedState: state },
      );
      const session = await this.#engine.provider.Session.get(ctx);
      return tokens.claims()?.sub === session.accountId ? transaction.returnPath : null;
    } catch (error) {
      // Cancelled, or the proof could not be as strong as it has to be: nothing was changed.
      if (error instanceof client.AuthorizationResponseError) return (await this.find(ctx)) === null ? '/' : '/account';
      if (error instanceof client.ResponseBodyError) return null;
      throw error;
    }
  }

  #configure(): Promise<client.Configuration> {
    this.#configuration ??= this.#discover().catch((error: unknown) => {
      this.#configuration = undefined;
      throw error;
    });
    return this.#configuration;
  }

  async #discover(): Promise<client.Configuration> {
    const options: client.DiscoveryRequestOptions = { [client.customFetch]: this.#fetch, execute: [] };
    // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident; the issuer is loopback here
    if (this.#issuer.startsWith('http:')) options.execute = [client.allowInsecureRequests];
    const metadata = { id_token_signed_response_alg: 'ES256' };
    return client.discovery(new URL(this.#issuer), PORTAL_CLIENT_ID, metadata, client.None(), options);
  }

  /** Our own endpoints are called inside the process: the public address may not be reachable from here. */
  readonly #fetch: client.CustomFetch = async (url, options) => {
    const { pathname, search } = new URL(url);
    const answer = await inject((req, res) => void this.#engine.handle(req, res), {
      method: options.method as 'GET',
      url: `${pathname}${search}`,
      headers: options.headers,
      ...(options.body == null ? {} : { payload: bodyText(options.body) }),
    });
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value));
    return new Response(answer.rawPayload.length > 0 ? new Uint8Array(answer.rawPayload) : null, {
      status: answer.statusCode,
      headers,
    });
  };
}

/** The client library sends forms only. */
function bodyText(body: unknown): string {
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('a form was expected');
}

/** Who changes something in the portal, and from where: for the audit. */
export function causeOf(ctx: Context, accountId: string): Cause {
  return { actor: { kind: 'account', id: accountId }, origin: requestOrigin(ctx) };
}
