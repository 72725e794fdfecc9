// What an upstream says about a person, read with mistrust: short plain text, addresses that are addresses, true only where it says the
// boolean true.
import type { UpstreamIdentity } from './adapter.ts';
import { failure } from './outgoing.ts';

/** Longer ones do not exist (OIDC Core 2: at most 255 ASCII characters). */
const SUBJECT = /^[\x21-\x7e]{1,255}$/;

/**
 * Numbers are taken as text.
 * @throws UpstreamFailure `profile` for anything that cannot be a subject
 */
export function subjectOf(value: unknown): string {
  const subject = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof subject !== 'string' || !SUBJECT.test(subject)) throw failure('profile', new Error('no usable subject'));
  return subject;
}

/**
 * One line of text without control and direction characters; null when nothing is left.
 */
export function plainText(value: unknown, most: number): string | null {
  if (typeof value !== 'string') return null;
  const text = value
    .slice(0, 4 * most)
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .trim();
  return text === '' ? null : [...text].slice(0, most).join('');
}

/**
 * As it is, or nothing: a shortened or mended address is somebody else's.
 */
export function emailText(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(value) ? value : null;
}

export function httpsUrl(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 2000) return null;
  const url = URL.parse(value);
  return url?.protocol === 'https:' && url.username === '' && url.password === '' ? url.href : null;
}

export function languageTag(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 35) return null;
  try {
    // Some write en_US.
    return Intl.getCanonicalLocales(value.replaceAll('_', '-'))[0] ?? null;
  } catch {
    return null;
  }
}

/** The standard claims (OIDC Core 5.1) as an identity. */
export function identityFromClaims(issuer: string, claims: Readonly<Record<string, unknown>>): UpstreamIdentity {
  const email = emailText(claims['email']);
  return {
    issuer,
    subject: subjectOf(claims['sub']),
    email,
    // "true", 1 and the like come from systems that do not know what they say.
    emailVerified: email !== null && claims['email_verified'] === true,
    username: plainText(claims['preferred_username'], 100) ?? plainText(claims['nickname'], 100),
    name: plainText(claims['name'], 255),
    givenName: plainText(claims['given_name'], 100),
    familyName: plainText(claims['family_name'], 100),
    picture: httpsUrl(claims['picture']),
    locale: languageTag(claims['locale']),
    tokens: null,
  };
}
