// A model for each state of the claim preview.
import type { AdminClaimsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const json = (payload: object): string => JSON.stringify(payload, null, 2);
const empty: AdminClaimsModel = {
  form: { account: '', client: '', scope: 'openid profile email', resource: '' },
  resources: [{ id: 'https://api.example.com', name: 'Photo API' }],
  preview: null,
  errors: { fields: {} },
};
const subject = 'Y2hhbmdlIG1lIG5vdyBhbmQgdGhlbg';
const preview: NonNullable<AdminClaimsModel['preview']> = {
  client: { name: 'Photo Album', url: '/admin/clients/photo-album' },
  account: { name: 'Ada Lovelace', email: 'ada@example.com' },
  stops: [],
  steps: ['second_factor', 'consent'],
  leftOut: [],
  scopes: [
    { name: 'profile', group: 'see', isNew: false },
    { name: 'email', group: 'see', isNew: true },
    { name: 'offline_access', group: 'do', isNew: false },
  ],
  methods: ['password', 'totp'],
  tokens: {
    idToken: json({ sub: subject, auth_time: 1_790_000_000, acr: 'urn:latchkey:aal2', amr: ['pwd', 'otp', 'mfa'] }),
    algorithm: 'ES256',
    accessToken: { format: 'opaque', scope: 'openid profile email', audience: null, ttl: 900, payload: null },
    userinfo: json({ sub: subject, name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true }),
    hasRefreshToken: true,
    reasons: [
      { scope: 'openid', idToken: ['sub', 'auth_time', 'acr', 'amr'], userinfo: ['sub'], missing: [] },
      { scope: 'profile', idToken: [], userinfo: ['name'], missing: ['family_name', 'given_name', 'picture'] },
      { scope: 'email', idToken: [], userinfo: ['email', 'email_verified'], missing: [] },
    ],
  },
};
const asked = { account: 'ada@example.com', client: 'photo-album', scope: 'openid profile email', resource: '' };

const sample = (name: string, model: AdminClaimsModel): Sample => ({
  name,
  page: 'admin-claims',
  isSignedIn: true,
  isAdmin: true,
  model,
});

export const adminClaimSamples: readonly Sample[] = [
  sample('admin-claims', { ...empty, resources: [] }),
  sample('admin-claims-tokens', { ...empty, form: asked, preview }),
  sample('admin-claims-api', {
    ...empty,
    form: { ...asked, scope: 'openid photos:read', resource: 'https://api.example.com' },
    preview: {
      ...preview,
      steps: [],
      leftOut: [
        { scope: 'photos:write', reason: 'unknown' },
        { scope: 'offline_access', reason: 'no_refresh' },
      ],
      scopes: [{ name: 'photos:read', group: 'do', isNew: false, label: 'See your photos', detail: 'Photo API' }],
      tokens: {
        ...(preview.tokens as NonNullable<typeof preview.tokens>),
        accessToken: {
          format: 'jwt',
          scope: 'photos:read',
          audience: 'https://api.example.com',
          ttl: 600,
          payload: json({ sub: subject, aud: 'https://api.example.com', scope: 'photos:read', jti: '…' }),
        },
        userinfo: null,
        hasRefreshToken: false,
      },
    },
  }),
  sample('admin-claims-stopped', {
    ...empty,
    form: asked,
    preview: { ...preview, stops: ['account', 'scope'], scopes: [], tokens: null },
  }),
  sample('admin-claims-problems', {
    ...empty,
    form: { ...asked, account: 'nobody@example.com' },
    errors: {
      summary: 'form.problem',
      fields: { account: 'admin_claims.problem.account', client: 'admin_claims.problem.client' },
    },
  }),
];
