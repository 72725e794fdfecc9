// A model for each state of the pages about organizations, for administrators and for who belongs to them.
import { OWN_WAYS } from '../../src/access/organizations.ts';
import type {
  AccountInvitationModel,
  AccountOrganizationsModel,
  AdminOrganizationInvitationsModel,
  AdminOrganizationMemberModel,
  AdminOrganizationModel,
  AdminOrganizationRolesModel,
  AdminOrganizationsModel,
} from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const ID = '11111111-1111-4111-8111-111111111111';
const list: AdminOrganizationsModel = {
  query: '',
  organizations: [
    { slug: 'acme', name: 'Acme Corporation', members: 12, url: `/admin/organizations/${ID}` },
    { slug: 'observatory', name: 'Observatory', members: 3, url: `/admin/organizations/${ID}` },
  ],
  nextUrl: '/admin/organizations?q=&after=observatory',
  create: { slug: '', name: '' },
  isDeleted: false,
  errors: { fields: {} },
};

const member = (id: string, name: string, memberRole: 'owner' | 'admin' | 'member', isOpen = true) => ({
  ...{ id, name, memberRole, email: `${id}@example.com`, url: isOpen ? `/admin/accounts/${id}` : null },
  action: isOpen ? `/admin/organizations/${ID}/members/${id}` : null,
  customRoles: memberRole === 'member' ? ['billing', 'reader'] : [],
  rolesUrl: `/admin/organizations/${ID}/members/${id}`,
});

const rules = { domainJoin: true, limitWays: true, ways: ['passkey', 'upstream:google'], sessionMinutes: '480' };

const detail: AdminOrganizationModel = {
  ...{ id: ID, slug: 'acme', name: 'Acme Corporation', action: `/admin/organizations/${ID}`, stage: 'detail' },
  invitationsUrl: `/admin/organizations/${ID}/invitations`,
  rolesUrl: `/admin/organizations/${ID}/roles`,
  logoUrl: null,
  ...{ canWrite: true, canSetDomains: true, canAdd: true, canDelete: true, isChanged: false, login: '' },
  auditUrl: '/admin/audit?target=x',
  members: [member('ada', 'Ada Lovelace', 'owner'), member('grace', 'Grace Hopper', 'member')],
  nextUrl: null,
  memberRoles: ['member', 'admin', 'owner'],
  ownWays: OWN_WAYS,
  upstreamWays: [
    { way: 'upstream:google', label: 'Google' },
    { way: 'upstream:work', label: 'Acme sign-in' },
  ],
  form: {
    name: 'Acme Corporation',
    domains: 'acme.example\nacme.test',
    secondFactor: true,
    invitations: true,
    ...rules,
  },
  errors: { fields: {} },
};

const invitation = (id: string, email: string, state: 'open' | 'used' | 'revoked' | 'expired') => ({
  ...({ id, email, state, memberRole: state === 'used' ? 'admin' : 'member' } as const),
  expiresAt: '2026-11-28T10:00:00.000Z',
  inviter: state === 'revoked' ? null : 'Ada Lovelace',
  action: state === 'open' || state === 'expired' ? `/admin/organizations/${ID}/invitations/${id}` : null,
});

const invitations: AdminOrganizationInvitationsModel = {
  organization: { name: 'Acme Corporation', url: `/admin/organizations/${ID}` },
  action: `/admin/organizations/${ID}/invitations`,
  invitations: [
    invitation('11111111-1111-4111-8111-111111111111', 'grace@example.com', 'open'),
    invitation('22222222-2222-4222-8222-222222222222', 'edsger@example.com', 'expired'),
    invitation('33333333-3333-4333-8333-333333333333', 'barbara@example.com', 'used'),
    invitation('44444444-4444-4444-8444-444444444444', 'donald@example.com', 'revoked'),
  ],
  zone: 'Europe/Berlin',
  nextUrl: `/admin/organizations/${ID}/invitations?after=x`,
  memberRoles: ['member', 'admin'],
  mailLanguages: [{ tag: 'en', name: 'English' }],
  form: { email: '', memberRole: 'member', locale: 'en' },
  done: null,
  errors: { fields: {} },
};

const roles: AdminOrganizationRolesModel = {
  organization: invitations.organization,
  action: `/admin/organizations/${ID}/roles`,
  roles: [
    {
      id: 'billing',
      name: 'Billing',
      memberRole: 'owner',
      deleteUrl: `/admin/organizations/${ID}/roles/billing/delete`,
    },
    { id: 'reader', name: 'Reader', memberRole: 'admin', deleteUrl: `/admin/organizations/${ID}/roles/reader/delete` },
  ],
  deleting: null,
  form: { id: '', name: '', givenBy: 'owner' },
  isChanged: false,
  errors: { fields: {} },
};

const oneMember: AdminOrganizationMemberModel = {
  ...{ organization: invitations.organization, name: 'Grace Hopper', email: 'grace@example.com', memberRole: 'member' },
  roles: [
    { id: 'billing', name: 'Billing', isHeld: true, isOpen: false },
    { id: 'reader', name: 'Reader', isHeld: false, isOpen: true },
  ],
  action: `/admin/organizations/${ID}/members/grace/roles`,
};

const own: AccountOrganizationsModel = {
  organizations: [
    {
      id: ID,
      slug: 'acme',
      name: 'Acme Corporation',
      logoUrl: null,
      memberRole: 'owner',
      manageUrl: `/admin/organizations/${ID}`,
    },
    { id: ID, slug: 'observatory', name: 'Observatory', logoUrl: null, memberRole: 'member', manageUrl: null },
  ],
  leaving: null,
  done: null,
  errors: { fields: {} },
};

