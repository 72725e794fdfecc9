// The pages around upstreams, in each of their states.
import type { ErrorModel, IdentitiesModel, LoginModel, UpstreamAccountModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const client = { name: 'Photo Album', host: 'photos.example.com', url: 'https://photos.example.com/' };

const newcomer: UpstreamAccountModel = {
  client,
  action: '/interaction/abc/upstream-account/def',
  upstream: 'Company account',
  identity: 'ada@example.com',
  kind: 'new',
  canCreate: true,
  name: 'Ada Lovelace',
  backUrl: '/interaction/abc?choose=1',
  errors: { fields: {} },
};

const identities: IdentitiesModel = {
  identities: [
    {
      ...{ id: '6b1c', label: 'Company account', icon: null, name: 'ada@example.com', isLastWay: false },
      ...{ linkedAt: '2026-03-01T10:00:00.000Z', lastUsedAt: '2026-11-20T08:30:00.000Z' },
    },
    {
      ...{ id: '7c2d', label: 'Other', icon: null, name: null, isLastWay: true },
      ...{ linkedAt: '2026-11-01T10:00:00.000Z', lastUsedAt: null },
    },
  ],
  upstreams: [
    { id: 'company', label: 'Company account', icon: null },
    { id: 'other', label: 'Other', icon: null },
  ],
  zone: null,
  unlink: null,
  done: 'linked',
  errors: { fields: {} },
};

export const upstreamSamples: readonly Sample[] = [
  { name: 'account-identities', page: 'account-identities', isSignedIn: true, model: identities },
  {
    name: 'account-identities-none',
    page: 'account-identities',
    isSignedIn: true,
    model: { ...identities, identities: [], done: null } satisfies IdentitiesModel,
  },
  {
    name: 'account-identities-unlink',
    page: 'account-identities',
    isSignedIn: true,
    model: {
      ...identities,
      unlink: { action: '/account/identities/6b1c/unlink', label: 'Company account' },
    } satisfies IdentitiesModel,
  },
  {
    name: 'account-identities-problem',
    page: 'account-identities',
    isSignedIn: true,
    model: { ...identities, errors: { summary: 'identities.problem.last', fields: {} } } satisfies IdentitiesModel,
  },
  {
    name: 'login-linking',
    page: 'login',
    model: {
      client,
      action: '/interaction/abc/login',
      login: 'ada@example.com',
      loginReadonly: false,
      takesPhone: false,
      remember: false,
      rememberDays: 30,
      methods: { password: true, mailCode: true, passkey: false },
      upstreams: [
        { id: 'company', label: 'Company account', icon: null },
        { id: 'other', label: 'Other', icon: null },
      ],
      upstreamAction: '/interaction/abc/upstream',
      isPasswordOptional: true,
      linking: { upstream: 'Company account', identity: 'ada@example.com' },
      lastUsed: 'other',
      registerUrl: null,
      forgotUrl: '/reset?interaction=abc',
      errors: { fields: {} },
    } satisfies LoginModel,
  },
  { name: 'upstream-account-new', page: 'upstream-account', model: newcomer },
  {
    name: 'upstream-account-prove',
    page: 'upstream-account',
    model: { ...newcomer, kind: 'prove', canCreate: false } satisfies UpstreamAccountModel,
  },
  {
    name: 'upstream-account-unproven',
    page: 'upstream-account',
    model: { ...newcomer, kind: 'unproven' } satisfies UpstreamAccountModel,
  },
  {
    name: 'upstream-account-invitation',
    page: 'upstream-account',
    model: { ...newcomer, canCreate: false } satisfies UpstreamAccountModel,
  },
  {
    name: 'upstream-account-problem',
    page: 'upstream-account',
    model: {
      ...newcomer,
      errors: { summary: 'form.problem', fields: { name: 'register.problem.name' } },
    } satisfies UpstreamAccountModel,
  },
  {
    name: 'upstream-failed',
    page: 'error',
    model: {
      code: 'upstream-unreachable',
      title: 'Signing in with Company account did not work',
      text: 'Company account does not answer right now. It is not your fault. Try again in a minute, or sign in another way.',
      nextSteps: [{ label: 'Back to sign-in', url: '/interaction/abc?choose=1' }],
      details: null,
    } satisfies ErrorModel,
  },
];
