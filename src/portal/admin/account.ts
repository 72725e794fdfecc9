// One account for administrators: what it is, how it can prove itself, where it is signed in, which apps it allowed, what happened and which roles
// it holds; and the page of each act, with the reason that it asks for. What the acts do is in account-actions.ts.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { mayGiveRole, requirePermission, requireRank } from '../../access/authority.ts';
import { type Permission, type RoleDefinition, withInherited } from '../../access/permission.ts';
import type { AccountRow } from '../../account/accounts.ts';
import type { LinkedIdentities } from '../../account/linked-identities.ts';
import { MOST_NOTE } from '../../audit/audit.ts';
import type { History } from '../../audit/history.ts';
import type { Clients } from '../../client/clients.ts';
import { Conflict, NotFound } from '../../errors.ts';
import { deviceOf } from '../../http/asker.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type {
  AdminAccountActionModel,
  AdminAccountModel,
  AdminAccountSections,
  FormProblems,
} from '../../http/page-model.ts';
import type { Consents } from '../../oidc/consents.ts';
import type { Upstreams } from '../../upstream/upstreams.ts';
import { causeOf } from '../portal-session.ts';
import {
  ACCOUNT_ACTIONS,
  type AccountAction,
  type AccountActionParts,
  isOffered,
  permissionFor,
  refuseOwn,
  runAccountAction,
} from './account-actions.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { draftNewPasswordMail, type NewPasswordMailParts } from './new-password-mail.ts';

const HOME = '/admin/accounts';
const EVENTS = 50;
const LONGEST_NAME = 255;
const NO_PROBLEMS: FormProblems = { fields: {} };

type Section = keyof AdminAccountSections;

/** In the order of the page: what one needs to see it, and what can be done there. */
const SECTIONS: Readonly<
  Record<Section, { readonly permission: Permission; readonly actions: readonly AccountAction[] }>
> = {
  profile: { permission: 'accounts:read', actions: ['edit', 'disable', 'enable', 'restore', 'delete'] },
  credentials: { permission: 'accounts:read', actions: ['unlock', 'reset', 'reset-credentials'] },
  sessions: { permission: 'sessions:read', actions: ['sign-out', 'end-session'] },
  apps: { permission: 'accounts:read', actions: [] },
  events: { permission: 'audit:read', actions: [] },
  roles: { permission: 'accounts:read', actions: [] },
};

const REASON = z.string().max(5000);
const FORM = z.strictObject({ reason: REASON });
const ROLE_FORM = z.strictObject({ reason: REASON, role: z.string().max(100) });
const EDIT_FORM = z.strictObject({
  reason: REASON,
  name: z.string().max(1000),
  given_name: z.string().max(1000),
  family_name: z.string().max(1000),
});

export interface AdminAccountParts extends AdminDoorParts, AccountActionParts, NewPasswordMailParts {
  readonly identities: LinkedIdentities;
  readonly upstreams: Upstreams;
  readonly clients: Clients;
  readonly consents: Consents;
  readonly history: History;
}

type Typed = AdminAccountActionModel['form'];

export function adminAccountRoutes(parts: AdminAccountParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, prove, change } = adminDoors(parts, HOME);
  for (const section of Object.keys(SECTIONS) as Section[]) {
    router.get(
      section === 'profile' ? `${HOME}/:id` : `${HOME}/:id/${section}`,
      look(SECTIONS[section].permission, async (ctx, who) => showSection(ctx, parts, who, section)),
    );
  }
  for (const action of ACCOUNT_ACTIONS) {
    router.get(
      pathOf(':id', action),
      prove(permissionFor(action), async (ctx, who) => {
        const account = await getAccount(ctx, parts);
        await checkReach(parts, who, action, account);
        if (action === 'end-session' && (await findSession(ctx, parts, account)) === null) {
          throw new NotFound('There is no such session.', { code: 'session-not-found' });
        }
        const { role } = ctx.query;
        const form = { ...storedForm(account), role: typeof role === 'string' ? role : '' };
        await showAction(ctx, parts, who, action, account, { form });
      }),
    );
    router.post(
      pathOf(':id', action),
      body,
      change(permissionFor(action), (ctx, who) => submitAction(ctx, parts, who, action)),
    );
  }
  return router;
}

/** @param session of what is done to one */
function pathOf(id: string, action: AccountAction, session = ':session'): string {
  return action === 'end-session' ? `${HOME}/${id}/sessions/${session}/end` : `${HOME}/${id}/${action}`;
}

