// A model for each state of the pages about upstreams for administrators.
import { upstreamMembers } from '../../config/declarations.ts';
import type { AdminUpstreamModel, AdminUpstreamsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const google: AdminUpstreamsModel['upstreams'][number] = {
  id: 'google',
  label: 'Google',
  icon: 'google',
  kind: 'google',
  ...{ source: 'yaml', url: '/admin/upstreams/google', isOn: true, isOverridden: false, move: null },
  issuer: 'https://accounts.google.com',
  clientId: '1234567890-abcdef.apps.example.com',
  callbackUrl: 'https://id.example.com/upstream/google/callback',
  testUrl: '/admin/upstreams/google/test',
  isPaused: false,
  lastUsedAt: '2026-11-20T09:30:00.000Z',
  lastFailure: { failedAt: '2026-11-19T18:00:00.000Z', reason: 'upstream-exchange' },
  takes: ['subject', 'email', 'profile_once'],
  domains: ['example.com'],
  tested: [
    { step: 'address', problem: null, detail: 'https://accounts.google.com' },
    { step: 'keys', problem: null, detail: null },
    { step: 'credentials', problem: null, detail: 'it said invalid_grant' },
  ],
};
const company: AdminUpstreamsModel['upstreams'][number] = {
  ...google,
  ...{
    id: 'company',
    label: 'Company',
    icon: null,
    kind: 'oidc',
    issuer: 'https://login.company.example',
    clientId: 'latchkey',
  },
  callbackUrl: 'https://id.example.com/upstream/company/callback',
  testUrl: '/admin/upstreams/company/test',
  isPaused: true,
  takes: ['subject', 'email_shown', 'profile_always', 'second_factor', 'tokens'],
  domains: [],
  ...{ source: 'database', url: '/admin/upstreams/company' },
  move: { action: '/admin/upstreams/company/move', place: 1, canRise: false, canSink: true },
  tested: [
    { step: 'address', problem: null, detail: 'https://login.company.example' },
    { step: 'keys', problem: 'unreachable', detail: 'connect ECONNREFUSED' },
  ],
};
const partner: AdminUpstreamsModel['upstreams'][number] = {
  ...company,
  ...{ id: 'partner', label: 'Partner', isOn: false, url: '/admin/upstreams/partner', tested: null, isPaused: false },
  ...{ callbackUrl: 'https://id.example.com/upstream/partner/callback', testUrl: '/admin/upstreams/partner/test' },
  move: { action: '/admin/upstreams/partner/move', place: 2, canRise: true, canSink: true },
};
const overridden: AdminUpstreamsModel['upstreams'][number] = {
  ...partner,
  ...{ id: 'google', label: 'Google', kind: 'google', isOverridden: true, testUrl: null },
  url: '/admin/upstreams/google',
  move: { action: '/admin/upstreams/google/move', place: 3, canRise: true, canSink: false },
};
const bot: AdminUpstreamsModel['upstreams'][number] = {
  ...google,
  ...{ id: 'telegram-bot', label: 'Telegram', icon: 'telegram', kind: 'bot', issuer: null, clientId: null },
  ...{ url: null, callbackUrl: null, testUrl: null, lastUsedAt: null, lastFailure: null, domains: [], tested: null },
  takes: ['subject', 'profile_once'],
};
const form: AdminUpstreamModel['form'] = {
  ...{ id: 'company', clientId: 'latchkey', label: 'Company', issuer: 'https://login.company.example' },
  ...{ authorizationEndpoint: '', tokenEndpoint: '', apiRoot: '', tenant: '', teamId: '', keyId: '' },
  ...{ scopes: 'openid profile email', domains: 'company.example\ncompany.test' },
  ...{ trustEmail: true, trustSecondFactor: false, refreshProfile: true, keepTokens: false },
};
const empty: AdminUpstreamModel['form'] = {
  ...form,
  ...{ id: '', clientId: '', label: '', issuer: '', scopes: '', domains: '', trustEmail: false, refreshProfile: false },
};
const membersOf = (kind: string): readonly string[] => upstreamMembers.get(kind) ?? [];
const kept: AdminUpstreamModel = {
  ...{ stage: 'detail', id: 'company', label: 'Company', kind: 'oidc', source: 'database' },
  ...{ action: '/admin/upstreams/company', kinds: [], members: membersOf('oidc'), isOn: true, isOverridden: false },
  ...{ isComplete: true, canWrite: true, hasSecret: true, consoleUrl: null, auditUrl: '/admin/audit?target=company' },
  callbackUrl: 'https://id.example.com/upstream/company/callback',
  testUrl: '/admin/upstreams/company/test',
  claims: [
    { claim: 'subject', from: 'iss, sub', when: 'key' },
    { claim: 'email', from: 'email, email_verified', when: 'verified' },
    { claim: 'username', from: 'preferred_username', when: 'shown' },
    { claim: 'name', from: 'name', when: 'always' },
    { claim: 'locale', from: 'locale', when: 'created' },
  ],
  ...{ reliance: { people: 24, stranded: 2 }, done: 'saved', form, errors: { fields: {} } },
};
const fresh: AdminUpstreamModel = {
  ...{
    ...kept,
    stage: 'new',
    id: null,
    isOn: false,
    isComplete: false,
    hasSecret: false,
    done: null,
    claims: [],
    auditUrl: null,
    testUrl: null,
  },
  ...{ form: empty, reliance: { people: 0, stranded: 0 } },
  callbackUrl: 'https://id.example.com/upstream/ID/callback',
};
const newOf = (kind: string, label: string, consoleUrl: string | null): AdminUpstreamModel => ({
  ...{ ...fresh, kind, label, consoleUrl, action: `/admin/upstreams/new/${kind}`, members: membersOf(kind) },
});
const sample = (name: string, model: AdminUpstreamsModel): Sample => ({
  ...{ name, page: 'admin-upstreams', isSignedIn: true, isAdmin: true },
  model,
});
const one = (name: string, model: AdminUpstreamModel): Sample => ({
  ...{ name, page: 'admin-upstream', isSignedIn: true, isAdmin: true },
  model,
});
const list = { createUrl: '/admin/upstreams/new', isDeleted: false };

export const adminUpstreamSamples: readonly Sample[] = [
  sample('admin-upstreams', {
    ...{ ...list, upstreams: [google, company, partner, overridden, bot], zone: 'Europe/Berlin' },
  }),
  sample('admin-upstreams-none', { ...list, upstreams: [], isDeleted: true, zone: null }),
  sample('admin-upstreams-read-only', {
    ...{ createUrl: null, isDeleted: false, upstreams: [google, { ...company, move: null }], zone: null },
  }),
  one('admin-upstream', kept),
  one('admin-upstream-off', { ...kept, isOn: false, done: 'secret-dropped', hasSecret: false }),
  one('admin-upstream-incomplete', {
    ...kept,
    isOn: false,
    isComplete: false,
    hasSecret: false,
    testUrl: null,
    done: null,
  }),
  one('admin-upstream-overridden', { ...kept, isOverridden: true, done: null }),
  one('admin-upstream-read-only', { ...kept, canWrite: false, done: null }),
  one('admin-upstream-declared', { ...kept, source: 'yaml', canWrite: false, hasSecret: false, done: null }),
  one('admin-upstream-kinds', {
    ...{ ...fresh, stage: 'kinds', label: '', kind: '', action: '/admin/upstreams', members: [] },
    kinds: [
      { kind: 'google', label: 'Google', icon: 'google', url: '/admin/upstreams/new/google' },
      { kind: 'oidc', label: 'OpenID Connect', icon: null, url: '/admin/upstreams/new/oidc' },
    ],
  }),
  one('admin-upstream-new', newOf('oidc', 'OpenID Connect', null)),
  one('admin-upstream-new-apple', newOf('apple', 'Apple', 'https://developer.apple.com/account/')),
  one('admin-upstream-new-faulty', {
    ...newOf('github', 'GitHub', 'https://github.com/settings/developers'),
    form: { ...empty, id: 'Git Hub', tokenEndpoint: 'https://github.example.com/token' },
    errors: {
      summary: 'form.problem',
      fields: {
        ...{ id: 'admin_upstream.problem.id', client_id: 'admin_upstream.problem.client_id' },
        ...{ secret: 'admin_upstream.problem.secret', api_root: 'admin_upstream.problem.api_root' },
      },
    },
  }),
  one('admin-upstream-new-telegram', newOf('telegram', 'Telegram', 'https://t.me/BotFather')),
  one('admin-upstream-new-microsoft', newOf('microsoft', 'Microsoft', 'https://entra.microsoft.com/')),
  one('admin-upstream-delete', { ...kept, stage: 'delete', done: null }),
  one('admin-upstream-delete-refused', {
    ...{ ...kept, stage: 'delete', done: null },
    errors: { summary: 'form.problem', fields: { agreed: 'admin_upstream.problem.agreed' } },
  }),
  one('admin-upstream-delete-nobody', {
    ...{ ...kept, stage: 'delete', done: null, reliance: { people: 0, stranded: 0 } },
  }),
];
