// Every setting of Latchkey, once: its kind, default and meaning. The name is the YAML name; the variable's name, the
// refusals, the settings page and the example file all follow from this table. Lists that only YAML can declare are in
// declarations.ts.
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { accounts } from './account-definitions.ts';
import {
  databaseUrl,
  issuerUrl,
  listenerHost,
  mailSender,
  networkHost,
  redisUrls,
  smtpUrl,
  webUrl,
} from './address.ts';
import {
  choice,
  color,
  type Kind,
  line,
  list,
  type Setting,
  seconds,
  secretText,
  setting,
  wholeNumber,
  yesNo,
} from './setting.ts';

const HOUR = 3600;
const DAY = 86_400;
const YEAR = 365 * DAY;

/** How to make a secret; shown wherever one is asked for. */
export const SECRET_RECIPE = 'what `openssl rand -base64 32` prints';

const files = {
  config: setting(line(1000), {
    example: '/etc/latchkey/latchkey.yaml',
    defaultText: 'config/latchkey.yaml if it exists',
    meaning: 'The YAML file with settings and lists, relative to the folder where Latchkey is started.',
    isEnvironmentOnly: true,
  }),
  dataDir: setting(line(1000), {
    default: './data',
    example: '/var/lib/latchkey',
    meaning: 'Folder for the embedded database, the generated secret and file mails.',
  }),
  placeDatabase: setting(line(1000), {
    example: '/var/lib/latchkey/city.mmdb',
    defaultText: 'no places are told',
    meaning:
      'Database of cities or countries in the MaxMind DB format, for the rough place beside an address; read at start only.',
  }),
};

const listener = {
  issuer: setting(issuerUrl(), {
    example: 'https://id.example.com',
    defaultText: 'http://localhost:<port>',
    meaning: 'Public URL of this provider, exactly as clients know it.',
  }),
  host: setting(listenerHost(), {
    default: '127.0.0.1',
    meaning: 'Address the listener binds to; the container image sets 0.0.0.0.',
  }),
  port: setting(wholeNumber(1, 65_535), { default: 3000, meaning: 'Port of the listener.' }),
  internalPort: setting(wholeNumber(0, 65_535), {
    default: 3001,
    meaning: 'Port on the loopback address for metrics and health checks; 0 turns it off.',
  }),
  trustedProxies: setting(wholeNumber(0, 16), {
    default: 0,
    example: '1',
    meaning: 'How many proxies in front of Latchkey may be believed about the address and scheme of a request.',
  }),
  workers: setting(workerCount(), {
    default: 1,
    example: '4',
    meaning: 'Processes that share the listener; auto is one per core, and more than one needs PostgreSQL.',
  }),
  stopDelay: setting(seconds(0, 60), {
    example: '5',
    defaultText: '3, or 0 while the issuer is on this machine',
    meaning:
      'How long a stop says "not ready" before it closes the listener, so that a proxy can send people elsewhere.',
  }),
  privateNetworkHosts: setting(list(networkHost(), 100), {
    default: [],
    example: 'intranet.example.com, 10.0.0.5',
    meaning:
      'Hosts on private addresses that outgoing calls (back-channel logout, jwks_uri, webhooks, upstreams) may reach.',
  }),
  logLevel: setting(choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), {
    default: 'info',
    meaning: 'The least important messages that are still logged.',
  }),
  accentColor: setting(color(), {
    example: '#0b6857',
    meaning: 'Colour of links and buttons; made darker or lighter where it could not be read.',
  }),
  productName: setting(line(60), { default: 'Latchkey', meaning: 'Name people see on pages and in mails.' }),
};

const storage = {
  databaseUrl: setting(databaseUrl(), {
    example: 'postgres://latchkey:PASSWORD@localhost:5432/latchkey',
    defaultText: 'the embedded database',
    meaning: 'PostgreSQL server to use instead of the embedded database.',
    isSecret: true,
  }),
  databasePoolSize: setting(wholeNumber(1, 200), {
    default: 10,
    meaning: 'Connections one process opens to PostgreSQL at most.',
  }),
  redisUrl: setting(redisUrls(), {
    example: 'redis://localhost:6379',
    defaultText: 'sessions and tokens live in the database',
    meaning: 'Redis for sessions, grants and tokens: one server, a Cluster, or Sentinel.',
    isSecret: true,
  }),
  storageTimeoutMs: setting(wholeNumber(500, 60_000), {
    default: 1500,
    meaning: 'Milliseconds PostgreSQL or Redis may take for one answer before ours is 503.',
  }),
  redisKeyPrefix: setting(keyPrefix(), {
    default: 'latchkey:',
    meaning: 'What every key in Redis starts with, so that several deployments can share one server.',
  }),
  redisAllowVolatile: setting(yesNo(), {
    default: false,
    meaning: 'Accept a Redis that may forget (no append-only file, or an eviction policy); for development.',
  }),
};

