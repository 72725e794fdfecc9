// Telegram as an OpenID provider (core.telegram.org, "Log In With Telegram"): code and PKCE, and an ID token in place of a profile. The person is
// its numeric `id`, which every door of Telegram knows; `sub` is another number for each bot and would make two accounts of one person.
import * as client from 'openid-client';
import { TELEGRAM_ISSUER } from '../../account/linked-identities.ts';
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter, UpstreamIdentity } from '../adapter.ts';
import { identityFromClaims, subjectOf } from '../identity.ts';
import { failure } from '../outgoing.ts';
import { type Claims, createOidcKind } from './oidc.ts';

export const TELEGRAM_OIDC_ISSUER = 'https://oauth.telegram.org';
/** Without `profile` there is no `id`. */
const SCOPES = ['openid', 'profile'];
/** Telegram also offers ES256K, which nobody here can check. */
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
const USER_ID = /^[1-9]\d{0,15}$/;

export function createTelegramAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  const scopes = [...new Set([...SCOPES, ...(declaration.scopes ?? [])])];
  const kind = createOidcKind({ ...declaration, scopes }, parts, {
    issuer: declaration.endpoints?.issuer ?? TELEGRAM_OIDC_ISSUER,
    label: 'Telegram',
    icon: 'telegram',
    scopes,
    usesUserinfo: false,
    algorithms: ALGORITHMS,
    // Documented for its script only; state, PKCE and the browser's cookie carry the protection.
    mayOmitNonce: true,
    clientAuthentication: async () =>
      parts.secret === undefined ? client.None() : client.ClientSecretBasic(parts.secret),
    identify: (claims) => identityOf(declaration.id, claims),
  });
  return {
    ...kind,
    // It knows no addresses, and need not learn ours.
    authorizationUrl: (request) => kind.authorizationUrl({ ...request, loginHint: undefined }),
  };
}

/** @throws UpstreamFailure `profile` */
function identityOf(upstream: string, claims: Claims): UpstreamIdentity {
  const { id } = claims;
  const subject = typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : id;
  if (typeof subject !== 'string' || !USER_ID.test(subject)) {
    const told = `upstream ${upstream}: the ID token has no numeric id, without which a person has no key here;`;
    throw failure('profile', new Error(`${told} look at Web Login of this bot in BotFather`));
  }
  return {
    ...identityFromClaims(TELEGRAM_ISSUER, { ...claims, sub: subject }),
    ...{ upstreamSubject: subjectOf(claims['sub']), email: null, emailVerified: false },
  };
}