/** @throws NotFound */
async function getAccount(ctx: RouterContext, parts: AdminAccountParts): Promise<AccountRow> {
  const found = await parts.accounts.findById(String(ctx.params['id']));
  if (!found) throw new NotFound('There is no such account.', { code: 'account-not-found' });
  return found;
}

/** The form is not even shown to who may not send it. @throws Conflict, Forbidden */
async function checkReach(
  parts: AdminAccountParts,
  who: Administrator,
  action: AccountAction,
  account: AccountRow,
): Promise<void> {
  refuseOwn(action, who.authority.accountId, account.id);
  requireRank(who.authority, { rank: await parts.roles.rankHeldBy(account.id) });
}

async function showSection(
  ctx: RouterContext,
  parts: AdminAccountParts,
  who: Administrator,
  section: Section,
): Promise<void> {
  const account = await getAccount(ctx, parts);
  const url = `${HOME}/${account.id}`;
  const { rank, permissions, accountId } = who.authority;
  const isOwn = accountId === account.id;
  const isAbove = (await parts.roles.rankHeldBy(account.id)) > rank;
  const { done } = ctx.query;
  const actions = isAbove
    ? []
    : SECTIONS[section].actions.filter((action) => isOffered(action, account, permissions, isOwn));
  const mayGive = section === 'roles' && !isAbove && (await givable(parts, who, account)).length > 0;
  const model: AdminAccountModel = {
    id: account.id,
    url,
    name: nameOf(account),
    status: account.status,
    zone: who.session.account.zoneinfo,
    ...{ isOwn, isAbove, section },
    sections: (Object.keys(SECTIONS) as Section[])
      .filter((one) => permissions.has(SECTIONS[one].permission))
      .map((one) => ({ section: one, url: one === 'profile' ? url : `${url}/${one}` })),
    actions: [...actions, ...(mayGive ? (['give-role'] as const) : [])].map((act) => ({ act, url: `${url}/${act}` })),
    done: [...ACCOUNT_ACTIONS, 'create'].find((one) => one === done) ?? null,
    shown: await read(ctx, parts, who, section, account, isAbove),
  };
  showAdminPage(ctx, parts, who, 'admin-account', model);
}

async function read(
  ctx: RouterContext,
  parts: AdminAccountParts,
  who: Administrator,
  section: Section,
  account: AccountRow,
  isAbove: boolean,
): Promise<Partial<AdminAccountSections>> {
  const { permissions } = who.authority;
  switch (section) {
    case 'profile':
      return { profile: await readProfile(parts, account) };
    case 'credentials':
      return { credentials: await readCredentials(parts, account) };
    case 'sessions':
      return { sessions: await readSessions(parts, account, !isAbove && permissions.has('sessions:revoke')) };
    case 'apps':
      return { apps: await readApps(parts, who, account) };
    case 'events':
      return { events: await readEvents(ctx, parts, account) };
    default:
      return { roles: await readRoles(parts, who, account, isAbove) };
  }
}

async function readProfile(parts: AdminAccountParts, account: AccountRow): Promise<AdminAccountSections['profile']> {
  const { createdAt, lastSignInAt, purgeAt } = await parts.accounts.getTimes(account.id);
  const { name, givenName, familyName, username, email, emailVerified, phoneNumber, locale, zoneinfo } = account;
  return {
    ...{ name, givenName, familyName, username, email, emailVerified, phoneNumber, locale, zoneinfo },
    createdAt: createdAt.toISOString(),
    lastSignInAt: lastSignInAt?.toISOString() ?? null,
    purgeAt: purgeAt?.toISOString() ?? null,
  };
}

async function readCredentials(
  parts: AdminAccountParts,
  account: AccountRow,
): Promise<AdminAccountSections['credentials']> {
  const { hasPassword, totp, recoveryCodes, waysIn, passkeys } = await parts.factors.overview(account.id);
  const identities = await parts.identities.list(account.id);
  return {
    ...{ hasPassword, recoveryCodes, waysIn },
    hasAuthenticator: totp !== null,
    passkeys: passkeys.map(({ name, provider, createdAt, lastUsedAt }) => ({
      ...{ name, provider },
      createdAt: createdAt.toISOString(),
      lastUsedAt: lastUsedAt?.toISOString() ?? null,
    })),
    identities: identities.map((one) => ({
      label: parts.upstreams.labelOf(one.upstream),
      name: one.email ?? one.username,
      linkedAt: one.linkedAt.toISOString(),
      lastUsedAt: one.lastUsedAt?.toISOString() ?? null,
    })),
  };
}

