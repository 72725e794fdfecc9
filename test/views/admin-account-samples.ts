// A model for each state of the pages about accounts for administrators.
import { ACCOUNT_STATUSES } from '../../src/account/account.entity.ts';
import type {
  AdminAccountActionModel,
  AdminAccountModel,
  AdminAccountsBulkModel,
  AdminAccountsModel,
} from '../../src/http/page-model.ts';
import { ACCOUNT_ACTIONS } from '../../src/portal/admin/account-actions.ts';
import type { Sample } from './sample.ts';

const ID = '3f1d7a52-6f0e-4a2b-9d43-0a8f5f4f1c11';
const URL = `/admin/accounts/${ID}`;
const AT = '2026-11-21T05:30:00Z';

const roles = [
  { id: 'viewer', name: 'Viewer' },
  { id: 'super-admin', name: 'Super administrator' },
];

const list: AdminAccountsModel = {
  query: '',
  status: '',
  statuses: ACCOUNT_STATUSES,
  role: '',
  roles,
  accounts: [
    {
      id: ID,
      url: URL,
      name: 'Ada Lovelace',
      email: 'ada.lovelace@analytical-engines.example.com',
      status: 'active',
      createdAt: '2026-11-20T06:00:00Z',
      lastSignInAt: AT,
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
  create: {
    email: '',
    name: '',
    username: '',
    locale: 'en',
    languages: [
      { tag: 'en', name: 'English' },
      { tag: 'ru', name: 'Русский' },
    ],
  },
  isDeleted: false,
  bulkActions: ['disable', 'enable', 'sign-out', 'reset'],
  errors: { fields: {} },
};

const detail: AdminAccountModel = {
  id: ID,
  url: URL,
  name: 'Ada Lovelace',
  status: 'active',
  zone: 'Europe/London',
  isOwn: false,
  isAbove: false,
  section: 'profile',
  sections: (['profile', 'credentials', 'sessions', 'apps', 'events', 'roles'] as const).map((section) => ({
    section,
    url: section === 'profile' ? URL : `${URL}/${section}`,
  })),
  actions: (['edit', 'disable', 'delete'] as const).map((act) => ({ act, url: `${URL}/${act}` })),
  done: null,
  shown: {
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
      lastSignInAt: AT,
      purgeAt: null,
    },
  },
};

const at = (section: AdminAccountModel['section'], shown: AdminAccountModel['shown']): AdminAccountModel => ({
  ...detail,
  ...{ section, shown },
  actions: [],
});

const action: AdminAccountActionModel = {
  name: 'Ada Lovelace',
  act: 'disable',
  url: `${URL}/disable`,
  backUrl: URL,
  hasEmail: true,
  session: null,
  roles: null,
  mostReason: 500,
  form: { reason: '', role: '', name: 'Ada Lovelace', givenName: 'Ada', familyName: '' },
  errors: { fields: {} },
};

const bulk: AdminAccountsBulkModel = {
  stage: 'question',
  act: 'disable',
  url: '/admin/accounts/bulk/ticket',
  backUrl: '/admin/accounts',
  accounts: list.accounts.map(({ id, url, name }) => ({ id, url, name, refusal: null })),
  mostReason: 500,
  reason: '',
  errors: { fields: {} },
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
    create: null,
    isDeleted: true,
    bulkActions: [],
  }),
  sample('admin-accounts-problems', 'admin-accounts', {
    ...list,
    create: list.create && { ...list.create, email: 'ada', username: 'root' },
    errors: {
      summary: 'form.problem',
      fields: {
        email: 'admin_accounts.problem.invalid-email',
        username: 'admin_accounts.problem.reserved-username',
      },
    },
  } satisfies AdminAccountsModel),
  sample('admin-accounts-read-only', 'admin-accounts', { ...list, create: null, bulkActions: [] }),
  sample('admin-accounts-bulk', 'admin-accounts-bulk', bulk),
  sample('admin-accounts-bulk-nothing', 'admin-accounts-bulk', {
    ...bulk,
    ...{ stage: 'nothing', accounts: [], errors: { summary: 'admin_bulk.none', fields: {} } },
  }),
  sample('admin-accounts-bulk-problems', 'admin-accounts-bulk', {
    ...bulk,
    errors: { summary: 'form.problem', fields: { reason: 'admin_account.problem.reason' } },
  }),
  sample('admin-accounts-bulk-begun', 'admin-accounts-bulk', { ...bulk, stage: 'begun' }),
  sample('admin-accounts-bulk-done', 'admin-accounts-bulk', {
    ...bulk,
    stage: 'done',
    accounts: bulk.accounts.map((one, index) => ({ ...one, refusal: index === 0 ? null : 'rank' })),
  }),
  sample('admin-account', 'admin-account', { ...detail, done: 'edit' }),
  sample('admin-account-above', 'admin-account', { ...detail, isAbove: true, actions: [] }),
  sample('admin-account-new', 'admin-account', {
    ...detail,
    status: 'pending',
    isOwn: true,
    done: 'create',
    shown: {
      profile: {
        ...{ name: null, givenName: null, familyName: null, username: 'ada', email: null, emailVerified: false },
        ...{ phoneNumber: null, locale: null, zoneinfo: null, createdAt: AT, lastSignInAt: null, purgeAt: AT },
      },
    },
  } satisfies AdminAccountModel),
  sample(
    'admin-account-credentials',
    'admin-account',
    at('credentials', {
      credentials: {
        ...{ hasPassword: true, hasAuthenticator: false, recoveryCodes: 8, waysIn: 3 },
        passkeys: [
          { name: 'Work laptop', provider: 'iCloud Keychain', createdAt: AT, lastUsedAt: AT },
          { name: 'Key', provider: null, createdAt: AT, lastUsedAt: null },
        ],
        identities: [{ label: 'Google', name: 'ada@gmail.example', linkedAt: AT, lastUsedAt: AT }],
      },
    }),
  ),
  sample(
    'admin-account-sessions',
    'admin-account',
    at('sessions', {
      sessions: [
        {
          ...{ id: 'b0b2a8f4-7f8b-4ac5-8f65-0a8f5f4f1c11', name: null, browser: 'Firefox 141', system: 'Windows 11' },
          ...{ address: '2001:db8:1:2:3:4:5:6', methods: ['password', 'totp'], apps: ['Photo Album', 'Wiki'] },
          ...{ firstSeen: AT, lastSeen: AT, endUrl: `${URL}/sessions/b0b2a8f4-7f8b-4ac5-8f65-0a8f5f4f1c11/end` },
        },
        {
          ...{ id: 'c0b2a8f4-7f8b-4ac5-8f65-0a8f5f4f1c12', name: 'Phone', browser: null, system: null },
          ...{ address: null, methods: [], apps: [], firstSeen: AT, lastSeen: AT, endUrl: null },
        },
      ],
    }),
  ),
  sample('admin-account-sessions-none', 'admin-account', at('sessions', { sessions: [] })),
  sample(
    'admin-account-apps',
    'admin-account',
    at('apps', {
      apps: [
        {
          id: 'Yw3nV0aXbA8JkL2mN4pQ6r',
          name: 'Photo Album',
          url: '/admin/clients/Yw3nV0aXbA8JkL2mN4pQ6r',
          scope: 'openid profile email',
          createdAt: AT,
        },
      ],
    }),
  ),
  sample('admin-account-apps-none', 'admin-account', at('apps', { apps: [] })),
  sample(
    'admin-account-events',
    'admin-account',
    at('events', {
      events: {
        entries: [
          {
            ...{ id: '2', at: AT, action: 'account.disable', actorKind: 'account', actorUrl: URL },
            ...{ result: 'success', reason: 'disabled', note: 'Asked for it by telephone', network: '192.0.2.0/24' },
          },
          {
            ...{ id: '1', at: AT, action: 'session.start', actorKind: 'anonymous', actorUrl: null },
            ...{ result: 'failure', reason: null, note: null, network: null },
          },
        ],
        auditUrl: `/admin/audit?target=${ID}`,
        nextUrl: `${URL}/events?before=1`,
      },
    }),
  ),
  sample(
    'admin-account-events-none',
    'admin-account',
    at('events', { events: { entries: [], auditUrl: '/admin/audit?target=1', nextUrl: null } }),
  ),
  sample(
    'admin-account-roles',
    'admin-account',
    at('roles', {
      roles: [
        { id: 'viewer', name: 'Viewer', rank: 1, audience: null, takeUrl: `${URL}/take-role?role=viewer` },
        { id: 'seller', name: 'Seller', rank: 0, audience: 'https://api.example.com', takeUrl: null },
      ],
    }),
  ),
  sample('admin-account-roles-none', 'admin-account', at('roles', { roles: [] })),
  ...ACCOUNT_ACTIONS.map((act) =>
    sample(`admin-account-${act}`, 'admin-account-action', {
      ...action,
      act,
      url: `${URL}/${act}`,
      session:
        act === 'end-session' ? { name: null, browser: 'Firefox', system: 'Windows', address: '192.0.2.1' } : null,
      roles: act === 'give-role' || act === 'take-role' ? roles : null,
    } satisfies AdminAccountActionModel),
  ),
  sample('admin-account-action-problems', 'admin-account-action', {
    ...action,
    act: 'edit',
    errors: {
      summary: 'form.problem',
      fields: { name: 'register.problem.name', reason: 'admin_account.problem.long' },
    },
  } satisfies AdminAccountActionModel),
  sample('admin-account-action-refused', 'admin-account-action', {
    ...action,
    act: 'reset-credentials',
    hasEmail: false,
    errors: { summary: 'admin_account.problem.last-super-admin', fields: {} },
  } satisfies AdminAccountActionModel),
];
