// What must hold between settings: production refusals, values that need one another, and pairs in the right order.
import { isLoopback } from './address.ts';
import { definitions, SECRET_RECIPE, type SettingName, type Values, variableName } from './definitions.ts';
import type { Problem } from './setting.ts';
import { findWeakness, isExample } from './weak-secret.ts';

const POLICY_MIN_LENGTH: Readonly<Record<Values['passwordPolicy'], number>> = {
  length: 12,
  strict: 12,
  classic: 8,
  nist: 15,
};
/** SP 800-63B-4, 3.1.1.2: where a password is never the only proof. */
const NIST_WITH_SECOND_FACTOR = 8;

/** Fewest characters of a new password. That somebody has a second factor today is not enough: it can be removed, and the password stays. */
export function policyMinLength(values: Pick<Values, 'passwordPolicy' | 'secondFactorRequired'>): number {
  const isNeverAlone = values.passwordPolicy === 'nist' && values.secondFactorRequired;
  return isNeverAlone ? NIST_WITH_SECOND_FACTOR : POLICY_MIN_LENGTH[values.passwordPolicy];
}

interface Check {
  /** When one of these has a problem of its own, the check says nothing. */
  readonly uses: readonly SettingName[];
  run(values: Values): Problem | undefined;
}

/**
 * A check of the first setting in `uses` against the others.
 * @param findWrong answers what is wrong, as a sentence that follows the name of the first
 */
function check<Name extends SettingName>(
  uses: readonly [Name, ...Name[]],
  findWrong: (values: Pick<Values, Name>) => string | undefined | false,
  example: string = definitions[uses[0]].example,
): Check {
  return {
    uses,
    run(values) {
      const wrong = findWrong(values);
      return wrong === undefined || wrong === false ? undefined : { name: variableName(uses[0]), wrong, example };
    },
  };
}

/** The first must not be longer than the second. */
function inOrder(shorter: SettingName, longer: SettingName): Check {
  return check([shorter, longer], (values) => {
    return Number(values[shorter]) > Number(values[longer]) && `must not be longer than ${variableName(longer)}`;
  });
}

/** Without an issuer it is the one on localhost. */
function isLocal(issuer: string | undefined): boolean {
  return issuer === undefined || isLoopback(issuer);
}

const NOT_LOCAL = 'while the issuer is not on this machine';

const checks: readonly Check[] = [
  check(
    ['smtpUrl', 'issuer'],
    ({ smtpUrl, issuer }) =>
      smtpUrl === undefined && !isLocal(issuer) && `is needed: mails cannot go to files ${NOT_LOCAL}`,
  ),
  check(
    ['mailFrom', 'smtpUrl'],
    ({ mailFrom, smtpUrl }) => mailFrom === undefined && smtpUrl !== undefined && 'is needed with a mail server',
  ),
  check(
    ['smtpFallbackUrl', 'smtpUrl'],
    ({ smtpFallbackUrl, smtpUrl }) =>
      smtpFallbackUrl !== undefined &&
      smtpUrl === undefined &&
      `is the second mail server, but ${variableName('smtpUrl')} is not set`,
  ),
  check(
    ['workers', 'databaseUrl'],
    ({ workers, databaseUrl }) =>
      workers > 1 &&
      databaseUrl === undefined &&
      `must be 1 with the embedded database: set ${variableName('databaseUrl')} for more`,
    '1',
  ),
  check(
    ['secret', 'databaseUrl'],
    ({ secret, databaseUrl }) => secret === undefined && databaseUrl !== undefined && 'is needed with PostgreSQL',
  ),
  check(['secret'], ({ secret }) => secret !== undefined && findWeakness(secret)),
  check(['secretPrevious'], ({ secretPrevious }) => secretPrevious !== undefined && findWeakness(secretPrevious)),
  check(['secretPrevious', 'secret'], ({ secretPrevious, secret }) => {
    if (secretPrevious === undefined) return undefined;
    if (secret === undefined) return `is the one before ${variableName('secret')}, which is not set`;
    return secret === secretPrevious && `is the same as ${variableName('secret')}`;
  }),
  check(
    ['passwordPepper'],
    ({ passwordPepper }) => passwordPepper !== undefined && findWeakness(passwordPepper),
    SECRET_RECIPE,
  ),
  check(
    ['internalPort', 'port'],
    ({ internalPort, port }) => internalPort === port && `must differ from ${variableName('port')}`,
    '3001',
  ),
  check(['passwordMinLength', 'passwordPolicy', 'secondFactorRequired'], (values) => {
    const { passwordMinLength, passwordPolicy } = values;
    if (passwordMinLength === undefined || passwordPolicy === 'length') return undefined;
    const least = policyMinLength(values);
    return passwordMinLength < least && `must be at least ${least} with the policy ${passwordPolicy}`;
  }),
  check(
    ['limitsOff', 'issuer'],
    ({ limitsOff, issuer }) => limitsOff && !isLocal(issuer) && `must be false ${NOT_LOCAL}`,
  ),
  check(
    ['answerFloorMs', 'issuer'],
    ({ answerFloorMs, issuer }) => answerFloorMs < 100 && !isLocal(issuer) && `must be at least 100 ${NOT_LOCAL}`,
  ),
  check(
    ['usernames', 'registrationEmail'],
    ({ usernames, registrationEmail }) =>
      registrationEmail === 'optional' &&
      usernames === 'off' &&
      `must be optional or required while ${variableName('registrationEmail')} is optional: an account needs a name`,
    'required',
  ),
  check(
    ['termsUrl', 'termsVersion'],
    ({ termsUrl, termsVersion }) =>
      termsUrl === undefined && termsVersion !== undefined && `is needed with ${variableName('termsVersion')}`,
  ),
  check(
    ['termsVersion', 'termsUrl'],
    ({ termsUrl, termsVersion }) =>
      termsVersion === undefined && termsUrl !== undefined && `is needed with ${variableName('termsUrl')}`,
  ),
  inOrder('lockFor', 'lockForAtMost'),
  inOrder('refreshTokenIdleTtl', 'refreshTokenFamilyTtl'),
  inOrder('refreshTokenIdleRememberedTtl', 'refreshTokenFamilyRememberedTtl'),
  inOrder('sessionIdleTtl', 'sessionAbsoluteTtl'),
  inOrder('sessionIdleRememberedTtl', 'sessionAbsoluteRememberedTtl'),
];

/** @param broken settings that have a problem already; their values are not looked at */
export function findConflicts(values: Values, broken: ReadonlySet<SettingName>): Problem[] {
  return checks.flatMap((one) => (one.uses.some((name) => broken.has(name)) ? [] : (one.run(values) ?? [])));
}

/** Client secrets copied from an example; on this machine they are fine. */
export function findExampleSecrets(
  issuer: string | undefined,
  clientSecrets: Readonly<Record<string, string>>,
): Problem[] {
  if (isLocal(issuer)) return [];
  return Object.entries(clientSecrets)
    .filter(([, secret]) => isExample(secret))
    .map(([id]) => ({
      name: `client_secret of ${id}`,
      wrong: 'looks like an example, not like a secret of your own',
      example: SECRET_RECIPE,
    }));
}
