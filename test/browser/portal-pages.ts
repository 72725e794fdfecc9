// Which pages the portals have, by the application's own table of routes, and where each is to be found in a populated installation. A page whose
// address has no parameter comes along by itself. One with a parameter needs a line in `ids` of populated.ts; an address that answers with
// something else than a page needs one in NO_PAGE, and a page whose name does not follow from its address one in NAMES.
import type { Populated } from './populated.ts';

export interface PortalPage {
  /** As the router knows it. */
  readonly route: string;
  readonly path: string;
  /** What its `data-page` is. */
  readonly name: RegExp;
}

/** Addresses of the portals that are asked for by GET and show no page, and why. */
const NO_PAGE: Readonly<Record<string, string>> = {
  '/account': 'leads on to the security page',
  '/account/callback': 'where the engine sends the browser back to',
  '/account/identities/linked/:ticket': 'where an upstream sends the browser back to',
  '/account/identities/telegram/:approval/events': 'for script',
  '/account/identities/telegram/:approval/state': 'for script',
  '/account/security/telegram/:approval/events': 'for script',
  '/account/security/telegram/:approval/state': 'for script',
};

/** `data-page` of pages that are not named after a part of their address. */
const NAMES: Readonly<Record<string, string>> = {
  '/admin': 'admin-overview',
  '/account/identities/telegram/:approval': 'telegram-wait',
  '/account/security/telegram/:approval': 'telegram-wait',
  '/account/organizations/join': 'account-invitation',
  '/account/organizations/join/:requestId': 'account-invitation',
};

/** More states of the same addresses: what was done, what was searched for, what is wrong. */
const MORE: readonly (readonly [route: string, query: (stage: Populated) => Readonly<Record<string, string>>])[] = [
  ['/account/activity', () => ({ kind: 'apps' })],
  ['/account/identities', () => ({ done: 'linked' })],
  ['/account/security', () => ({ changed: 'passkey' })],
  ['/admin/accounts', () => ({ q: 'nobody at all' })],
  ['/admin/accounts', () => ({ status: 'disabled' })],
  ['/admin/accounts/:id', () => ({ done: 'edit' })],
  ['/admin/audit', () => ({ who: 'nobody@example.com', network: 'nowhere' })],
  ['/admin/audit', ({ owner }) => ({ target: owner.id, result: 'success' })],
  ['/admin/claims', ({ owner, clientId }) => ({ account: owner.id, client: clientId, scope: 'openid profile email' })],
  ['/admin/clients', () => ({ deleted: '' })],
  ['/admin/clients/:id', () => ({ changed: '' })],
  ['/admin/invitations', () => ({ sent: '' })],
  ['/admin/organizations/:id', () => ({ changed: '' })],
  ['/admin/roles/:id', () => ({ changed: '' })],
  ['/admin/upstreams', () => ({ deleted: '' })],
];
/** Lists that have a second page there. */
const LONG_LISTS = [
  ...['/account/activity', '/admin/accounts', '/admin/audit', '/admin/clients', '/admin/invitations'],
  ...['/admin/organizations', '/admin/organizations/:id'],
];

export interface PortalPages {
  readonly pages: readonly PortalPage[];
  /** Routes that nobody said anything about. */
  readonly unknown: readonly string[];
  /** Lines about routes that there are not. */
  readonly gone: readonly string[];
}

/** Every page of both portals. */
export async function findPortalPages(stage: Populated): Promise<PortalPages> {
  const routes = stage.latchkey.app
    .routes()
    .filter(({ method, path }) => method === 'GET' && /^\/(?:account|admin)(?:\/|$)/.test(path))
    .map(({ path }) => path)
    .toSorted();
  const pagesOf = (route: string, query = ''): readonly PortalPage[] =>
    pathsOf(route, stage).map((path) => ({ route, path: `${path}${query}`, name: nameOf(route) }));
  const plain = routes.filter((route) => !(route in NO_PAGE)).flatMap((route) => pagesOf(route));
  const more = MORE.flatMap(([route, query]) => pagesOf(route, `?${new URLSearchParams(query(stage))}`));
  const second: PortalPage[] = [];
  for (const one of LONG_LISTS.flatMap((route) => pagesOf(route))) {
    const first = await stage.browser.get(one.path);
    const next = new URL(first.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '', first.url);
    second.push({ ...one, path: `${next.pathname}${next.search}` });
  }
  const named = [
    ...Object.keys({ ...NO_PAGE, ...NAMES, ...stage.ids }),
    ...MORE.map(([route]) => route),
    ...LONG_LISTS,
  ];
  return {
    pages: [...plain, ...more, ...second],
    unknown: routes.filter((route) => !(route in NO_PAGE) && pathsOf(route, stage).length === 0),
    gone: named.filter((route) => !routes.some((one) => one === route || one.startsWith(`${route}/`))),
  };
}

/** The route with something in the place of each parameter; none when there is nothing to put there. */
function pathsOf(route: string, { ids }: Populated): readonly string[] {
  let before = '';
  let paths: readonly string[] = [''];
  // A line about the whole route is about its first parameter, unless the route ends with one.
  let own = /:[^/]+$/.test(route) ? undefined : ids[route];
  for (const part of route.split('/').slice(1)) {
    before += `/${part}`;
    const values = part.startsWith(':') ? [own ?? ids[before] ?? []].flat() : [part];
    if (part.startsWith(':')) own = undefined;
    paths = paths.flatMap((path) => values.map((value) => `${path}/${value}`));
  }
  return paths;
}

/** Named in NAMES, or after a part of the address: `/admin/accounts/:id/disable` shows an `admin-account…`. */
function nameOf(route: string): RegExp {
  const named = NAMES[route];
  if (named !== undefined) return new RegExp(`^${named}$`);
  const [portal, ...parts] = route.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  return new RegExp(`^${portal}-(?:${parts.map((part) => part.replace(/s$/, '')).join('|')})`);
}
