// The one list of translation keys that code puts together while it runs. A star stands for what is filled in. Every other key is written out
// where it is used, so that a search finds it.
import type { PasswordProblem } from '../../src/credential/password.ts';
import { ERROR_CODES, errorText } from '../../src/http/error-text.ts';
import type { SetupModel } from '../../src/http/page-model.ts';
import { SCOPES } from '../../src/oidc/provider.ts';

/** The names of a union of texts; the compiler refuses the list when one is missing or too many. */
function namesOf<Name extends string>(names: Readonly<Record<Name, true>>): readonly string[] {
  return Object.keys(names);
}

const errorTexts = [...new Set([...ERROR_CODES.map(errorText), 'general'])];
const kinds = namesOf<NonNullable<NonNullable<SetupModel['firstClient']>['applicationType']>>({
  web: true,
  spa: true,
  native: true,
});

export const composedKeys: Readonly<Record<string, readonly string[]>> = {
  'device.problem.*': ['unknown', 'expired', 'used', 'missing', 'locked', 'again'],
  'error.*.title': errorTexts,
  'error.*.text': errorTexts,
  'login.problem.*': ['mismatch', 'locked'],
  'password.problem.*': namesOf<PasswordProblem>({
    'too-short': true,
    'too-long': true,
    'needs-kinds': true,
    'too-common': true,
    'too-personal': true,
    breached: true,
  }),
  'password.rule.*': ['length', 'kinds', 'uncommon'],
  'second_factor.problem.*': ['totp', 'recovery-code'],
  // The consent page has its own words for these two.
  'scope.*': SCOPES.filter((scope) => !['openid', 'offline_access'].includes(scope)),
  'setup.kind_*': kinds,
  'setup.kind_*_hint': kinds,
  // What accounts refuse only when they are asked to create one.
  'setup.problem.*': ['invalid-email', 'invalid-username', 'email-taken', 'username-taken', 'reserved-username'],
};
