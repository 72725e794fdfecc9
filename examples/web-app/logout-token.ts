// What the provider posts when a session ended there: a signed token with nothing else to do (OpenID Connect Back-Channel Logout, 2.4 and 2.6).
import { type createRemoteJWKSet, jwtVerify } from 'jose';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const KEPT_SECONDS = 300;

export interface EndedSession {
  readonly sid: string | undefined;
  readonly sub: string | undefined;
}

export class LogoutTokens {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #expected: { readonly issuer: string; readonly clientId: string };
  readonly #seen = new Map<string, number>();

  constructor(
    keys: ReturnType<typeof createRemoteJWKSet>,
    expected: { readonly issuer: string; readonly clientId: string },
  ) {
    this.#keys = keys;
    this.#expected = expected;
  }

  /** @throws when it is no logout token for this app, or was seen before */
  async verify(token: string): Promise<EndedSession> {
    const { payload } = await jwtVerify(token, this.#keys, {
      issuer: this.#expected.issuer,
      audience: this.#expected.clientId,
      algorithms: ['ES256'],
      // An ID token is signed by the same key: this tells them apart.
      typ: 'logout+jwt',
      maxTokenAge: KEPT_SECONDS,
      requiredClaims: ['jti'],
    });
    const { events, nonce, jti = '', sid, sub } = payload as typeof payload & { readonly events?: object };
    if (!events || !Object.hasOwn(events, EVENT) || nonce !== undefined) throw new Error('no logout token');
    if (typeof sid !== 'string' && sub === undefined) throw new Error('it names nobody');
    const now = Date.now() / 1000;
    for (const [id, until] of this.#seen) if (until < now) this.#seen.delete(id);
    if (this.#seen.has(jti)) throw new Error('it was used before');
    this.#seen.set(jti, now + 2 * KEPT_SECONDS);
    return { sid: typeof sid === 'string' ? sid : undefined, sub };
  }
}
