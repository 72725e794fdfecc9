// What every page for administrators has around it: who is signed in, and the list of pages that this administrator may see. A page stands in the
// list when its line does; the doors decide again on each request.
import type { RouterContext } from '@koa/router';
import type { Permission } from '../../access/permission.ts';
import type { Pages } from '../../http/page.ts';
import type { Navigation } from '../../http/page-model.ts';
import type { Administrator } from './admin-door.ts';

/** In the order of the navigation: address, key of the label, and what somebody must be allowed to do to see it; null for whoever administers
 * anything. */
const ADMIN_PAGES: readonly (readonly [url: string, label: string, permission: Permission | null])[] = [
  ['/admin', 'admin_overview.title', null],
  ['/admin/accounts', 'admin_accounts.title', 'accounts:read'],
  ['/admin/clients', 'admin_clients.title', 'clients:read'],
  ['/admin/upstreams', 'admin_upstreams.title', 'upstreams:read'],
  ['/admin/organizations', 'admin_organizations.title', 'organizations:read'],
  ['/admin/invitations', 'admin_invitations.title', 'invitations:write'],
  ['/admin/roles', 'admin_roles.title', 'roles:read'],
  ['/admin/claims', 'admin_claims.title', 'clients:read'],
  ['/admin/audit', 'admin_audit.title', 'audit:read'],
  ['/admin/settings', 'admin_settings.title', 'settings:read'],
  ['/account', 'portal.nav', null],
];

/** @param path of the request: pages below one of the list belong to it */
export function adminNavigation(permissions: ReadonlySet<Permission>, path: string): Navigation {
  const belongs = (url: string): boolean => path === url || (url !== '/admin' && path.startsWith(`${url}/`));
  return {
    label: 'portal.admin_nav',
    entries: ADMIN_PAGES.filter(([, , permission]) => permission === null || permissions.has(permission)).map(
      ([url, label]) => ({
        url,
        label,
        isCurrent: belongs(url),
      }),
    ),
  };
}

/** The events about one object; null for who may not see them. */
export function auditUrl(who: Administrator, filter: Readonly<Record<string, string>>): string | null {
  return who.authority.permissions.has('audit:read') ? `/admin/audit?${new URLSearchParams(filter)}` : null;
}

/** @param options.status of the answer, 200 when nothing is said */
export function showAdminPage(
  ctx: RouterContext,
  parts: { readonly pages: Pages },
  who: Administrator,
  page: string,
  model: object,
  options: { readonly status?: number } = {},
): void {
  const { account } = who.session;
  parts.pages.show(ctx, page, model, {
    ...options,
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
    navigation: adminNavigation(who.authority.permissions, ctx.path),
  });
}
