// Invitations into one organization, for those who look after it: who was asked as what, and whether they came. Whether an address has an account is
// told nobody here: an invitation and its mail are the same for one that has and one that has not. The link is in the mail and nowhere else.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { type Invitations, invitationState } from '../../access/invitations.ts';
import { MEMBER_ROLES, type MemberRole, type Organization, rankOf } from '../../access/organizations.ts';
import { parseEmail } from '../../account/sign-in-name.ts';
import { hashToken } from '../../crypto/random.ts';
import { AppError, TooManyRequests } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminOrganizationInvitationsModel, FormProblems } from '../../http/page-model.ts';
import type { Administrator } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { causeBy, parameterOf, seeOther } from './admin-request.ts';
import {
  by,
  ORGANIZATIONS,
  type OrganizationDoorParts,
  organizationDoors,
  pathOf,
  withOwnPages,
} from './organization-door.ts';

const HOME = `${ORGANIZATIONS}/:id/invitations`;
const PAGE = 50;
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
const CREATE_FORM = z.strictObject({
  email: z.string().max(1000),
  role: z.enum(MEMBER_ROLES),
  locale: z.string().max(35),
});
/** Of one organization, whoever of its administrators invites. */
const OF_ORGANIZATION = { limit: 100, window: 24 * 3600 };
/** To one address, whoever invites it and whereto: nobody is written to over and over who did not ask for it (requirements M4). */
const TO_ADDRESS = { limit: 3, window: 3600 };
/** What somebody can do wrong on the form, by the code of the refusal. */
const PROBLEMS: Readonly<Record<string, 'email' | 'role'>> = {
  'already-member': 'email',
  'already-invited': 'email',
  'organization-rank': 'role',
};

export interface OrganizationInvitationsParts extends OrganizationDoorParts {
  readonly invitations: Invitations;
  readonly languages: readonly { readonly tag: string; readonly name: string }[];
  readonly pages: Pages;
}

type Form = z.infer<typeof CREATE_FORM>;
interface Failed {
  readonly form: Form;
  readonly problem: readonly [field: 'email' | 'role', code: string];
}

export function organizationInvitationsRoutes(parts: OrganizationInvitationsParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = organizationDoors(parts);
  const get = (ctx: RouterContext): Promise<Organization> => parts.organizations.get(String(ctx.params['id']));

  router.get(
    HOME,
    look(async (ctx, who) => showList(ctx, parts, who, await get(ctx))),
  );
  router.post(
    HOME,
    body,
    change(async (ctx, who) => invite(ctx, parts, who, await get(ctx))),
  );
  router.post(
    `${HOME}/:invitation/resend`,
    body,
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const organization = await get(ctx);
      const { id, email } = await parts.invitations.get(String(ctx.params['invitation']), organization.id);
      await parts.organizations.checkMayInvite(organization.id, 'member', by(who));
      await spend(parts, organization, email);
      await parts.invitations.resend(id, by(who), causeBy(ctx, who));
      seeOther(ctx, `${pathOf(organization)}/invitations?sent`);
    }),
  );
  router.post(
    `${HOME}/:invitation/revoke`,
    body,
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const organization = await get(ctx);
      const { id } = await parts.invitations.get(String(ctx.params['invitation']), organization.id);
      await parts.invitations.revoke(id, by(who), causeBy(ctx, who));
      seeOther(ctx, `${pathOf(organization)}/invitations?revoked`);
    }),
  );
  return router;
}

