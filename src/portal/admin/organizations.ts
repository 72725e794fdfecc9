// Organizations for administrators: the list, and one of them with its members. Who administers Latchkey sees all of them; an organization's own
// owners and administrators reach the pages of theirs and nothing else, and for everybody else there are no such pages.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { requirePermission } from '../../access/authority.ts';
import {
  MEMBER_ROLES,
  type Organization,
  type OrganizationInput,
  OWN_WAYS,
  rankOf,
} from '../../access/organizations.ts';
import type { LogoProblem } from '../../brand/logo.ts';
import { AppError, NotFound } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminOrganizationModel, AdminOrganizationsModel, FormProblems } from '../../http/page-model.ts';
import type { Upstreams } from '../../upstream/upstreams.ts';
import type { Administrator } from './admin-door.ts';
import { auditUrl, showAdminPage } from './admin-page.ts';
import { causeBy, parameterOf, seeOther, wordsOf } from './admin-request.ts';
import {
  by,
  ORGANIZATIONS as HOME,
  isInCharge,
  type OrganizationDoorParts,
  organizationDoors,
  pathOf,
  withOwnPages,
} from './organization-door.ts';

const PAGE = 50;
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
const CREATE_FORM = z.strictObject({ slug: z.string().max(200), name: z.string().max(1000) });
const UPDATE_FORM = z.strictObject({
  name: z.string().max(1000),
  domains: z.string().max(10_000).optional(),
  second_factor: z.literal('on').optional(),
  invitations: z.literal('on').optional(),
  domain_join: z.literal('on').optional(),
  limit_ways: z.literal('on').optional(),
  /** One or several boxes of one name. */
  way: z.union([z.string().max(50), z.array(z.string().max(50)).max(200)]).optional(),
  session_minutes: z.string().max(20).optional(),
});
const ROLE = z.enum(MEMBER_ROLES);
const ADD_FORM = z.strictObject({ login: z.string().max(1000), role: ROLE });
const ROLE_FORM = z.strictObject({ role: ROLE });
const LOGO_PROBLEMS: readonly LogoProblem[] = ['kind', 'large', 'side', 'broken'];
/** Refusals that the page itself says, by their codes: the field, or nothing for the whole page. */
const PROBLEMS: Readonly<Record<string, string | null>> = {
  'organization-slug': 'slug',
  'slug-taken': 'slug',
  'organization-name': 'name',
  'organization-domains': 'domains',
  'domain-taken': 'domains',
  'organization-ways': 'limit_ways',
  'organization-session': 'session_minutes',
  'unknown-account': 'login',
  'already-member': 'login',
  'last-organization-owner': null,
};

export interface AdminOrganizationsParts extends OrganizationDoorParts {
  readonly upstreams: Upstreams;
  readonly pages: Pages;
}

type CreateForm = z.infer<typeof CREATE_FORM>;
type Shown = Partial<Pick<AdminOrganizationModel, 'stage' | 'form' | 'login' | 'errors'>>;

export function adminOrganizationsRoutes(parts: AdminOrganizationsParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = organizationDoors(parts);
  const { organizations } = parts;
  const get = (ctx: RouterContext): Promise<Organization> => organizations.get(String(ctx.params['id']));

  router.get(
    HOME,
    look((ctx, who) => showList(ctx, parts, who)),
  );
  router.post(
    HOME,
    body,
    change((ctx, who) => create(ctx, parts, who)),
  );
  router.get(
    `${HOME}/:id`,
    look(async (ctx, who) => showOne(ctx, parts, who, await get(ctx))),
  );
  router.post(
    `${HOME}/:id`,
    body,
    change(async (ctx, who) => update(ctx, parts, who, await get(ctx))),
  );
  router.get(
    `${HOME}/:id/delete`,
    look(async (ctx, who) => {
      requirePermission(who.authority, 'organizations:write');
      await showOne(ctx, parts, who, await get(ctx), { stage: 'delete' });
    }),
  );
  router.post(
    `${HOME}/:id/delete`,
    body,
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      await organizations.delete((await get(ctx)).id, by(who), causeBy(ctx, who));
      seeOther(ctx, `${HOME}?deleted`);
    }),
  );
  router.post(
    `${HOME}/:id/members`,
    body,
    change(async (ctx, who) => {
      const form = parseForm(ctx, ADD_FORM);
      const organization = await get(ctx);
      // Before anything is looked up: only who may see every account is told whether there is one.
      requirePermission(who.authority, 'organizations:write');
      await orAgain(ctx, parts, who, organization, { login: form.login }, async () => {
        const account = await parts.accounts.findBySignInName(form.login.trim());
        if (!account) throw new NotFound('There is no such account.', { code: 'unknown-account' });
        await organizations.add(organization.id, account.id, form.role, by(who), causeBy(ctx, who));
      });
    }),
  );
  router.post(
    `${HOME}/:id/members/:account`,
    body,
    change(async (ctx, who) => {
      const { role } = parseForm(ctx, ROLE_FORM);
      const organization = await get(ctx);
      await orAgain(ctx, parts, who, organization, {}, () =>
        organizations.setRole(organization.id, String(ctx.params['account']), role, by(who), causeBy(ctx, who)),
      );
    }),
  );
  router.post(
    `${HOME}/:id/members/:account/remove`,
    body,
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const organization = await get(ctx);
      await orAgain(ctx, parts, who, organization, {}, () =>
        organizations.remove(organization.id, String(ctx.params['account']), by(who), causeBy(ctx, who)),
      );
    }),
  );
  return router;
}

