// What is wrong with a redirect URI in words that help, before the engine refuses it (RFC 6749, 3.1.2; RFC 8252, 7; RFC 9700, 2.1).

export type RedirectProblem = 'not-url' | 'wildcard' | 'fragment' | 'http' | 'scheme' | 'credentials';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Null for one that can be registered. */
export function redirectProblem(uri: string, isNative: boolean): RedirectProblem | null {
  if (uri.includes('*')) return 'wildcard';
  const url = URL.parse(uri);
  if (!url || /\s/.test(uri)) return 'not-url';
  if (uri.includes('#')) return 'fragment';
  if (url.username !== '' || url.password !== '') return 'credentials';
  if (url.protocol === 'https:') return null;
  if (url.protocol === 'http:') return LOOPBACK.has(url.hostname) ? null : 'http';
  // The reversed name of a domain that the maker of the app owns (RFC 8252, 7.1).
  return isNative && url.protocol.includes('.') ? null : 'scheme';
}
