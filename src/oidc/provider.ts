// Everything we tell oidc-provider. It speaks the protocol; people, pages, storage and keys are ours. Every default of the library that
// prints a notice is replaced here; a test fails when one is printed. It holds no page and no route of its own.
import Provider, {
  type Configuration,
  type Client as EngineClient,
  type ClientMetadata as EngineMetadata,
  type ErrorOut,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import type { Accounts } from '../account/accounts.ts';
import { CLAIMS_BY_SCOPE } from '../account/claims.ts';
import { EXTRA_CLIENT_METADATA } from '../client/client-metadata.ts';
import { type Clients, isClientSecret } from '../client/clients.ts';
import { createClientAdapter } from './client-adapter.ts';
import type { Consents } from './consents.ts';
import { createFindAccount } from './find-account.ts';
import type { GrantStorage } from './grant-adapter.ts';
import { createInteractionPolicy } from './interaction-policy.ts';
import type { PrivateKey } from './keys.ts';

/** Lifetimes in seconds; the numbers and their names are those of requirements T1 to T4 and S2. */
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

/** The engine's pages, drawn by us: `form` is the engine's own form with its token, to be printed raw. */
export interface EnginePages {
  renderError(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): Promise<void>;
  logout(ctx: KoaContextWithOIDC, form: string): Promise<void>;
  loggedOut(ctx: KoaContextWithOIDC): Promise<void>;
}

export interface EngineParts {
  readonly issuer: string;
  readonly signingKeys: readonly PrivateKey[];
  readonly cookieKeys: readonly string[];
  readonly ttl: EngineLifetimes;
  readonly locales: readonly string[];
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly consents: Consents;
  readonly grants: GrantStorage;
  readonly pages: EnginePages;
  /** Tells an app that a session ended, off the request path. */
  readonly notifyLogout: (clientId: string, subject: string, sid: string | undefined) => Promise<void>;
  /** `fetch` for the engine's own outgoing calls (jwks_uri, back-channel logout, sector identifiers). */
  readonly fetch: NonNullable<Configuration['fetch']>;
}

export const SCOPES = ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'];
const SIGNING = ['RS256', 'ES256', 'EdDSA'] as const;
/** Grants outlive the longest family of refresh tokens and are prolonged when they are used again. */
const GRANT_MARGIN = 30 * 24 * 60 * 60;

export function createProvider(parts: EngineParts): Provider {
  const { issuer, ttl } = parts;
  const isSecure = issuer.startsWith('https:');
  const clientAdapter = createClientAdapter(parts.clients);
  const cookie = { httpOnly: true, sameSite: 'lax', path: '/', signed: true, secure: isSecure } as const;
  const grantTtl = ttl.refreshTokenFamilyRemembered + GRANT_MARGIN;

  const configuration: Configuration = {
    adapter: (model: string) => (model === 'Client' ? clientAdapter : parts.grants.adapter(model)),
    acrValues: ['urn:latchkey:aal1'],
    allowOmittingSingleRegisteredRedirectUri: true,
    claims: { ...mutable(CLAIMS_BY_SCOPE), acr: null, amr: null, auth_time: null, iss: null, sid: null },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    clientBasedCORS: (_ctx, origin, client) => allowsOrigin(origin, client),
    clientDefaults: {
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'RS256',
    },
    conformIdTokenClaims: true,
    cookies: {
      keys: [...parts.cookieKeys],
      // The engine binds the interaction and resume cookies to their own paths, where the __Host- prefix is not allowed.
      names: {
        session: isSecure ? '__Host-latchkey_session' : 'latchkey_session',
        interaction: 'latchkey_interaction',
        resume: 'latchkey_resume',
      },
      long: cookie,
      short: { httpOnly: true, sameSite: 'lax', signed: true, secure: isSecure },
    },
    discovery: { ui_locales_supported: [...parts.locales], claims_locales_supported: undefined },
    enabledJWA: {
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      idTokenSigningAlgValues: [...SIGNING],
      userinfoSigningAlgValues: [...SIGNING],
      introspectionSigningAlgValues: [...SIGNING],
      dPoPSigningAlgValues: ['ES256', 'EdDSA'],
    },
    expiresWithSession: (_ctx, token) => !token.scopes.has('offline_access'),
    extraClientMetadata: { properties: EXTRA_CLIENT_METADATA, validator: () => undefined },
    extraTokenClaims: () => undefined,
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId,
      },
      revocation: {
        enabled: true,
        // Of a token that belongs to somebody else the answer says nothing (RFC 7009, 2.2): 200, and the token lives on.
        allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => parts.pages.logout(ctx, form),
        postLogoutSuccessSource: (ctx) => parts.pages.loggedOut(ctx),
      },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: false },
      dPoP: { enabled: true },
      resourceIndicators: { enabled: false },
      userinfo: { enabled: true },
    },
    fetch: parts.fetch,
    findAccount: createFindAccount(parts.accounts),
    interactions: { policy: createInteractionPolicy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: async (ctx, client, token) => {
      if (!client.grantTypeAllowed('refresh_token') || !token.scopes.has('offline_access')) return false;
      await noteRemembered(ctx, token);
      return true;
    },
    jwks: { keys: parts.signingKeys.map((key) => ({ ...key })) },
    loadExistingGrant: (ctx) => loadExistingGrant(ctx, parts.consents, ttl.refreshTokenFamilyRemembered),
    pkce: { required: (_ctx, client) => client['latchkey_pkce_optional'] !== true },
    renderError: (ctx, out, error) => parts.pages.renderError(ctx, out, error),
    responseTypes: ['code'],
    revokeGrantPolicy: (ctx) => !(ctx.oidc.route === 'revocation' && ctx.oidc.entities.AccessToken),
    rotateRefreshToken: true,
    scopes: SCOPES,
    sectorIdentifierUriValidate: () => true,
    subjectTypes: ['public'],
    ttl: {
      AccessToken: () => ttl.accessToken,
      AuthorizationCode: () => ttl.authorizationCode,
      ClientCredentials: () => ttl.clientCredentials,
      DeviceCode: () => ttl.deviceCode,
      Grant: () => grantTtl,
      IdToken: () => ttl.idToken,
      Interaction: () => ttl.interaction,
      RefreshToken: (ctx, token) => refreshTokenTtl(ctx, token, ttl),
      Session: (_ctx, session) => sessionTtl(session, ttl),
    },
  };
  const provider = new Provider(issuer, configuration);
  // Errors are logged with their request id by our own listeners.
  provider.silent = true;
  Object.defineProperty(provider.Client.prototype, 'compareClientSecret', {
    value(this: { clientId: string; clientSecret?: string }, presented: string) {
      return isClientSecret(this.clientId, (this.clientSecret ?? '').split(' '), presented);
    },
  });
  Object.defineProperty(provider.Client.prototype, 'backchannelLogout', {
    value(this: { clientId: string }, subject: string, sid: string | undefined) {
      return parts.notifyLogout(this.clientId, subject, sid);
    },
  });
  return provider;
}

