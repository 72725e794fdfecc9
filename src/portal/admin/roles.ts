// Roles for administrators: what each of them may do, how high it ranks and how many hold it. Roles of Latchkey's own and those that the settings
// declare are shown; an operator's own are made, changed and deleted here, by nobody beyond the own rank and rights.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { requireRoleRank } from '../../access/authority.ts';
import { isPermission, PERMISSIONS, type RoleDefinition, withInherited } from '../../access/permission.ts';
import type { RoleInput } from '../../access/roles.ts';
import { AppError, InvalidRequest, NotFound } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminRoleModel, AdminRolesModel, FormProblems } from '../../http/page-model.ts';
import type { Database } from '../../storage/database.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { auditUrl, showAdminPage } from './admin-page.ts';
import { causeBy, seeOther, wordsOf } from './admin-request.ts';

const HOME = '/admin/roles';
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
/** What a form may say wrongly, by the code of the refusal, and the field that says it. */
const PROBLEMS: Readonly<Record<string, string>> = {
  'role-id': 'id',
  'role-rank': 'rank',
  'role-inherits': 'rank',
  'role-permission': 'api_permissions',
  'role-taken': 'id',
};

export interface AdminRolesParts extends AdminDoorParts {
  readonly database: Database;
  readonly pages: Pages;
}

type All = ReadonlyMap<string, RoleDefinition>;
type Form = AdminRoleModel['form'];
type Shown = Partial<Pick<AdminRoleModel, 'stage' | 'form' | 'errors'>>;

export function adminRolesRoutes(parts: AdminRolesParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = adminDoors(parts, HOME);
  const get = async (ctx: RouterContext): Promise<[All, RoleDefinition]> => {
    const all = await parts.roles.definitions();
    const role = all.get(String(ctx.params['id']));
    if (!role) throw new NotFound('There is no such role.', { code: 'unknown-role' });
    return [all, role];
  };

  router.get(
    HOME,
    look('roles:read', (ctx, who) => showList(ctx, parts, who)),
  );
  router.get(
    `${HOME}/new`,
    look('roles:write', async (ctx, who) => showOne(ctx, parts, who, await parts.roles.definitions(), null)),
  );
  router.post(
    `${HOME}/new`,
    body,
    change('roles:write', async (ctx, who) => save(ctx, parts, who, await parts.roles.definitions(), null)),
  );
  router.get(
    `${HOME}/:id`,
    look('roles:read', async (ctx, who) => showOne(ctx, parts, who, ...(await get(ctx)))),
  );
  router.post(
    `${HOME}/:id`,
    body,
    change('roles:write', async (ctx, who) => save(ctx, parts, who, ...(await get(ctx)))),
  );
  router.get(
    `${HOME}/:id/delete`,
    look('roles:write', async (ctx, who) => {
      const [all, role] = await get(ctx);
      await showOne(ctx, parts, who, all, role, role.source === 'database' ? { stage: 'delete' } : {});
    }),
  );
  router.post(
    `${HOME}/:id/delete`,
    body,
    change('roles:write', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const [all, role] = await get(ctx);
      try {
        await parts.database.transaction(async (em) => {
          const authority = await parts.roles.authority(who.authority.accountId, em);
          requireRoleRank(authority, role, reachOf(role, await parts.roles.definitions(em)));
          await parts.roles.remove(em, role.id, causeBy(ctx, who));
        });
        seeOther(ctx, `${HOME}?deleted`);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'role-in-use') throw error;
        await showOne(ctx, parts, who, all, role, {
          errors: { summary: 'admin_role.problem.in-use', fields: {} },
        });
      }
    }),
  );
  return router;
}

async function showList(ctx: RouterContext, parts: AdminRolesParts, who: Administrator): Promise<void> {
  const all = await parts.roles.definitions();
  const holders = await parts.roles.holders();
  const own = [...all.values()].filter((role) => role.audience === null);
  const reach = own.map((role) => new Set(reachOf(role, all)));
  const model: AdminRolesModel = {
    roles: [...all.values()].map((role) => ({
      id: role.id,
      name: role.name,
      url: pathOf(role.id),
      rank: role.rank,
      source: role.source,
      audience: role.audience,
      holders: holders.get(role.id) ?? 0,
      holdersUrl: holdersUrl(who, role.id),
    })),
    columns: own.map((role) => role.name),
    permissions: PERMISSIONS.map((name) => ({ name, has: reach.map((set) => set.has(name)) })),
    createUrl: who.authority.permissions.has('roles:write') ? `${HOME}/new` : null,
    isDeleted: ctx.query['deleted'] !== undefined,
  };
  showAdminPage(ctx, parts, who, 'admin-roles', model);
}