async function readSessions(
  parts: AdminAccountParts,
  account: AccountRow,
  canEnd: boolean,
): Promise<AdminAccountSections['sessions']> {
  const found = await parts.sessionsAndGrants.list(account);
  return Promise.all(
    found.map(async (one) => ({
      ...deviceOf(one.userAgent),
      ...{ id: one.id, name: one.name, methods: one.methods },
      address: one.address === 'unknown' ? null : one.address,
      apps: await Promise.all(one.engine.clients.map(({ clientId }) => clientName(parts, clientId))),
      firstSeen: new Date(one.createdAt).toISOString(),
      lastSeen: new Date(one.lastUsedAt).toISOString(),
      endUrl: canEnd ? pathOf(account.id, 'end-session', one.id) : null,
    })),
  );
}

/** The one that the address names; null when it has ended. */
async function findSession(
  ctx: RouterContext,
  parts: AdminAccountParts,
  account: AccountRow,
): Promise<AdminAccountActionModel['session']> {
  const found = (await parts.sessionsAndGrants.list(account)).find(({ id }) => id === ctx.params['session']);
  if (!found) return null;
  const address = found.address === 'unknown' ? null : found.address;
  return { ...deviceOf(found.userAgent), name: found.name, address };
}

async function readApps(
  parts: AdminAccountParts,
  who: Administrator,
  account: AccountRow,
): Promise<AdminAccountSections['apps']> {
  const found = await parts.consents.list(account.id);
  return Promise.all(
    found.map(async ({ clientId, scope, createdAt }) => ({
      ...{ id: clientId, name: await clientName(parts, clientId), scope },
      url: who.authority.permissions.has('clients:read') ? `/admin/clients/${encodeURIComponent(clientId)}` : null,
      createdAt: new Date(createdAt).toISOString(),
    })),
  );
}

async function clientName(parts: AdminAccountParts, clientId: string): Promise<string> {
  return (await parts.clients.find(clientId))?.metadata.client_name ?? clientId;
}

async function readEvents(
  ctx: RouterContext,
  parts: AdminAccountParts,
  account: AccountRow,
): Promise<AdminAccountSections['events']> {
  const { before } = ctx.query;
  const from = typeof before === 'string' && /^\d{1,18}$/.test(before) ? before : null;
  const page = await parts.history.list({ accountId: account.id }, EVENTS, from);
  return {
    entries: page.entries.map(({ id, at, action, actorKind, actorId, result, reason, note, network }) => ({
      ...{ id, action, actorKind, result, reason, note, network },
      at: at.toISOString(),
      actorUrl: actorKind === 'account' && actorId !== null ? `${HOME}/${actorId}` : null,
    })),
    auditUrl: `/admin/audit?${new URLSearchParams({ target: account.id })}`,
    nextUrl: page.before === null ? null : `${HOME}/${account.id}/events?before=${page.before}`,
  };
}

async function readRoles(
  parts: AdminAccountParts,
  who: Administrator,
  account: AccountRow,
  isAbove: boolean,
): Promise<AdminAccountSections['roles']> {
  const all = await parts.roles.definitions();
  const held = await parts.roles.list(account.id);
  return held
    .flatMap((id) => all.get(id) ?? [])
    .map((role) => ({
      ...{ id: role.id, name: role.name, rank: role.rank, audience: role.audience },
      takeUrl:
        !isAbove && isWithinReach(who, role, all)
          ? `${HOME}/${account.id}/take-role?${new URLSearchParams({ role: role.id })}`
          : null,
    }));
}

/** Roles that this administrator may give to the account and that it does not have. */
async function givable(
  parts: AdminAccountParts,
  who: Administrator,
  account: AccountRow,
): Promise<readonly RoleDefinition[]> {
  const all = await parts.roles.definitions();
  const held = await parts.roles.list(account.id);
  return [...all.values()].filter((role) => !held.includes(role.id) && isWithinReach(who, role, all));
}

function isWithinReach(who: Administrator, role: RoleDefinition, all: ReadonlyMap<string, RoleDefinition>): boolean {
  return mayGiveRole(
    who.authority,
    role,
    withInherited([role.id], all).flatMap((one) => one.permissions),
  );
}

