// What an account would get at a client, before anybody signs in (requirements Y5): the engine's own classes put the claims together, by the
// configuration that makes the real tokens, and are stopped before anything is signed or stored. It gives nothing that could be used, and it
// does not decide who may look.

import type Provider from 'oidc-provider';
import type { Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider';
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import { CLAIMS_BY_SCOPE } from '../account/claims.ts';
import type { RegisteredClient } from '../client/clients.ts';
import { ACR_LEVELS, type Acr, assuranceOf, type Proof, type ProofMethod, satisfies } from '../credential/assurance.ts';
import type { FactorOverview, Factors } from '../credential/factors.ts';
import type { ScopeModel } from '../http/page-model.ts';
import { reaches, requestedAcr } from './acr.ts';
import { askedScopes } from './asked-scopes.ts';
import { type OrganizationsOf, takeOnlyOrganization } from './chosen-organization.ts';
import type { Consents } from './consents.ts';
import { DEVICE_GRANT } from './device-flow.ts';
import type { Engine } from './engine.ts';
import { createFindAccount } from './find-account.ts';
import { SCOPES, signInClaims } from './provider.ts';
import type { Resources } from './resources.ts';
import type { SignInPolicy } from './sign-in-policy.ts';

/** In the place of what is made at random for each token. */
const RANDOM = '…';

/** Why there would be no token at all. */
export type PreviewStop = 'account' | 'unapproved' | 'no_code' | 'scope' | 'resource';

/** What would be asked on the way, beside the first factor. */
export type PreviewStep = 'second_factor' | 'second_factor_setup' | 'passkey' | 'passkey_setup' | 'terms' | 'consent';

/** Why a scope that was asked for counts for nothing. */
export type LeftOut = 'unknown' | 'no_refresh';

type Payload = Readonly<Record<string, unknown>>;

export interface PreviewedTokens {
  readonly idToken: Payload;
  /** What the ID token is signed with. */
  readonly algorithm: string;
  readonly accessToken: {
    readonly format: 'opaque' | 'jwt';
    readonly scope: string;
    /** The API that it is for; null for one that is for us alone. */
    readonly audience: string | null;
    /** Seconds. */
    readonly ttl: number;
    /** Of a JWT. */
    readonly payload: Payload | null;
  };
  /** Null where the token is for an API. */
  readonly userinfo: Payload | null;
  readonly hasRefreshToken: boolean;
  /** Which scope stands for which claims, and where they would be. */
  readonly reasons: readonly ScopeReason[];
}

export interface ScopeReason {
  readonly scope: string;
  readonly idToken: readonly string[];
  readonly userinfo: readonly string[];
  /** The account has no value for them, or they are told nobody. */
  readonly missing: readonly string[];
}

export interface ClaimPreview {
  readonly stops: readonly PreviewStop[];
  readonly steps: readonly PreviewStep[];
  readonly leftOut: readonly { readonly scope: string; readonly reason: LeftOut }[];
  /** Of the consent page. */
  readonly scopes: readonly ScopeModel[];
  /** The weakest sign-in that would do. */
  readonly methods: readonly ProofMethod[];
  readonly tokens: PreviewedTokens | null;
}

interface Question {
  readonly account: AccountRow;
  readonly client: RegisteredClient;
  /** Space-separated, as a client would ask. */
  readonly scope: string;
  /** The API that the token is for; null for none. */
  readonly resource: string | null;
}

interface Parts {
  readonly engine: Engine;
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly organizations: Organizations;
  readonly factors: Factors;
  readonly consents: Consents;
  readonly resources: Resources;
  readonly signInPolicy: SignInPolicy;
  readonly organizationsOf: OrganizationsOf;
  readonly owedTerms: (subject: string) => Promise<string | null>;
}

export class ClaimPreviews {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** For a browser in which nobody is signed in; a scope is asked for as if the client meant it, so `offline_access` with `prompt=consent`. */
  async preview(question: Question): Promise<ClaimPreview> {
    const { account, client } = question;
    const { engine, consents, resources, factors } = this.#parts;
    const nothing = { steps: [], leftOut: [], scopes: [], methods: [], tokens: null };
    // The engine does not know a client that waits for approval.
    if (client.metadata.latchkey_quarantined === true) return { ...nothing, stops: ['unapproved'] };
    const { provider } = engine;
    const engineClient = await provider.Client.find(client.clientId);
    if (!engineClient || !isForPeople(engineClient)) return { ...nothing, stops: ['no_code'] };

    const { wanted, leftOut } = this.#sort(question, engineClient);
    const params = {
      scope: ['openid', ...wanted].join(' '),
      ...(question.resource === null ? {} : { resource: question.resource }),
      ...(engineClient.defaultAcrValues ? { acr_values: engineClient.defaultAcrValues.join(' ') } : {}),
    };
    const overview = await factors.overview(account.id);
    const needed = await this.#level(question, overview, params);
    const proofs = weakestProofs(overview, needed);
    const known = await consents.find(account.subject, client.clientId);
    const allowed = (resource?: string): readonly string[] =>
      (resource === undefined ? known?.scope : known?.resources[resource])?.split(' ') ?? [];
    const isNew = (scope: string, resource?: string): boolean => !allowed(resource).includes(scope);
    const scopes = askedScopes({ params, ownScopes: SCOPES, resources }, isNew);
    const isAsked =
      wanted.includes('offline_access') ||
      needsConfirmation(engineClient) ||
      (engineClient['latchkey_first_party'] !== true && (known === null || scopes.some((one) => one.isNew)));
    const owedTerms = await this.#parts.owedTerms(account.subject);

    const ctx = this.#context(provider, { client: engineClient, account, params, assurance: assuranceOf(proofs) });
    const stops = this.#stops(question, engineClient, ctx, wanted);
    return {
      stops,
      steps: [
        ...stepsOf(overview, needed, proofs),
        ...(owedTerms === null ? [] : (['terms'] as const)),
        ...(isAsked ? (['consent'] as const) : []),
      ],
      leftOut,
      // Nothing is new to who is asked for the first time.
      scopes: known === null ? scopes.map((one) => ({ ...one, isNew: false })) : scopes,
      methods: proofs.map(({ method }) => method),
      tokens: stops.length > 0 ? null : await this.#tokens(provider, ctx, question),
    };
  }

  /** What counts of the scopes, and why the rest does not: as the engine decides. */
  #sort(
    question: Question,
    client: EngineClient,
  ): Pick<ClaimPreview, 'leftOut'> & { readonly wanted: readonly string[] } {
    const { resource } = question;
    const ofResource = Object.keys((resource === null ? null : this.#parts.resources.find(resource))?.scopes ?? {});
    const asked = [...new Set(question.scope.split(/\s+/))].filter((scope) => scope !== '' && scope !== 'openid');
    const reason = (scope: string): LeftOut | null => {
      if (scope === 'offline_access' && !client.grantTypeAllowed('refresh_token')) return 'no_refresh';
      return SCOPES.includes(scope) || ofResource.includes(scope) ? null : 'unknown';
    };
    const leftOut = asked.flatMap((scope) => {
      const why = reason(scope);
      return why === null ? [] : [{ scope, reason: why }];
    });
    return { wanted: asked.filter((scope) => reason(scope) === null), leftOut };
  }

  #stops(
    { account, resource }: Question,
    client: EngineClient,
    ctx: KoaContextWithOIDC,
    wanted: readonly string[],
  ): readonly PreviewStop[] {
    const registered = client.scope?.split(' ');
    const isTooMuch = wanted.some((scope) => SCOPES.includes(scope) && registered?.includes(scope) === false);
    return [
      ...(account.status === 'active' ? [] : (['account'] as const)),
      ...(isTooMuch ? (['scope'] as const) : []),
      ...(resource === null || this.#isFor(ctx, resource, client) ? [] : (['resource'] as const)),
    ];
  }

  #isFor(ctx: KoaContextWithOIDC, resource: string, client: EngineClient): boolean {
    try {
      this.#parts.resources.serverInfo(ctx, resource, client);
      return true;
    } catch {
      return false;
    }
  }

  /** How strong the sign-in has to be: by policy, and by what the client would like where the account can. */
  async #level({ account, client }: Question, overview: FactorOverview, params: object): Promise<Acr> {
    const required = await this.#parts.signInPolicy.requiredAcr(account.id, client.clientId);
    const liked = (requestedAcr(params)?.values ?? []).filter((value) => reaches(overview.strongest, value));
    const least = ACR_LEVELS.find((level) => liked.includes(level)) ?? 'urn:latchkey:aal1';
    return satisfies(required, least) ? required : least;
  }

  /** As the engine's own is at its token endpoint, of a request that nobody sent. */
  #context(
    provider: Provider,
    given: {
      readonly client: EngineClient;
      readonly account: AccountRow;
      readonly params: object;
      readonly assurance: { readonly acr: string; readonly amr: readonly string[] };
    },
  ): KoaContextWithOIDC {
    const imagined = {};
    const now = Math.floor(Date.now() / 1000);
    const session = { accountId: given.account.subject, loginTs: now, ...given.assurance };
    const oidc = new provider.OIDCContext(imagined as never);
    Object.assign(oidc, { params: given.params, session });
    oidc.entity('Client', given.client);
    const sid = isToldOfSessions(given.client) ? RANDOM : undefined;
    oidc.entity('AuthorizationCode', { acr: oidc.acr, amr: oidc.amr, authTime: now, sid });
    return Object.assign(imagined, { oidc }) as KoaContextWithOIDC;
  }

  /** The steps of the engine's token and userinfo endpoints, up to the signature. */
  async #tokens(provider: Provider, ctx: KoaContextWithOIDC, question: Question): Promise<PreviewedTokens | null> {
    const { oidc } = ctx;
    const client = oidc.client as EngineClient;
    const account = await createFindAccount(this.#parts)(ctx, question.account.subject);
    if (!account) return null;
    oidc.entity('Account', account);
    if (oidc.requestParamOIDCScopes.has('organizations')) {
      takeOnlyOrganization(oidc, await this.#parts.organizationsOf(account.accountId));
    }
    const { resource } = question;
    const server = resource === null ? null : this.#parts.resources.serverInfo(ctx, resource, client);
    const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '));
    const token = new provider.AccessToken({ accountId: account.accountId, client } as never);
    if (resource !== null && server !== null) {
      const offered = new Set(server.scope.split(' '));
      const scope = [...oidc.requestParamScopes].filter((one) => offered.has(one)).join(' ');
      Object.assign(token, { resourceServer: new provider.ResourceServer(resource, server as never), scope });
    } else {
      token.scope = grant.getOIDCScopeFiltered(oidc.requestParamScopes);
    }
    const now = Math.floor(Date.now() / 1000);
    const ttl = lifeOf(provider.AccessToken, ctx, token);
    const claimsFor = async (use: string, scope: string) => ({
      ...(await account.claims(use, scope, {}, [])),
      sub: account.accountId,
    });

    const { acr, amr, authTime, sid } = oidc.entities.AuthorizationCode as unknown as Payload;
    const codeScope = [...oidc.requestParamScopes].join(' ');
    const available = { ...(await claimsFor('id_token', codeScope)), acr, amr, auth_time: authTime };
    const idToken = Object.assign(new provider.IdToken(available, { ctx }), {
      // What is at userinfo is not repeated (OIDC Core 5.4).
      scope: server === null ? 'openid' : grant.getOIDCScopeFiltered(oidc.requestParamScopes),
      mask: {},
      rejected: [],
    });
    const { sub, ...inIdToken } = (await idToken.payload()) as Payload;
    const signed = (life: number) => ({ iss: provider.issuer, aud: client.clientId, iat: now, exp: now + life });
    const userinfo = server === null ? await userinfoOf(provider, ctx, await claimsFor('userinfo', codeScope)) : null;
    return {
      idToken: {
        ...{ sub, ...inIdToken, ...(sid === undefined ? {} : { sid }) },
        ...signed(lifeOf(provider.IdToken, ctx, idToken)),
      },
      algorithm: client.idTokenSignedResponseAlg ?? '',
      accessToken: {
        format: server?.accessTokenFormat ?? 'opaque',
        scope: token.scope ?? '',
        audience: server?.audience ?? null,
        ttl,
        payload:
          server?.accessTokenFormat === 'jwt'
            ? {
                ...withoutEmpty(signInClaims(ctx) ?? {}),
                ...{ jti: RANDOM, sub, iat: now, exp: now + ttl },
                ...(token.scope ? { scope: token.scope } : {}),
                ...{ client_id: client.clientId, iss: provider.issuer, aud: server.audience },
                ...(client['dpopBoundAccessTokens'] === true ? { cnf: { jkt: RANDOM } } : {}),
              }
            : null,
      },
      userinfo:
        userinfo !== null && client.userinfoSignedResponseAlg !== undefined
          ? { ...userinfo, ...signed(ttl) }
          : userinfo,
      hasRefreshToken: oidc.requestParamScopes.has('offline_access'),
      reasons: reasonsOf([...oidc.requestParamOIDCScopes], inIdToken, userinfo ?? {}),
    };
  }
}

