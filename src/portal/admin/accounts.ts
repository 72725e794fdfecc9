// Accounts for administrators: the list, searched, filtered and a page at a time, and a new one. Its password is chosen by the person, behind a
// link that goes by mail.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { requirePermission } from '../../access/authority.ts';
import type { AccountRow, Accounts } from '../../account/accounts.ts';
import { AppError } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { AdminAccountsModel, FormProblems } from '../../http/page-model.ts';
import type { Database } from '../../storage/database.ts';
import { causeOf } from '../portal-session.ts';
import { offeredBulkActions } from './accounts-bulk.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { draftNewPasswordMail, type NewPasswordMailParts } from './new-password-mail.ts';

const HOME = '/admin/accounts';
const PAGE = 50;
const LONGEST_NAME = 255;
const NO_PROBLEMS: FormProblems = { fields: {} };
const FORM = z.strictObject({
  email: z.string().max(1000),
  name: z.string().max(1000),
  username: z.string().max(1000),
  locale: z.string().max(50),
});

export interface AdminAccountsParts extends AdminDoorParts, NewPasswordMailParts {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly languages: readonly { readonly tag: string; readonly name: string }[];
}

type Typed = z.infer<typeof FORM>;

export function adminAccountsRoutes(parts: AdminAccountsParts): Router {
  const router = new Router();
  const { look, change } = adminDoors(parts, HOME);
  router.get(
    HOME,
    look('accounts:read', (ctx, who) => showList(ctx, parts, who)),
  );
  router.post(
    HOME,
    formBody(),
    change('accounts:create', (ctx, who) => create(ctx, parts, who)),
  );
  return router;
}

async function showList(
  ctx: RouterContext,
  parts: AdminAccountsParts,
  who: Administrator,
  failed?: { readonly form: Typed; readonly errors: FormProblems; readonly status: number },
): Promise<void> {
  const [query, after] = [parameter(ctx, 'q'), parameter(ctx, 'after')];
  const status = parts.accounts.statuses.find((one) => one === parameter(ctx, 'status')) ?? null;
  const roles = [...(await parts.roles.definitions()).values()];
  const role = roles.find(({ id }) => id === parameter(ctx, 'role')) ?? null;
  const search = { query, status, roleId: role?.id ?? null, after, limit: PAGE + 1 };
  const found = await parts.accounts.search(search);
  const shown = found.slice(0, PAGE);
  const filters = { q: query, status: status ?? '', role: role?.id ?? '' };
  const last = found.length > PAGE ? shown.at(-1) : undefined;
  const { languages } = parts;
  const empty = { email: '', name: '', username: '', locale: parts.pages.locale(ctx) };
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
    create: who.authority.permissions.has('accounts:create')
      ? { ...(failed?.form ?? empty), languages: languages.map(({ tag, name }) => ({ tag, name })) }
      : null,
    isDeleted: ctx.query['deleted'] !== undefined,
    bulkActions: offeredBulkActions(who.authority.permissions),
    errors: failed?.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-accounts', model, { status: failed?.status ?? 200 });
}

async function create(ctx: RouterContext, parts: AdminAccountsParts, who: Administrator): Promise<void> {
  const form = parseForm(ctx, FORM);
  const [email, name, username] = [form.email.trim(), form.name.trim(), form.username.trim()];
  const fields = {
    ...(email === '' ? { email: 'admin_accounts.problem.invalid-email' } : {}),
    ...(name.length > LONGEST_NAME ? { name: 'register.problem.name' } : {}),
  };
  if (Object.keys(fields).length > 0) {
    await showList(ctx, parts, who, { form, errors: { summary: 'form.problem', fields }, status: 422 });
    return;
  }
  try {
    const { id } = await createMailed(ctx, parts, who, {
      ...{ email, locale: parts.languages.find(({ tag }) => tag === form.locale)?.tag },
      ...{ name: name === '' ? undefined : name, username: username === '' ? undefined : username },
    });
    ctx.status = 303;
    ctx.redirect(`${HOME}/${id}?done=create`);
  } catch (error) {
    if (!(error instanceof AppError) || error.field === undefined || !PROBLEMS.includes(error.code)) throw error;
    const errors = { summary: 'form.problem', fields: { [error.field]: `admin_accounts.problem.${error.code}` } };
    await showList(ctx, parts, who, { form, errors, status: error.status === 409 ? 409 : 422 });
  }
}

const PROBLEMS = ['invalid-email', 'email-taken', 'invalid-username', 'username-taken', 'reserved-username'];

interface NewAccount {
  readonly email: string;
  readonly name: string | undefined;
  readonly username: string | undefined;
  readonly locale: string | undefined;
}

/** The account and the mail, or neither of them. The address is not proven before its owner has answered the mail. */
async function createMailed(
  ctx: RouterContext,
  parts: AdminAccountsParts,
  who: Administrator,
  input: NewAccount,
): Promise<AccountRow> {
  const { accountId } = who.authority;
  const mail = await draftNewPasswordMail(ctx, parts, input.email, 'created');
  return parts.database.transaction(async (em) => {
    requirePermission(await parts.roles.authority(accountId, em), 'accounts:create');
    const account = await parts.accounts.create(input, causeOf(ctx, accountId), em);
    await mail(em, account);
    return account;
  });
}

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
function parameter(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= 200 && !value.includes('\0') ? value : '';
}
