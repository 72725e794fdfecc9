// The standard claims of an account (OIDC Core 5.1) and which scope asks for which of them (5.4). A claim without a value is left out.
import type { AccountRow } from './accounts.ts';

/**
 * Scope → claims; the engine takes this as it is. How and when somebody signed in stands in every ID token, asked for or not: apps decide by
 * it, and few know how to ask.
 */
export const CLAIMS_BY_SCOPE = {
  openid: ['sub', 'auth_time', 'acr', 'amr', 'org_id'],
  profile: [
    'name',
    'family_name',
    'given_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
  /** Filled by access/roles.ts. */
  roles: ['roles', 'permissions'],
  /** Filled by access/organizations.ts. `org_id` stands in the ID token as well, where apps look for what they show somebody. */
  organizations: ['org_id', 'organizations'],
} as const;

export function standardClaims(account: AccountRow): Record<string, unknown> & { sub: string } {
  const claims: Record<string, unknown> = {
    name: account.name,
    family_name: account.familyName,
    given_name: account.givenName,
    middle_name: account.middleName,
    nickname: account.nickname,
    preferred_username: account.username ?? account.email,
    profile: account.profile,
    picture: account.picture,
    website: account.website,
    gender: account.gender,
    birthdate: account.birthdate,
    zoneinfo: account.zoneinfo,
    locale: account.locale,
    updated_at: account.updatedAt,
    address: account.address,
  };
  if (account.email !== null) {
    claims['email'] = account.email;
    claims['email_verified'] = account.emailVerified;
  }
  if (account.phoneNumber !== null) {
    claims['phone_number'] = account.phoneNumber;
    claims['phone_number_verified'] = account.phoneNumberVerified;
  }
  const filled = Object.entries(claims).filter(([, value]) => value !== null && value !== undefined);
  return { ...Object.fromEntries(filled), sub: account.subject };
}
