// A model for each state of the pages about roles for administrators.
import { BUILT_IN_ROLES, PERMISSIONS } from '../../src/access/permission.ts';
import type { AdminRoleModel, AdminRolesModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const list: AdminRolesModel = {
  roles: [
    ...BUILT_IN_ROLES.map(({ id, name, rank, source, audience }) => ({
      ...{ id, name, rank, source, audience, holders: rank },
      url: `/admin/roles/${id}`,
      holdersUrl: `/admin/accounts?role=${id}`,
    })),
    {
      ...{ id: 'photo-editor', name: 'Photo editor', rank: 0, source: 'yaml' as const, holders: 12 },
      ...{ url: '/admin/roles/photo-editor', audience: 'https://api.photos.example.com/', holdersUrl: null },
    },
    {
      ...{ id: 'helpdesk', name: 'Helpdesk', rank: 2, source: 'database' as const, holders: 1, audience: null },
      ...{ url: '/admin/roles/helpdesk', holdersUrl: '/admin/accounts?role=helpdesk' },
    },
  ],
  columns: BUILT_IN_ROLES.map(({ name }) => name),
  permissions: PERMISSIONS.map((name) => ({ name, has: [false, false, false, name !== 'audit:export', true] })),
  createUrl: '/admin/roles/new',
  isDeleted: false,
};

const detail: AdminRoleModel = {
  stage: 'detail',
  id: 'helpdesk',
  name: 'Helpdesk',
  action: '/admin/roles/helpdesk',
  source: 'database',
  audience: null,
  canWrite: true,
  holders: 2,
  holdersUrl: '/admin/accounts?role=helpdesk',
  inheritable: BUILT_IN_ROLES.map(({ id, name }) => ({ id, name, isChosen: id === 'viewer' })),
  permissions: PERMISSIONS.map((name) => ({
    name,
    isChosen: name === 'sessions:revoke',
    isInherited: name === 'accounts:read',
  })),
  isChanged: false,
  auditUrl: '/admin/audit?target=seller',
  form: {
    ...{ id: 'helpdesk', name: 'Helpdesk', rank: '2', audience: '', apiPermissions: '' },
    ...{ inherits: ['viewer'], permissions: ['sessions:revoke'] },
  },
  errors: { fields: {} },
};

const sample = (name: string, page: string, model: AdminRolesModel | AdminRoleModel): Sample => ({
  ...{ name, page, model, isSignedIn: true, isAdmin: true },
});

export const adminRoleSamples: readonly Sample[] = [
  sample('admin-roles', 'admin-roles', list),
  sample('admin-roles-look', 'admin-roles', { ...list, createUrl: null, isDeleted: true }),
  sample('admin-role', 'admin-role', { ...detail, isChanged: true }),
  sample('admin-role-built-in', 'admin-role', { ...detail, source: 'built-in', canWrite: false }),
  sample('admin-role-declared', 'admin-role', { ...detail, source: 'yaml', canWrite: false, holdersUrl: null }),
  sample('admin-role-new', 'admin-role', {
    ...{ ...detail, stage: 'new', id: null, name: '', action: '/admin/roles/new', holders: 0, holdersUrl: null },
    form: { ...detail.form, id: 'X', name: '', apiPermissions: 'read' },
    errors: {
      summary: 'form.problem',
      fields: {
        id: 'admin_role.problem.role-id',
        name: 'admin_role.problem.role-name',
        rank: 'admin_role.problem.role-rank',
        api_permissions: 'admin_role.problem.role-permission',
      },
    },
  }),
  sample('admin-role-refused', 'admin-role', {
    ...detail,
    errors: { summary: 'admin_role.problem.permission-missing', fields: {} },
  }),
  sample('admin-role-delete', 'admin-role', { ...detail, stage: 'delete' }),
];
