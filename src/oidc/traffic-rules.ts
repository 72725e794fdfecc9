// Which of our addresses cost or guess, and what one network may send to them in a minute.
import type { Context } from 'koa';
import type { TrafficRule } from '../http/traffic.ts';

/** Answer programs; each of their errors cost a look-up, and some a check of a secret or a signature. */
const ENDPOINTS: ReadonlySet<string> = new Set([
  '/token',
  '/token/introspection',
  '/token/revocation',
  '/request',
  '/device/auth',
]);
/** Store something for whoever comes. */
const STARTS: ReadonlySet<string> = new Set(['/request', '/device/auth', '/reg']);
/** Store something, send something or compute a hash for a person. */
const PAGES: ReadonlySet<string> = new Set(['/auth', '/device', '/session/end', '/session/end/confirm', '/reset']);
const PAGES_BELOW = /^\/(?:interaction|reset|link|not-me|register|setup|account)\//;

/** @param limits in a minute, from one network */
export function trafficRules(limits: {
  readonly refusedRequests: number;
  readonly startedRequests: number;
}): readonly TrafficRule[] {
  return [
    {
      ...{ name: 'refused', counts: 'refused', limit: limits.refusedRequests, answersWith: 'json' },
      isFor: ({ path }) => ENDPOINTS.has(path) || path === '/reg' || path.startsWith('/reg/'),
    },
    {
      ...{ name: 'started by programs', counts: 'every', limit: limits.startedRequests, answersWith: 'json' },
      isFor: ({ path, method }) => method === 'POST' && STARTS.has(path),
    },
    { ...{ name: 'pages', counts: 'every', limit: limits.startedRequests, answersWith: 'page' }, isFor: isCostlyPage },
  ];
}

function isCostlyPage({ path, method }: Context): boolean {
  if (path === '/auth') return method === 'GET' || method === 'POST';
  return method === 'POST' && (PAGES.has(path) || PAGES_BELOW.test(path));
}
