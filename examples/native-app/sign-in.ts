// The protocol side of the app, by AppAuth: code with PKCE through the system's browser, refresh and revocation. AppAuth leaves checking the ID
// token to the app; jose does it here.
import type { AuthorizationServiceConfiguration as Configuration } from '@openid/appauth/built/src/authorization_service_configuration.js';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import {
  AuthorizationRequest,
  FetchRequestor,
  NodeCrypto,
  QueryStrings,
  RevokeTokenRequest,
  ServerConfiguration,
  TokenRequest,
  TokenRequestHandler,
} from './app-auth.ts';
import { listenOnLoopback } from './loopback.ts';
import { SignedOut, type Tokens } from './token-keeper.ts';

const SCOPE = 'openid profile email offline_access';

/** What AppAuth answers; the types of the package do not resolve outside of a bundler. */
interface AppAuthTokens {
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly idToken?: string;
  readonly expiresIn?: number;
  readonly issuedAt: number;
}

export interface Person {
  readonly tokens: Tokens;
  readonly claims: JWTPayload;
}

export class SignIn {
  readonly configuration: Configuration;
  readonly #issuer: string;
  readonly #clientId: string;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #handler = new TokenRequestHandler(new FetchRequestor());

  private constructor(issuer: string, clientId: string, configuration: Configuration) {
    this.#issuer = issuer;
    this.#clientId = clientId;
    this.configuration = configuration;
    this.#keys = createRemoteJWKSet(new URL('/jwks', issuer));
  }

  static async discover(issuer: string, clientId: string): Promise<SignIn> {
    const found: Configuration = await ServerConfiguration.fetchFromIssuer(issuer, new FetchRequestor());
    return new SignIn(issuer, clientId, found);
  }

  /** @param open shows an address in the system's browser, never in a view of the app's own */
  async start(open: (url: string) => void): Promise<Person> {
    const loopback = await listenOnLoopback();
    try {
      const crypto = new NodeCrypto();
      const nonce = crypto.generateRandom(32);
      const request = new AuthorizationRequest(
        {
          client_id: this.#clientId,
          redirect_uri: loopback.redirectUri,
          scope: SCOPE,
          response_type: AuthorizationRequest.RESPONSE_TYPE_CODE,
          // `offline_access` is only given together with a question (OpenID Connect Core, 11).
          extras: { prompt: 'consent', nonce },
        },
        crypto,
      );
      await request.setupCodeVerifier();
      const query = new QueryStrings().stringify({
        client_id: request.clientId,
        redirect_uri: request.redirectUri,
        response_type: request.responseType,
        scope: request.scope,
        state: request.state,
        ...(request.extras as Record<string, string>),
      });
      open(`${this.configuration.authorizationEndpoint}?${query}`);
      const code = await loopback.waitForCode({ state: request.state, issuer: this.#issuer });
      const { code_verifier: verifier = '' } = request.internal as Record<string, string>;
      const tokens = await this.#request({
        grant_type: 'authorization_code',
        code,
        redirect_uri: loopback.redirectUri,
        extras: { code_verifier: verifier },
      });
      const claims = await this.#verify(tokens.idToken);
      if (claims['nonce'] !== nonce) throw new Error('The ID token answers another request.');
      return { tokens, claims };
    } finally {
      loopback.close();
    }
  }

  /** @throws SignedOut when the refresh token is not accepted any more */
  async refresh(refreshToken: string): Promise<Tokens> {
    try {
      const tokens = await this.#request({
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        redirect_uri: '',
      });
      await this.#verify(tokens.idToken);
      return tokens;
    } catch (error) {
      // AppAuth's error says the status, and nothing else of the answer.
      const { message = '' } = error as { readonly message?: string };
      if (/^40[013]$/.test(message)) throw new SignedOut('The refresh token is not accepted any more.');
      throw error;
    }
  }

  /** Takes everything back that came from one sign-in. */
  async revoke(refreshToken: string): Promise<void> {
    const request = new RevokeTokenRequest({ token: refreshToken, client_id: this.#clientId });
    await this.#handler.performRevokeTokenRequest(this.configuration, request);
  }

  async #request(parameters: Omit<ConstructorParameters<typeof TokenRequest>[0], 'client_id'>): Promise<Tokens> {
    const request = new TokenRequest({ ...parameters, client_id: this.#clientId });
    const answer = (await this.#handler.performTokenRequest(this.configuration, request)) as AppAuthTokens;
    return {
      accessToken: answer.accessToken,
      refreshToken: answer.refreshToken,
      idToken: answer.idToken,
      expiresAt: answer.issuedAt + (answer.expiresIn ?? 0),
    };
  }

  async #verify(idToken: string | undefined): Promise<JWTPayload> {
    const { payload } = await jwtVerify(idToken ?? '', this.#keys, {
      issuer: this.#issuer,
      audience: this.#clientId,
      algorithms: ['ES256'],
    });
    return payload;
  }
}