/** Seconds, by the engine's configuration. */
function lifeOf(model: unknown, ctx: KoaContextWithOIDC, token: object): number {
  const { expiresIn } = model as { expiresIn(ctx: object, token: object, client: unknown): number };
  return expiresIn.call(model, ctx, token, ctx.oidc.client);
}

async function userinfoOf(provider: Provider, ctx: KoaContextWithOIDC, available: object): Promise<Payload> {
  const claims = new provider.Claims({ ...available }, { ctx });
  claims.scope([...ctx.oidc.requestParamOIDCScopes].join(' '));
  return claims.result();
}

function reasonsOf(scopes: readonly string[], idToken: Payload, userinfo: Payload): readonly ScopeReason[] {
  return scopes.flatMap((scope) => {
    const names: readonly string[] = CLAIMS_BY_SCOPE[scope as keyof typeof CLAIMS_BY_SCOPE] ?? [];
    if (names.length === 0) return [];
    const isIn = (payload: Payload) => (name: string) => name === 'sub' || Object.hasOwn(payload, name);
    return [
      {
        scope,
        idToken: names.filter(isIn(idToken)),
        userinfo: Object.keys(userinfo).length === 0 ? [] : names.filter(isIn(userinfo)),
        missing: names.filter((name) => !isIn(idToken)(name) && !isIn(userinfo)(name)),
      },
    ];
  });
}

