// Upstreams that speak OAuth 2.0 without OpenID Connect: code and PKCE, and who it is by a call to their API with the fresh access token, which
// the browser never sees (RFC 6749, RFC 7636).
import * as client from 'openid-client';
import type { GuardedFetch } from '../../http/guarded-fetch.ts';
import type {
  AdapterDeclaration,
  AdapterParts,
  UpstreamAdapter,
  UpstreamIdentity,
  UpstreamRequest,
} from '../adapter.ts';
import { asFailure, asRefusal, failure, readFully } from '../outgoing.ts';

/** Seconds for one call. */
const CALL_TIMEOUT = 6;

export interface Oauth2Options {
  /** What identities are kept under: the origin that people know. */
  readonly issuer: string;
  /** What its answers call themselves (RFC 9207), as a path below that origin; the origin itself unless said. */
  readonly issuerPath?: string;
  readonly label: string;
  readonly icon: string;
  readonly scopes: readonly string[];
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  /** Where the client secret goes at the token endpoint. */
  readonly secretIn: 'header' | 'body';
  /** Root of the API, without a slash at its end. */
  readonly api: string;
  /** Added to calls of the API. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Who it is.
   * @param ask one call to the API
   * @throws UpstreamFailure
   */
  identify(ask: Ask, issuer: string): Promise<Omit<UpstreamIdentity, 'tokens'>>;
}

/**
 * One call to the API: its JSON object or array. With `mayBeHidden` null where we may not look, as when a scope was not granted.
 * @throws UpstreamFailure `profile` or `unreachable`
 */
type Ask = (path: string, options?: { readonly mayBeHidden?: boolean }) => Promise<unknown>;

export function createOauth2Kind(
  declaration: AdapterDeclaration,
  parts: AdapterParts,
  options: Oauth2Options,
): UpstreamAdapter {
  const { id, clientId } = declaration;
  const { endpoints } = declaration;
  const api = (endpoints?.api ?? options.api).replace(/\/+$/, '');
  const issuer = endpoints === undefined ? options.issuer : issuerOf(endpoints);
  const base = endpoints?.authorization === undefined ? options.issuer : new URL(endpoints.authorization).origin;
  const toldIssuer = `${base}${options.issuerPath ?? ''}`;
  const secret = parts.secret ?? '';
  const configuration = new client.Configuration(
    {
      issuer: toldIssuer,
      authorization_endpoint: endpoints?.authorization ?? options.authorizationEndpoint,
      token_endpoint: endpoints?.token ?? options.tokenEndpoint,
    },
    clientId,
    {},
    options.secretIn === 'header' ? client.ClientSecretBasic(secret) : client.ClientSecretPost(secret),
  );
  configuration[client.customFetch] = withErrorStatus(readFully(parts.fetch)) as client.CustomFetch;
  configuration.timeout = CALL_TIMEOUT;
  // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident; settings allow http on loopback only
  if (issuer.startsWith('http:')) client.allowInsecureRequests(configuration);

  const ask = async (accessToken: string, path: string, mayBeHidden: boolean): Promise<unknown> => {
    try {
      const headers = new Headers({ accept: 'application/json', ...options.headers });
      const url = new URL(`${api}${path}`);
      const answer = await client.fetchProtectedResource(configuration, accessToken, url, 'GET', null, headers);
      if (mayBeHidden && isHidden(answer)) return null;
      if (answer.status !== 200) throw new Error(`${path} answered with status ${answer.status}`);
      return (await answer.json()) as unknown;
    } catch (error) {
      throw asFailure('profile', error);
    }
  };

  return {
    id,
    label: declaration.label ?? options.label,
    icon: options.icon,
    responseMode: 'query',
    expectedIssuer: toldIssuer,
    async authorizationUrl(request) {
      return client.buildAuthorizationUrl(configuration, {
        redirect_uri: request.redirectUri,
        scope: (declaration.scopes ?? options.scopes).join(' '),
        state: request.state,
        code_challenge: await client.calculatePKCECodeChallenge(request.codeVerifier),
        code_challenge_method: 'S256',
      });
    },
    async identify(callback, request) {
      const tokens = await exchange(configuration, callback, request);
      const identity = await options.identify(
        (path, { mayBeHidden = false } = {}) => ask(tokens.access_token, path, mayBeHidden),
        issuer,
      );
      const expiresIn = tokens.expiresIn();
      return {
        ...identity,
        tokens: {
          accessToken: tokens.access_token,
          refreshToken: tokens.refresh_token ?? null,
          expiresAt: expiresIn === undefined ? null : Date.now() + expiresIn * 1000,
        },
      };
    },
  };
}

/**
 * A server of one's own is an issuer of its own: its people are not those of the public one. Who somebody is depends on every address: with a
 * token endpoint elsewhere, the public API would be asked with a token that somebody gave to another app.
 */
function issuerOf(endpoints: NonNullable<AdapterDeclaration['endpoints']>): string {
  const addresses = [endpoints.authorization, endpoints.token, endpoints.api];
  const origins = addresses.flatMap((address) => (address === undefined ? [] : [new URL(address).origin]));
  return [...new Set(origins)].join(' ');
}

async function exchange(configuration: client.Configuration, callback: URLSearchParams, request: UpstreamRequest) {
  const url = new URL(request.redirectUri);
  url.search = callback.toString();
  try {
    return await client.authorizationCodeGrant(configuration, url, {
      expectedState: request.state,
      pkceCodeVerifier: request.codeVerifier,
    });
  } catch (error) {
    if (error instanceof client.AuthorizationResponseError) throw asRefusal(error);
    throw asFailure('exchange', error);
  }
}

/** GitHub sends errors of the token endpoint with status 200, where the library would only miss the token and nobody learn why. */
function withErrorStatus(fetch: GuardedFetch): GuardedFetch {
  return async (url, init) => {
    const answer = await fetch(url, init);
    // The token endpoint is the only one that is posted to.
    if (init?.method !== 'POST' || answer.status !== 200) return answer;
    const body = await answer.text();
    return new Response(body, { status: saysError(body) ? 400 : 200, headers: answer.headers });
  };
}

function saysError(body: string): boolean {
  try {
    const said: unknown = JSON.parse(body);
    return typeof said === 'object' && said !== null && 'error' in said && typeof said.error === 'string';
  } catch {
    // The library says what it thinks of that.
    return false;
  }
}

/** Refused or denied to exist, and not because too much was asked for. */
function isHidden({ status, headers }: Response): boolean {
  const isLimit = headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after');
  return (status === 403 || status === 404) && !isLimit;
}

/** What an API answered, as an object to look into. @throws UpstreamFailure `profile` */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw failure('profile', new Error('the answer is no object'));
}
