// Any OpenID provider, by its issuer (OIDC Core 3.1, Discovery 1.0, RFC 7636, RFC 9207): code and PKCE, and an ID token whose signature is
// checked although it came over TLS. Kinds that are OpenID providers with habits of their own are built from the same piece.
import * as client from 'openid-client';
import type {
  AdapterDeclaration,
  AdapterParts,
  UpstreamAdapter,
  UpstreamIdentity,
  UpstreamRequest,
} from '../adapter.ts';
import { identityFromClaims } from '../identity.ts';
import { asFailure, asRefusal, failure, readFully } from '../outgoing.ts';

/** Milliseconds for which a discovery document counts, and between two looks after something in it did not fit. */
const DOCUMENT_TTL = 3_600_000;
const DOCUMENT_PAUSE = 60_000;
/** Seconds for one call; what all calls of a step may take together is capped above. */
const CALL_TIMEOUT = 6;

export type Claims = Readonly<Record<string, unknown>>;

/** In which ways a kind differs from a plain OpenID provider. */
export interface OidcOptions {
  readonly issuer: string;
  readonly label: string;
  readonly icon: string | null;
  readonly scopes: readonly string[];
  readonly responseMode?: 'query' | 'form_post';
  /** Whether the profile is asked for beside the ID token; true unless said. */
  readonly usesUserinfo?: boolean;
  /** Added to the authorization request. */
  readonly authorization?: Readonly<Record<string, string>>;
  /** For kinds whose ID tokens have issuers of their own: the RFC 9207 parameter cannot be compared beforehand. */
  readonly hasVaryingIssuer?: boolean;
  /** How we prove ourselves at the token endpoint, asked before each exchange; by the client secret unless said. */
  readonly clientAuthentication?: () => Promise<client.ClientAuth>;
  /** Which may sign ID tokens; all that the library can check unless said. */
  readonly algorithms?: readonly string[];
  /** The upstream may leave our nonce out of the ID token; one that it names must be ours all the same. */
  readonly mayOmitNonce?: boolean;
  /**
   * Who it is by the verified claims; the standard ones unless said. `callback` is what the browser brought and proves nothing.
   * @throws UpstreamFailure
   */
  readonly identify?: (claims: Claims, callback: URLSearchParams) => UpstreamIdentity;
}

export function createOidcAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  const issuer = declaration.endpoints?.issuer ?? '';
  return createOidcKind(declaration, parts, {
    issuer,
    label: new URL(issuer).host,
    icon: null,
    scopes: ['openid', 'profile', 'email'],
  });
}

/**
 * The piece that kinds of OpenID providers are built from.
 */
export function createOidcKind(
  declaration: AdapterDeclaration,
  parts: AdapterParts,
  options: OidcOptions,
): UpstreamAdapter {
  const { id } = declaration;
  const responseMode = options.responseMode ?? 'query';
  const configurations = new Configurations(declaration, parts, options);

  const authorizationUrl = async (request: UpstreamRequest): Promise<URL> => {
    const configuration = await configurations.get();
    const url = client.buildAuthorizationUrl(configuration, {
      ...options.authorization,
      redirect_uri: request.redirectUri,
      scope: (declaration.scopes ?? options.scopes).join(' '),
      state: request.state,
      nonce: request.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(request.codeVerifier),
      code_challenge_method: 'S256',
      ...(responseMode === 'form_post' ? { response_mode: 'form_post' } : {}),
      ...(request.isFresh ? { prompt: 'login' } : {}),
      ...(request.loginHint === undefined ? {} : { login_hint: request.loginHint }),
      ...(request.uiLocales?.length ? { ui_locales: request.uiLocales.join(' ') } : {}),
    });
    const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && options.issuer.startsWith('http:'));
    if (!isSafe) throw failure('setting', new Error(`upstream ${id}: its authorization endpoint is not https`));
    return url;
  };

  const identify = async (callback: URLSearchParams, request: UpstreamRequest): Promise<UpstreamIdentity> => {
    const configuration = await configurations.get();
    const redeem = options.mayOmitNonce ? exchangeWithoutNonce : exchange;
    const tokens = await redeem(configuration, callback, request).catch((error: unknown) => {
      configurations.doubt(error);
      throw explain(error);
    });
    const idClaims = tokens.claims();
    if (idClaims === undefined) throw failure('id-token', new Error('no ID token'));
    if (idClaims['nonce'] !== undefined && idClaims['nonce'] !== request.nonce) {
      throw failure('id-token', new Error('the ID token answers another request'));
    }
    checkAlgorithm(tokens.id_token, options.algorithms);
    // The library looks at it only where there are several audiences (OIDC Core 3.1.3.7, 5).
    if (idClaims.azp !== undefined && idClaims.azp !== declaration.clientId) {
      throw failure('id-token', new Error('another client asked for this ID token'));
    }
    let claims: Claims = idClaims;
    if (options.usesUserinfo !== false && configuration.serverMetadata().userinfo_endpoint !== undefined) {
      // It answers for this subject or for none (OIDC Core 5.3.2).
      const profile = await client
        .fetchUserInfo(configuration, tokens.access_token, idClaims.sub)
        .catch((error: unknown) => Promise.reject(asFailure('profile', error)));
      claims = { ...profile, ...idClaims };
    }
    const identity = options.identify?.(claims, callback) ?? identityFromClaims(idClaims.iss, claims);
    const expiresIn = tokens.expiresIn();
    return {
      ...identity,
      tokens: {
        accessToken: tokens.access_token,
        refreshToken: tokens.refresh_token ?? null,
        expiresAt: expiresIn === undefined ? null : Date.now() + expiresIn * 1000,
      },
    };
  };

  return {
    id,
    label: declaration.label ?? options.label,
    icon: options.icon,
    responseMode,
    expectedIssuer: options.hasVaryingIssuer ? null : options.issuer,
    authorizationUrl,
    identify,
  };
}

