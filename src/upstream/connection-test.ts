// Whether an upstream would work, tried without a person: the way of a sign-in up to the token endpoint, which gets a code that nobody issued. An
// upstream that knows us refuses the code; one that does not refuses us, and says so. Everything goes through the guarded fetch and the adapter.
import { randomToken } from '../crypto/random.ts';
import type { GuardedFetch } from '../http/guarded-fetch.ts';
import { UpstreamFailure } from './adapter.ts';
import { readFully } from './outgoing.ts';
import type { Upstream } from './upstreams.ts';

/** What is looked at, in this order; what comes after a failure is not tried. */
export type TestedStep = 'address' | 'keys' | 'credentials';
/** What to do about it. `odd`: it answered, but not as such a server answers. */
export type TestProblem = 'unreachable' | 'setting' | 'odd';

export interface TestedPart {
  readonly step: TestedStep;
  /** Null when it works. */
  readonly problem: TestProblem | null;
  /** What the other side said, or what stood in the way, for an administrator; null where there is nothing to say. */
  readonly detail: string | null;
}

/** Milliseconds for the documents. */
const TIMEOUT = 8000;
/** Begins the cause of a failure that the token endpoint told by an error code (see outgoing.ts). */
const TOLD = 'it said ';

export async function testConnection(
  upstream: Upstream,
  parts: { readonly fetch: GuardedFetch; readonly redirectUri: string },
): Promise<readonly TestedPart[]> {
  const request = {
    ...{ redirectUri: parts.redirectUri, state: randomToken(), nonce: randomToken() },
    codeVerifier: randomToken(),
  };
  const done: TestedPart[] = [];
  const failed = (step: TestedStep, error: unknown): readonly TestedPart[] => [...done, { step, ...explain(error) }];
  try {
    const url = await upstream.authorizationUrl(request);
    done.push({ step: 'address', problem: null, detail: url.origin });
  } catch (error) {
    return failed('address', error);
  }
  if (upstream.expectedIssuer !== null) {
    try {
      const count = await countKeys(upstream.expectedIssuer, readFully(parts.fetch));
      done.push({ step: 'keys', problem: count === 0 ? 'odd' : null, detail: null });
      if (count === 0) return done;
    } catch (error) {
      return failed('keys', error);
    }
  }
  const callback = new URLSearchParams({ code: `connection-test-${randomToken()}`, state: request.state });
  if (upstream.expectedIssuer !== null) callback.set('iss', upstream.expectedIssuer);
  try {
    await upstream.identify(callback, request);
    return [...done, { step: 'credentials', problem: 'odd', detail: null }];
  } catch (error) {
    // It told us by an error code that it does not know the code: then it knows us.
    const told = causeOf(error);
    const isGood = error instanceof UpstreamFailure && error.step === 'exchange' && told?.startsWith(TOLD) === true;
    return isGood ? [...done, { step: 'credentials', problem: null, detail: told }] : failed('credentials', error);
  }
}

/** The keys that its document leads to (OIDC Discovery 4). */
async function countKeys(issuer: string, fetch: GuardedFetch): Promise<number> {
  const signal = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(TIMEOUT) });
  const document = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, signal());
  const { jwks_uri: uri } = (await document.json()) as { jwks_uri?: unknown };
  if (typeof uri !== 'string') return 0;
  const { keys } = (await (await fetch(uri, signal())).json()) as { keys?: unknown };
  return Array.isArray(keys) ? keys.length : 0;
}

function explain(error: unknown): Pick<TestedPart, 'problem' | 'detail'> {
  const detail = causeOf(error);
  if (!(error instanceof UpstreamFailure)) return { problem: 'unreachable', detail };
  const problem = error.step === 'unreachable' || error.step === 'setting' ? error.step : 'odd';
  return { problem, detail };
}

/** The innermost reason in one line: our own words about the call, or what the other side said in plain ASCII. */
function causeOf(error: unknown): string | null {
  let reason: unknown = error;
  for (let depth = 0; depth < 6 && reason instanceof Error && reason.cause instanceof Error; depth += 1) {
    reason = reason.cause;
  }
  if (!(reason instanceof Error) || reason instanceof UpstreamFailure) return null;
  return reason.message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 300);
}
