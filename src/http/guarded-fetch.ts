// The one way to call out: jwks_uri, sector identifiers, back-channel logout, metadata documents, upstreams, webhooks. Whoever can make us
// fetch a URL must not reach what only we can reach, so addresses are checked when the connection is made, after every name was resolved,
// and redirects are not followed. Time and size are capped.
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import ipaddr from 'ipaddr.js';
import { Agent, type RequestInit, fetch as undiciFetch } from 'undici';
import { AppError } from '../errors.ts';

export interface GuardedFetchOptions {
  /** `URL.hostname`s that may be on private addresses (LATCHKEY_PRIVATE_NETWORK_HOSTS). */
  readonly privateNetworkHosts: readonly string[];
  /** Milliseconds. */
  readonly connectTimeout?: number;
  readonly timeout?: number;
  /** Bytes of an answer's body. */
  readonly mostBytes?: number;
}

type FetchInput = string | URL | Request;
export type GuardedFetch = (url: FetchInput, init?: globalThis.RequestInit) => Promise<Response>;

const MEBIBYTE = 1024 * 1024;

/** An outgoing call that was refused or cut: never an answer of the other side. */
export class OutgoingCallRefused extends AppError {
  constructor(message: string, cause?: unknown) {
    super('outgoing-call-refused', 502, message, { cause });
  }
}

/**
 * A `fetch` that refuses special addresses, follows no redirect and reads no more than it should.
 * @throws OutgoingCallRefused for a refused address, scheme or size; errors of undici for time-outs and connection faults
 */
export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const { connectTimeout = 5000, timeout = 10_000, mostBytes = MEBIBYTE } = options;
  const allowed = new Set(options.privateNetworkHosts.map((host) => host.toLowerCase()));
  const agent = (isGuarded: boolean) =>
    new Agent({
      connect: { timeout: connectTimeout, ...(isGuarded ? { lookup: guardedLookup } : {}) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
      maxResponseSize: mostBytes,
      connections: 16,
      keepAliveTimeout: 4000,
    });
  const guarded = agent(true);
  const open = agent(false);

  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw new OutgoingCallRefused(`${url.protocol} addresses are not called.`);
    }
    const isAllowed = allowed.has(url.hostname.toLowerCase());
    // A literal address is never looked up, so it is checked here.
    const literal = url.hostname.replace(/^\[|\]$/g, '');
    if (!isAllowed && ipaddr.isValid(literal) && isSpecialAddress(literal)) throw refusedAddress(url.hostname);
    const limit = AbortSignal.timeout(timeout);
    const { signal } = init;
    const response = await undiciFetch(url, {
      ...(init as RequestInit),
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      dispatcher: isAllowed ? open : guarded,
    }).catch((error: unknown) => {
      // undici wraps what the look-up threw.
      const { cause } = error as { cause?: unknown };
      throw cause instanceof OutgoingCallRefused ? cause : error;
    });
    return response as unknown as Response;
  };
}

type Callback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** Resolves like the system does and refuses when any of the addresses is special: what was checked is what is connected to. */
function guardedLookup(hostname: string, options: LookupOptions, callback: Callback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    if (addresses.length === 0 || addresses.some(({ address }) => isSpecialAddress(address))) {
      return callback(refusedAddress(hostname), []);
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first?.address ?? '', first?.family);
  });
}

function refusedAddress(host: string): OutgoingCallRefused {
  return new OutgoingCallRefused(
    `${host} is on a private or special address. Add it to LATCHKEY_PRIVATE_NETWORK_HOSTS if it is meant to be called.`,
  );
}

/** Everything that is not plain global unicast: private, loopback, link-local, shared, documentation, embedded and so on (RFC 6890). */
export function isSpecialAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  if (!ipaddr.isValid(plain)) return true;
  return ipaddr.process(plain).range() !== 'unicast';
}