async function showOne(
  ctx: RouterContext,
  parts: AdminRolesParts,
  who: Administrator,
  all: All,
  role: RoleDefinition | null,
  shown: Shown = {},
): Promise<void> {
  const form = shown.form ?? formOf(role);
  const inherited = new Set(role === null ? [] : reachOf({ ...role, permissions: [] }, all));
  const mayWrite = who.authority.permissions.has('roles:write') && (role === null || isWithin(who, role, all));
  const model: AdminRoleModel = {
    stage: shown.stage ?? (role === null ? 'new' : 'detail'),
    id: role?.id ?? null,
    name: role?.name ?? '',
    action: role === null ? `${HOME}/new` : pathOf(role.id),
    source: role?.source ?? 'database',
    audience: role?.audience ?? null,
    canWrite: (role === null || role.source === 'database') && mayWrite,
    holders: role === null ? 0 : ((await parts.roles.holders()).get(role.id) ?? 0),
    holdersUrl: role === null ? null : holdersUrl(who, role.id),
    inheritable: [...all.values()]
      .filter((one) => one.id !== role?.id)
      .map((one) => ({ id: one.id, name: one.name, isChosen: form.inherits.includes(one.id) })),
    permissions: PERMISSIONS.map((name) => ({
      name,
      isChosen: form.permissions.includes(name),
      isInherited: inherited.has(name),
    })),
    isChanged: ctx.query['changed'] !== undefined,
    auditUrl: role === null ? null : auditUrl(who, { target: role.id }),
    form,
    errors: shown.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-role', model);
}

async function save(
  ctx: RouterContext,
  parts: AdminRolesParts,
  who: Administrator,
  all: All,
  known: RoleDefinition | null,
): Promise<void> {
  const form = readForm(ctx, all, known);
  const input = inputOf(form);
  try {
    if (input.name === '') throw new InvalidRequest('A role has a name.', { code: 'role-name' });
    if (known === null && (all.has(input.id) || input.id === 'new')) {
      throw new InvalidRequest('There is a role with this id.', { code: 'role-taken' });
    }
    await parts.database.transaction(async (em) => {
      const authority = await parts.roles.authority(who.authority.accountId, em);
      const now = await parts.roles.definitions(em);
      // What it stands for until now, and what it is to stand for.
      if (known) requireRoleRank(authority, known, reachOf(known, now));
      requireRoleRank(authority, input, reachOf({ ...input, source: 'database' }, now));
      await parts.roles.save(em, input, causeBy(ctx, who));
    });
  } catch (error) {
    const isRefused = error instanceof AppError && error.status < 500 && error.status !== 409;
    if (!isRefused) throw error;
    const field = error.code === 'role-name' ? 'name' : PROBLEMS[error.code];
    if (field === undefined && error.status !== 403) throw error;
    const key = `admin_role.problem.${error.code}`;
    const fields = field === undefined ? {} : { [field]: key };
    await showOne(ctx, parts, who, all, known, {
      form,
      errors: { summary: field === undefined ? key : 'form.problem', fields },
    });
    if (error.status === 403) ctx.status = 403;
    return;
  }
  seeOther(ctx, `${pathOf(input.id)}?changed`);
}

/** Boxes have a field each, since a field that is repeated is refused. */
function readForm(ctx: RouterContext, all: All, known: RoleDefinition | null): Form {
  const box = z.literal('on').optional();
  const boxes = [...PERMISSIONS.map((one) => `may_${one}`), ...[...all.keys()].map((one) => `inherits_${one}`)];
  const form = parseForm(
    ctx,
    z.strictObject({
      ...(known === null ? { id: z.string().max(200) } : {}),
      name: z.string().max(1000),
      rank: z.enum(['0', '1', '2', '3', '4', '5']),
      audience: z.string().max(1000),
      api_permissions: z.string().max(10_000),
      ...Object.fromEntries(boxes.map((name) => [name, box])),
    }),
  ) as Record<string, string | undefined>;
  return {
    id: known?.id ?? (form['id'] ?? '').trim(),
    name: form['name'] ?? '',
    rank: form['rank'] ?? '0',
    audience: form['audience'] ?? '',
    apiPermissions: form['api_permissions'] ?? '',
    inherits: [...all.keys()].filter((one) => form[`inherits_${one}`] === 'on'),
    permissions: PERMISSIONS.filter((one) => form[`may_${one}`] === 'on'),
  };
}

/** A role of an API takes nothing of ours, and one of ours nothing of an API. */
function inputOf(form: Form): RoleInput {
  const audience = form.audience.trim() === '' ? null : form.audience.trim();
  return {
    id: form.id,
    name: form.name.trim().slice(0, 200),
    rank: audience === null ? Number(form.rank) : 0,
    inherits: form.inherits,
    permissions: audience === null ? form.permissions : wordsOf(form.apiPermissions),
    audience,
  };
}

function formOf(role: RoleDefinition | null): Form {
  const permissions = role?.permissions ?? [];
  return {
    id: role?.id ?? '',
    name: role?.name ?? '',
    rank: String(role?.rank ?? 0),
    audience: role?.audience ?? '',
    inherits: role?.inherits ?? [],
    permissions: role?.audience === null ? permissions.filter(isPermission) : [],
    apiPermissions: role?.audience === null ? '' : permissions.join('\n'),
  };
}

/** Whether the rule of ranks lets this administrator touch the role; asked again when it is. */
function isWithin(who: Administrator, role: RoleDefinition, all: All): boolean {
  try {
    requireRoleRank(who.authority, role, reachOf(role, all));
    return true;
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
}

function reachOf(role: RoleDefinition, all: All): readonly string[] {
  const everything = new Map([...all, [role.id, role]]);
  return [...new Set(withInherited([role.id], everything).flatMap((one) => one.permissions))];
}

function holdersUrl(who: Administrator, id: string): string | null {
  return who.authority.permissions.has('accounts:read') ? `/admin/accounts?${new URLSearchParams({ role: id })}` : null;
}

function pathOf(id: string): string {
  return `${HOME}/${encodeURIComponent(id)}`;
}