async function invite(
  ctx: RouterContext,
  parts: OrganizationInvitationsParts,
  who: Administrator,
  organization: Organization,
): Promise<void> {
  const form = parseForm(ctx, CREATE_FORM);
  const email = parseEmail(form.email);
  if (email === null) {
    await showList(ctx, parts, who, organization, { form, problem: ['email', 'invalid-email'] });
    return;
  }
  const { account } = who.session;
  const locale = parts.languages.find(({ tag }) => tag === form.locale)?.tag ?? account.locale ?? 'en';
  const input = { email, roles: [], organizationId: organization.id, organizationRole: form.role, locale };
  try {
    await parts.organizations.checkMayInvite(organization.id, form.role, by(who));
    await spend(parts, organization, email);
    await parts.invitations.create({ ...input, inviterName: account.name }, by(who), causeBy(ctx, who));
  } catch (error) {
    const field = error instanceof AppError ? PROBLEMS[error.code] : undefined;
    if (field === undefined || !(error instanceof AppError)) throw error;
    await showList(ctx, parts, who, organization, { form, problem: [field, error.code] });
    ctx.status = error.status === 403 ? 403 : 200;
    return;
  }
  seeOther(ctx, `${pathOf(organization)}/invitations?sent`);
}

/** Before the mail, and after whoever asks for it may: nobody spends what is not theirs. @throws TooManyRequests */
async function spend(parts: OrganizationInvitationsParts, { id }: Organization, email: string): Promise<void> {
  const address = hashToken('invited-address', email.toLowerCase());
  for (const [key, budget] of [
    [`invitation-of:${id}`, OF_ORGANIZATION],
    [`invitation-to:${address}`, TO_ADDRESS],
  ] as const) {
    const spending = await parts.budgets.spend(key, budget);
    if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
  }
}

async function showList(
  ctx: RouterContext,
  parts: OrganizationInvitationsParts,
  who: Administrator,
  organization: Organization,
  failed?: Failed,
): Promise<void> {
  const { id, name } = organization;
  const home = `${pathOf(organization)}/invitations`;
  const found = await parts.invitations.page({
    ...{ after: parameterOf(ctx, 'after'), limit: PAGE + 1, organizationId: id },
  });
  const shown = found.slice(0, PAGE);
  const last = found.length > PAGE ? shown.at(-1) : undefined;
  const inviters = await parts.accounts.namesOf(shown.flatMap(({ inviterId }) => inviterId ?? []));
  const roles = await givable(parts, who, id);
  const { account } = who.session;
  const [field, code] = failed?.problem ?? [];
  const model: AdminOrganizationInvitationsModel = {
    organization: { name, url: pathOf(organization) },
    action: home,
    invitations: shown.map((one) => {
      const state = invitationState(one);
      const role = (one.organizationRole ?? 'member') as MemberRole;
      const isChangeable = (state === 'open' || state === 'expired') && roles.includes(role) && one.roles.length === 0;
      return {
        ...{ id: one.id, email: one.email, memberRole: role, state, expiresAt: one.expiresAt.toISOString() },
        inviter: inviters.get(one.inviterId ?? '') ?? null,
        action: isChangeable ? `${home}/${one.id}` : null,
      };
    }),
    zone: account.zoneinfo,
    nextUrl: last ? `${home}?${new URLSearchParams({ after: last.id })}` : null,
    memberRoles: roles,
    mailLanguages: parts.languages.map(({ tag, name: language }) => ({ tag, name: language })),
    form: {
      email: failed?.form.email ?? '',
      memberRole: failed?.form.role ?? 'member',
      locale: failed?.form.locale ?? account.locale ?? parts.pages.locale(ctx),
    },
    done: ctx.query['sent'] === undefined ? (ctx.query['revoked'] === undefined ? null : 'revoked') : 'sent',
    errors:
      field === undefined
        ? NO_PROBLEMS
        : { summary: 'form.problem', fields: { [field]: `organization_invitations.problem.${code}` } },
  };
  showAdminPage(ctx, parts, withOwnPages(who), 'admin-organization-invitations', model);
}

/** The roles that may be given by this person; none for who only looks. */
async function givable(
  parts: OrganizationInvitationsParts,
  who: Administrator,
  id: string,
): Promise<readonly MemberRole[]> {
  const highest = await parts.organizations.highestInvited(id, by(who));
  return highest === null ? [] : MEMBER_ROLES.filter((role) => rankOf(role) <= rankOf(highest));
}
