// One row of the table that every upstream adapter has to pass: how its upstream is started, and which hostile things it can do. A new
// adapter adds a file beside this one and a line in ../upstream-adapter.test.ts.

import type { GuardedFetch } from '../../../src/http/guarded-fetch.ts';
import type { UpstreamAdapter, UpstreamIdentity } from '../../../src/upstream/adapter.ts';

/** @throws when this kind cannot be made */
export function made(adapter: UpstreamAdapter | null): UpstreamAdapter {
  if (!adapter) throw new Error('there is no adapter of this kind');
  return adapter;
}

/** An upstream of this kind on loopback, and our adapter for it. */
export interface OpenRow {
  /** Its address. */
  readonly issuer: string;
  /** @param fetch what the adapter calls out with */
  adapter(fetch: GuardedFetch): UpstreamAdapter;
  /** What the browser does at the upstream: signs in with this address, and brings these parameters to our callback. */
  signIn(url: URL): URLSearchParams;
  /** Paths that were asked for since the last reset, in order. */
  readonly asked: readonly string[];
  /** Honest again, and nothing asked yet. */
  reset(): void;
  close(): Promise<void>;
  readonly hostile: Hostile;
}

/** What the upstream of a row can be made to do. What a kind has not (no ID token, no e-mail) is left out, and its cases with it. */
export interface Hostile {
  /** The person says no there. */
  readonly deny: () => void;
  /** Paths of every server-side call, the one of the code first: each is made to stall, to answer 100 MB, garbage and 502. */
  readonly calls: readonly string[];
  readonly answerWith: (path: string, answer: 'silence' | 'huge' | 'packed' | 'html' | 'html-502') => void;
  /** The answers carry no usable subject. */
  readonly withoutSubject: () => void;
  /** Changes a claim of the ID token. */
  readonly claims?: (changes: Record<string, unknown>) => void;
  readonly signature?: (kind: 'none' | 'hs256-public-key' | 'unknown-key' | 'broken') => void;
  /** The profile is of another subject than the ID token. */
  readonly otherProfile?: () => void;
  /** The upstream says this of the address; `undefined` says nothing. */
  readonly emailVerified?: (value: unknown) => void;
  /** The code is wrong for this exchange: the upstream says so in its own way. */
  readonly refuseCode: () => void;
  /** Client id or secret are wrong: the same. */
  readonly refuseClient: () => void;
}

export interface UpstreamRow {
  readonly kind: string;
  /** Its ID tokens may leave our nonce out. */
  readonly mayOmitNonce?: boolean;
  /** Who comes back when all is well; `tokens` is not compared. */
  readonly expected: (row: OpenRow) => Omit<UpstreamIdentity, 'tokens'>;
  open(): Promise<OpenRow>;
}
