// The settings: read once at start from environment, files and YAML, checked as a whole, frozen, and passed down from
// there. Secrets are a separate object, so that the rest can be logged. Only this room reads the environment.
import { resolve } from 'node:path';
import packageFile from '../package.json' with { type: 'json' };
import { isLoopback } from './address.ts';
import { findConflicts, findExampleSecrets, policyMinLength } from './check.ts';
import { type Declared, readDeclarations } from './declarations.ts';
import { definitions, type SettingName, settingNames, type Values, variableName } from './definitions.ts';
import { openPlaceDatabase } from './place-database.ts';
import { Secrets } from './secrets.ts';
import { type Problem, parseValue } from './setting.ts';
import { readSources, type Source } from './source.ts';

export interface LoadedSettings {
  readonly settings: Settings;
  readonly secrets: Secrets;
  /** Where each setting came from, by its variable's name; lists that only YAML declares by their own name. */
  readonly sources: ReadonlyMap<string, Source>;
  /** The values in force by the same names, secrets left out. */
  readonly values: ReadonlyMap<string, unknown>;
}

export interface LoadOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Relative paths, and `config/latchkey.yaml`, start here. */
  readonly cwd?: string;
  readonly package?: { readonly version: string };
}

/** Every problem the settings have, in one message. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    super([`The settings have ${count}:`, ...problems.map(formatProblem)].join('\n'));
    this.problems = problems;
  }
}

function formatProblem({ name, place, wrong, example }: Problem): string {
  const end = wrong.endsWith('?') ? '' : '.';
  return `  ${name}${place === undefined ? '' : ` (${place})`}: ${wrong}${end} Example: ${example}`;
}

/** Everything that may be logged; times are in seconds unless the name says otherwise. */
export type Settings = DeepReadonly<ReturnType<typeof arrange>>;

type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** @throws SettingsError with all problems at once */
export function loadSettings(options: LoadOptions = {}): LoadedSettings {
  const { env = process.env, cwd = process.cwd(), package: product = packageFile } = options;
  const given = readSources(env, cwd);
  const problems: Problem[] = [...given.problems];
  const broken = new Set<SettingName>(given.unreadable);
  const sources = new Map<string, Source>();
  const parsed: Partial<Record<SettingName, unknown>> = {};

  for (const name of settingNames) {
    const definition = definitions[name];
    const found = given.settings.get(name);
    parsed[name] = definition.default;
    sources.set(variableName(name), found?.source ?? 'default');
    if (found === undefined) continue;
    const result = parseValue<unknown>(definition, found.raw);
    if ('value' in result) parsed[name] = result.value;
    else {
      broken.add(name);
      const place = found.place === undefined ? {} : { place: found.place };
      problems.push({ name: variableName(name), ...place, wrong: result.wrong, example: definition.example });
    }
  }
  // Every name of the table is there, with its default or what its own schema made of the value.
  const values = parsed as unknown as Values;
  const { declared, secrets, problems: declarationProblems } = readDeclarations(given.declarations, cwd);
  problems.push(...declarationProblems, ...findConflicts(values, broken));
  if (!broken.has('placeDatabase')) problems.push(...findPlaceProblems(values.placeDatabase, cwd));
  if (!broken.has('issuer')) problems.push(...findExampleSecrets(values.issuer, secrets.clientSecrets));
  if (problems.length > 0) throw new SettingsError(problems);

  if (values.databaseUrl === undefined && values.secret === undefined) sources.set(variableName('secret'), 'generated');
  for (const name of given.declarations.keys()) sources.set(name, 'yaml');
  const settings: Settings = arrange(values, declared, cwd, product.version);
  return deepFreeze({
    settings,
    secrets: new Secrets(
      deepFreeze({
        ...secrets,
        masterSecret: values.secret,
        previousSecret: values.secretPrevious,
        databaseUrl: values.databaseUrl,
        redisUrls: values.redisUrl?.urls ?? [],
        smtpUrl: values.smtpUrl,
        smtpFallbackUrl: values.smtpFallbackUrl,
        pepper: values.passwordPepper,
      }),
    ),
    sources,
    values: inForce(values, settings, given.configPath),
  });
}

function findPlaceProblems(path: string | undefined, cwd: string): Problem[] {
  if (path === undefined) return [];
  const opened = openPlaceDatabase(resolve(cwd, path));
  const { example } = definitions.placeDatabase;
  return 'wrong' in opened ? [{ name: variableName('placeDatabase'), wrong: opened.wrong, example }] : [];
}