const secrets = {
  secret: setting(secretText(), {
    example: SECRET_RECIPE,
    defaultText: 'generated in the data folder with the embedded database',
    meaning: 'Master secret that seals everything at rest; needed with PostgreSQL.',
    isSecret: true,
  }),
  secretPrevious: setting(secretText(), {
    example: 'the old value of LATCHKEY_SECRET',
    meaning: 'The master secret before this one, while values sealed with it are still around.',
    isSecret: true,
  }),
  passwordPepper: setting(secretText(), {
    example: SECRET_RECIPE,
    meaning: 'Mixed into every password hash; once used it can never change or get lost.',
    isSecret: true,
  }),
};

const mail = {
  smtpUrl: setting(smtpUrl(), {
    example: 'smtps://USER:PASSWORD@mail.example.com',
    defaultText: 'mails are written to files',
    meaning: 'Mail server; needed as soon as the issuer is not on this machine.',
    isSecret: true,
  }),
  smtpFallbackUrl: setting(smtpUrl(), {
    example: 'smtp://USER:PASSWORD@backup.example.com:587',
    meaning: 'Second mail server, for repeats and when the first one fails.',
    isSecret: true,
  }),
  smtpPlainHosts: setting(list(networkHost(), 10), {
    default: [],
    example: 'mailpit',
    meaning:
      'Mail servers that may be spoken to without TLS, such as a mail catcher on a private network; never one that others can reach.',
  }),
  mailFrom: setting(mailSender(), {
    example: 'Latchkey <no-reply@example.com>',
    defaultText: 'no-reply@localhost for file mails',
    meaning: 'Sender of every mail; needed with a mail server.',
  }),
};

const passwords = {
  passwordPolicy: setting(choice('length', 'strict', 'classic', 'nist'), {
    default: 'length',
    meaning:
      'Rules for new passwords: length asks for length alone, strict for the four kinds of characters too, ' +
      'classic for 8 to 128 with the four kinds, nist for what NIST SP 800-63B says.',
  }),
  passwordMinLength: setting(wholeNumber(8, 64), {
    example: '14',
    defaultText: '12 (classic: 8; nist: 15, or 8 where LATCHKEY_SECOND_FACTOR_REQUIRED is on)',
    meaning: 'Characters a new password needs; a policy other than length can only be made stricter.',
  }),
  passwordHashMemoryKib: setting(wholeNumber(19_456, 1_048_576), {
    default: 19_456,
    meaning: 'Memory of one Argon2id hash in KiB.',
  }),
  passwordHashIterations: setting(wholeNumber(2, 50), { default: 2, meaning: 'Passes of one Argon2id hash.' }),
  passwordHashParallelism: setting(wholeNumber(1, 16), { default: 1, meaning: 'Lanes of one Argon2id hash.' }),
  passwordHashConcurrency: setting(wholeNumber(1, 64), {
    default: 2,
    meaning: 'Hashes one process computes at the same time; at most one per core.',
  }),
  passwordHashQueue: setting(wholeNumber(0, 10_000), {
    default: 64,
    meaning: 'Hashes that may wait for their turn; beyond that the answer is 503.',
  }),
  breachedPasswordsUrl: setting(webUrl('https'), {
    example: 'https://api.pwnedpasswords.com/range',
    defaultText: 'off',
    meaning:
      'Where new passwords are looked up among leaked ones; only five characters of a hash are sent (k-anonymity).',
  }),
};