/** The fewest and weakest proofs of what the account has, or would have to set up, that make this level. */
function weakestProofs(overview: FactorOverview, needed: Acr): readonly Proof[] {
  const passkey = { method: 'passkey', isUserVerified: true, deviceType: 'multiDevice' } as const;
  const first = firstFactor(overview);
  if (needed === 'urn:latchkey:phr' || first === null) return [passkey];
  if (needed === 'urn:latchkey:aal1' && !overview.owesSecondFactor) return [first];
  const [second] = overview.secondFactors;
  if (overview.totp !== null || second === undefined) return [first, { method: 'totp' }];
  return [first, second === 'passkey' ? passkey : { method: second }];
}

/** Null where a passkey is the only way in. */
function firstFactor(overview: FactorOverview): Proof | null {
  if (overview.hasPassword) return { method: 'password' };
  const [other] = overview.others;
  if (other === undefined) return overview.passkeys.length > 0 ? null : { method: 'password' };
  return other.kind === 'upstream' ? { method: 'upstream', isTrustedForSecondFactor: false } : { method: other.kind };
}

function stepsOf(overview: FactorOverview, needed: Acr, proofs: readonly Proof[]): readonly PreviewStep[] {
  const isMissing = !satisfies(overview.strongest, needed);
  if (needed === 'urn:latchkey:phr') return [isMissing ? 'passkey_setup' : 'passkey'];
  if (proofs.length < 2) return [];
  return [isMissing ? 'second_factor_setup' : 'second_factor'];
}

/** Whether people sign in to it. */
function isForPeople(client: EngineClient): boolean {
  if (client.grantTypeAllowed(DEVICE_GRANT)) return true;
  return client.grantTypeAllowed('authorization_code') && client.responseTypeAllowed('code');
}

/** Native apps, which anybody on the device can imitate (see interaction-policy.ts), and devices. */
function needsConfirmation(client: EngineClient): boolean {
  if (!client.grantTypeAllowed('authorization_code')) return true;
  return client.applicationType === 'native' && !(client.redirectUris ?? []).every((uri) => uri.startsWith('https://'));
}

function isToldOfSessions(client: EngineClient): boolean {
  return client.backchannelLogoutUri !== undefined && client.backchannelLogoutSessionRequired === true;
}

function withoutEmpty(payload: Payload): Payload {
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
}
