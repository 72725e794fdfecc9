// A model for each state of the pages about accounts for administrators.
import { ACCOUNT_STATUSES } from '../../src/account/account.entity.ts';
import type { AdminAccountModel, AdminAccountsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const ID = '3f1d7a52-6f0e-4a2b-9d43-0a8f5f4f1c11';

const list: AdminAccountsModel = {
  query: '',
  status: '',
  statuses: ACCOUNT_STATUSES,
  role: '',
  roles: [
    { id: 'viewer', name: 'Viewer' },
    { id: 'super-admin', name: 'Super administrator' },
  ],
  accounts: [
    {
      id: ID,
      url: `/admin/accounts/${ID}`,
      name: 'Ada Lovelace',
      email: 'ada.lovelace@analytical-engines.example.com',
      status: 'active',
      createdAt: '2026-11-20T06:00:00Z',
      lastSignInAt: '2026-11-21T05:30:00Z',
    },
    {
      id: '8b0c5e64-9f0f-4f61-a2d6-5a1a0c3f7d22',
      url: '/admin/accounts/8b0c5e64-9f0f-4f61-a2d6-5a1a0c3f7d22',
      name: 'grace_hopper',
      email: null,
      status: 'disabled',
      createdAt: '2026-11-19T06:00:00Z',
      lastSignInAt: null,
    },
  ],
  zone: 'Europe/London',
  nextUrl: '/admin/accounts?q=&after=1',
  errors: { fields: {} },
};

const detail: AdminAccountModel = {
  id: ID,
  name: 'Ada Lovelace',
  status: 'active',
  zone: 'Europe/London',
  profile: {
    name: 'Ada Lovelace',
    givenName: 'Ada',
    familyName: 'Lovelace',
    username: 'ada',
    email: 'ada.lovelace@analytical-engines.example.com',
    emailVerified: true,
    phoneNumber: null,
    locale: 'en',
    zoneinfo: 'Europe/London',
    createdAt: '2026-11-20T06:00:00Z',
    lastSignInAt: '2026-11-21T05:30:00Z',
  },
};

const sample = (name: string, page: string, model: object): Sample => ({
  ...{ name, page, model },
  isSignedIn: true,
  isAdmin: true,
});

export const adminAccountSamples: readonly Sample[] = [
  sample('admin-accounts', 'admin-accounts', list),
  sample('admin-accounts-none', 'admin-accounts', {
    ...list,
    query: 'xyz',
    status: 'locked',
    role: 'viewer',
    accounts: [],
    nextUrl: null,
  }),
  sample('admin-account', 'admin-account', detail),
  sample('admin-account-new', 'admin-account', {
    ...detail,
    status: 'pending',
    profile: { ...detail.profile, email: null, givenName: null, familyName: null, lastSignInAt: null },
  } satisfies AdminAccountModel),
];
