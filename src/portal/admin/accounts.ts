// Accounts for administrators: the list, searched, filtered and a page at a time.
import Router, { type RouterContext } from '@koa/router';
import type { Roles } from '../../access/roles.ts';
import type { Accounts } from '../../account/accounts.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminAccountsModel, FormProblems } from '../../http/page-model.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/accounts';
const PAGE = 50;
const NO_PROBLEMS: FormProblems = { fields: {} };

export interface AdminAccountsParts extends AdminDoorParts {
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly pages: Pages;
}

export function adminAccountsRoutes(parts: AdminAccountsParts): Router {
  const router = new Router();
  const { look } = adminDoors(parts, HOME);
  router.get(
    HOME,
    look('accounts:read', (ctx, who) => showList(ctx, parts, who)),
  );
  return router;
}

async function showList(ctx: RouterContext, parts: AdminAccountsParts, who: Administrator): Promise<void> {
  const [query, after] = [parameter(ctx, 'q'), parameter(ctx, 'after')];
  const status = parts.accounts.statuses.find((one) => one === parameter(ctx, 'status')) ?? null;
  const roles = [...(await parts.roles.definitions()).values()];
  const role = roles.find(({ id }) => id === parameter(ctx, 'role')) ?? null;
  const search = { query, status, roleId: role?.id ?? null, after, limit: PAGE + 1 };
  const found = await parts.accounts.search(search);
  const shown = found.slice(0, PAGE);
  const filters = { q: query, status: status ?? '', role: role?.id ?? '' };
  const last = found.length > PAGE ? shown.at(-1) : undefined;
  const model: AdminAccountsModel = {
    ...{ query, status: filters.status, role: filters.role, statuses: parts.accounts.statuses },
    roles: roles.map(({ id, name }) => ({ id, name })),
    accounts: shown.map((one) => ({
      id: one.id,
      url: `${HOME}/${one.id}`,
      name: one.name ?? one.username ?? one.email ?? one.id,
      email: one.email,
      status: one.status,
      createdAt: one.createdAt.toISOString(),
      lastSignInAt: one.lastSignInAt?.toISOString() ?? null,
    })),
    zone: who.session.account.zoneinfo,
    nextUrl: last ? `${HOME}?${new URLSearchParams({ ...filters, after: last.cursor })}` : null,
    errors: NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-accounts', model);
}

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
function parameter(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= 200 && !value.includes('\0') ? value : '';
}
