// What pages and revocations need to know of a stored session or grant, read from the engine's payload.
import type { AdapterPayload } from 'oidc-provider';

export interface EngineSession {
  readonly uid: string;
  readonly accountId: string;
  /** Seconds since 1970, as all times of the engine. */
  readonly signedInAt: number | undefined;
  readonly expiresAt: number;
  readonly amr: readonly string[];
  readonly acr: string | undefined;
  /** The apps it was used for; `sid` is what their logout tokens name. */
  readonly clients: readonly { readonly clientId: string; readonly sid?: string; readonly grantId?: string }[];
}

export interface EngineGrant {
  readonly grantId: string;
  readonly clientId: string;
  readonly accountId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

export function sessionOf(payload: AdapterPayload | undefined): EngineSession | undefined {
  if (payload?.uid === undefined || payload.accountId === undefined) return undefined;
  return {
    uid: payload.uid,
    accountId: payload.accountId,
    signedInAt: payload.loginTs,
    expiresAt: payload.exp ?? 0,
    amr: payload.amr ?? [],
    acr: payload.acr,
    clients: Object.entries(payload.authorizations ?? {}).map(([clientId, { sid, grantId }]) => ({
      clientId,
      ...(sid === undefined ? {} : { sid }),
      ...(grantId === undefined ? {} : { grantId }),
    })),
  };
}

interface GrantPayload extends AdapterPayload {
  readonly openid?: { readonly scope?: string; readonly claims?: readonly string[] };
  readonly resources?: Readonly<Record<string, string>>;
}

export function grantOf(payload: GrantPayload): EngineGrant | undefined {
  const { jti, clientId, accountId, openid, resources } = payload;
  if (jti === undefined || clientId === undefined || accountId === undefined) return undefined;
  return {
    grantId: jti,
    clientId,
    accountId,
    issuedAt: payload.iat ?? 0,
    expiresAt: payload.exp ?? 0,
    scopes: words(openid?.scope),
    claims: openid?.claims ?? [],
    resources: Object.fromEntries(Object.entries(resources ?? {}).map(([resource, scope]) => [resource, words(scope)])),
  };
}

function words(scope: string | undefined): readonly string[] {
  return scope?.split(' ').filter(Boolean) ?? [];
}
