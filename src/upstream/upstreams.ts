// The upstreams of this deployment, each behind its own time limit and circuit breaker: one that is down fails fast and alone, and is not
// hammered while it gets up (requirements U9, M7).
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import type { GuardedFetch } from '../http/guarded-fetch.ts';
import { viaProxy } from '../http/outgoing-proxy.ts';
import { type Log, serializeError } from '../log.ts';
import {
  type AdapterDeclaration,
  type UpstreamAdapter,
  UpstreamFailure,
  type UpstreamIdentity,
  type UpstreamRequest,
} from './adapter.ts';
import { createAdapter } from './adapters/index.ts';
import { TELEGRAM_OIDC_ISSUER } from './adapters/telegram.ts';
import { failure } from './outgoing.ts';

/** Milliseconds for everything that one step asks of an upstream. */
const STEP_TIMEOUT = 8000;
/** Where every door of Telegram keeps who comes through it; ids of upstreams are no longer than this and may be it. */
export const TELEGRAM_IDENTITIES = 'telegram';
/** So many failures in a row, and for so many milliseconds nobody tries. */
const FAILURES = 5;
const PAUSE = 30_000;

/** What the operator allows an upstream, beside how to reach it. */
export interface UpstreamDeclaration extends AdapterDeclaration {
  /** Its word that an address is verified counts like our own mail. */
  readonly trustEmail?: boolean | undefined;
  /** It asks for a second factor itself, so that we do not. */
  readonly trustSecondFactor?: boolean | undefined;
  /** Names and picture follow it at every sign-in. */
  readonly refreshProfile?: boolean | undefined;
  readonly keepTokens?: boolean | undefined;
  /** Addresses of these domains are sent there. */
  readonly domains?: readonly string[] | undefined;
}

export interface Upstream {
  readonly id: string;
  readonly label: string;
  readonly icon: string | null;
  readonly expectedIssuer: string | null;
  readonly settings: UpstreamDeclaration;
  /** Under which name its identities are kept: the doors of Telegram lead to one. */
  readonly identities: string;
  /** What a sign-in through it proves. */
  readonly method: 'upstream' | 'telegram';
  /** Of one that administrators keep: another whenever anything about it changes. Null for what the settings declare. */
  readonly revision: string | null;
  /** The bot asks by itself, the widget has a page of ours: neither has an address to go to. */
  readonly door: 'redirect' | 'bot' | 'widget';
  /** Whether it failed so often of late that it is given a pause, as this process sees it. */
  readonly isPaused?: () => boolean;
  /** @throws UpstreamFailure */
  authorizationUrl(request: UpstreamRequest): Promise<URL>;
  /** @throws UpstreamFailure */
  identify(callback: URLSearchParams, request: UpstreamRequest): Promise<UpstreamIdentity>;
}

/** What upstreams are made from. */
export interface UpstreamParts {
  readonly fetch: GuardedFetch;
  /** An outgoing proxy for Telegram. */
  readonly telegramProxy?: string | undefined;
  readonly log: Log;
}

/**
 * One upstream behind its limits; null for a kind that this build cannot do.
 * @throws AppError `upstream-setting` for a private key that is none
 */
export function createUpstream(
  settings: UpstreamDeclaration,
  { secret, revision = null }: { readonly secret: string | undefined; readonly revision?: string | null },
  parts: UpstreamParts,
): Upstream | null {
  const adapter = createAdapter(settings, { fetch: fetchFor(settings, parts, revision), secret });
  if (adapter) return { ...protect(settings, adapter, parts.log), revision };
  parts.log.warn({ upstream: settings.id, kind: settings.kind }, 'this kind of upstream cannot be used yet');
  return null;
}

/** Under which name identities of such an upstream are kept. */
export function identitiesOf({ id, kind }: Pick<UpstreamDeclaration, 'id' | 'kind'>): string {
  return kind === 'telegram' ? TELEGRAM_IDENTITIES : id;
}

export class Upstreams {
  readonly #declared: readonly Upstream[];
  readonly #doors: readonly Upstream[];
  #byId: ReadonlyMap<string, Upstream>;
  #off: readonly Upstream[] = [];