async function showList(
  ctx: RouterContext,
  parts: AdminOrganizationsParts,
  who: Administrator,
  failed?: { readonly form: CreateForm; readonly errors: FormProblems },
): Promise<void> {
  const [query, after] = [parameterOf(ctx, 'q'), parameterOf(ctx, 'after')];
  const { permissions, accountId } = who.authority;
  const managedBy = permissions.has('organizations:read') ? null : accountId;
  const found = await parts.organizations.page({ query, after, limit: PAGE + 1, managedBy });
  const shown = found.slice(0, PAGE);
  const last = found.length > PAGE ? shown.at(-1) : undefined;
  const model: AdminOrganizationsModel = {
    query,
    organizations: shown.map(({ id, slug, name, members }) => ({ slug, name, members, url: pathOf({ id }) })),
    nextUrl: last ? `${HOME}?${new URLSearchParams({ q: query, after: last.slug })}` : null,
    create: permissions.has('organizations:write') ? (failed?.form ?? { slug: '', name: '' }) : null,
    isDeleted: ctx.query['deleted'] !== undefined,
    errors: failed?.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, withOwnPages(who), 'admin-organizations', model);
}

async function create(ctx: RouterContext, parts: AdminOrganizationsParts, who: Administrator): Promise<void> {
  const form = parseForm(ctx, CREATE_FORM);
  const input: OrganizationInput = {
    ...{ slug: form.slug.trim(), name: form.name.trim(), domains: [], secondFactorRequired: false },
  };
  try {
    const { id } = await parts.organizations.create(input, by(who), causeBy(ctx, who));
    seeOther(ctx, `${pathOf({ id })}?changed`);
  } catch (error) {
    await showList(ctx, parts, who, { form, errors: problemsOf(error) });
  }
}

async function update(
  ctx: RouterContext,
  parts: AdminOrganizationsParts,
  who: Administrator,
  organization: Organization,
): Promise<void> {
  const form = parseForm(ctx, UPDATE_FORM);
  const { domains = organization.domains.join('\n') } = form;
  const typed = {
    ...{ name: form.name, domains, secondFactor: form.second_factor === 'on' },
    invitations: form.invitations === 'on',
    domainJoin: form.domain_join === 'on',
    ...{
      limitWays: form.limit_ways === 'on',
      ways: [form.way ?? []].flat(),
      sessionMinutes: form.session_minutes ?? '',
    },
  };
  const minutes = typed.sessionMinutes.trim();
  const input = {
    name: form.name.trim(),
    domains: wordsOf(domains.toLowerCase()),
    secondFactorRequired: typed.secondFactor,
    invitationsAllowed: typed.invitations,
    domainJoin: typed.domainJoin,
    ways: typed.limitWays ? typed.ways : null,
    // What is no number is refused like one that is too small.
    sessionTtl: minutes === '' ? null : /^\d+$/.test(minutes) ? Number(minutes) * 60 : 0,
  };
  await orAgain(ctx, parts, who, organization, { form: typed }, () =>
    parts.organizations.update(organization.id, input, by(who), causeBy(ctx, who)),
  );
}

