// How long what the engine issues lives: the numbers of requirements T1 to T4 and S2, with what depends on the client, the resource and on
// whether a person asked to be remembered.
import type { Configuration, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider';

/** Seconds. */
export interface EngineLifetimes {
  readonly accessToken: number;
  readonly idToken: number;
  readonly authorizationCode: number;
  readonly clientCredentials: number;
  readonly pushedRequest: number;
  readonly deviceCode: number;
  readonly interaction: number;
  readonly refreshTokenIdle: number;
  readonly refreshTokenIdleRemembered: number;
  readonly refreshTokenFamily: number;
  readonly refreshTokenFamilyRemembered: number;
  readonly sessionIdle: number;
  readonly sessionAbsolute: number;
  readonly sessionIdleRemembered: number;
  readonly sessionAbsoluteRemembered: number;
}

/** Grants outlive the longest family of refresh tokens and are prolonged when they are used again. */
const GRANT_MARGIN = 30 * 24 * 60 * 60;
/** FAPI 2.0 Security Profile, 5.3.2.1. */
const FAPI_CODE_TTL = 60;

export function lifetimes(ttl: EngineLifetimes): NonNullable<Configuration['ttl']> {
  const grant = ttl.refreshTokenFamilyRemembered + GRANT_MARGIN;
  return {
    AccessToken: (_ctx, token, client) => tokenTtl(token, client, ttl.accessToken),
    AuthorizationCode: (ctx) =>
      ctx.oidc.isFapi('2.0') ? Math.min(FAPI_CODE_TTL, ttl.authorizationCode) : ttl.authorizationCode,
    ClientCredentials: (_ctx, token, client) => tokenTtl(token, client, ttl.clientCredentials),
    DeviceCode: () => ttl.deviceCode,
    Grant: () => grant,
    IdToken: () => ttl.idToken,
    Interaction: () => ttl.interaction,
    RefreshToken: (ctx, token) => refreshTokenTtl(ctx, token, ttl),
    Session: (_ctx, session) => sessionTtl(session, ttl),
  };
}

/**
 * The resource knows best how long its tokens may live, then the client. A JWT cannot be taken back, and its key is published for as long as
 * the deployment's tokens live: a client may only shorten it.
 */
function tokenTtl(token: object, client: EngineClient, otherwise: number): number {
  const { resourceServer } = token as { resourceServer?: { accessTokenTTL?: number; accessTokenFormat?: string } };
  if (resourceServer?.accessTokenTTL !== undefined) return resourceServer.accessTokenTTL;
  const own = client['latchkey_access_token_ttl'];
  if (typeof own !== 'number') return otherwise;
  return resourceServer?.accessTokenFormat === 'jwt' ? Math.min(own, otherwise) : own;
}

/** Requests whose first refresh token belongs to a person who asked to be remembered. */
const remembered = new WeakSet<KoaContextWithOIDC>();

/** To be called before the first refresh token of a sign-in is made, which decides about its family. */
export async function noteRemembered(ctx: KoaContextWithOIDC, source: object): Promise<void> {
  const { sessionUid } = source as { sessionUid?: string };
  if (sessionUid === undefined) return;
  const session = ctx.oidc.entities.Session ?? (await ctx.oidc.provider.Session.findByUid(sessionUid));
  if (session !== undefined && !session.transient) remembered.add(ctx);
}

interface StoredToken {
  readonly iat?: number;
  readonly exp?: number;
  readonly iiat?: number;
}

/**
 * Idle life, but never beyond the family's end. Whether the person asked to be remembered is read from the session at the first token and
 * from the rotated token afterwards: only a remembered family has a life or an age beyond the ordinary ones.
 */
function refreshTokenTtl(ctx: KoaContextWithOIDC | undefined, token: object, ttl: EngineLifetimes): number {
  const now = Math.floor(Date.now() / 1000);
  const rotated = ctx?.oidc.entities.RotatedRefreshToken as StoredToken | undefined;
  const startedAt = (token as StoredToken).iiat ?? now;
  const isRemembered = rotated
    ? (rotated.exp ?? 0) - (rotated.iat ?? 0) > ttl.refreshTokenIdle || now - startedAt > ttl.refreshTokenFamily
    : ctx !== undefined && remembered.has(ctx);
  const idle = isRemembered ? ttl.refreshTokenIdleRemembered : ttl.refreshTokenIdle;
  const family = isRemembered ? ttl.refreshTokenFamilyRemembered : ttl.refreshTokenFamily;
  return Math.max(1, Math.min(idle, startedAt + family - now));
}

/** A session dies without use and at a fixed age, whichever comes first. */
function sessionTtl(session: { transient?: boolean; loginTs?: number }, ttl: EngineLifetimes): number {
  const idle = session.transient ? ttl.sessionIdle : ttl.sessionIdleRemembered;
  const absolute = session.transient ? ttl.sessionAbsolute : ttl.sessionAbsoluteRemembered;
  const age = session.loginTs === undefined ? 0 : Math.floor(Date.now() / 1000) - session.loginTs;
  return Math.max(1, Math.min(session.loginTs === undefined ? ttl.interaction : idle, absolute - age));
}
