// The contract of an upstream adapter: it makes the address that a browser is sent to, and says who came back. It sees no Koa context, no
// cookie, no storage and no account. What protects the way (state, nonce, PKCE verifier, browser binding) is made and checked by
// `transaction.ts` and only carried by the adapter.
import { AppError } from '../errors.ts';
import type { GuardedFetch } from '../http/guarded-fetch.ts';

/** What one attempt was begun with. */
export interface UpstreamRequest {
  /** Our callback, built from the issuer. */
  readonly redirectUri: string;
  /** 43 characters: some upstreams cut at 256. */
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636; the adapter sends its S256 challenge. */
  readonly codeVerifier: string;
  /** What the person typed as e-mail, if anything. */
  readonly loginHint?: string | undefined;
  /** BCP 47 tags, best first. */
  readonly uiLocales?: readonly string[] | undefined;
  /** The person shall prove who they are, not be known from before. */
  readonly isFresh?: boolean | undefined;
}

/** Who came back. Only what a verified token or a server-side answer said; nothing that the browser carried, but a display name. */
export interface UpstreamIdentity {
  /** With the subject the only key. For OAuth 2.0 upstreams without an issuer: the origin that people know, such as https://github.com. */
  readonly issuer: string;
  readonly subject: string;
  /** What the upstream calls the person where that is not the key. */
  readonly upstreamSubject?: string | null;
  readonly email: string | null;
  /** True only for the boolean true of an upstream that checks addresses. */
  readonly emailVerified: boolean;
  /** Their name for the account, such as a login; changes hands, so never a key. */
  readonly username: string | null;
  readonly name: string | null;
  readonly givenName: string | null;
  readonly familyName: string | null;
  /** An https URL at the upstream. */
  readonly picture: string | null;
  /** A BCP 47 tag. */
  readonly locale: string | null;
  /** Kept, sealed, only where a setting says so. */
  readonly tokens: UpstreamTokens | null;
}

export interface UpstreamTokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Milliseconds since 1970; null when it was not said. */
  readonly expiresAt: number | null;
}

/** Which step broke: what the person, the log and the circuit breaker need to know. */
export type UpstreamStep = 'denied' | 'unreachable' | 'exchange' | 'id-token' | 'profile' | 'setting';

/** A sign-in at an upstream that did not work out. The message is for people; what the upstream said is the cause. */
export class UpstreamFailure extends AppError {
  readonly step: UpstreamStep;

  constructor(step: UpstreamStep, message: string, cause?: unknown) {
    super(`upstream-${step}`, step === 'denied' ? 403 : 502, message, { cause });
    this.step = step;
  }
}

export interface UpstreamAdapter {
  /** Path segment of /upstream/<id>/callback. */
  readonly id: string;
  /** Text of the button: the name alone, such as "Google". */
  readonly label: string;
  /** A file in views/icons, without its ending; null for none. */
  readonly icon: string | null;
  /** How the answer comes: `form_post` is a cross-site POST without our cookies. */
  readonly responseMode: 'query' | 'form_post';
  /** The issuer that an `iss` parameter must equal (RFC 9207), as far as it is known before the exchange; null where none can be expected. */
  readonly expectedIssuer: string | null;
  /** Where the browser goes. @throws UpstreamFailure `unreachable` or `setting` */
  authorizationUrl(request: UpstreamRequest): Promise<URL>;
  /**
   * Who came back. The transaction was found, taken and bound to this browser before it is called.
   * @param callback the parameters of the answer, each once
   * @throws UpstreamFailure
   */
  identify(callback: URLSearchParams, request: UpstreamRequest): Promise<UpstreamIdentity>;
}

/** An upstream as the operator declares it, without its secret. Which members there are depends on the kind. */
export interface AdapterDeclaration {
  readonly id: string;
  readonly kind: string;
  readonly clientId: string;
  readonly label?: string | undefined;
  /** Instead of the usual ones. */
  readonly scopes?: readonly string[] | undefined;
  /** `issuer` for OIDC kinds; the others for OAuth 2.0 kinds. */
  readonly endpoints?:
    | {
        readonly issuer?: string | undefined;
        readonly authorization?: string | undefined;
        readonly token?: string | undefined;
        readonly api?: string | undefined;
      }
    | undefined;
  /** Microsoft. */
  readonly tenant?: string | undefined;
  /** Apple. */
  readonly teamId?: string | undefined;
  readonly keyId?: string | undefined;
}

/** What every adapter is made with, beside its own declaration. */
export interface AdapterParts {
  /** Time, size and private addresses are guarded; the only way out. */
  readonly fetch: GuardedFetch;
  /** Client secret, or private key in PEM; undefined for a public client. */
  readonly secret: string | undefined;
}

export type AdapterFactory = (declaration: AdapterDeclaration, parts: AdapterParts) => UpstreamAdapter;
