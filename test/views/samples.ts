// A model for each state of each page: what the preview shows, and what the tests of views and pages go through.
import { renderSVG } from 'uqr';
import { PERMISSIONS } from '../../src/access/permission.ts';
import type {
  ConsentModel,
  ErrorModel,
  HomeModel,
  LoggedOutModel,
  LoginModel,
  LogoutModel,
  MessageModel,
  Navigation,
  SecondFactorModel,
  SecondFactorSetupModel,
  SecurityModel,
  SelectAccountModel,
  SetupModel,
} from '../../src/http/page-model.ts';
import { adminNavigation } from '../../src/portal/admin/admin-page.ts';
import { accountSamples } from './account-samples.ts';
import { adminAccountSamples } from './admin-account-samples.ts';
import { adminAuditSamples } from './admin-audit-samples.ts';
import { adminBrandSamples } from './admin-brand-samples.ts';
import { adminClaimSamples } from './admin-claim-samples.ts';
import { adminClientSamples } from './admin-client-samples.ts';
import { adminInvitationSamples } from './admin-invitation-samples.ts';
import { adminOrganizationSamples } from './admin-organization-samples.ts';
import { adminOverviewSamples } from './admin-overview-samples.ts';
import { adminRoleSamples } from './admin-role-samples.ts';
import { adminSettingsSamples } from './admin-settings-samples.ts';
import { adminUpstreamSamples } from './admin-upstream-samples.ts';
import { deviceSamples } from './device-samples.ts';
import { mailedSamples } from './mailed-samples.ts';
import type { Sample } from './sample.ts';
import { sessionSamples } from './session-samples.ts';
import { telegramSamples } from './telegram-samples.ts';
import { upstreamSamples } from './upstream-samples.ts';

export const ada = { name: 'Ada Lovelace', email: 'ada@example.com' };

export const everyAdminPage = (path: string): Navigation => adminNavigation(new Set(PERMISSIONS), path);

const client = {
  name: 'Photo Album',
  host: 'photos.example.com',
  url: 'https://photos.example.com/',
  logoUri: null,
  policyUri: 'https://photos.example.com/privacy',
  tosUri: 'https://photos.example.com/terms',
};

const login: LoginModel = {
  client,
  action: '/interaction/abc/login',
  login: '',
  loginReadonly: false,
  takesPhone: false,
  remember: false,
  rememberDays: 30,
  methods: { password: true, mailCode: false, passkey: false },
  upstreams: [],
  registerUrl: null,
  forgotUrl: null,
  abortAction: '/interaction/abc/abort',
  errors: { fields: {} },
};

const consent: ConsentModel = {
  client: { ...client, verified: false, firstParty: false },
  account: { ...ada, switchUrl: '/interaction/abc/switch' },
  scopes: [
    { name: 'profile', group: 'see', isNew: false },
    { name: 'email', group: 'see', isNew: false },
  ],
  offlineAccess: true,
  isAgain: false,
  action: '/interaction/abc/consent',
  redirectHost: 'photos.example.com',
};

const selectAccount: SelectAccountModel = {
  client,
  action: '/interaction/abc/select-account',
  accounts: [
    { id: 'handle-1', ...ada, isSignedIn: true, isCurrent: true },
    {
      id: 'handle-2',
      name: 'Работа',
      email: 'ada.lovelace@difference-engine.example.org',
      isSignedIn: false,
      isCurrent: false,
    },
    { id: 'handle-3', name: 'grace', email: null, isSignedIn: false, isCurrent: false },
  ],
};

const logout: LogoutModel = { client, account: ada, confirmAction: '/session/end/confirm', xsrf: 'engine-token' };
const loggedOut: LoggedOutModel = { client, returnUrl: 'https://photos.example.com/' };

const home: HomeModel = {
  isAdministrator: false,
  account: null,
  issuer: 'https://id.example.com',
  setupNeeded: false,
  discoveryUrl: 'https://id.example.com/.well-known/openid-configuration',
  signOutUrl: '/session/end',
};

