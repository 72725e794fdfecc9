// The settings about accounts: who may create one, what it needs, and which terms they agree to. Part of definitions.ts.
import { webUrl } from './address.ts';
import { choice, line, list, seconds, setting, yesNo } from './setting.ts';

const DAY = 86_400;

export const accounts = {
  registration: setting(choice('open', 'invite', 'closed'), {
    default: 'invite',
    meaning: 'Who may create an account: anybody, people with an invitation, or nobody.',
  }),
  registrationByMailCode: setting(yesNo(), {
    default: true,
    meaning:
      'Whether signing in with a mailed link or code for the first time makes an account; only where registration is open.',
  }),
  registrationByUpstream: setting(yesNo(), {
    default: true,
    meaning:
      'Whether signing in with another provider for the first time makes an account; only where registration is open.',
  }),
  registrationByTelegram: setting(yesNo(), {
    default: true,
    meaning: 'Whether signing in with Telegram for the first time makes an account; only where registration is open.',
  }),
  registrationEmail: setting(choice('required', 'optional'), {
    default: 'required',
    meaning: 'Whether a new account needs an e-mail address; without one its username and password are all there is.',
  }),
  usernames: setting(choice('off', 'optional', 'required'), {
    default: 'off',
    meaning: 'Whether the form for a new account asks for a username.',
  }),
  reservedUsernames: setting(list(line(50), 1000), {
    default: ['admin', 'root', 'system', 'api', 'support'],
    meaning: 'Usernames nobody can take, and nothing that looks like them.',
  }),
  invitationTtl: setting(seconds(3600, 90 * DAY), { default: 7 * DAY, meaning: 'How long an invitation works.' }),
  deletionGrace: setting(seconds(3600, 90 * DAY), {
    default: 14 * DAY,
    meaning: 'How long people can take back the deletion of their account before it is gone.',
  }),
  termsUrl: setting(webUrl('https'), {
    example: 'https://example.com/terms',
    defaultText: 'nobody is asked to agree to anything',
    meaning: 'The terms that everybody has to agree to.',
  }),
  termsVersion: setting(line(50), {
    example: '2026-11',
    meaning: 'Which version of the terms it is; when it changes, everybody is asked again at the next sign-in.',
  }),
};
