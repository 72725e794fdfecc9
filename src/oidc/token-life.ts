// How long what the engine issues lives: the numbers of requirements T1 to T4 and S2, with what depends on the client, the resource and on
// whether a person asked to be remembered.
import type { Configuration, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider';
import { organizationSessionTtl } from './chosen-organization.ts';

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
    // Its key is published for as long as the deployment's tokens live.
    IdToken: (_ctx, _token, client) => Math.min(ownLife(client, 'latchkey_id_token_ttl'), ttl.idToken),
    Interaction: () => ttl.interaction,
    RefreshToken: (ctx, token, client) => refreshTokenTtl(ctx, token, client, ttl),
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

/** What a client says of itself; without end where it says nothing. */
function ownLife(client: EngineClient, name: 'latchkey_id_token_ttl' | 'latchkey_refresh_token_ttl'): number {
  const own = client[name];
  return typeof own === 'number' ? own : Number.POSITIVE_INFINITY;
}

/** Seconds after a sign-in at which it is over for this app; null where only the deployment says so. */
export function appSessionTtl(client: EngineClient): number | null {
  const own = client['latchkey_session_ttl'];
  return typeof own === 'number' ? own : null;
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
  readonly authTime?: number;
}

/**
 * Idle life, but never beyond the family's end. Whether the person asked to be remembered is read from the session at the first token and
 * from the rotated token afterwards: only a remembered family has a life or an age beyond the ordinary ones. A client only shortens this, and
 * one whose tokens live no longer than ordinary ones has ordinary families.
 */
function refreshTokenTtl(
  ctx: KoaContextWithOIDC | undefined,
  token: object,
  client: EngineClient,
  ttl: EngineLifetimes,
): number {
  const now = Math.floor(Date.now() / 1000);
  const { authTime } = token as StoredToken;
  const lives = [appSessionTtl(client), organizationSessionTtl(token)].filter((one) => one !== null);
  const signInEnd =
    authTime === undefined ? Number.POSITIVE_INFINITY : authTime + Math.min(Number.POSITIVE_INFINITY, ...lives);
  const rotated = ctx?.oidc.entities.RotatedRefreshToken as StoredToken | undefined;
  const startedAt = (token as StoredToken).iiat ?? now;
  const isRemembered = rotated
    ? (rotated.exp ?? 0) - (rotated.iat ?? 0) > ttl.refreshTokenIdle || now - startedAt > ttl.refreshTokenFamily
    : ctx !== undefined && remembered.has(ctx);
  const idle = isRemembered ? ttl.refreshTokenIdleRemembered : ttl.refreshTokenIdle;
  const family = isRemembered ? ttl.refreshTokenFamilyRemembered : ttl.refreshTokenFamily;
  const own = ownLife(client, 'latchkey_refresh_token_ttl');
  return Math.max(1, Math.min(idle, own, startedAt + family - now, signInEnd - now));
}

/** A session dies without use and at a fixed age, whichever comes first. */
function sessionTtl(session: { transient?: boolean; loginTs?: number }, ttl: EngineLifetimes): number {
  const idle = session.transient ? ttl.sessionIdle : ttl.sessionIdleRemembered;
  const absolute = session.transient ? ttl.sessionAbsolute : ttl.sessionAbsoluteRemembered;
  const age = session.loginTs === undefined ? 0 : Math.floor(Date.now() / 1000) - session.loginTs;
  return Math.max(1, Math.min(session.loginTs === undefined ? ttl.interaction : idle, absolute - age));
}
