// Which pages the portals have, by the application's own table of routes, and where each is to be found in a populated installation. A page whose
// address has no parameter comes along by itself. One with a parameter needs a line in `ids` of populated.ts; an address that answers with
// something else than a page needs one in NO_PAGE, and a page whose name does not follow from its address one in NAMES.
import assert from 'node:assert/strict';
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
];
/** Lists that have a second page there. */
const LONG_LISTS = [
  ...['/account/activity', '/admin/accounts', '/admin/audit', '/admin/clients', '/admin/invitations'],
  ...['/admin/organizations', '/admin/organizations/:id'],
];

/** Every page of both portals. @throws what is to be done about those that are not covered */
export async function listPortalPages(stage: Populated): Promise<readonly PortalPage[]> {
  const routes = stage.latchkey.app
    .routes()
    .filter(({ method, path }) => method === 'GET' && /^\/(?:account|admin)(?:\/|$)/.test(path))
    .map(({ path }) => path)
    .toSorted();
  const missing = routes.filter((route) => !(route in NO_PAGE) && pathOf(route, stage) === null);
  const advice =
    'A page of the portals is not looked at. If it is a page, put what stands for its parameter in `ids` of test/browser/populated.ts; ' +
    'if it answers with something else, put its address in NO_PAGE of test/browser/portal-pages.ts.';
  assert.deepEqual(missing, [], advice);
  const gone = [...Object.keys({ ...NO_PAGE, ...NAMES }), ...Object.keys(stage.ids), ...LONG_LISTS].filter(
    (route) => !routes.some((one) => one === route || one.startsWith(`${route}/`)),
  );
  assert.deepEqual(gone, [], 'lines about routes that are not there any more (portal-pages.ts, populated.ts)');
  const pageOf = (route: string, query = ''): PortalPage => {
    const path = pathOf(route, stage);
    if (path === null) throw new Error(`${route} has no address`);
    return { route, path: `${path}${query}`, name: nameOf(route) };
  };
  const plain = routes.filter((route) => !(route in NO_PAGE)).map((route) => pageOf(route));
  const more = MORE.map(([route, query]) => pageOf(route, `?${new URLSearchParams(query(stage))}`));
  const second: PortalPage[] = [];
  for (const route of LONG_LISTS) {
    const first = await stage.browser.get(pageOf(route).path);
    const next = new URL(first.element('a[rel=next]').getAttribute('href')?.replaceAll('&amp;', '&') ?? '', first.url);
    second.push({ ...pageOf(route), path: `${next.pathname}${next.search}` });
  }
  return [...plain, ...more, ...second];
}

/** The route with something in the place of each parameter; null when there is nothing to put there. */
function pathOf(route: string, { ids }: Populated): string | null {
  const own = ids[route];
  let path = '';
  let before = '';
  for (const part of route.split('/').slice(1)) {
    before += `/${part}`;
    const value = part.startsWith(':') ? (own ?? ids[before]) : part;
    if (value === undefined) return null;
    path += `/${value}`;
  }
  return path;
}

/** Named in NAMES, or after a part of the address: `/admin/accounts/:id/disable` shows an `admin-account…`. */
function nameOf(route: string): RegExp {
  const named = NAMES[route];
  if (named !== undefined) return new RegExp(`^${named}$`);
  const [portal, ...parts] = route.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  return new RegExp(`^${portal}-(?:${parts.map((part) => part.replace(/s$/, '')).join('|')})`);
}
