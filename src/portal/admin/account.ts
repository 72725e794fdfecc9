// One account for administrators: what it is.
import Router, { type RouterContext } from '@koa/router';
import type { AccountRow, Accounts } from '../../account/accounts.ts';
import { NotFound } from '../../errors.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminAccountModel } from '../../http/page-model.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/accounts';

export interface AdminAccountParts extends AdminDoorParts {
  readonly accounts: Accounts;
  readonly pages: Pages;
}

export function adminAccountRoutes(parts: AdminAccountParts): Router {
  const router = new Router();
  const { look } = adminDoors(parts, HOME);
  router.get(
    `${HOME}/:id`,
    look('accounts:read', async (ctx, who) => showOne(ctx, parts, who, await getAccount(ctx, parts))),
  );
  return router;
}

/** @throws NotFound */
async function getAccount(ctx: RouterContext, parts: AdminAccountParts): Promise<AccountRow> {
  const found = await parts.accounts.findById(String(ctx.params['id']));
  if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
  return found;
}

async function showOne(
  ctx: RouterContext,
  parts: AdminAccountParts,
  who: Administrator,
  account: AccountRow,
): Promise<void> {
  const { createdAt, lastSignInAt } = await parts.accounts.getTimes(account.id);
  const { name, givenName, familyName, username, email, emailVerified, phoneNumber, locale, zoneinfo } = account;
  const model: AdminAccountModel = {
    id: account.id,
    name: name ?? username ?? email ?? account.id,
    status: account.status,
    zone: who.session.account.zoneinfo,
    profile: {
      ...{ name, givenName, familyName, username, email, emailVerified, phoneNumber, locale, zoneinfo },
      createdAt: createdAt.toISOString(),
      lastSignInAt: lastSignInAt?.toISOString() ?? null,
    },
  };
  showAdminPage(ctx, parts, who, 'admin-account', model);
}