type DatabaseSettings = { kind: 'embedded' } | { kind: 'postgres'; poolSize: number };

/** Gives every value its place and computes what depends on others. */
function arrange(values: Values, declared: Declared, cwd: string, version: string) {
  const database: DatabaseSettings =
    values.databaseUrl === undefined ? { kind: 'embedded' } : { kind: 'postgres', poolSize: values.databasePoolSize };
  const issuer = values.issuer ?? `http://localhost:${values.port}`;
  return {
    version,
    productName: values.productName,
    /** Null: our own, or what administrators chose. */
    accentColor: values.accentColor ?? null,
    issuer,
    host: values.host,
    port: values.port,
    /** On the loopback address; 0 is off. */
    internalPort: values.internalPort,
    dataDir: resolve(cwd, values.dataDir),
    /** Null: no places are told. */
    placeDatabase: values.placeDatabase === undefined ? null : resolve(cwd, values.placeDatabase),
    database,
    storageTimeoutMs: values.storageTimeoutMs,
    redis: {
      kind: values.redisUrl?.kind ?? ('none' as const),
      allowVolatile: values.redisAllowVolatile,
      keyPrefix: values.redisKeyPrefix,
    },
    workers: values.workers,
    stopDelay: values.stopDelay ?? (isLoopback(issuer) ? 0 : 3),
    trustedProxies: values.trustedProxies,
    mail: {
      kind: values.smtpUrl === undefined ? ('file' as const) : ('smtp' as const),
      from: values.mailFrom ?? 'no-reply@localhost',
      hasFallback: values.smtpFallbackUrl !== undefined,
      /** As `URL.hostname` writes them. */
      plainHosts: values.smtpPlainHosts,
    },
    registration: values.registration,
    registrationRules: {
      /** The form has no place for a username there. */
      byMailCode: values.registrationByMailCode && values.usernames !== 'required',
      byUpstream: values.registrationByUpstream,
      byTelegram: values.registrationByTelegram,
      email: values.registrationEmail,
      usernames: values.usernames,
      invitationTtl: values.invitationTtl,
    },
    terms:
      values.termsUrl === undefined || values.termsVersion === undefined
        ? null
        : { url: values.termsUrl, version: values.termsVersion },
    /** As `URL.hostname` writes them. */
    privateNetworkHosts: values.privateNetworkHosts,
    logLevel: values.logLevel,
    ttl: {
      accessToken: values.accessTokenTtl,
      idToken: values.idTokenTtl,
      authorizationCode: values.authorizationCodeTtl,
      clientCredentials: values.clientCredentialsTtl,
      pushedRequest: values.pushedRequestTtl,
      deviceCode: values.deviceCodeTtl,
      interaction: values.interactionTtl,
      refreshTokenIdle: values.refreshTokenIdleTtl,
      refreshTokenIdleRemembered: values.refreshTokenIdleRememberedTtl,
      refreshTokenFamily: values.refreshTokenFamilyTtl,
      refreshTokenFamilyRemembered: values.refreshTokenFamilyRememberedTtl,
      sessionIdle: values.sessionIdleTtl,
      sessionAbsolute: values.sessionAbsoluteTtl,
      sessionIdleRemembered: values.sessionIdleRememberedTtl,
      sessionAbsoluteRemembered: values.sessionAbsoluteRememberedTtl,
      /** Not configurable: a link to everything must not live long. */
      setupLink: 3600,
      freshProof: values.freshProofTtl,
      notMe: values.notMeTtl,
      deletionGrace: values.deletionGrace,
    },
    newDeviceNotices: values.newDeviceNotices,
    refreshGrace: values.refreshGrace,
    protocol: {
      devicePollInterval: values.devicePollInterval,
      requestObjects: values.requestObjects,
      testResponseTypes: values.testResponseTypes,
      clientRegistration: values.clientRegistration,
      clientRegistrationApproval: values.clientRegistrationApproval,
      clientRegistrationLimit: values.clientRegistrationLimit,
      /** As `URL.hostname` writes them; none: off. */
      clientDocumentHosts: values.clientDocumentHosts,
    },
    auditRetentionDays: values.auditRetentionDays,
    keys: { rotationPeriod: values.keyRotationPeriod, publishAhead: values.keyPublishAhead },
    limits: {
      lockAfter: values.lockAfter,
      lockFor: values.lockFor,
      lockForAtMost: values.lockForAtMost,
      accountFailures: values.accountFailures,
      networkFailures: values.networkFailures,
      networkFailuresWindow: values.networkFailuresWindow,
      codeFailures: values.codeFailures,
      codeFailuresWindow: values.codeFailuresWindow,
      factorFailures: values.factorFailures,
      factorFailuresWindow: values.factorFailuresWindow,
      answerFloorMs: values.answerFloorMs,
      answerJitterMs: values.answerJitterMs,
      siteFactor: values.ipv6SiteFactor,
      registrations: values.registrationLimit,
      passwordChanges: values.passwordChangeLimit,
      mailRequests: values.mailNetworkLimit,
      upstreamSignIns: values.upstreamNetworkLimit,
      clientFailures: values.clientFailures,
      clientFailuresWindow: values.clientFailuresWindow,
      refusedRequests: values.refusedRequestLimit,
      startedRequests: values.startedRequestLimit,
      usernameChecks: values.usernameCheckLimit,
      switchedOff: values.limitsOff,
    },
    password: {
      policy: values.passwordPolicy,
      minLength: values.passwordMinLength ?? policyMinLength(values),
      /** Part of the policy, not a setting of its own. */
      maxLength: values.passwordPolicy === 'classic' ? 128 : 256,
      hashMemoryKib: values.passwordHashMemoryKib,
      hashIterations: values.passwordHashIterations,
      hashParallelism: values.passwordHashParallelism,
      hashConcurrency: values.passwordHashConcurrency,
      hashQueue: values.passwordHashQueue,
      /** Undefined: nothing is looked up. */
      breachedUrl: values.breachedPasswordsUrl,
    },
    mailed: {
      codeDigits: values.mailCodeDigits,
      codeTries: values.codeTries,
      codeTtl: values.mailCodeTtl,
      verificationCodeTtl: values.verificationCodeTtl,
      signInLinkTtl: values.magicLinkTtl,
      resetLinkTtl: values.resetLinkTtl,
      verificationLinkTtl: values.verificationLinkTtl,
      resendLimit: values.resendLimit,
      resendWait: values.resendWait,
      signInLimit: values.magicLinkLimit,
      signInWait: values.magicLinkWait,
    },
    phoneCodes: {
      tries: values.phoneCodeTries,
      ttl: values.phoneCodeTtl,
      limit: values.phoneCodeLimit,
      window: values.phoneCodeWindow,
      dailyLimit: values.phoneCodeDailyLimit,
    },
    factors: {
      totpIssuer: values.totpIssuer ?? values.productName,
      recoveryCodes: values.recoveryCodes,
      secondFactorRequired: values.secondFactorRequired,
      secondFactorRoles: values.secondFactorRoles,
      trustedDevices: values.trustedDevices,
      trustedDeviceTtl: values.trustedDeviceTtl,
    },
    usernames: { reserved: values.reservedUsernames },
    clients: [...declared.clients],
    resources: [...declared.resources],
    upstreams: [...declared.upstreams],
    telegram: declared.telegram,
    roles: [...declared.roles],
  };
}

/** What is printed: the values as given, and for those that depend on others what they came to. */
function inForce(values: Values, settings: Settings, configPath: string | undefined): ReadonlyMap<string, unknown> {
  const computed: Partial<Record<SettingName, unknown>> = {
    config: configPath,
    issuer: settings.issuer,
    dataDir: settings.dataDir,
    stopDelay: settings.stopDelay,
    mailFrom: settings.mail.from,
    passwordMinLength: settings.password.minLength,
    totpIssuer: settings.factors.totpIssuer,
  };
  const printable = new Map<string, unknown>();
  for (const name of settingNames) {
    if (!definitions[name].isSecret) printable.set(variableName(name), computed[name] ?? values[name]);
  }
  printable.set(
    'clients',
    settings.clients.map((client) => client.client_id),
  );
  printable.set(
    'resources',
    settings.resources.map((resource) => resource.id),
  );
  printable.set(
    'upstreams',
    settings.upstreams.map((upstream) => upstream.id),
  );
  printable.set('telegram', settings.telegram?.mode);
  printable.set(
    'roles',
    settings.roles.map((role) => role.id),
  );
  return printable;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
