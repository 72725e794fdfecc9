// How much one network may send in a minute, counted in the memory of this process: a flood must not cost a round trip each. It protects work,
// never a secret (those have rows, see credential/budget.ts), so several processes allow several times the number and a restart forgets it.
import type { Context, Middleware, Next } from 'koa';
import { TooManyRequests } from '../errors.ts';
import { clientNetwork, siteOf } from './client-address.ts';

/** Milliseconds. */
const WINDOW_MS = 60_000;
/** Networks that are counted at the same time; beyond it the newcomers of a minute share one number, so that no flood makes room for itself. */
const MOST_NETWORKS = 50_000;
const EVERYBODY_ELSE = 'everybody else';

export interface TrafficRule {
  /** What is counted together. */
  readonly name: string;
  readonly isFor: (ctx: Context) => boolean;
  /** Every request, or those that were answered with a client's error. */
  readonly counts: 'every' | 'refused';
  /** In a minute. */
  readonly limit: number;
  /** Programs get the errors of OAuth, people a page. */
  readonly answersWith: 'json' | 'page';
}

/** Answers that ask a well-behaved client to come again (RFC 8628, 3.5). */
const EXPECTED: ReadonlySet<unknown> = new Set(['authorization_pending', 'slow_down', 'use_dpop_nonce']);

class Meter {
  #counts = new Map<string, number>();
  #endsAt = 0;

  /** Seconds until it starts anew. */
  get left(): number {
    return Math.max(1, Math.ceil((this.#endsAt - Date.now()) / 1000));
  }

  get(key: string): number {
    this.#turn();
    return this.#counts.get(this.#known(key)) ?? 0;
  }

  add(key: string): void {
    this.#turn();
    const known = this.#known(key);
    this.#counts.set(known, (this.#counts.get(known) ?? 0) + 1);
  }

  #known(key: string): string {
    return this.#counts.has(key) || this.#counts.size < MOST_NETWORKS ? key : EVERYBODY_ELSE;
  }

  #turn(): void {
    if (this.#endsAt > Date.now()) return;
    this.#counts = new Map();
    this.#endsAt = Date.now() + WINDOW_MS;
  }
}

/** @param options.siteFactor how many times as much the /48 around an IPv6 network may */
export function trafficLimits(rules: readonly TrafficRule[], options: { readonly siteFactor: number }): Middleware {
  const metered = rules.map((rule) => ({ rule, meter: new Meter() }));
  return (ctx, next) => {
    const matching = metered.filter(({ rule }) => rule.isFor(ctx));
    return matching.length === 0 ? next() : count(ctx, matching, next);
  };

  async function count(ctx: Context, matching: typeof metered, next: Next): Promise<void> {
    const network = clientNetwork(ctx);
    const site = siteOf(network);
    const keys = site === null ? [network] : [network, site];
    for (const { rule, meter } of matching) {
      const isFull = keys.some((key) => meter.get(key) >= rule.limit * (key === network ? 1 : options.siteFactor));
      if (isFull) {
        refuse(ctx, rule, meter.left);
        return;
      }
      if (rule.counts === 'every') for (const key of keys) meter.add(key);
    }
    await next();
    if (!isRefusal(ctx)) return;
    for (const { rule, meter } of matching) {
      if (rule.counts === 'refused') for (const key of keys) meter.add(key);
    }
  }
}

function isRefusal(ctx: Context): boolean {
  const { body } = ctx as { body?: { error?: unknown } | null };
  return ctx.status >= 400 && ctx.status < 500 && ctx.status !== 429 && !EXPECTED.has(body?.error);
}

function refuse(ctx: Context, rule: TrafficRule, retryAfter: number): void {
  if (rule.answersWith === 'page') throw new TooManyRequests(retryAfter);
  ctx.status = 429;
  ctx.set('Retry-After', String(retryAfter));
  ctx.set('Cache-Control', 'no-store');
  ctx.body = { error: 'too_many_requests', error_description: 'too many requests from this network' };
}
