// Guesses at the secret of a client, counted for each client and network in rows (requirements L9). A good request of a network without failures
// costs no round trip: what is known is remembered for half a minute, and failures are counted in memory at the moment of the comparison, so that
// requests beside one another cannot share a number. Several processes may together look at a few more guesses than one: each learns of the
// others' at its own next failure, or after that half minute.
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Audit } from '../audit/audit.ts';
import { type Budget, type Budgets, networkKeys } from '../credential/budget.ts';
import { clientNetwork } from '../http/client-address.ts';
import { type Log, serializeError } from '../log.ts';
import type { ClientCheck } from './client-adapter.ts';
import { tooManyRequests } from './registration.ts';

/** Milliseconds for which "no failures" is believed. */
const BELIEVED_MS = 30_000;
const MOST_KNOWN = 10_000;

interface Known {
  /** Since it was looked up here; the rows know the others. */
  failures: number;
  readonly lookedAt: number;
  readonly endsAt: number;
  blockedUntil: number;
}

export class ClientGuesses {
  readonly #budgets: Budgets;
  readonly #audit: Audit;
  readonly #budget: Budget;
  readonly #switchedOff: boolean;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();

  constructor(parts: {
    readonly budgets: Budgets;
    readonly audit: Audit;
    readonly settings: {
      readonly clientFailures: number;
      readonly clientFailuresWindow: number;
      readonly switchedOff: boolean;
    };
    readonly log: Log;
  }) {
    this.#budgets = parts.budgets;
    this.#audit = parts.audit;
    this.#budget = { limit: parts.settings.clientFailures, window: parts.settings.clientFailuresWindow };
    this.#switchedOff = parts.settings.switchedOff;
    this.#log = parts.log;
  }

  /**
   * Before a client's secret is compared.
   * @throws an error of the engine with status 429; Unavailable when the counters cannot be read
   */
  admit(clientId: string): Promise<void> | undefined {
    const ctx = Provider.ctx;
    if (this.#switchedOff || !ctx) return undefined;
    const network = clientNetwork(ctx);
    const key = keyOf(clientId, network);
    const known = this.#current(key);
    if (!known) return this.#lookUp(key, clientId, network).then((found) => refuseBlocked(ctx, found));
    refuseBlocked(ctx, known);
    return undefined;
  }

  /** Whether a comparison would be one too many; asked at that moment. */
  isFull(clientId: string): boolean {
    const ctx = Provider.ctx;
    if (this.#switchedOff || !ctx) return false;
    const known = this.#current(keyOf(clientId, clientNetwork(ctx)));
    return known !== undefined && (known.failures >= this.#budget.limit || known.blockedUntil > Date.now());
  }

  /** A secret was wrong. Counted here at once, and in the rows as soon as can be. */
  note(clientId: string): void {
    const ctx = Provider.ctx;
    if (this.#switchedOff || !ctx) return;
    const network = clientNetwork(ctx);
    const key = keyOf(clientId, network);
    const known = this.#current(key) ?? this.#remember(key, 0);
    known.failures += 1;
    if (known.failures >= this.#budget.limit) this.#block(known, this.#budget.window, clientId, network);
    this.#budgets
      .spendNetwork(nameOf(clientId), network, this.#budget)
      .then((spending) => {
        if (!spending.isAllowed) this.#block(known, spending.retryAfter, clientId, network);
      })
      .catch((error: unknown) => {
        this.#log.error(
          { clientId, err: serializeError(error) },
          'a wrong client secret could be counted in memory only',
        );
      });
  }

  #block(known: Known, seconds: number, clientId: string, network: string): void {
    const isNew = known.blockedUntil <= Date.now();
    known.blockedUntil = Date.now() + seconds * 1000;
    if (!isNew) return;
    const event = {
      actor: { kind: 'client', id: clientId },
      action: 'client.lock',
      clientId,
      result: 'failure',
    } as const;
    this.#audit.record({ ...event, origin: { network }, reason: 'wrong-secret' }).catch((error: unknown) => {
      this.#log.error({ clientId, err: serializeError(error) }, 'audit failed');
    });
  }

  /** What is known and may be believed. Failures are remembered for the whole window, their absence for less. */
  #current(key: string): Known | undefined {
    const known = this.#known.get(key);
    if (!known) return undefined;
    const now = Date.now();
    if (known.blockedUntil > now) return known;
    return now < (known.failures > 0 ? known.endsAt : known.lookedAt + BELIEVED_MS) ? known : undefined;
  }

  async #lookUp(key: string, clientId: string, network: string): Promise<Known> {
    const [row = ''] = networkKeys(nameOf(clientId), network);
    const wait = await this.#budgets.wait(row, this.#budget);
    // Somebody beside us may have been faster, and counted already.
    return this.#current(key) ?? this.#remember(key, wait * 1000);
  }

  #remember(key: string, blockedForMs: number): Known {
    if (this.#known.size >= MOST_KNOWN) this.#forgetOld();
    const now = Date.now();
    const known: Known = {
      failures: 0,
      lookedAt: now,
      endsAt: now + this.#budget.window * 1000,
      blockedUntil: blockedForMs === 0 ? 0 : now + blockedForMs,
    };
    this.#known.set(key, known);
    return known;
  }

  #forgetOld(): void {
    for (const key of this.#known.keys()) if (this.#current(key) === undefined) this.#known.delete(key);
    // Those without failures can be looked up again.
    for (const [key, { failures, blockedUntil }] of this.#known) {
      if (this.#known.size < MOST_KNOWN) return;
      if (failures === 0 && blockedUntil <= Date.now()) this.#known.delete(key);
    }
  }
}

function nameOf(clientId: string): string {
  return `client-secret:${clientId}`;
}

function keyOf(clientId: string, network: string): string {
  return `${network} ${clientId}`;
}

function refuseBlocked(ctx: KoaContextWithOIDC, { blockedUntil }: Known): void {
  const wait = blockedUntil - Date.now();
  if (wait <= 0) return;
  ctx.set('Retry-After', String(Math.ceil(wait / 1000)));
  throw tooManyRequests('too many wrong secrets from this network');
}

/** Makes every request that brings a client's secret along ask whether it may still be compared. */
export function guardClientSecrets(guesses: ClientGuesses): ClientCheck {
  return ({ clientId }) => (bringsSecret() ? guesses.admit(clientId) : undefined);
}

function bringsSecret(): boolean {
  const ctx = Provider.ctx;
  if (!ctx?.oidc) return false;
  const { body } = ctx.oidc as { body?: { client_secret?: unknown } };
  return body?.client_secret !== undefined || /^basic /i.test(ctx.get('authorization'));
}