const join: AccountInvitationModel = {
  ...{ stage: 'question', organization: 'Acme Corporation', memberRole: 'member', isMember: false },
  ...{ action: '/account/organizations/join', address: null, code: null, errors: { fields: {} } },
};
const code = {
  ...{ action: '/account/organizations/join/request', digits: 6, minutes: 10 },
  resend: { action: '/account/organizations/join/request/resend', wait: 25 },
};

type Model =
  | AdminOrganizationModel
  | AdminOrganizationsModel
  | AdminOrganizationInvitationsModel
  | AdminOrganizationRolesModel
  | AdminOrganizationMemberModel
  | AccountOrganizationsModel
  | AccountInvitationModel;

const personal = (name: string, page: string, model: Model): Sample => ({ name, page, model, isSignedIn: true });

const sample = (name: string, page: string, model: Model): Sample => ({
  ...{ name, page, model, isSignedIn: true, isAdmin: true },
});

export const adminOrganizationSamples: readonly Sample[] = [
  sample('admin-organizations', 'admin-organizations', list),
  sample('admin-organizations-none', 'admin-organizations', {
    ...{ ...list, organizations: [], nextUrl: null, create: null, isDeleted: true },
  }),
  sample('admin-organizations-problems', 'admin-organizations', {
    ...list,
    create: { slug: 'Not good', name: '' },
    errors: {
      summary: 'form.problem',
      fields: {
        slug: 'admin_organization.problem.organization-slug',
        name: 'admin_organization.problem.organization-name',
      },
    },
  }),
  sample('admin-organization', 'admin-organization', { ...detail, isChanged: true }),
  sample('admin-organization-logo', 'admin-organization', {
    ...{ ...detail, logoUrl: '/organization-logos/sample' },
    errors: { summary: 'form.problem', fields: { logo: 'admin_brand.problem.logo_kind' } },
  }),
  sample('admin-organization-delegated', 'admin-organization', {
    ...{ ...detail, canWrite: false, canSetDomains: false, canAdd: false, canDelete: false },
    members: [member('ada', 'Ada Lovelace', 'owner', false), ...detail.members.slice(1)],
    memberRoles: ['member', 'admin'],
  }),
  sample('admin-organization-empty', 'admin-organization', { ...detail, members: [], nextUrl: '/?after=x' }),
  sample('admin-organization-problems', 'admin-organization', {
    ...detail,
    login: 'nobody@example.com',
    form: { ...detail.form, domains: 'not a domain', ways: [], sessionMinutes: '1' },
    errors: {
      summary: 'form.problem',
      fields: {
        domains: 'admin_organization.problem.organization-domains',
        limit_ways: 'admin_organization.problem.organization-ways',
        session_minutes: 'admin_organization.problem.organization-session',
        login: 'admin_organization.problem.unknown-account',
      },
    },
  }),
  sample('admin-organization-last-owner', 'admin-organization', {
    ...detail,
    errors: { summary: 'admin_organization.problem.last-organization-owner', fields: {} },
  }),
  sample('admin-organization-delete', 'admin-organization', { ...detail, stage: 'delete' }),
  sample('admin-organization-invitations', 'admin-organization-invitations', { ...invitations, done: 'sent' }),
  sample('admin-organization-invitations-none', 'admin-organization-invitations', {
    ...{ ...invitations, invitations: [], nextUrl: null, memberRoles: [], done: 'revoked' },
  }),
  sample('admin-organization-invitations-problems', 'admin-organization-invitations', {
    ...invitations,
    form: { email: 'grace@', memberRole: 'owner', locale: 'en' },
    errors: {
      summary: 'form.problem',
      fields: {
        email: 'organization_invitations.problem.invalid-email',
        role: 'organization_invitations.problem.organization-rank',
      },
    },
  }),
  sample('admin-organization-roles', 'admin-organization-roles', { ...roles, isChanged: true }),
  sample('admin-organization-roles-none', 'admin-organization-roles', { ...roles, roles: [], form: null }),
  sample('admin-organization-roles-problems', 'admin-organization-roles', {
    ...{ ...roles, form: { id: 'owner', name: '', givenBy: 'admin' } },
    errors: {
      summary: 'form.problem',
      fields: { role: 'organization_roles.problem.role-id', name: 'organization_roles.problem.role-name' },
    },
  }),
  sample('admin-organization-roles-delete', 'admin-organization-roles', {
    ...roles,
    deleting: { name: 'Billing', action: `/admin/organizations/${ID}/roles/billing/delete` },
  }),
  sample('admin-organization-member', 'admin-organization-member', oneMember),
  sample('admin-organization-member-none', 'admin-organization-member', { ...oneMember, roles: [], action: null }),
  personal('account-organizations', 'account-organizations', { ...own, done: 'joined' }),
  personal('account-organizations-none', 'account-organizations', { ...own, organizations: [], done: 'left' }),
  personal('account-organizations-last-owner', 'account-organizations', {
    ...own,
    errors: { summary: 'admin_organization.problem.last-organization-owner', fields: {} },
  }),
  personal('account-organizations-leave', 'account-organizations', {
    ...own,
    leaving: { name: 'Acme Corporation', action: `/account/organizations/${ID}/leave` },
  }),
  personal('account-invitation', 'account-invitation', join),
  personal('account-invitation-prove', 'account-invitation', {
    ...join,
    memberRole: 'admin',
    address: 'g•••@example.com',
  }),
  personal('account-invitation-wait', 'account-invitation', {
    ...{ ...join, address: 'g•••@example.com', retryAfter: 25 },
    errors: { summary: 'mailed.problem.wait', fields: {} },
  }),
  personal('account-invitation-member', 'account-invitation', { ...join, isMember: true }),
  personal('account-invitation-code', 'account-invitation', {
    ...join,
    stage: 'code',
    address: 'g•••@example.com',
    code,
  }),
];
