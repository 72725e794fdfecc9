// Samples of the pages around mails: codes, links, registration and new passwords.
import type {
  LinkModel,
  MailedCodeModel,
  NewPasswordModel,
  NotMeModel,
  ProfileModel,
  RegisterModel,
  ResetModel,
  SelectOrganizationModel,
  TermsModel,
} from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const client = { name: 'Photo Album', host: 'photos.example.com' };
const rules = [
  { key: 'length', text: 'Between 12 and 256 characters.', state: 'met', min: 12, max: 256 },
  { key: 'uncommon', text: 'Not a common password.', state: 'unmet' },
  { key: 'strength', text: 'Strength: good.', state: 'open' },
] as const;

const mailedCode: MailedCodeModel = {
  client,
  action: '/interaction/abc/mail-code/confirm',
  address: 'a•••@example.com',
  minutes: 10,
  digits: 6,
  resend: { action: '/interaction/abc/mail-code/confirm/resend', wait: 0 },
  otherWayUrl: '/interaction/abc',
  errors: { fields: {} },
};

const register: RegisterModel = {
  client,
  action: '/interaction/abc/register',
  signInUrl: '/interaction/abc',
  email: '',
  emailUse: 'required',
  username: '',
  usernameUse: 'off',
  name: '',
  termsUrl: null,
  termsAccepted: false,
  minLength: 12,
  rules,
  errors: { fields: {} },
};

const selectOrganization: SelectOrganizationModel = {
  client,
  action: '/interaction/uid/organization',
  organizations: [
    { id: '11111111-1111-4111-8111-111111111111', slug: 'acme', name: 'Acme Corporation', logoUrl: null },
    { id: '22222222-2222-4222-8222-222222222222', slug: 'observatory', name: 'Observatory', logoUrl: null },
  ],
  account: { name: 'Ada Lovelace', email: 'ada@example.com' },
  switchAction: '/interaction/uid/switch',
};

const terms: TermsModel = {
  client,
  action: '/interaction/abc/terms',
  url: 'https://example.com/terms',
  version: '2026-11',
  isAgain: false,
  account: { name: 'Ada Lovelace', email: 'ada@example.com' },
  switchAction: '/interaction/abc/switch',
};

const reset: ResetModel = {
  ...{ action: '/reset', login: '', takesPhone: false, interaction: null, backUrl: '/', errors: { fields: {} } },
};

const newPassword: NewPasswordModel = {
  action: '/reset/token',
  minLength: 12,
  rules,
  done: false,
  backUrl: '/',
  errors: { fields: {} },
};

const link: LinkModel = { purpose: 'sign-in', action: '/link/token', token: null, isDone: false };

const profile: ProfileModel = {
  phone: null,
  phoneBot: { name: '@latchkey_test_bot', url: 'https://t.me/latchkey_test_bot' },
  stage: 'overview',
  name: 'Ada Lovelace',
  locale: 'en',
  picture: { path: '/pictures/abcdefghijklmnopqrstuvwxyz' },
  theme: 'dark',
  zone: 'Europe/Berlin',
  zones: ['Africa/Cairo', 'America/New_York', 'Europe/Berlin', 'UTC'],
  languages: [
    { tag: 'en', name: 'English' },
    { tag: 'ru', name: 'Русский' },
  ],
  email: 'ada@example.com',
  username: 'ada',
  pendingEmail: null,
  notices: {
    channels: ['mail', 'telegram'],
    kinds: [
      { kind: 'sign-in', mail: false, telegram: true },
      { kind: 'change', mail: true, telegram: true },
    ],
  },
  typedEmail: '',
  code: null,
  changed: null,
  errors: { fields: {} },
};

const notMe: NotMeModel = { action: '/not-me/token', isDone: false, recovery: 'mail' };