const limits = {
  lockAfter: setting(wholeNumber(1, 100), {
    default: 5,
    meaning: 'Wrong passwords in a row for one account from one network before that network has to wait.',
  }),
  lockFor: setting(seconds(1, DAY), {
    default: 900,
    meaning: 'How long the first wait lasts; each further one is twice as long.',
  }),
  lockForAtMost: setting(seconds(1, 30 * DAY), { default: DAY, meaning: 'How long such a wait can get.' }),
  accountFailures: setting(wholeNumber(5, 10_000), {
    default: 100,
    meaning: 'Wrong passwords in a row for one account from anywhere before its password is off until a reset.',
  }),
  networkFailures: setting(wholeNumber(1, 10_000), {
    default: 20,
    meaning: 'Wrong passwords from one network over all accounts within the window below.',
  }),
  networkFailuresWindow: setting(seconds(1, DAY), {
    default: 900,
    meaning: 'Window in which wrong passwords of one network are counted.',
  }),
  codeTries: setting(wholeNumber(1, 10), { default: 5, meaning: 'Tries one mailed code allows.' }),
  codeFailures: setting(wholeNumber(1, 1000), {
    default: 20,
    meaning: 'Wrong mailed codes of one account, over all its codes, within the window below.',
  }),
  codeFailuresWindow: setting(seconds(60, DAY), {
    default: 6 * HOUR,
    meaning: 'Window in which wrong mailed codes of one account are counted.',
  }),
  factorFailures: setting(wholeNumber(1, 100), {
    default: 5,
    meaning: 'Wrong second factors of one account, of all kinds together, within the window below.',
  }),
  factorFailuresWindow: setting(seconds(60, DAY), {
    default: 900,
    meaning: 'Window in which wrong second factors of one account are counted.',
  }),
  ipv6SiteFactor: setting(wholeNumber(1, 1000), {
    default: 10,
    meaning:
      'Networks are counted by IPv4 address or IPv6 /64; the /48 around the latter may have this many times the number.',
  }),
  registrationLimit: setting(wholeNumber(1, 10_000), {
    default: 5,
    meaning: 'Registrations from one network within an hour.',
  }),
  passwordChangeLimit: setting(wholeNumber(1, 1000), {
    default: 3,
    meaning: "Changes of one account's password by its owner within an hour; a reset does not count.",
  }),
  usernameCheckLimit: setting(wholeNumber(1, 10_000), {
    default: 30,
    meaning: 'How often within an hour one network may be told that a username is taken.',
  }),
  mailNetworkLimit: setting(wholeNumber(1, 100_000), {
    default: 30,
    meaning: 'Requests for mails from one network within an hour, whatever they are for and to whom.',
  }),
  upstreamNetworkLimit: setting(wholeNumber(1, 100_000), {
    default: 100,
    meaning: 'Sign-ins begun at upstreams, from one network within an hour.',
  }),
  notMeTtl: setting(seconds(HOUR, 30 * DAY), {
    default: 7 * DAY,
    meaning: 'How long the link "this was not me" of a mail or message works.',
  }),
  clientFailures: setting(wholeNumber(1, 10_000), {
    default: 20,
    meaning: 'Wrong secrets of one client from one network within the window below.',
  }),
  clientFailuresWindow: setting(seconds(1, DAY), {
    default: 900,
    meaning: 'Window in which wrong secrets of one client are counted.',
  }),
  refusedRequestLimit: setting(wholeNumber(1, 1_000_000), {
    default: 120,
    meaning:
      'Requests of apps from one network that one process refuses within a minute (wrong codes, tokens, requests), whatever the app.',
  }),
  startedRequestLimit: setting(wholeNumber(1, 1_000_000), {
    default: 600,
    meaning:
      'Sign-ins, forms, pushed requests, device codes and registrations that one network may begin within a minute, in each process.',
  }),
  answerFloorMs: setting(wholeNumber(0, 5000), {
    default: 100,
    meaning:
      'Milliseconds a sign-in answer takes at least, so that its time tells nothing; below 100 only on this machine.',
  }),
  answerJitterMs: setting(wholeNumber(0, 1000), {
    default: 50,
    meaning: 'Up to this many random milliseconds are added to that.',
  }),
  limitsOff: setting(yesNo(), {
    default: false,
    meaning: 'Switches every limit off, for tests; refused unless the issuer is on this machine.',
  }),
};

const codes = {
  mailCodeDigits: setting(wholeNumber(6, 8), { default: 6, meaning: 'Digits of a mailed code.' }),
  mailCodeTtl: setting(seconds(60, 600), {
    default: 600,
    meaning: 'Life of a mailed code, except for one that only proves an address.',
  }),
  phoneCodeTtl: setting(seconds(60, 600), { default: 300, meaning: 'Life of a code that is sent to a phone number.' }),
  phoneCodeTries: setting(wholeNumber(1, 10), { default: 3, meaning: 'Tries one code to a phone number allows.' }),
  phoneCodeLimit: setting(wholeNumber(1, 100), {
    default: 3,
    meaning: 'Codes to one phone number within the window below.',
  }),
  phoneCodeWindow: setting(seconds(60, HOUR), {
    default: 600,
    meaning: 'Window in which codes to one phone number are counted.',
  }),
  phoneCodeDailyLimit: setting(wholeNumber(1, 1000), {
    default: 10,
    meaning: 'Codes to one phone number within a day.',
  }),
  verificationCodeTtl: setting(seconds(60, 3 * HOUR), {
    default: 600,
    meaning: 'Life of a mailed code that only proves an address.',
  }),
  magicLinkTtl: setting(seconds(60, HOUR), { default: 900, meaning: 'Life of a mailed link for signing in.' }),
  resetLinkTtl: setting(seconds(60, DAY), { default: 900, meaning: 'Life of a mailed link for a new password.' }),
  verificationLinkTtl: setting(seconds(600, 14 * DAY), {
    default: 2 * DAY,
    meaning: 'Life of a mailed link that proves an address, and of a pending change of address.',
  }),
  resendLimit: setting(wholeNumber(1, 100), {
    default: 3,
    meaning: 'Mails with a code of one kind to one address within an hour, except for signing in.',
  }),
  resendWait: setting(seconds(0, HOUR), { default: 30, meaning: 'How far apart such mails are.' }),
  magicLinkLimit: setting(wholeNumber(1, 100), {
    default: 5,
    meaning: 'Mails for signing in to one address within an hour.',
  }),
  magicLinkWait: setting(seconds(0, HOUR), { default: 60, meaning: 'How far apart mails for signing in are.' }),
};

