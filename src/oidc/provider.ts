// Everything we tell oidc-provider. It speaks the protocol; people, pages, storage and keys are ours. Every default of the library that
// prints a notice is replaced here; a test fails when one is printed. It holds no page and no route of its own.
import Provider, {
  type Configuration,
  type Client as EngineClient,
  type ClientMetadata as EngineMetadata,
  type ErrorOut,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import type { Settings } from '../../config/settings.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { Accounts } from '../account/accounts.ts';
import { CLAIMS_BY_SCOPE } from '../account/claims.ts';
import type { Clients } from '../client/clients.ts';
import { ACR_LEVELS } from '../credential/assurance.ts';
import type { Budgets } from '../credential/budget.ts';
import type { Lockout } from '../credential/lockout.ts';
import type { CookieNaming } from '../http/browser.ts';
import type { Log } from '../log.ts';
import { adjustEngine } from './adjustments.ts';
import { createClientAdapter, rememberClients } from './client-adapter.ts';
import { type ClientGuesses, guardClientSecrets } from './client-guesses.ts';
import { followClientKeys } from './client-keys.ts';
import { clientPolicy, FAPI_ALGORITHMS } from './client-policy.ts';
import type { Consents } from './consents.ts';
import { CookieKeys } from './cookie-keys.ts';
import { type DevicePages, deviceFlow, guardDeviceFlow, prefillUserCode } from './device-flow.ts';
import { stopTracingProtocolErrors } from './error-trace.ts';
import { loadExistingGrant } from './existing-grant.ts';
import { createFindAccount } from './find-account.ts';
import type { GrantStorage } from './grant-adapter.ts';
import { createInteractionPolicy, type InteractionPolicyParts } from './interaction-policy.ts';
import type { PrivateKey } from './keys.ts';
import { pairwiseSubject } from './pairwise.ts';
import { cleanRegistrationAnswers, noteNewSecret, registrationFeatures } from './registration.ts';
import type { Resources } from './resources.ts';
import { MainThreadKey } from './signing-key.ts';
import { type EngineLifetimes, lifetimes, noteRemembered } from './token-life.ts';
import { createUnitProvider } from './unit-provider.ts';

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
  /** Never changes: see pairwise.ts. */
  readonly pairwiseSalt: string;
  /** 32 bytes, the same in every process. */
  readonly dpopNonceSecret: Buffer;
  readonly ttl: EngineLifetimes;
  readonly protocol: Settings['protocol'];
  readonly locales: readonly string[];
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly consents: Consents;
  readonly resources: Resources;
  readonly roles: Roles;
  readonly organizations: Organizations;
  readonly grants: GrantStorage;
  readonly lockout: Lockout;
  readonly budgets: Budgets;
  readonly clientGuesses: ClientGuesses;
  readonly pages: EnginePages;
  readonly devicePages: DevicePages;
  readonly naming: CookieNaming;
  readonly interactionPolicy?: InteractionPolicyParts;
  /** Tells an app that a session ended, off the request path. */
  readonly notifyLogout: (clientId: string, subject: string, sid: string | undefined) => Promise<void>;
  /** `fetch` for the engine's own outgoing calls (jwks_uri, back-channel logout, sector identifiers, metadata documents). */
  readonly fetch: NonNullable<Configuration['fetch']>;
  readonly log: Log;
}

export const SCOPES = ['openid', 'offline_access', 'profile', 'email', 'address', 'phone', 'roles', 'organizations'];
const SIGNING = ['RS256', 'ES256', 'EdDSA'] as const;
/** What clients sign with. Ed25519 is the other name of EdDSA with that curve (RFC 9864); libraries send either. */
const CLIENT_SIGNING = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;
/** For clients that may have them; see client-policy.ts. */
const TEST_RESPONSE_TYPES = [
  'id_token',
  'id_token token',
  'code id_token',
  'code token',
  'code id_token token',
] as const;

