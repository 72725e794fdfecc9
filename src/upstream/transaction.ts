// One attempt to sign in at an upstream. Its record is found only by the whole of handle, browser and upstream, and is taken by one conditional
// write before any adapter is called: an answer without a state, with a used one, with one of another browser or of another upstream finds
// nothing and spends nothing (requirements B3, U4; threats: unbound state, mix-up).
import type { Context } from 'koa';
import type { Budgets } from '../credential/budget.ts';
import { randomToken } from '../crypto/random.ts';
import { TooManyRequests } from '../errors.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { UpstreamIdentity, UpstreamRequest } from './adapter.ts';
import type { Upstream } from './upstreams.ts';

const TRANSACTION = 'upstream-transaction';
const TICKET = 'upstream-ticket';
/** Seconds. */
const TRANSACTION_TTL = 600;
const TICKET_TTL = 300;
const STATE = /^[A-Za-z0-9_-]{43}$/;

export type UpstreamIntent = 'sign-in' | 'link';

/** Carried along from the moment when the browser was sent there. */
interface Begun {
  /** Of the upstream as it was then. */
  readonly revision?: string | null;
}

/** What an attempt is for, and where it leads. */
export interface Attempt {
  readonly intent: UpstreamIntent;
  /** One of our own paths; the ticket is appended to it. */
  readonly returnPath: string;
  /** One of our own paths: where to go when it fails. */
  readonly backPath: string;
  /** For `link`: whose identity it is to become, and in which session that was asked. */
  readonly account?: { readonly id: string; readonly session: string };
  readonly clientId?: string | undefined;
}

export interface Transaction extends Attempt, Begun {
  readonly request: UpstreamRequest;
}

/** What the upstream proved, on its way to whoever began it. */
export interface Ticket extends Attempt, Begun {
  readonly upstream: string;
  readonly identity: UpstreamIdentity;
}

export class Transactions {
  readonly #oneTime: OneTime;
  readonly #naming: CookieNaming;
  readonly #issuer: string;
  readonly #budgets: Budgets;
  readonly #limit: number;

  constructor(parts: {
    readonly oneTime: OneTime;
    readonly naming: CookieNaming;
    readonly issuer: string;
    readonly budgets: Budgets;
    /** Attempts from one network within an hour. */
    readonly limit: number;
  }) {
    this.#budgets = parts.budgets;
    this.#limit = parts.limit;
    this.#oneTime = parts.oneTime;
    this.#naming = parts.naming;
    this.#issuer = parts.issuer;
  }

  /** Sends the browser to the upstream. @throws UpstreamFailure when it cannot be asked, TooManyRequests */
  async begin(
    ctx: Context,
    upstream: Upstream,
    attempt: Attempt,
    hints: Pick<UpstreamRequest, 'loginHint' | 'uiLocales' | 'isFresh'> = {},
  ): Promise<void> {
    const budget = { limit: this.#limit, window: 3600 };
    const spending = await this.#budgets.spendNetwork('upstream', clientNetwork(ctx), budget);
    if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
    const request: UpstreamRequest = {
      redirectUri: `${this.#issuer}/upstream/${upstream.id}/callback`,
      ...{ state: randomToken(), nonce: randomToken(), codeVerifier: randomToken() },
      ...hints,
    };
    // Before anything is stored: an upstream that is down leaves nothing behind.
    const url = await upstream.authorizationUrl(request);
    const key = keyOf(request.state, ensureBrowserId(ctx, this.#naming), upstream.id);
    const transaction: Transaction = { ...attempt, request, revision: upstream.revision };
    await this.#oneTime.putUnder(TRANSACTION, key, transaction, { ttl: TRANSACTION_TTL });
    ctx.status = 303;
    ctx.redirect(url.href);
  }

  /** Once. Null for a state that is none, was used, is too old, or is another browser's or another upstream's. */
  async take(ctx: Context, upstreamId: string, state: string | null): Promise<Transaction | null> {
    const browser = findBrowserId(ctx, this.#naming);
    if (state === null || !STATE.test(state) || browser === undefined) return null;
    return this.#oneTime.take<Transaction>(TRANSACTION, keyOf(state, browser, upstreamId));
  }

  /** @returns the path, with the ticket, that the browser goes on to */
  async issueTicket(ctx: Context, upstreamId: string, transaction: Transaction, identity: UpstreamIdentity) {
    const { request: _request, ...attempt } = transaction;
    const ticket: Ticket = { ...attempt, upstream: upstreamId, identity };
    const value = randomToken();
    const key = keyOf(value, ensureBrowserId(ctx, this.#naming), attempt.returnPath);
    await this.#oneTime.putUnder(TICKET, key, ticket, { ttl: TICKET_TTL });
    return `${attempt.returnPath}/${value}`;
  }

  /** Once, in the browser that has been there and at the path that began it. */
  async takeTicket(ctx: Context, returnPath: string, value: string): Promise<Ticket | null> {
    const browser = findBrowserId(ctx, this.#naming);
    if (!STATE.test(value) || browser === undefined) return null;
    return this.#oneTime.take<Ticket>(TICKET, keyOf(value, browser, returnPath));
  }
}

/**
 * Whether the upstream is as it was when the attempt was begun: what was sent to one address is redeemed at no other, and nobody is trusted with
 * more than they were when they said it.
 */
export function isUnchanged(upstream: Pick<Upstream, 'revision'>, { revision }: Begun): boolean {
  return upstream.revision === (revision ?? null);
}

/** None of the three can hold a space. */
function keyOf(value: string, browser: string, place: string): string {
  return `${value} ${browser} ${place}`;
}
