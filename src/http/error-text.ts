// Which words an error page has for which stable code: `error.<text>.title` and `error.<text>.text`. Several codes may share their words,
// because a person can do nothing different about them; a code that is not here gets the general ones.

const TEXTS: Readonly<Record<string, string>> = {
  'page-not-found': 'not-found',
  'not-found': 'not-found',
  'setup-closed': 'setup-closed',
  'link-used': 'link-used',
  'foreign-form': 'foreign-form',
  'no-account-chosen': 'no-account-chosen',
  'broken-form': 'broken-form',
  'unexpected-field': 'broken-form',
  'unsupported-media-type': 'broken-form',
  'too-large': 'too-large',
  'too-long': 'too-large',
  'method-not-allowed': 'not-found',
  'too-many-requests': 'too-many-requests',
  forbidden: 'forbidden',
  'access-denied': 'forbidden',
  'not-signed-in': 'not-signed-in',
  'interaction-expired': 'interaction-expired',
  'interaction-finished': 'interaction-finished',
  'redirect-uri-mismatch': 'redirect-uri-mismatch',
  'invalid-client': 'invalid-client',
  'unauthorized-client': 'invalid-client',
  'missing-forwarded-proto': 'missing-forwarded-proto',
  'upstream-gone': 'upstream-gone',
  'upstream-off': 'upstream-off',
  'upstream-setting': 'upstream-setting',
  'upstream-account': 'upstream-account',
  'telegram-not-enough': 'telegram-not-enough',
  'upstream-other-account': 'upstream-other-account',
  unavailable: 'unavailable',
  'database-unavailable': 'unavailable',
  'redis-unavailable': 'unavailable',
  busy: 'busy',
  internal: 'internal',
  'server-error': 'internal',
  'invalid-request': 'invalid-request',
};

export const ERROR_CODES: readonly string[] = Object.keys(TEXTS);

/** The middle part of the translation keys for a code. */
export function errorText(code: string): string {
  return Object.hasOwn(TEXTS, code) ? (TEXTS[code] ?? 'general') : 'general';
}