/** Does it and shows the page again, or says on the page why not. */
async function orAgain(
  ctx: RouterContext,
  parts: AdminOrganizationsParts,
  who: Administrator,
  organization: Organization,
  shown: Shown,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    await showOne(ctx, parts, who, organization, { ...shown, errors: problemsOf(error) });
    return;
  }
  // Whoever has taken out themselves sees nothing any more.
  const isGlobal = who.authority.permissions.has('organizations:read');
  const role = await parts.organizations.roleIn(organization.id, who.authority.accountId);
  seeOther(ctx, isGlobal || isInCharge(role) ? `${pathOf(organization)}?changed` : '/account');
}

async function showOne(
  ctx: RouterContext,
  parts: AdminOrganizationsParts,
  who: Administrator,
  organization: Organization,
  shown: Shown = {},
): Promise<void> {
  const { id, slug, name, logoUrl, domains, secondFactorRequired, invitationsAllowed, ways, sessionTtl } = organization;
  const { permissions, accountId } = who.authority;
  const isGlobal = permissions.has('organizations:write');
  const role = await parts.organizations.roleIn(id, accountId);
  const rank = isGlobal ? MEMBER_ROLES.length : isInCharge(role) && role !== null ? rankOf(role) : -1;
  const found = await parts.organizations.members(id, { after: parameterOf(ctx, 'after'), limit: PAGE + 1 });
  const members = found.slice(0, PAGE);
  const last = found.length > PAGE ? members.at(-1) : undefined;
  const model: AdminOrganizationModel = {
    id,
    slug,
    name,
    action: pathOf(organization),
    invitationsUrl: `${pathOf(organization)}/invitations`,
    rolesUrl: `${pathOf(organization)}/roles`,
    logoUrl,
    stage: shown.stage ?? 'detail',
    canWrite: rank >= rankOf('owner'),
    canSetDomains: isGlobal,
    canAdd: isGlobal,
    canDelete: isGlobal,
    members: members.map((one) => ({
      id: one.accountId,
      name: one.name ?? one.username ?? one.email ?? one.accountId,
      email: one.email,
      memberRole: one.role,
      customRoles: one.customRoles,
      rolesUrl: `${pathOf(organization)}/members/${one.accountId}`,
      url: permissions.has('accounts:read') ? `/admin/accounts/${one.accountId}` : null,
      action: rank >= rankOf(one.role) ? `${pathOf(organization)}/members/${one.accountId}` : null,
    })),
    nextUrl: last ? `${pathOf(organization)}?${new URLSearchParams({ after: last.accountId })}` : null,
    memberRoles: MEMBER_ROLES.filter((one) => rankOf(one) <= rank),
    ownWays: OWN_WAYS,
    upstreamWays: parts.upstreams.list().map((one) => ({ way: `upstream:${one.id}`, label: one.label })),
    login: shown.login ?? '',
    isChanged: ctx.query['changed'] !== undefined,
    auditUrl: auditUrl(who, { target: id }),
    form: shown.form ?? {
      name,
      domains: domains.join('\n'),
      secondFactor: secondFactorRequired,
      invitations: invitationsAllowed,
      domainJoin: organization.domainJoin,
      limitWays: ways !== null,
      ways: ways ?? [],
      sessionMinutes: sessionTtl === null ? '' : String(sessionTtl / 60),
    },
    errors: shown.errors ?? logoProblem(ctx),
  };
  showAdminPage(ctx, parts, withOwnPages(who), 'admin-organization', model);
}

/** What was wrong with an upload: its form leads back here. */
function logoProblem(ctx: RouterContext): FormProblems {
  const problem = LOGO_PROBLEMS.find((one) => one === ctx.query['logo']);
  if (problem === undefined) return NO_PROBLEMS;
  return { summary: 'form.problem', fields: { logo: `admin_brand.problem.logo_${problem}` } };
}

/** @throws what is no matter of the form */
function problemsOf(error: unknown): FormProblems {
  const field = error instanceof AppError ? PROBLEMS[error.code] : undefined;
  if (field === undefined || !(error instanceof AppError)) throw error;
  const key = `admin_organization.problem.${error.code}`;
  return field === null ? { summary: key, fields: {} } : { summary: 'form.problem', fields: { [field]: key } };
}