export function createProvider(parts: EngineParts): Provider {
  const { issuer, protocol, resources, ttl } = parts;
  const isSecure = issuer.startsWith('https:');
  const clientAdapter = createClientAdapter({
    clients: parts.clients,
    isQuarantined: protocol.clientRegistrationApproval,
    onNewSecret: noteNewSecret,
  });
  const cookie = { httpOnly: true, sameSite: 'lax', path: '/', signed: true, secure: isSecure } as const;
  const checking: Checking = { isOn: false };

  const configuration: Configuration = {
    adapter: (model: string) => (model === 'Client' ? clientAdapter : parts.grants.adapter(model)),
    acrValues: [...ACR_LEVELS],
    allowOmittingSingleRegisteredRedirectUri: true,
    assertJwtClientAuthClaimsAndHeader: (ctx, claims, header) => assertClientAssertion(ctx, issuer, claims, header),
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
      keys: new CookieKeys(parts.cookieKeys),
      // The engine binds the interaction and resume cookies to their own paths, where the __Host- prefix is not allowed.
      names: {
        session: isSecure ? '__Host-latchkey_session' : 'latchkey_session',
        interaction: 'latchkey_interaction',
        resume: 'latchkey_resume',
      },
      long: cookie,
      short: { httpOnly: true, sameSite: 'lax', signed: true, secure: isSecure },
    },
    discovery: {
      claims_locales_supported: undefined,
      introspection_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      introspection_endpoint_auth_signing_alg_values_supported: [...CLIENT_SIGNING],
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      request_parameter_supported: false,
      revocation_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      revocation_endpoint_auth_signing_alg_values_supported: [...CLIENT_SIGNING],
      ui_locales_supported: [...parts.locales],
    },
    enabledJWA: {
      clientAuthSigningAlgValues: [...CLIENT_SIGNING],
      requestObjectSigningAlgValues: [...CLIENT_SIGNING],
      idTokenSigningAlgValues: [...SIGNING],
      userinfoSigningAlgValues: [...SIGNING],
      introspectionSigningAlgValues: [...SIGNING],
      dPoPSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519'],
    },
    expiresWithSession: (_ctx, token) => !token.scopes.has('offline_access'),
    extraClientMetadata: clientPolicy({
      isDeviceGrantOpen: protocol.clientRegistration === 'token' || protocol.clientRegistrationApproval,
      resources,
    }),
    extraTokenClaims: (ctx) => signInClaims(ctx),
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: deviceFlow(parts.devicePages),
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      dPoP: { enabled: true, nonceSecret: parts.dpopNonceSecret, requireNonce: () => false },
      fapi: {
        enabled: true,
        profile: (_ctx, client) => (client?.['latchkey_profile'] === 'fapi2' ? '2.0' : undefined),
      },
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) =>
          token.clientId === client.clientId || resources.isServedBy((token as { aud?: unknown }).aud, client.clientId),
      },
      jwtIntrospection: { enabled: true },
      jwtUserinfo: { enabled: true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: false },
      requestObjects: { enabled: protocol.requestObjects },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf,
        getResourceServerInfo: (ctx, indicator, client) => resources.serverInfo(ctx, indicator, client),
        // Who asked for exactly one resource means it, also where the token request does not say so again (RFC 8707, 2.2).
        useGrantedResource: (_ctx, source) => typeof (source as { resource?: unknown }).resource === 'string',
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
      userinfo: { enabled: true },
      ...registrationFeatures(protocol, parts.budgets),
    },
    // What a native app calls the device it runs on (see session-trail.ts), which upstream to go to at once, and which organization it is for.
    extraParams: ['device_name', 'idp_hint', 'organization'],
    fetch: parts.fetch,
    findAccount: createFindAccount(parts),
    interactions: {
      policy: createInteractionPolicy(parts.interactionPolicy),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    issueRefreshToken: async (ctx, client, token) => {
      if (!client.grantTypeAllowed('refresh_token') || !token.scopes.has('offline_access')) return false;
      await noteRemembered(ctx, token);
      return true;
    },
    jwks: { keys: parts.signingKeys.map((key) => new MainThreadKey(key)) },
    loadExistingGrant: (ctx) => loadExistingGrant(ctx, parts.consents, ttl.refreshTokenFamilyRemembered),
    pairwiseIdentifier: (_ctx, accountId, client) =>
      pairwiseSubject(parts.pairwiseSalt, textOr(client.sectorIdentifier, client.clientId), accountId),
    pkce: { required: (_ctx, client) => client['latchkey_pkce_optional'] !== true },
    renderError: (ctx, out, error) => parts.pages.renderError(ctx, out, error),
    responseTypes: ['code', ...(protocol.testResponseTypes ? TEST_RESPONSE_TYPES : [])],
    revokeGrantPolicy: (ctx) => !(ctx.oidc.route === 'revocation' && ctx.oidc.entities.AccessToken),
    // Sender-constrained tokens cannot be used by a thief, and rotation loses them when an answer gets lost (FAPI 2.0, 5.3.2.1).
    rotateRefreshToken: (ctx) => ctx.oidc.isFapi('2.0') === undefined,
    scopes: SCOPES,
    // Looked at when a client is registered, not at every use: that would make us depend on somebody else's server.
    sectorIdentifierUriValidate: () => checking.isOn || WRITING.has(Provider.ctx?.oidc.route ?? ''),
    subjectTypes: ['public', 'pairwise'],
    ttl: lifetimes(ttl),
  };
  stopTracingProtocolErrors();
  const provider = createUnitProvider(issuer, configuration, parts.grants);
  // Errors are logged with their request id by our own listeners.
  provider.silent = true;
  checkings.set(provider, checking);
  adjustEngine(provider, {
    clientGuesses: parts.clientGuesses,
    notifyLogout: parts.notifyLogout,
    pushedRequestTtl: ttl.pushedRequest,
    sessionCookie: cookie,
    anonymousSessionTtl: ttl.interaction,
  });
  guardDeviceFlow(provider, {
    accounts: parts.accounts,
    lockout: parts.lockout,
    budgets: parts.budgets,
    naming: parts.naming,
    pollInterval: protocol.devicePollInterval,
    ttl: ttl.deviceCode,
  });
  rememberClients(provider, parts.clients, [followClientKeys(parts.log), guardClientSecrets(parts.clientGuesses)]);
  provider.use(prefillUserCode());
  provider.use(cleanRegistrationAnswers());
  return provider;
}

