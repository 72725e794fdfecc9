// Where to go after a form: only to a path of our own. Anything else becomes the default page, so no link of ours leads to a stranger.

/** @param fallback one of our own paths */
export function safeReturnPath(input: unknown, fallback = '/'): string {
  if (typeof input !== 'string' || input.length > 2000 || !/^\/(?![/\\])[\x21-\x7e]*$/.test(input)) return fallback;
  if (input.includes('\\')) return fallback;
  const base = 'http://own.invalid';
  const url = URL.parse(input, base);
  // `/..//host` is a path of ours until it has been normalised; afterwards it begins like a host.
  return url?.origin === base && !url.pathname.startsWith('//') ? `${url.pathname}${url.search}` : fallback;
}