const notFound: ErrorModel = {
  code: 'page-not-found',
  nextSteps: [{ label: 'To the start page', url: '/' }],
  details: { error: 'page-not-found', description: 'This page does not exist.' },
};

const message: MessageModel = {
  pageId: 'error',
  title: 'Already used',
  text: 'This link worked once. You are signed in.',
  nextSteps: [{ label: 'Go on', url: '/' }],
};

const setup: SetupModel = {
  stage: 'form',
  action: '/setup/token',
  email: '',
  name: '',
  username: '',
  issuer: 'https://id.example.com',
  seenOrigin: 'https://id.example.com',
  issuerMatches: true,
  minLength: 12,
  rules: [
    {
      key: 'length',
      text: 'Between 12 and 256 characters. Spaces and any script are welcome; a few words work well.',
      state: 'open',
      min: 12,
      max: 256,
    },
  ],
  firstClient: null,
  created: null,
  errors: { fields: {} },
};

const snippet = `import * as oidc from 'openid-client';

const config = await oidc.discovery(new URL("https://id.example.com"), "photo-album", {
  id_token_signed_response_alg: "ES256",
}, oidc.ClientSecretBasic("a-secret-that-is-shown-once"));
`;

const secondFactor: SecondFactorModel = {
  client,
  action: '/interaction/abc/second-factor/def',
  method: 'totp',
  entry: 'Latchkey · a•••@example.com',
  others: [{ method: 'recovery-code', url: '/interaction/abc/second-factor/def?method=recovery-code' }],
  optionsUrl: null,
  bot: null,
  trustDays: 30,
  isOptional: false,
  switchAction: '/interaction/abc/switch',
  errors: { fields: {} },
};

const secondFactorSetup: SecondFactorSetupModel = {
  client,
  stage: 'choose',
  action: '/interaction/abc/second-factor-setup/def',
  choices: [
    { method: 'passkey', url: '/interaction/abc/second-factor-setup/def?method=passkey' },
    { method: 'totp', url: '/interaction/abc/second-factor-setup/def?method=totp' },
    { method: 'telegram', url: '/interaction/abc/second-factor-setup/def?method=telegram' },
  ],
  authenticator: null,
  optionsUrl: null,
  bot: null,
  isTelegramLinked: false,
  codes: [],
  switchAction: '/interaction/abc/switch',
  errors: { fields: {} },
};

const moment = { iso: '2026-03-01T09:30:00.000Z', day: '1 Mar 2026', exact: 'Sunday, 1 March 2026 at 09:30:00 UTC' };

const security: SecurityModel = {
  stage: 'overview',
  changed: true,
  hasPassword: true,
  passwordChangedAt: moment,
  hasAuthenticator: true,
  authenticatorUse: { createdAt: moment, lastUsedAt: moment },
  canPasskey: true,
  passkeys: [
    {
      ...{ id: '2b0c', name: 'Work laptop', provider: 'Windows Hello', createdAt: moment, lastUsedAt: null },
      ...{ isSynced: false, isWayIn: true, isRisky: true },
    },
    {
      ...{ id: '7f3a', name: 'iCloud Keychain', provider: 'iCloud Keychain', createdAt: moment, lastUsedAt: moment },
      ...{ isSynced: true, isWayIn: false, isRisky: false },
    },
  ],
  passkeySignal: { rpId: 'id.example.com', userId: 'AAEC', allAcceptedCredentialIds: ['AAECAw'] },
  telegram: 'on',
  telegramUse: { createdAt: moment, lastUsedAt: null },
  hasSecondFactor: true,
  advice: 'recovery-codes',
  events: [
    { what: 'sign-in', isFailure: false, at: moment, network: '203.0.113.7' },
    { what: 'sign-in-failed', isFailure: true, at: moment, network: null },
  ],
  confirmation: null,
  passkey: null,
  recoveryCodes: 8,
  waysIn: 2,
  minLength: 12,
  rules: [{ key: 'length', text: 'Between 12 and 256 characters.', state: 'open', min: 12, max: 256 }],
  authenticator: null,
  newCodes: null,
  errors: { fields: {} },
};