/** Routes that write a client's metadata. */
const WRITING: ReadonlySet<string> = new Set(['registration', 'client_update']);

/** Whether metadata is being checked before it is stored. */
interface Checking {
  isOn: boolean;
}
const checkings = new WeakMap<Provider, Checking>();

/** Whether the engine accepts the metadata of a client, its sector document included. @throws errors.InvalidClientMetadata */
export async function checkClientMetadata(provider: Provider, metadata: object): Promise<void> {
  const needsPlaceholder = ['client_secret_basic', 'client_secret_post'];
  const method = (metadata as EngineMetadata).token_endpoint_auth_method ?? 'client_secret_basic';
  const secret = needsPlaceholder.includes(method) ? { client_secret: 'checked elsewhere' } : {};
  const Client = provider.Client as unknown as { validate(input: object): Promise<void> };
  const checking = checkings.get(provider);
  // The engine asks whether to look at the sector document before its first wait, so no other check can see this.
  if (checking) checking.isOn = true;
  let checked: Promise<void>;
  try {
    checked = Client.validate({ ...metadata, ...secret });
  } finally {
    if (checking) checking.isOn = false;
  }
  await checked;
}

/** FAPI 2.0 Security Profile, 5.3.2.1 and 5.4.1: the issuer alone as a text is the audience, and weak algorithms are out. */
function assertClientAssertion(
  ctx: KoaContextWithOIDC,
  issuer: string,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
): void {
  if (ctx.oidc.isFapi('2.0') === undefined) return;
  if (claims['aud'] !== issuer)
    throw new errors.InvalidClientAuth('audience (aud) must be the issuer and nothing else');
  if (!FAPI_ALGORITHMS.includes(String(header['alg']))) throw new errors.InvalidClientAuth('alg is not allowed');
}

/** How and when the person signed in, for APIs that ask for more than that somebody did (RFC 9068, 2.2.1; RFC 9470, 6). */
export function signInClaims(ctx: KoaContextWithOIDC): Record<string, unknown> | undefined {
  const { AuthorizationCode, DeviceCode, RefreshToken } = ctx.oidc.entities;
  const source = AuthorizationCode ?? DeviceCode ?? RefreshToken;
  if (!source) return undefined;
  const { acr, authTime, sid } = source as { acr?: string; authTime?: number; sid?: string };
  return { acr, auth_time: authTime, sid };
}

/** Browser code may call the token endpoints from the origins of its redirect URIs and from those registered beside them. */
function allowsOrigin(origin: string, client: EngineClient): boolean {
  const registered = client['latchkey_cors_origins'];
  if (Array.isArray(registered) && registered.includes(origin)) return true;
  return (client.redirectUris ?? []).some((uri) => /^https?:/.test(uri) && URL.parse(uri)?.origin === origin);
}

function mutable<T extends Record<string, readonly string[]>>(input: T): Record<string, string[]> {
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, [...value]]));
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback;
}
