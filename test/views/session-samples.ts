// The page of sessions: one device, and several of all kinds.
import type { SessionsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const here: SessionsModel['sessions'][number] = {
  id: '0b1c2d3e-0000-4000-8000-000000000001',
  name: null,
  browser: 'Safari',
  system: 'iPhone',
  address: '203.0.113.7',
  methods: ['password', 'totp'],
  apps: ['Photo Album', 'Notes'],
  firstSeen: '2026-11-01T08:00:00.000Z',
  lastSeen: '2026-11-21T09:30:00.000Z',
  isCurrent: true,
  action: '/account/sessions/0b1c2d3e-0000-4000-8000-000000000001',
};
const elsewhere: SessionsModel['sessions'][number] = {
  ...here,
  id: '0b1c2d3e-0000-4000-8000-000000000002',
  name: 'The laptop in the study',
  browser: 'Firefox',
  system: 'Linux',
  address: '2001:db8:1:2:3:4:5:6',
  methods: ['passkey'],
  apps: [],
  isCurrent: false,
  action: '/account/sessions/0b1c2d3e-0000-4000-8000-000000000002',
};
const unknown: SessionsModel['sessions'][number] = {
  ...elsewhere,
  id: '0b1c2d3e-0000-4000-8000-000000000003',
  name: null,
  browser: null,
  system: null,
  address: null,
  methods: [],
  action: '/account/sessions/0b1c2d3e-0000-4000-8000-000000000003',
};
const model: SessionsModel = { sessions: [here], zone: 'Europe/Berlin', mostName: 100 };

export const sessionSamples: readonly Sample[] = [
  { name: 'account-sessions', page: 'account-sessions', isSignedIn: true, model },
  {
    name: 'account-sessions-several',
    page: 'account-sessions',
    isSignedIn: true,
    model: { ...model, sessions: [here, elsewhere, unknown] } satisfies SessionsModel,
  },
];