/** Whether the engine accepts the metadata of a client. @throws errors.InvalidClientMetadata */
export async function checkClientMetadata(provider: Provider, metadata: object): Promise<void> {
  const needsPlaceholder = ['client_secret_basic', 'client_secret_post'];
  const method = (metadata as EngineMetadata).token_endpoint_auth_method ?? 'client_secret_basic';
  const secret = needsPlaceholder.includes(method) ? { client_secret: 'checked elsewhere' } : {};
  const Client = provider.Client as unknown as { validate(input: object): Promise<void> };
  await Client.validate({ ...metadata, ...secret });
}

/** Browser code may call the token endpoints from the origins of its redirect URIs and from those registered beside them. */
function allowsOrigin(origin: string, client: EngineClient): boolean {
  const registered = client['latchkey_cors_origins'];
  if (Array.isArray(registered) && registered.includes(origin)) return true;
  return (client.redirectUris ?? []).some((uri) => /^https?:/.test(uri) && URL.parse(uri)?.origin === origin);
}

/** Requests whose first refresh token belongs to a person who asked to be remembered. */
const remembered = new WeakSet<KoaContextWithOIDC>();

async function noteRemembered(ctx: KoaContextWithOIDC, source: object): Promise<void> {
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

/**
 * The grant of this session, else what the account allowed this client earlier, else for our own apps what they ask for.
 * @param longest seconds a refresh token may still live: a grant that would end before it is prolonged
 */
async function loadExistingGrant(ctx: KoaContextWithOIDC, consents: Consents, longest: number) {
  const { oidc } = ctx;
  const { client, session, provider } = oidc;
  if (!client || !session) return undefined;
  const grantId = oidc.result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const found = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const isOurs = client['latchkey_first_party'] === true;
  const { accountId } = session;
  if (found && found.accountId === accountId) {
    const wanted = isOurs ? requested(ctx) : '';
    const known = new Set((found.openid?.scope ?? '').split(' '));
    const isNarrow = wanted.split(' ').some((scope) => scope !== '' && !known.has(scope));
    const endsSoon = found.exp !== undefined && found.exp - Math.floor(Date.now() / 1000) < longest;
    if (isNarrow) found.addOIDCScope(wanted);
    if (isNarrow || endsSoon) await found.save();
    return found;
  }
  if (accountId === undefined) return undefined;
  const consent = isOurs ? null : await consents.find(accountId, client.clientId);
  if (!isOurs && !consent) return undefined;
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  if (isOurs) {
    grant.addOIDCScope(requested(ctx));
    grant.addOIDCClaims([...oidc.requestParamClaims]);
  } else if (consent) {
    if (consent.scope !== '') grant.addOIDCScope(consent.scope);
    if (consent.claims.length > 0) grant.addOIDCClaims([...consent.claims]);
    for (const [resource, scope] of Object.entries(consent.resources)) grant.addResourceScope(resource, scope);
  }
  await grant.save();
  return grant;
}

function requested(ctx: KoaContextWithOIDC): string {
  return [...ctx.oidc.requestParamOIDCScopes].join(' ');
}

function mutable<T extends Record<string, readonly string[]>>(input: T): Record<string, string[]> {
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, [...value]]));
}