type Tokens = client.TokenEndpointResponse & client.TokenEndpointResponseHelpers;

async function exchange(
  configuration: client.Configuration,
  callback: URLSearchParams,
  request: UpstreamRequest,
): Promise<Tokens> {
  const url = new URL(request.redirectUri);
  url.search = callback.toString();
  return client.authorizationCodeGrant(configuration, url, {
    expectedState: request.state,
    expectedNonce: request.nonce,
    pkceCodeVerifier: request.codeVerifier,
    idTokenExpected: true,
  });
}

/**
 * The same without the demand for a nonce, which the library knows only as both or none. State, issuer and error are looked at as it would.
 */
async function exchangeWithoutNonce(
  configuration: client.Configuration,
  callback: URLSearchParams,
  request: UpstreamRequest,
): Promise<Tokens> {
  if (callback.get('state') !== request.state) throw failure('exchange', new Error('an answer to another request'));
  const told = callback.get('iss');
  if (told !== null && told !== configuration.serverMetadata().issuer) {
    throw failure('exchange', new Error('an answer of another issuer'));
  }
  if (callback.has('error')) throw new client.AuthorizationResponseError('refused', { cause: callback });
  const code = callback.get('code');
  if (code === null) throw failure('exchange', new Error('neither code nor error'));
  return client.genericGrantRequest(configuration, 'authorization_code', {
    ...{ code, redirect_uri: request.redirectUri, code_verifier: request.codeVerifier },
  });
}

/** The signature was checked before. @throws UpstreamFailure `id-token` */
function checkAlgorithm(idToken: string | undefined, allowed: readonly string[] | undefined): void {
  if (allowed === undefined) return;
  const [header = ''] = (idToken ?? '').split('.');
  const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: unknown };
  if (!allowed.includes(String(alg))) throw failure('id-token', new Error(`signed with ${String(alg)}`));
}

/** What the token endpoint or the checks of the ID token said, by the step that broke. */
function explain(error: unknown) {
  if (error instanceof client.AuthorizationResponseError) return asRefusal(error);
  if (error instanceof client.ResponseBodyError || error instanceof client.WWWAuthenticateChallengeError) {
    return asFailure('exchange', error);
  }
  const { code } = error as { code?: unknown };
  return asFailure(isTokenFault(error, code) ? 'id-token' : 'exchange', error);
}

/** The library's codes for a token that does not hold; a token endpoint that is at fault has others. */
function isTokenFault(error: unknown, code: unknown): boolean {
  const about = ['OAUTH_JWT_CLAIM_COMPARISON_FAILED', 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED', 'OAUTH_KEY_SELECTION_FAILED'];
  if (typeof code === 'string' && about.includes(code)) return true;
  const text = `${String(error)} ${String((error as { cause?: unknown }).cause)}`;
  return /\bJWT\b|JWS|ID Token|signature|unsupported operation/i.test(text);
}

/** The discovery document with our part in it: kept, renewed now and then, and looked at again when something in it did not fit. */
class Configurations {
  readonly #declaration: AdapterDeclaration;
  readonly #parts: AdapterParts;
  readonly #options: OidcOptions;
  #auth: client.ClientAuth = client.None();
  #current:
    | { readonly configuration: Promise<client.Configuration>; until: number; readonly since: number }
    | undefined;

  constructor(declaration: AdapterDeclaration, parts: AdapterParts, options: OidcOptions) {
    this.#declaration = declaration;
    this.#parts = parts;
    this.#options = options;
  }

  /** @throws UpstreamFailure `unreachable` or `setting` */
  async get(): Promise<client.Configuration> {
    this.#auth = (await this.#options.clientAuthentication?.()) ?? authentication(this.#parts.secret);
    const now = Date.now();
    if (this.#current === undefined || this.#current.until <= now) {
      const configuration = this.#discover();
      const fresh = { configuration, until: now + DOCUMENT_TTL, since: now };
      this.#current = fresh;
      configuration.catch(() => {
        if (this.#current === fresh) this.#current = undefined;
      });
    }
    return this.#current.configuration;
  }

  /** Keys may have been replaced: look again, but never more than once in a while, whoever provokes it. */
  doubt(error: unknown): void {
    const { code } = error as { code?: unknown };
    if (this.#current === undefined || code !== 'OAUTH_KEY_SELECTION_FAILED') return;
    this.#current.until = Math.min(this.#current.until, this.#current.since + DOCUMENT_PAUSE);
  }

  async #discover(): Promise<client.Configuration> {
    const { id, clientId } = this.#declaration;
    const { issuer } = this.#options;
    const execute = [client.enableNonRepudiationChecks];
    // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident; settings allow http on loopback only
    if (issuer.startsWith('http:')) execute.push(client.allowInsecureRequests);
    try {
      return await client.discovery(new URL(issuer), clientId, {}, (...call) => this.#auth(...call), {
        [client.customFetch]: readFully(this.#parts.fetch) as client.CustomFetch,
        timeout: CALL_TIMEOUT,
        execute,
      });
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw asFailure('unreachable', error);
      const told = `upstream ${id}: endpoints.issuer is ${issuer}, but the document found there names another issuer`;
      throw failure('setting', new Error(told, { cause: error }));
    }
  }
}

/** In the header where the upstream takes that, in the body where it says that it takes nothing else (OIDC Discovery 3). */
function authentication(secret: string | undefined): client.ClientAuth {
  if (secret === undefined) return client.None();
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)];
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    (methods.includes('client_secret_basic') ? basic : post)(server, ...rest);
  };
}
