// The roles that an organization makes for its apps, and the page on which a member gets some of them. Owners make and delete them; whoever looks
// after the organization gives those that are theirs to give.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { OrganizationRole, OrganizationRoles } from '../../access/organization-roles.ts';
import { MEMBER_ROLES, type Organization, rankOf } from '../../access/organizations.ts';
import { AppError, NotFound } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminOrganizationMemberModel, AdminOrganizationRolesModel, FormProblems } from '../../http/page-model.ts';
import type { Administrator } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { causeBy, seeOther } from './admin-request.ts';
import {
  by,
  isInCharge,
  ORGANIZATIONS,
  type OrganizationDoorParts,
  organizationDoors,
  pathOf,
  withOwnPages,
} from './organization-door.ts';

const HOME = `${ORGANIZATIONS}/:id/roles`;
const MEMBER = `${ORGANIZATIONS}/:id/members/:account`;
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
const CREATE_FORM = z.strictObject({
  role: z.string().max(200),
  name: z.string().max(1000),
  given_by: z.enum(['owner', 'admin']),
});
/** One or several boxes of one name. */
const GIVE_FORM = z.strictObject({
  role: z.union([z.string().max(32), z.array(z.string().max(32)).max(100)]).optional(),
});
const PROBLEMS: Readonly<Record<string, 'role' | 'name' | null>> = {
  'role-id': 'role',
  'role-taken': 'role',
  'role-name': 'name',
  'too-many-roles': null,
};

export interface OrganizationRolesParts extends OrganizationDoorParts {
  readonly organizationRoles: OrganizationRoles;
  readonly pages: Pages;
}

export function organizationRolesRoutes(parts: OrganizationRolesParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = organizationDoors(parts);
  const { organizationRoles } = parts;
  const get = (ctx: RouterContext): Promise<Organization> => parts.organizations.get(String(ctx.params['id']));
  const homeOf = (organization: Organization): string => `${pathOf(organization)}/roles`;

  router.get(
    HOME,
    look(async (ctx, who) => showRoles(ctx, parts, who, await get(ctx))),
  );
  router.post(
    HOME,
    body,
    change(async (ctx, who) => create(ctx, parts, who, await get(ctx))),
  );
  router.get(
    `${HOME}/:role/delete`,
    look(async (ctx, who) => {
      const organization = await get(ctx);
      const found = (await organizationRoles.list(organization.id)).find(({ id }) => id === ctx.params['role']);
      if (!found) throw new NotFound('There is no such role.', { code: 'unknown-role' });
      await showRoles(ctx, parts, who, organization, { deleting: { name: found.name, action: ctx.path } });
    }),
  );
  router.post(
    `${HOME}/:role/delete`,
    body,
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const organization = await get(ctx);
      await organizationRoles.remove(organization.id, String(ctx.params['role']), by(who), causeBy(ctx, who));
      seeOther(ctx, `${homeOf(organization)}?changed`);
    }),
  );
  router.get(
    MEMBER,
    look(async (ctx, who) => showMember(ctx, parts, who, await get(ctx))),
  );
  router.post(
    `${MEMBER}/roles`,
    body,
    change(async (ctx, who) => {
      const { role } = parseForm(ctx, GIVE_FORM);
      const organization = await get(ctx);
      const account = String(ctx.params['account']);
      const given = [role ?? []].flat();
      await organizationRoles.assign(organization.id, account, given, by(who), causeBy(ctx, who));
      seeOther(ctx, `${pathOf(organization)}?changed`);
    }),
  );
  return router;
}

async function create(
  ctx: RouterContext,
  parts: OrganizationRolesParts,
  who: Administrator,
  organization: Organization,
): Promise<void> {
  const form = parseForm(ctx, CREATE_FORM);
  const role: OrganizationRole = { id: form.role.trim(), name: form.name.trim(), givenBy: form.given_by };
  try {
    await parts.organizationRoles.create(organization.id, role, by(who), causeBy(ctx, who));
  } catch (error) {
    const field = error instanceof AppError ? PROBLEMS[error.code] : undefined;
    if (field === undefined || !(error instanceof AppError)) throw error;
    const key = `organization_roles.problem.${error.code}`;
    const errors =
      field === null ? { summary: key, fields: {} } : { summary: 'form.problem', fields: { [field]: key } };
    await showRoles(ctx, parts, who, organization, { form: role, errors });
    return;
  }
  seeOther(ctx, `${pathOf(organization)}/roles?changed`);
}

/** What this person may do in the organization, as the rules ask it; less than nothing for who only looks. */
async function rankOfVisitor(
  parts: OrganizationRolesParts,
  { authority }: Administrator,
  organization: Organization,
): Promise<number> {
  if (authority.permissions.has('organizations:write')) return MEMBER_ROLES.length;
  const role = await parts.organizations.roleIn(organization.id, authority.accountId);
  return role !== null && isInCharge(role) ? rankOf(role) : -1;
}

async function showRoles(
  ctx: RouterContext,
  parts: OrganizationRolesParts,
  who: Administrator,
  organization: Organization,
  shown: Partial<Pick<AdminOrganizationRolesModel, 'form' | 'errors' | 'deleting'>> = {},
): Promise<void> {
  const home = `${pathOf(organization)}/roles`;
  const canWrite = (await rankOfVisitor(parts, who, organization)) >= rankOf('owner');
  const roles = await parts.organizationRoles.list(organization.id);
  const model: AdminOrganizationRolesModel = {
    organization: { name: organization.name, url: pathOf(organization) },
    action: home,
    roles: roles.map(({ id, name, givenBy }) => ({
      ...{ id, name, memberRole: givenBy },
      deleteUrl: canWrite ? `${home}/${id}/delete` : null,
    })),
    deleting: shown.deleting ?? null,
    form: canWrite ? (shown.form ?? { id: '', name: '', givenBy: 'owner' }) : null,
    isChanged: ctx.query['changed'] !== undefined,
    errors: shown.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, withOwnPages(who), 'admin-organization-roles', model);
}

async function showMember(
  ctx: RouterContext,
  parts: OrganizationRolesParts,
  who: Administrator,
  organization: Organization,
): Promise<void> {
  const member = await parts.organizations.findMember(organization.id, String(ctx.params['account']));
  if (!member) throw new NotFound('This account does not belong to it.', { code: 'not-a-member' });
  const rank = await rankOfVisitor(parts, who, organization);
  const mayChange = rank >= rankOf(member.role);
  const roles = await parts.organizationRoles.list(organization.id);
  const model: AdminOrganizationMemberModel = {
    organization: { name: organization.name, url: pathOf(organization) },
    name: member.name ?? member.username ?? member.email ?? member.accountId,
    email: member.email,
    memberRole: member.role,
    roles: roles.map(({ id, name, givenBy }) => ({
      ...{ id, name, isHeld: member.customRoles.includes(id) },
      isOpen: mayChange && rank >= rankOf(givenBy),
    })),
    action: mayChange ? `${ctx.path}/roles` : null,
  };
  showAdminPage(ctx, parts, withOwnPages(who), 'admin-organization-member', model);
}