const factors = {
  totpIssuer: setting(line(60), {
    example: 'Example Inc.',
    defaultText: 'the product name',
    meaning: 'Name that authenticator apps show beside the codes.',
  }),
  recoveryCodes: setting(wholeNumber(8, 20), { default: 10, meaning: 'Recovery codes of one set.' }),
  secondFactorRequired: setting(yesNo(), {
    default: false,
    meaning: 'Whether everybody needs a second factor; who has none sets one up while signing in.',
  }),
  secondFactorRoles: setting(list(choice('viewer', 'support', 'operator', 'admin', 'super-admin'), 5), {
    default: [],
    example: 'viewer',
    meaning:
      'Roles whose holders need a second factor, and with them the holders of every role that inherits from one.',
  }),
  trustedDevices: setting(yesNo(), {
    default: false,
    meaning: 'Whether people may leave out the second factor on a browser that they say they trust.',
  }),
  trustedDeviceTtl: setting(seconds(HOUR, YEAR), { default: 30 * DAY, meaning: 'How long such a trust lasts.' }),
};

const tokens = {
  accessTokenTtl: setting(seconds(1, DAY), { default: 900, meaning: 'Life of an access token.' }),
  idTokenTtl: setting(seconds(1, DAY), { default: HOUR, meaning: 'Life of an ID token.' }),
  authorizationCodeTtl: setting(seconds(1, 600), { default: 60, meaning: 'Life of an authorization code.' }),
  clientCredentialsTtl: setting(seconds(1, DAY), {
    default: 900,
    meaning: 'Life of a token that a client got for itself.',
  }),
  pushedRequestTtl: setting(seconds(1, 60), { default: 60, meaning: 'Life of a pushed authorization request.' }),
  deviceCodeTtl: setting(seconds(1, HOUR), { default: 600, meaning: 'Life of a device code.' }),
  interactionTtl: setting(seconds(1, DAY), {
    default: HOUR,
    meaning: 'How long a person has for a sign-in that was begun.',
  }),
  refreshTokenIdleTtl: setting(seconds(1, YEAR), {
    default: 7 * DAY,
    meaning: 'A refresh token dies when it was not used for this long.',
  }),
  refreshTokenIdleRememberedTtl: setting(seconds(1, YEAR), {
    default: 30 * DAY,
    meaning: 'A refresh token of a remembered sign-in dies when it was not used for this long.',
  }),
  refreshTokenFamilyTtl: setting(seconds(1, YEAR), {
    default: 30 * DAY,
    meaning: 'All refresh tokens of one sign-in end after this long, used or not.',
  }),
  refreshTokenFamilyRememberedTtl: setting(seconds(1, YEAR), {
    default: 90 * DAY,
    meaning: 'All refresh tokens of one remembered sign-in end after this long, used or not.',
  }),
  refreshGrace: setting(seconds(0, 60), {
    default: 0,
    example: '10',
    meaning: 'How long a used refresh token may be sent again without ending its family; a repeat still gets no token.',
  }),
  keyRotationPeriod: setting(seconds(0, 10 * YEAR), {
    default: 90 * DAY,
    meaning: 'Age at which signing keys are replaced by themselves; 0 leaves it to the command line.',
  }),
  keyPublishAhead: setting(seconds(60, 30 * DAY), {
    default: 600,
    meaning: 'How long a new signing key is published before it signs, so that every process and client knows it.',
  }),
};