async function showAction(
  ctx: RouterContext,
  parts: AdminAccountParts,
  who: Administrator,
  action: AccountAction,
  account: AccountRow,
  state: { readonly form: Typed; readonly errors?: FormProblems; readonly status?: number },
): Promise<void> {
  const all = await parts.roles.definitions();
  const choice = async (): Promise<readonly RoleDefinition[] | null> => {
    if (action === 'give-role') return givable(parts, who, account);
    if (action !== 'take-role') return null;
    const held = await parts.roles.list(account.id);
    return held.flatMap((id) => all.get(id) ?? []).filter((role) => isWithinReach(who, role, all));
  };
  const roles = await choice();
  if (roles?.length === 0 && state.errors === undefined) {
    // Nothing to choose from: the page would be a form that cannot be sent.
    requirePermission(who.authority, 'admins:write');
  }
  const model: AdminAccountActionModel = {
    name: nameOf(account),
    act: action,
    url: pathOf(account.id, action, String(ctx.params['session'])),
    backUrl: `${HOME}/${account.id}`,
    hasEmail: account.email !== null,
    session: action === 'end-session' ? await findSession(ctx, parts, account) : null,
    roles: roles?.map(({ id, name }) => ({ id, name })) ?? null,
    mostReason: MOST_NOTE,
    form: state.form,
    errors: state.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-account-action', model, { status: state.status ?? 200 });
}

async function submitAction(
  ctx: RouterContext,
  parts: AdminAccountParts,
  who: Administrator,
  action: AccountAction,
): Promise<void> {
  const form = readForm(ctx, action);
  const account = await getAccount(ctx, parts);
  await checkReach(parts, who, action, account);
  const problems = problemsOf(form);
  if (problems !== null) {
    await showAction(ctx, parts, who, action, account, { form, errors: problems, status: 422 });
    return;
  }
  const occasion = action === 'reset' || action === 'reset-credentials' ? action : null;
  const isMailed = occasion !== null && account.email !== null && account.status === 'active';
  try {
    await runAccountAction(parts, action, {
      ...{ account, actorId: who.authority.accountId },
      cause: { ...causeOf(ctx, who.authority.accountId), note: form.reason.trim() },
      form: {
        ...{ role: form.role, session: ctx.params['session'] ?? '' },
        ...{ name: orNull(form.name), givenName: orNull(form.givenName), familyName: orNull(form.familyName) },
      },
      mail: isMailed
        ? await draftNewPasswordMail(ctx, parts, account.email, occasion === 'reset' ? 'reset' : 'credentials-reset')
        : null,
      locale: parts.pages.locale(ctx),
    });
  } catch (error) {
    if (!(error instanceof Conflict) || !PROBLEMS.includes(error.code)) throw error;
    const errors = { summary: `admin_account.problem.${error.code}`, fields: {} };
    await showAction(ctx, parts, who, action, account, { form, errors, status: 409 });
    return;
  }
  ctx.status = 303;
  ctx.redirect(action === 'delete' ? `${HOME}?deleted` : `${HOME}/${account.id}${sectionOf(action)}?done=${action}`);
}

const PROBLEMS = ['last-super-admin', 'last-organization-owner', 'account-state', 'role-not-held'];

function readForm(ctx: RouterContext, action: AccountAction): Typed {
  const nothing = { role: '', name: '', givenName: '', familyName: '' };
  if (action === 'give-role' || action === 'take-role') return { ...nothing, ...parseForm(ctx, ROLE_FORM) };
  if (action !== 'edit') return { ...nothing, ...parseForm(ctx, FORM) };
  const { reason, name, given_name: givenName, family_name: familyName } = parseForm(ctx, EDIT_FORM);
  return { reason, role: '', name, givenName, familyName };
}

function problemsOf(form: Typed): FormProblems | null {
  const reason = form.reason.trim();
  const isLong = (name: string): boolean => name.trim().length > LONGEST_NAME;
  const fields = {
    ...(isLong(form.name) ? { name: 'register.problem.name' } : {}),
    ...(isLong(form.givenName) ? { given_name: 'register.problem.name' } : {}),
    ...(isLong(form.familyName) ? { family_name: 'register.problem.name' } : {}),
    ...(reason === '' ? { reason: 'admin_account.problem.reason' } : {}),
    ...(reason.length > MOST_NOTE ? { reason: 'admin_account.problem.long' } : {}),
  };
  return Object.keys(fields).length === 0 ? null : { summary: 'form.problem', fields };
}

function storedForm({ name, givenName, familyName }: AccountRow): Typed {
  return { reason: '', role: '', name: name ?? '', givenName: givenName ?? '', familyName: familyName ?? '' };
}

/** Where one comes back to. */
function sectionOf(action: AccountAction): string {
  if (action === 'give-role' || action === 'take-role') return '/roles';
  const found = (Object.keys(SECTIONS) as Section[]).find((one) => SECTIONS[one].actions.includes(action));
  // Who may end sessions may not see them with every role of an operator's own.
  return found === undefined || found === 'profile' || found === 'sessions' ? '' : `/${found}`;
}

function nameOf({ name, username, email, id }: AccountRow): string {
  return name ?? username ?? email ?? id;
}

function orNull(text: string): string | null {
  return text.trim() === '' ? null : text.trim();
}
