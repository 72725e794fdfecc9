// A model for each state of the pages about organizations for administrators.
import type { AdminOrganizationModel, AdminOrganizationsModel } from '../../src/http/page-model.ts';
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
});

const detail: AdminOrganizationModel = {
  ...{ id: ID, slug: 'acme', name: 'Acme Corporation', action: `/admin/organizations/${ID}`, stage: 'detail' },
  ...{ canWrite: true, canSetDomains: true, canAdd: true, canDelete: true, isChanged: false, login: '' },
  members: [member('ada', 'Ada Lovelace', 'owner'), member('grace', 'Grace Hopper', 'member')],
  nextUrl: null,
  memberRoles: ['member', 'admin', 'owner'],
  form: { name: 'Acme Corporation', logoUri: '', domains: 'acme.example\nacme.test', secondFactor: true },
  errors: { fields: {} },
};

const sample = (name: string, page: string, model: AdminOrganizationModel | AdminOrganizationsModel): Sample => ({
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
  sample('admin-organization-delegated', 'admin-organization', {
    ...{ ...detail, canWrite: false, canSetDomains: false, canAdd: false, canDelete: false },
    members: [member('ada', 'Ada Lovelace', 'owner', false), ...detail.members.slice(1)],
    memberRoles: ['member', 'admin'],
  }),
  sample('admin-organization-empty', 'admin-organization', { ...detail, members: [], nextUrl: '/?after=x' }),
  sample('admin-organization-problems', 'admin-organization', {
    ...detail,
    login: 'nobody@example.com',
    form: { ...detail.form, domains: 'not a domain' },
    errors: {
      summary: 'form.problem',
      fields: {
        domains: 'admin_organization.problem.organization-domains',
        login: 'admin_organization.problem.unknown-account',
      },
    },
  }),
  sample('admin-organization-last-owner', 'admin-organization', {
    ...detail,
    errors: { summary: 'admin_organization.problem.last-organization-owner', fields: {} },
  }),
  sample('admin-organization-delete', 'admin-organization', { ...detail, stage: 'delete' }),
];