const sessions = {
  sessionIdleTtl: setting(seconds(1, YEAR), {
    default: 7 * DAY,
    meaning: 'A session ends when it was not used for this long.',
  }),
  sessionAbsoluteTtl: setting(seconds(1, YEAR), {
    default: 30 * DAY,
    meaning: 'A session ends after this long, used or not.',
  }),
  sessionIdleRememberedTtl: setting(seconds(1, YEAR), {
    default: 30 * DAY,
    meaning: 'A remembered session ends when it was not used for this long.',
  }),
  sessionAbsoluteRememberedTtl: setting(seconds(1, YEAR), {
    default: 90 * DAY,
    meaning: 'A remembered session ends after this long, used or not.',
  }),
  newDeviceNotices: setting(yesNo(), {
    default: true,
    meaning:
      'Whether people are told, by mail and in Telegram, when their account is signed in to with a browser that was not used for it before.',
  }),
  freshProofTtl: setting(seconds(60, DAY), {
    default: 600,
    meaning: 'How old a proof may be before credentials, e-mail or links can be changed without a new one.',
  }),
};

const protocol = {
  devicePollInterval: setting(seconds(1, 60), {
    default: 5,
    meaning: 'How far apart a device may ask whether its code was approved.',
  }),
  requestObjects: setting(yesNo(), {
    default: false,
    meaning: 'Accept signed request objects by value (RFC 9101).',
  }),
  testResponseTypes: setting(yesNo(), {
    default: false,
    meaning:
      'Implicit and hybrid response types, for clients with latchkey_test_client only; meant for conformance tests.',
  }),
  clientRegistration: setting(choice('off', 'token', 'open'), {
    default: 'off',
    meaning:
      'Dynamic client registration and its management (RFC 7591, RFC 7592): token asks for an initial access token, open for nothing.',
  }),
  clientRegistrationApproval: setting(yesNo(), {
    default: true,
    meaning: 'Whether a client that registered itself does nothing until an administrator has approved it.',
  }),
  clientRegistrationLimit: setting(wholeNumber(1, 1000), {
    default: 10,
    meaning: 'Clients that may be registered from one network within an hour.',
  }),
  clientDocumentHosts: setting(list(networkHost(), 100), {
    default: [],
    example: 'apps.example.com',
    defaultText: 'off',
    meaning: 'Hosts whose client ID metadata documents are taken as clients (an OAuth draft); none turns it off.',
  }),
};

const audit = {
  auditRetentionDays: setting(wholeNumber(1, 3650), {
    default: 400,
    meaning: 'Days for which audit events are kept.',
  }),
};

/** In the order of the settings page. */
export const sections = [
  { title: 'Address and process', settings: listener },
  { title: 'Files', settings: files },
  { title: 'Database and Redis', settings: storage },
  { title: 'Secrets', settings: secrets },
  { title: 'Mail', settings: mail },
  { title: 'Accounts', settings: accounts },
  { title: 'Passwords', settings: passwords },
  { title: 'Limits', settings: limits },
  { title: 'Mailed codes and links', settings: codes },
  { title: 'Factors', settings: factors },
  { title: 'Tokens', settings: tokens },
  { title: 'Sessions', settings: sessions },
  { title: 'Protocol', settings: protocol },
  { title: 'Audit', settings: audit },
] as const satisfies readonly {
  readonly title: string;
  readonly settings: Readonly<Record<string, Setting<unknown>>>;
}[];

export const definitions = {
  ...listener,
  ...files,
  ...storage,
  ...secrets,
  ...mail,
  ...accounts,
  ...passwords,
  ...limits,
  ...codes,
  ...factors,
  ...tokens,
  ...sessions,
  ...protocol,
  ...audit,
};

export type SettingName = keyof typeof definitions;

/** The value of every setting by its YAML name, before it gets its place in Settings or Secrets. */
export type Values = {
  readonly [Name in SettingName]: (typeof definitions)[Name] extends Setting<infer Value> ? Value : never;
};

export const settingNames = Object.keys(definitions) as SettingName[];

/** The variable of a YAML name: `accessTokenTtl` is `LATCHKEY_ACCESS_TOKEN_TTL`. */
export function variableName(name: string): string {
  return `LATCHKEY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function workerCount(): Kind<number> {
  const fixed = wholeNumber(1, 128);
  return {
    allowed: `auto or ${fixed.allowed}`,
    schema: z.preprocess((raw) => (raw === 'auto' ? Math.min(availableParallelism(), 128) : raw), fixed.schema),
  };
}

/** No braces: they would change which slot of a Cluster a key belongs to. */
function keyPrefix(): Kind<string> {
  return {
    allowed: 'up to 50 of letters, digits and _ : . -',
    schema: z.string().regex(/^[\w:.-]{0,50}$/),
  };
}
