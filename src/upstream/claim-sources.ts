// Where each kind of upstream says what is taken from it, for administrators who ask what an account would get. The adapters do the reading; the
// contract of the adapters is held against this list.

/** What is taken, by the name of the claim that it can become. Subject and username become none. */
export type TakenClaim =
  | 'subject'
  | 'email'
  | 'username'
  | 'name'
  | 'given_name'
  | 'family_name'
  | 'picture'
  | 'locale';

/** OIDC Core 5.1. */
const STANDARD: Readonly<Record<TakenClaim, string>> = {
  subject: 'iss, sub',
  email: 'email, email_verified',
  username: 'preferred_username',
  name: 'name',
  given_name: 'given_name',
  family_name: 'family_name',
  picture: 'picture',
  locale: 'locale',
};

const SOURCES: Readonly<Record<string, Readonly<Partial<Record<TakenClaim, string>>>>> = {
  oidc: STANDARD,
  google: {
    ...{ subject: 'iss, sub', email: 'email, email_verified', name: 'name', given_name: 'given_name' },
    ...{ family_name: 'family_name', picture: 'picture' },
  },
  // The names come once, at the first sign-in, beside the code.
  apple: {
    ...{ subject: 'iss, sub', email: 'email, email_verified', name: 'user.name' },
    ...{ given_name: 'user.name.firstName', family_name: 'user.name.lastName' },
  },
  microsoft: { subject: 'tid, oid', email: 'email, xms_edov', username: 'preferred_username', name: 'name' },
  github: {
    ...{ subject: 'id', email: '/user/emails: primary, verified', username: 'login' },
    ...{ name: 'name, login', picture: 'avatar_url' },
  },
  discord: {
    ...{ subject: 'id', email: 'email, verified', username: 'username', name: 'global_name, username' },
    ...{ picture: 'avatar', locale: 'locale' },
  },
  x: { subject: 'id', username: 'username', name: 'name, username', picture: 'profile_image_url' },
  telegram: { subject: 'id', username: 'preferred_username', name: 'name', picture: 'picture' },
};

/** What is taken from this kind, and where it says it, in the order of the list above. */
export function claimSources(kind: string): readonly (readonly [claim: TakenClaim, from: string])[] {
  const sources = Object.hasOwn(SOURCES, kind) ? SOURCES[kind] : undefined;
  return Object.entries(sources ?? {}) as (readonly [TakenClaim, string])[];
}