  constructor(
    parts: UpstreamParts & {
      readonly declarations: readonly UpstreamDeclaration[];
      /** By id. */
      readonly secrets: Readonly<Record<string, string>>;
      /** Ways in that are no upstreams but lead to identities all the same. */
      readonly doors?: readonly Upstream[];
    },
  ) {
    const { declarations, secrets, doors = [] } = parts;
    this.#declared = declarations.flatMap((settings) => {
      const secret = Object.hasOwn(secrets, settings.id) ? secrets[settings.id] : undefined;
      return createUpstream(settings, { secret }, parts) ?? [];
    });
    this.#doors = doors;
    this.#byId = this.#inOrder([]);
  }

  /** In the order of the buttons: those of the settings, those of administrators, the doors of Telegram. */
  list(): readonly Upstream[] {
    return [...this.#byId.values()];
  }

  find(id: string): Upstream | null {
    return this.#byId.get(id) ?? null;
  }

  /** Whether the id is one that the settings speak of, and nobody else can. */
  isFixed(id: string): boolean {
    return [...this.#declared, ...this.#doors].some((one) => one.id === id);
  }

  /** Those of administrators as they are now, turned on and off. What the settings declare under the same id goes before. */
  follow(on: readonly Upstream[], off: readonly Upstream[]): void {
    this.#byId = this.#inOrder(on.filter((one) => !this.isFixed(one.id)));
    this.#off = off;
  }

  /** What people know it by, also while it is turned off. */
  labelOf(identities: string): string {
    const known = this.findByIdentities(identities) ?? this.#off.find((one) => one.identities === identities);
    return known?.label ?? identities;
  }

  /** One that leads to identities of this name. */
  findByIdentities(identities: string): Upstream | null {
    return this.list().find((one) => one.identities === identities) ?? null;
  }

  /** The one that addresses of this domain belong to. */
  findByEmail(email: string): Upstream | null {
    const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
    if (!email.includes('@') || domain === '') return null;
    return this.list().find((one) => one.settings.domains?.some((each) => each.toLowerCase() === domain)) ?? null;
  }

  #inOrder(kept: readonly Upstream[]): ReadonlyMap<string, Upstream> {
    return new Map([...this.#declared, ...kept, ...this.#doors].map((one) => [one.id, one]));
  }
}

/** Telegram's is blocked in some networks. The proxy may reach what we may not: an address that an administrator typed is not called over it. */
function fetchFor(
  { kind, endpoints }: UpstreamDeclaration,
  { fetch, telegramProxy }: UpstreamParts,
  revision: string | null,
): GuardedFetch {
  if (kind !== 'telegram' || telegramProxy === undefined) return fetch;
  const issuer = (revision === null ? endpoints?.issuer : undefined) ?? TELEGRAM_OIDC_ISSUER;
  return viaProxy(telegramProxy, new URL(issuer).host, fetch);
}

/** The bot, seen as one way in among the others. It asks by itself: see interaction/telegram.ts. */
export function botDoor(): Upstream {
  return telegramDoor('telegram-bot', 'Telegram', 'bot');
}

/** The legacy widget: see interaction/telegram-widget.ts. */
export function widgetDoor(): Upstream {
  return telegramDoor('telegram-widget', 'Telegram Login', 'widget');
}

function telegramDoor(id: string, label: string, door: 'bot' | 'widget'): Upstream {
  const nowhere = (): never => {
    throw new Error('this door has no address to go to');
  };
  return {
    ...{ id, label, icon: 'telegram', expectedIssuer: null, revision: null },
    ...{ identities: TELEGRAM_IDENTITIES, method: 'telegram', door },
    settings: { id, kind: 'telegram', clientId: '' },
    authorizationUrl: async () => nowhere(),
    identify: async () => nowhere(),
  };
}

function protect(settings: UpstreamDeclaration, adapter: UpstreamAdapter, log: Log): Omit<Upstream, 'revision'> {
  // A stranger can bring wrong codes as often as he likes: only what is the upstream's own fault opens the breaker.
  const isItsFault = handleWhen(
    (error) =>
      error instanceof TaskCancelledError || (error instanceof UpstreamFailure && error.step === 'unreachable'),
  );
  const breaker = circuitBreaker(isItsFault, { halfOpenAfter: PAUSE, breaker: new ConsecutiveBreaker(FAILURES) });
  const policy = wrap(breaker, timeout(STEP_TIMEOUT, TimeoutStrategy.Aggressive));
  const run = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await policy.execute(work);
    } catch (error) {
      const isAway = error instanceof TaskCancelledError || error instanceof BrokenCircuitError;
      const failed = isAway ? failure('unreachable', error) : error;
      if (failed instanceof UpstreamFailure && failed.step !== 'denied') {
        log.warn({ upstream: settings.id, step: failed.step, err: serializeError(failed) }, 'upstream sign-in failed');
      }
      throw failed;
    }
  };
  return {
    id: adapter.id,
    identities: identitiesOf(settings),
    method: settings.kind === 'telegram' ? 'telegram' : 'upstream',
    door: 'redirect',
    label: adapter.label,
    icon: adapter.icon,
    expectedIssuer: adapter.expectedIssuer,
    settings,
    isPaused: () => breaker.state !== CircuitState.Closed,
    authorizationUrl: (request) => run(() => adapter.authorizationUrl(request)),
    identify: (callback, request) => run(() => adapter.identify(callback, request)),
  };
}