export const samples: readonly Sample[] = [
  ...deviceSamples,
  ...mailedSamples,
  ...sessionSamples,
  ...adminAccountSamples,
  ...accountSamples,
  ...adminAuditSamples,
  ...adminSettingsSamples,
  ...adminBrandSamples,
  ...adminOverviewSamples,
  ...adminClaimSamples,
  ...adminClientSamples,
  ...adminInvitationSamples,
  ...adminOrganizationSamples,
  ...adminUpstreamSamples,
  ...adminRoleSamples,
  ...upstreamSamples,
  ...telegramSamples,
  { name: 'login', page: 'login', model: login },
  {
    name: 'login-mismatch',
    page: 'login',
    model: {
      ...login,
      login: 'ada@example.com',
      remember: true,
      errors: { summary: 'login.problem.mismatch', fields: { login: '', password: '' } },
    } satisfies LoginModel,
  },
  {
    name: 'login-locked',
    page: 'login',
    model: {
      ...login,
      login: 'ada',
      retryAfter: 165,
      errors: { summary: 'login.problem.locked', fields: {} },
    } satisfies LoginModel,
  },
  {
    name: 'login-everything',
    page: 'login',
    model: {
      ...login,
      methods: { password: true, mailCode: true, passkey: true },
      passkey: {
        action: '/interaction/abc/passkey',
        optionsUrl: '/interaction/abc/passkey/options',
        rpId: 'id.example.com',
        unknownId: 'AAECAw',
      },
      upstreams: [
        { id: 'google', label: 'Google', icon: 'google' },
        { id: 'apple', label: 'Apple', icon: 'apple' },
        { id: 'microsoft', label: 'Microsoft', icon: 'microsoft' },
        { id: 'github', label: 'GitHub', icon: 'github' },
        { id: 'discord', label: 'Discord', icon: 'discord' },
        { id: 'x', label: 'X', icon: 'x' },
        { id: 'telegram-bot', label: 'Telegram', icon: 'telegram' },
        { id: 'company', label: 'Example Company', icon: 'shield' },
      ],
      upstreamAction: '/interaction/abc/upstream',
      phoneUrl: '/interaction/abc/phone',
      takesPhone: true,
      registerUrl: '/register',
      forgotUrl: '/reset',
      lastUsed: 'google',
    } satisfies LoginModel,
  },
  {
    name: 'login-number-faulty',
    page: 'login',
    model: {
      ...login,
      ...{ login: '0123', takesPhone: true, methods: { password: true, mailCode: true, passkey: false } },
      errors: { summary: 'login.problem.number', fields: { login: '' } },
    } satisfies LoginModel,
  },
  { name: 'login-plain', page: 'login', model: { ...login, client: null, remember: null } satisfies LoginModel },
  {
    name: 'reauthenticate',
    page: 'reauthenticate',
    isSignedIn: true,
    model: {
      ...login,
      login: ada.email,
      loginReadonly: true,
      reason: 'reauthenticate',
      switchAction: '/interaction/abc/switch',
    } satisfies LoginModel,
  },
  {
    name: 'reauthenticate-organization',
    page: 'reauthenticate',
    isSignedIn: true,
    model: {
      ...login,
      ...{ login: ada.email, loginReadonly: true, reason: 'reauthenticate', switchAction: '/interaction/abc/switch' },
      ...{ organization: 'Acme Corporation', registerUrl: null },
      methods: { password: false, mailCode: false, passkey: false },
      upstreams: [{ id: 'google', label: 'Google', icon: 'google' }],
    } satisfies LoginModel,
  },
  { name: 'consent', page: 'consent', isSignedIn: true, model: consent },
  {
    name: 'consent-again',
    page: 'consent',
    isSignedIn: true,
    model: {
      ...consent,
      client: { ...consent.client, verified: true },
      organization: { name: 'Acme Corporation', logoUrl: null },
      isAgain: true,
      scopes: [
        { name: 'email', group: 'see', isNew: false },
        { name: 'phone', group: 'see', isNew: true },
        {
          name: 'albums:write',
          group: 'do',
          isNew: true,
          label: 'add pictures to your albums',
          detail: 'albums:write',
        },
        { name: 'offline_access', group: 'do', isNew: true },
      ],
    } satisfies ConsentModel,
  },
  {
    name: 'consent-first-party',
    page: 'consent',
    isSignedIn: true,
    model: {
      ...consent,
      client: { ...consent.client, policyUri: null, tosUri: null, firstParty: true },
      offlineAccess: false,
    } satisfies ConsentModel,
  },
  { name: 'select-account', page: 'select-account', model: selectAccount },
  { name: 'logout', page: 'logout', model: logout },
  { name: 'logout-without-client', page: 'logout', model: { ...logout, client: null } satisfies LogoutModel },
  { name: 'logged-out', page: 'logged-out', model: loggedOut },
  { name: 'logged-out-plain', page: 'logged-out', model: { client: null, returnUrl: null } satisfies LoggedOutModel },
  { name: 'error-not-found', page: 'error', model: notFound },
  {
    name: 'error-expired',
    page: 'error',
    model: {
      code: 'interaction-expired',
      client,
      nextSteps: [{ label: 'Back to Photo Album', url: client.url }, ...notFound.nextSteps],
      details: null,
    } satisfies ErrorModel,
  },
  {
    name: 'error-finished',
    page: 'error',
    isSignedIn: true,
    model: { code: 'interaction-finished', client, nextSteps: notFound.nextSteps, details: null } satisfies ErrorModel,
  },
  {
    name: 'error-unavailable',
    page: 'error',
    model: { ...notFound, code: 'unavailable', details: null, retryAfter: 5 } satisfies ErrorModel,
  },
  {
    name: 'error-redirect',
    page: 'error',
    model: {
      ...notFound,
      code: 'redirect-uri-mismatch',
      details: {
        error: 'invalid_redirect_uri',
        description: "redirect_uri did not match any of the client's registered redirect_uris",
      },
      operatorHint:
        'redirect_uri: https://photos.example.com/callback?next=%2Fvery%2Flong%2Fpath — client_id: photo-album',
    } satisfies ErrorModel,
  },
  {
    name: 'error-unknown-code',
    page: 'error',
    model: { ...notFound, code: 'something-new', details: { error: 'something_new' } } satisfies ErrorModel,
  },
  { name: 'message', page: 'message', model: message },
  { name: 'home', page: 'home', model: home },
  {
    name: 'home-signed-in',
    page: 'home',
    isSignedIn: true,
    model: { ...home, account: ada, isAdministrator: true } satisfies HomeModel,
  },
  { name: 'home-setup-needed', page: 'home', model: { ...home, setupNeeded: true } satisfies HomeModel },
  { name: 'setup', page: 'setup', model: setup },
  {
    name: 'setup-problems',
    page: 'setup',
    model: {
      ...setup,
      email: 'ada@',
      name: 'Ada Lovelace',
      username: 'root',
      seenOrigin: 'http://192.0.2.7:3000',
      issuerMatches: false,
      errors: {
        summary: 'form.problem',
        fields: {
          email: 'setup.problem.email',
          username: 'setup.problem.username',
          new_password: 'password.problem.too-short',
        },
      },
    } satisfies SetupModel,
  },
  { name: 'setup-closed', page: 'setup', model: { ...setup, stage: 'closed' } satisfies SetupModel },
  { name: 'setup-invalid', page: 'setup', model: { ...setup, stage: 'invalid' } satisfies SetupModel },
  {
    name: 'setup-done',
    page: 'setup',
    model: { ...setup, stage: 'done', firstClient: { action: '/setup/first-client/ticket' } } satisfies SetupModel,
  },
  {
    name: 'setup-done-problem',
    page: 'setup',
    model: {
      ...setup,
      stage: 'done',
      firstClient: {
        action: '/setup/first-client/ticket',
        name: 'Photo Album',
        redirectUri: 'http://photos.example.com',
        applicationType: 'native',
      },
      errors: { summary: 'form.problem', fields: { redirect_uri: 'redirect_uris must be https, or http on loopback' } },
    } satisfies SetupModel,
  },
  {
    name: 'setup-created',
    page: 'setup',
    model: {
      ...setup,
      stage: 'done',
      created: {
        clientId: 'photo-album',
        clientSecret: 'k3F9vX0aWm2bTq7LZr5cYh8NdPs1JuEi4OgRxVtKwQo',
        snippet,
        issuer: setup.issuer,
      },
    } satisfies SetupModel,
  },
  {
    name: 'setup-created-public',
    page: 'setup',
    model: {
      ...setup,
      stage: 'done',
      created: { clientId: 'photo-album', clientSecret: null, snippet, issuer: setup.issuer },
    } satisfies SetupModel,
  },
  {
    name: 'second-factor',
    page: 'second-factor',
    isSignedIn: true,
    model: secondFactor,
  },
  {
    name: 'second-factor-recovery',
    page: 'second-factor',
    isSignedIn: true,
    model: {
      ...secondFactor,
      method: 'recovery-code',
      entry: null,
      others: [{ method: 'totp', url: '/interaction/abc/second-factor/def' }],
      errors: { summary: 'second_factor.problem.recovery-code', fields: { code: '' } },
    } satisfies SecondFactorModel,
  },
  {
    name: 'second-factor-passkey',
    page: 'second-factor',
    isSignedIn: true,
    model: {
      ...secondFactor,
      method: 'passkey',
      entry: null,
      others: [{ method: 'totp', url: '/interaction/abc/second-factor/def?method=totp' }],
      optionsUrl: '/interaction/abc/second-factor/def/options',
      isOptional: true,
      errors: { summary: 'second_factor.problem.passkey', fields: {} },
    } satisfies SecondFactorModel,
  },
  {
    name: 'second-factor-telegram',
    page: 'second-factor',
    isSignedIn: true,
    model: {
      ...secondFactor,
      ...{ method: 'telegram', entry: null },
      action: '/interaction/abc/second-factor/def/telegram',
      bot: { url: 'https://t.me/latchkey_test_bot', name: '@latchkey_test_bot' },
      errors: { summary: 'second_factor.problem.telegram', fields: {} },
    } satisfies SecondFactorModel,
  },
  {
    name: 'second-factor-telegram-away',
    page: 'second-factor',
    isSignedIn: true,
    model: {
      ...secondFactor,
      ...{ method: 'telegram', entry: null, trustDays: null },
      others: [{ method: 'telegram', url: '/interaction/abc/second-factor/def?method=telegram' }],
    } satisfies SecondFactorModel,
  },
  { name: 'second-factor-setup', page: 'second-factor-setup', isSignedIn: true, model: secondFactorSetup },
  {
    name: 'second-factor-setup-totp',
    page: 'second-factor-setup',
    isSignedIn: true,
    model: {
      ...secondFactorSetup,
      stage: 'totp',
      choices: secondFactorSetup.choices.slice(0, 1),
      authenticator: {
        secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
        qr: renderSVG('otpauth://totp/Latchkey:ada@example.com?secret=JBSWY3DPEHPK3PXP'),
      },
      errors: { summary: 'form.problem', fields: { code: 'security.problem.code' } },
    } satisfies SecondFactorSetupModel,
  },
  {
    name: 'second-factor-setup-passkey',
    page: 'second-factor-setup',
    isSignedIn: true,
    model: {
      ...secondFactorSetup,
      stage: 'passkey',
      choices: secondFactorSetup.choices.slice(1),
      optionsUrl: '/interaction/abc/second-factor-setup/def/options',
    } satisfies SecondFactorSetupModel,
  },
  ...([true, false] as const).map((isTelegramLinked) => ({
    name: `second-factor-setup-telegram${isTelegramLinked ? '' : '-link'}`,
    page: 'second-factor-setup',
    isSignedIn: true,
    model: {
      ...secondFactorSetup,
      ...{ stage: 'telegram', action: '/interaction/abc/second-factor-setup/def/telegram', isTelegramLinked },
      choices: secondFactorSetup.choices.slice(0, 2),
      bot: { url: 'https://t.me/latchkey_test_bot', name: '@latchkey_test_bot' },
      errors: isTelegramLinked ? { summary: 'second_factor_setup.problem.telegram', fields: {} } : { fields: {} },
    } satisfies SecondFactorSetupModel,
  })),
  {
    name: 'second-factor-setup-telegram-away',
    page: 'second-factor-setup',
    isSignedIn: true,
    model: {
      ...secondFactorSetup,
      ...{ stage: 'telegram', action: '/interaction/abc/second-factor-setup/def/telegram' },
      choices: secondFactorSetup.choices.slice(0, 2),
    } satisfies SecondFactorSetupModel,
  },
  {
    name: 'second-factor-setup-codes',
    page: 'second-factor-setup',
    isSignedIn: true,
    model: {
      ...secondFactorSetup,
      stage: 'codes',
      codes: ['7K3M-9QXT-2WHD-P5RV', 'B4NC-8YFG-6JSE-ZT2A'],
    } satisfies SecondFactorSetupModel,
  },
  { name: 'account-security', page: 'account-security', isSignedIn: true, model: security },
  {
    name: 'account-security-bare',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      ...{
        changed: false,
        hasPassword: false,
        passwordChangedAt: null,
        hasAuthenticator: false,
        authenticatorUse: null,
        hasSecondFactor: false,
        telegram: 'unlinked',
        telegramUse: null,
      },
      ...{ passkeys: [], passkeySignal: null, advice: 'passkey', events: [], waysIn: 1 },
      errors: { summary: 'security.problem.last-way', fields: {} },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-password',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'password',
      errors: { summary: 'form.problem', fields: { new_password: 'password.problem.too-short' } },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-authenticator',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'authenticator',
      authenticator: {
        secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
        qr: renderSVG('otpauth://totp/Latchkey:ada@example.com?secret=JBSWY3DPEHPK3PXP'),
      },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-passkey-add',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'passkey-add',
      passkey: { name: '', action: '/account/security/passkeys/add', optionsUrl: '/account/security/passkeys/options' },
      errors: { summary: 'security.problem.passkey-known', fields: {} },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-passkey-rename',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'passkey-rename',
      passkey: { name: 'Work laptop', action: '/account/security/passkeys/2b0c/rename', optionsUrl: null },
      errors: { summary: 'form.problem', fields: { name: 'security.problem.name' } },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-confirm',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'confirm',
      confirmation: { what: 'passkey', action: '/account/security/passkeys/2b0c/delete', name: 'Work laptop' },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-telegram',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'confirm',
      confirmation: { what: 'telegram-add', action: '/account/security/telegram', name: null },
    } satisfies SecurityModel,
  },
  {
    name: 'account-security-codes',
    page: 'account-security',
    isSignedIn: true,
    model: {
      ...security,
      stage: 'codes',
      newCodes: ['7K3M-9QXT-2WHD-P5RV', 'B4NC-8YFG-6JSE-ZT2A'],
    } satisfies SecurityModel,
  },
];