export const mailedSamples: readonly Sample[] = [
  { name: 'magic-link', page: 'magic-link', model: mailedCode },
  {
    name: 'magic-link-wrong',
    page: 'magic-link',
    model: {
      ...mailedCode,
      errors: { summary: 'mailed.problem.wrong', fields: { code: '' } },
    } satisfies MailedCodeModel,
  },
  {
    name: 'magic-link-wait',
    page: 'magic-link',
    model: {
      ...mailedCode,
      address: null,
      minutes: 1,
      resend: { ...mailedCode.resend, wait: 45 },
      retryAfter: 30,
      errors: { summary: 'mailed.problem.wait', fields: {} },
    } satisfies MailedCodeModel,
  },
  { name: 'verify-email', page: 'verify-email', model: mailedCode },
  { name: 'register', page: 'register', model: register },
  {
    name: 'register-problems',
    page: 'register',
    model: {
      ...register,
      email: 'ada@',
      errors: {
        summary: 'form.problem',
        fields: { email: 'register.problem.email', new_password: 'password.problem.too-personal' },
      },
    } satisfies RegisterModel,
  },
  {
    name: 'register-everything',
    page: 'register',
    model: {
      ...register,
      emailUse: 'optional',
      username: 'ada_l',
      usernameUse: 'required',
      termsUrl: 'https://example.com/terms',
      errors: {
        summary: 'form.problem',
        fields: { username: 'register.problem.username-taken', terms: 'register.problem.terms' },
      },
    } satisfies RegisterModel,
  },
  {
    name: 'register-invited',
    page: 'register',
    model: {
      ...register,
      email: 'ada@example.com',
      emailUse: 'invited',
      usernameUse: 'optional',
      termsUrl: 'https://example.com/terms',
      termsAccepted: true,
    } satisfies RegisterModel,
  },
  { name: 'select-organization', page: 'select-organization', model: selectOrganization },
  {
    name: 'select-organization-alone',
    page: 'select-organization',
    model: { ...selectOrganization, client: null } satisfies SelectOrganizationModel,
  },
  { name: 'terms', page: 'terms', model: terms },
  { name: 'terms-again', page: 'terms', model: { ...terms, client: null, isAgain: true } satisfies TermsModel },
  { name: 'reset', page: 'reset', model: reset },
  {
    name: 'reset-in-interaction',
    page: 'reset',
    model: { ...reset, login: 'ada', takesPhone: true, interaction: 'abc' } satisfies ResetModel,
  },
  {
    name: 'reset-sent',
    page: 'reset',
    model: {
      ...reset,
      sent: { address: 'a•••@example.com', minutes: 15, digits: 8, resend: { action: '/reset/abc/resend', wait: 29 } },
    } satisfies ResetModel,
  },
  { name: 'reset-confirm', page: 'reset-confirm', model: newPassword },
  {
    name: 'reset-confirm-done',
    page: 'reset-confirm',
    model: { ...newPassword, done: true } satisfies NewPasswordModel,
  },
  { name: 'link-confirm', page: 'link-confirm', model: link },
  { name: 'link-confirm-elsewhere', page: 'link-confirm', model: { ...link, action: null } satisfies LinkModel },
  {
    name: 'link-confirm-verification',
    page: 'link-confirm',
    model: { ...link, purpose: 'verify-email', action: '/link', token: 'token' } satisfies LinkModel,
  },
  {
    name: 'link-confirm-verified',
    page: 'link-confirm',
    model: { ...link, purpose: 'verify-email', action: null, isDone: true } satisfies LinkModel,
  },
  {
    name: 'link-confirm-invitation',
    page: 'link-confirm',
    model: { ...link, purpose: 'invitation', action: '/invitation/token' } satisfies LinkModel,
  },
  {
    name: 'link-confirm-organization',
    page: 'link-confirm',
    model: {
      ...{ ...link, purpose: 'invitation', action: '/invitation/token' },
      organization: { name: 'Acme Corporation', memberRole: 'admin', mayRegister: true, account: null },
    } satisfies LinkModel,
  },
  {
    name: 'link-confirm-organization-signed-in',
    page: 'link-confirm',
    model: {
      ...{ ...link, purpose: 'invitation', action: '/invitation/token' },
      organization: {
        ...{ name: 'Acme Corporation', memberRole: 'member', mayRegister: false },
        account: { name: 'Grace Hopper', email: 'grace@example.com' },
      },
    } satisfies LinkModel,
  },
  {
    name: 'link-confirm-membership',
    page: 'link-confirm',
    model: { ...link, purpose: 'membership', action: '/account/organizations/join/link' } satisfies LinkModel,
  },
  { name: 'not-me', page: 'not-me', model: notMe },
  { name: 'account-profile', page: 'account-profile', isSignedIn: true, model: profile },
  {
    name: 'account-profile-phone',
    page: 'account-profile',
    isSignedIn: true,
    model: {
      ...{ ...profile, phone: '+7 916 123 45 67', changed: 'phone' },
      notices: { ...profile.notices, channels: ['mail'] },
    } satisfies ProfileModel,
  },
  {
    name: 'account-profile-notices',
    page: 'account-profile',
    isSignedIn: true,
    model: { ...profile, stage: 'notices' } satisfies ProfileModel,
  },
  {
    name: 'account-profile-notices-none',
    page: 'account-profile',
    isSignedIn: true,
    model: {
      ...{ ...profile, stage: 'notices' },
      errors: { summary: 'form.problem', fields: { change_mail: 'profile.problem.notices' } },
    } satisfies ProfileModel,
  },
  {
    name: 'account-profile-phone-remove',
    page: 'account-profile',
    isSignedIn: true,
    model: { ...profile, stage: 'phone', phone: '+7 916 123 45 67' } satisfies ProfileModel,
  },
  {
    name: 'account-profile-pending',
    page: 'account-profile',
    isSignedIn: true,
    model: { ...profile, changed: 'profile', pendingEmail: 'grace@example.com' } satisfies ProfileModel,
  },
  {
    name: 'account-profile-email',
    page: 'account-profile',
    isSignedIn: true,
    model: {
      ...profile,
      stage: 'email',
      email: null,
      typedEmail: 'ada@',
      errors: { summary: 'form.problem', fields: { email: 'register.problem.email' } },
    } satisfies ProfileModel,
  },
  {
    name: 'account-profile-code',
    page: 'account-profile',
    isSignedIn: true,
    model: {
      ...profile,
      stage: 'code',
      typedEmail: 'grace@example.com',
      code: { action: '/account/profile/email/abc', minutes: 10, digits: 6, resend: mailedCode.resend },
    } satisfies ProfileModel,
  },
  {
    name: 'link-confirm-email-change',
    page: 'link-confirm',
    model: { ...link, purpose: 'email-change', token: 'token' } satisfies LinkModel,
  },
  { name: 'link-confirm-undo', page: 'link-confirm', model: { ...link, purpose: 'email-undo' } satisfies LinkModel },
  {
    name: 'link-confirm-undone',
    page: 'link-confirm',
    model: { ...link, purpose: 'email-undo', action: null, isDone: true } satisfies LinkModel,
  },
  {
    name: 'not-me-telegram',
    page: 'not-me',
    model: { ...notMe, isDone: true, recovery: 'telegram' } satisfies NotMeModel,
  },
  { name: 'not-me-done', page: 'not-me', model: { ...notMe, isDone: true } satisfies NotMeModel },
];
