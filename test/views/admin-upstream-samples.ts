// A model for each state of the page about upstreams for administrators.
import type { AdminUpstreamsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const google: AdminUpstreamsModel['upstreams'][number] = {
  id: 'google',
  label: 'Google',
  icon: 'google',
  kind: 'google',
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
  tested: [
    { step: 'address', problem: null, detail: 'https://login.company.example' },
    { step: 'keys', problem: 'unreachable', detail: 'connect ECONNREFUSED' },
  ],
};
const bot: AdminUpstreamsModel['upstreams'][number] = {
  ...google,
  ...{ id: 'telegram-bot', label: 'Telegram', icon: 'telegram', kind: 'bot', issuer: null, clientId: null },
  ...{ callbackUrl: null, testUrl: null, lastUsedAt: null, lastFailure: null, domains: [], tested: null },
  takes: ['subject', 'profile_once'],
};
const sample = (name: string, model: AdminUpstreamsModel): Sample => ({
  ...{ name, page: 'admin-upstreams', isSignedIn: true, isAdmin: true },
  model,
});

export const adminUpstreamSamples: readonly Sample[] = [
  sample('admin-upstreams', { upstreams: [google, company, bot], zone: 'Europe/Berlin' }),
  sample('admin-upstreams-none', { upstreams: [], zone: null }),
];
