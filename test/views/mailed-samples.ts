// Samples of the pages around mails: codes, links, registration and new passwords.
import type {
  LinkModel,
  MailedCodeModel,
  NewPasswordModel,
  NotMeModel,
  RegisterModel,
  ResetModel,
} from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const client = { name: 'Photo Album', host: 'photos.example.com' };
const rules = ['Between 12 and 256 characters.', 'Not a common password.'];

const mailedCode: MailedCodeModel = {
  client,
  action: '/interaction/abc/mail-code/confirm',
  address: 'a•••@example.com',
  minutes: 10,
  otherWayUrl: '/interaction/abc',
  errors: { fields: {} },
};

const register: RegisterModel = {
  client,
  action: '/interaction/abc/register',
  signInUrl: '/interaction/abc',
  email: '',
  name: '',
  minLength: 12,
  rules,
  errors: { fields: {} },
};

const reset: ResetModel = { action: '/reset', login: '', interaction: null, backUrl: '/', errors: { fields: {} } };

const newPassword: NewPasswordModel = {
  action: '/reset/token',
  minLength: 12,
  rules,
  done: false,
  backUrl: '/',
  errors: { fields: {} },
};

const link: LinkModel = { purpose: 'sign-in', action: '/link/token', token: null, isDone: false };

const notMe: NotMeModel = { action: '/not-me/token', isDone: false };

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
  { name: 'reset', page: 'reset', model: reset },
  {
    name: 'reset-in-interaction',
    page: 'reset',
    model: { ...reset, login: 'ada', interaction: 'abc' } satisfies ResetModel,
  },
  {
    name: 'reset-sent',
    page: 'reset',
    model: { ...reset, sent: { address: 'a•••@example.com', minutes: 15 } } satisfies ResetModel,
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
  { name: 'not-me', page: 'not-me', model: notMe },
  { name: 'not-me-done', page: 'not-me', model: { ...notMe, isDone: true } satisfies NotMeModel },
];
