// Microsoft: one OpenID provider with a tenant for each organization. Who somebody is, is said by tenant (`tid`) and object id (`oid`); `sub`
// differs from app to app. An administrator of any tenant can write any address into an account ("nOAuth"), so an address counts as verified
// only where Microsoft says that the tenant owns its domain (`xms_edov`). The issuer of an ID token must be that of its own tenant. The library
// compares it with the discovery document, whose template it fills with the token's `tid`; it does not look at `tid` where there is no template.
import type { AdapterDeclaration, AdapterParts, UpstreamAdapter } from '../adapter.ts';
import { identityFromClaims, subjectOf } from '../identity.ts';
import { failure } from '../outgoing.ts';
import { createOidcKind } from './oidc.ts';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** The tenant of all personal accounts. */
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad';

export function createMicrosoftAdapter(declaration: AdapterDeclaration, parts: AdapterParts): UpstreamAdapter {
  const tenant = (declaration.tenant ?? 'common').toLowerCase();
  return createOidcKind(declaration, parts, {
    issuer: declaration.endpoints?.issuer ?? `https://login.microsoftonline.com/${tenant}/v2.0`,
    label: 'Microsoft',
    icon: 'microsoft',
    scopes: ['openid', 'profile', 'email'],
    usesUserinfo: false,
    // `common` and its like stand for many tenants, and a domain for the number of its tenant.
    hasVaryingIssuer: !GUID.test(tenant),
    identify(claims) {
      const { tid, oid } = claims;
      if (typeof tid !== 'string' || !GUID.test(tid)) throw failure('id-token', new Error('no usable tid'));
      const issuer = String(claims['iss']);
      const isItsOwn = URL.parse(issuer)?.pathname.startsWith(`/${tid}/`) === true;
      if (!isItsOwn || !isOfTenant(tid, tenant)) throw failure('id-token', new Error('it is of another tenant'));
      const identity = identityFromClaims(issuer, { ...claims, sub: subjectOf(oid) });
      return { ...identity, emailVerified: identity.email !== null && claims['xms_edov'] === true };
    },
  });
}

/** Whether people of the tenant `tid` are meant by the setting. That a domain is theirs is said by the issuer in its document. */
function isOfTenant(tid: string, setting: string): boolean {
  if (GUID.test(setting)) return tid === setting;
  if (setting === 'consumers') return tid === PERSONAL;
  return setting !== 'organizations' || tid !== PERSONAL;
}
