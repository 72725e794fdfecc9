// A model for each state of the pages about clients for administrators.
import { CLIENT_TEMPLATES } from '../../src/client/client-template.ts';
import type { AdminClientModel, AdminClientsModel } from '../../src/http/page-model.ts';
import { LIVES } from '../../src/portal/admin/clients.ts';
import type { Sample } from './sample.ts';

const list: AdminClientsModel = {
  query: '',
  clients: [
    { id: 'latchkey-portal', name: 'Account', url: '/admin/clients/latchkey-portal', isDeclared: true },
    {
      id: 'Yw3nV0aXbA8JkL2mN4pQ6r',
      name: 'Photo Album',
      url: '/admin/clients/Yw3nV0aXbA8JkL2mN4pQ6r',
      isDeclared: false,
    },
  ],
  nextUrl: null,
  create: { templates: CLIENT_TEMPLATES, template: 'web', name: '', address: '' },
  isDeleted: false,
  errors: { fields: {} },
};

const detail: AdminClientModel = {
  id: 'Yw3nV0aXbA8JkL2mN4pQ6r',
  name: 'Photo Album',
  action: '/admin/clients/Yw3nV0aXbA8JkL2mN4pQ6r',
  stage: 'detail',
  isDeclared: false,
  canWrite: true,
  canDelete: true,
  hasSecret: true,
  secret: null,
  isNative: false,
  snippets: [
    { kind: 'openid-client', text: `import * as oidc from 'openid-client';\n` },
    { kind: 'settings', text: 'OIDC_ISSUER=https://id.example.com\n' },
  ],
  tryUrl: 'https://id.example.com/auth?client_id=photo-album&response_type=code',
  authMethod: 'client_secret_basic',
  grantTypes: 'authorization_code, refresh_token',
  isChanged: false,
  auditUrls: { changes: '/admin/audit?target=x', uses: '/admin/audit?client=x' },
  form: {
    name: 'Photo Album',
    redirectUris: 'https://photos.example.com/callback',
    requiredAcr: 'urn:latchkey:aal2',
    isFirstParty: false,
    upstreams: '',
    roleAudience: '',
    lives: { ...Object.fromEntries(LIVES.map((name) => [name, ''])), access_token_ttl: '600' },
    postLogoutUris: 'https://photos.example.com/',
    backchannelLogoutUri: 'https://photos.example.com/logout',
  },
  errors: { fields: {} },
};

const sample = (name: string, page: string, model: object): Sample => ({
  name,
  page,
  isSignedIn: true,
  isAdmin: true,
  model,
});

export const adminClientSamples: readonly Sample[] = [
  sample('admin-clients', 'admin-clients', list),
  sample('admin-clients-none', 'admin-clients', { ...list, query: 'xyz', clients: [], create: null, isDeleted: true }),
  sample('admin-clients-problems', 'admin-clients', {
    ...list,
    nextUrl: '/admin/clients?q=&after=x',
    create: { templates: CLIENT_TEMPLATES, template: 'spa', name: '', address: 'http://app.example.com/' },
    errors: {
      summary: 'form.problem',
      fields: { name: 'admin_client.problem.name', address: 'admin_client.redirect.http' },
    },
  } satisfies AdminClientsModel),
  sample('admin-client', 'admin-client', { ...detail, isChanged: true }),
  sample('admin-client-secret', 'admin-client', { ...detail, secret: 'Q0b7nW1xk3vT9pR5sL2mH8jD4fG6aZ0cXyVuTrEwQ' }),
  sample('admin-client-declared', 'admin-client', {
    ...detail,
    isDeclared: true,
    canWrite: false,
    canDelete: false,
    hasSecret: false,
  }),
  sample('admin-client-problems', 'admin-client', {
    ...detail,
    form: {
      ...detail.form,
      redirectUris: 'https://*.example.com/',
      lives: Object.fromEntries(LIVES.map((name) => [name, 'x'])),
    },
    errors: {
      summary: 'form.problem',
      fields: {
        redirect_uris: 'admin_client.redirect.wildcard',
        post_logout_uris: 'admin_client.redirect.http',
        backchannel_logout_uri: 'admin_client.redirect.not-url',
        access_token_ttl: 'admin_client.problem.ttl',
      },
    },
  } satisfies AdminClientModel),
  sample('admin-client-delete', 'admin-client', { ...detail, stage: 'delete' } satisfies AdminClientModel),
];
