import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { settingNames, variableName } from '../../config/definitions.ts';
import { loadSettings, SettingsError } from '../../config/settings.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { placeDatabase, SOME_PLACES } from '../support/place-database.ts';
import { folder, load, PRODUCTION, refusal, refusedNames, SECRET } from './loading.ts';

/** All but the one that names a file to read. */
const VARIABLES = settingNames.filter((name) => name !== 'config').map(variableName);

describe('without any setting', () => {
  test('Latchkey runs on this machine with the defaults of its requirements', () => {
    const { settings, secrets } = load({}, '/srv/latchkey');
    assert.deepEqual(settings, {
      version: packageFile.version,
      productName: 'Latchkey',
      accentColor: null,
      issuer: 'http://localhost:3000',
      host: '127.0.0.1',
      port: 3000,
      internalPort: 3001,
      dataDir: '/srv/latchkey/data',
      placeDatabase: null,
      database: { kind: 'embedded' },
      storageTimeoutMs: 1500,
      redis: { kind: 'none', allowVolatile: false, keyPrefix: 'latchkey:' },
      workers: 1,
      stopDelay: 0,
      trustedProxies: 0,
      mail: { kind: 'file', from: 'no-reply@localhost', hasFallback: false, plainHosts: [] },
      registration: 'invite',
      registrationRules: {
        byMailCode: true,
        byUpstream: true,
        byTelegram: true,
        email: 'required',
        usernames: 'off',
        invitationTtl: 604_800,
      },
      terms: null,
      privateNetworkHosts: [],
      logLevel: 'info',
      ttl: {
        accessToken: 900,
        idToken: 3600,
        authorizationCode: 60,
        clientCredentials: 900,
        pushedRequest: 60,
        deviceCode: 600,
        interaction: 3600,
        refreshTokenIdle: 604_800,
        refreshTokenIdleRemembered: 2_592_000,
        refreshTokenFamily: 2_592_000,
        refreshTokenFamilyRemembered: 7_776_000,
        sessionIdle: 604_800,
        sessionAbsolute: 2_592_000,
        sessionIdleRemembered: 2_592_000,
        sessionAbsoluteRemembered: 7_776_000,
        setupLink: 3600,
        freshProof: 600,
        notMe: 604_800,
        deletionGrace: 1_209_600,
      },
      newDeviceNotices: true,
      refreshGrace: 0,
      protocol: {
        devicePollInterval: 5,
        requestObjects: false,
        testResponseTypes: false,
        clientRegistration: 'off',
        clientRegistrationApproval: true,
        clientRegistrationLimit: 10,
        clientDocumentHosts: [],
      },
      auditRetentionDays: 400,
      keys: { rotationPeriod: 7_776_000, publishAhead: 600 },
      limits: {
        lockAfter: 5,
        lockFor: 900,
        lockForAtMost: 86_400,
        accountFailures: 100,
        networkFailures: 20,
        networkFailuresWindow: 900,
        codeFailures: 20,
        codeFailuresWindow: 21_600,
        factorFailures: 5,
        factorFailuresWindow: 900,
        siteFactor: 10,
        registrations: 5,
        passwordChanges: 3,
        mailRequests: 30,
        upstreamSignIns: 100,
        clientFailures: 20,
        clientFailuresWindow: 900,
        refusedRequests: 120,
        startedRequests: 600,
        usernameChecks: 30,
        answerFloorMs: 100,
        answerJitterMs: 50,
        switchedOff: false,
      },
      password: {
        policy: 'length',
        minLength: 12,
        maxLength: 256,
        hashMemoryKib: 19_456,
        hashIterations: 2,
        hashParallelism: 1,
        hashConcurrency: 2,
        hashQueue: 64,
        breachedUrl: undefined,
      },
      mailed: {
        codeDigits: 6,
        codeTries: 5,
        codeTtl: 600,
        verificationCodeTtl: 600,
        signInLinkTtl: 900,
        resetLinkTtl: 900,
        verificationLinkTtl: 172_800,
        resendLimit: 3,
        resendWait: 30,
        signInLimit: 5,
        signInWait: 60,
      },
      phoneCodes: { tries: 3, ttl: 300, limit: 3, window: 600, dailyLimit: 10 },
      factors: {
        totpIssuer: 'Latchkey',
        recoveryCodes: 10,
        secondFactorRequired: false,
        secondFactorRoles: [],
        trustedDevices: false,
        trustedDeviceTtl: 2_592_000,
      },
      usernames: { reserved: ['admin', 'root', 'system', 'api', 'support'] },
      clients: [],
      resources: [],
      upstreams: [],
      telegram: undefined,
      roles: [],
    });
    assert.equal(secrets.masterSecret, undefined);
    assert.deepEqual(secrets.redisUrls, []);
  });

  test('the issuer follows the port', () => {
    assert.equal(load({ LATCHKEY_PORT: '8080' }).settings.issuer, 'http://localhost:8080');
  });
});

test('everything given finds its place, and secrets are apart from the rest', (context) => {
  const cwd = folder(context, {
    pepper: 'Zx81kTgVbn5wQeYu0RmJpFs7cDhL2aGi9oNvXtKlE4M=\n',
    'config/latchkey.yaml': `
privateNetworkHosts: [intranet.example.com, 10.0.0.5]
registration: open
accessTokenTtl: 5m
databasePoolSize: 3
clients: [{ client_id: demo, client_secret: Rk29vTgQbn5wXeYu }]
upstreams: [{ id: g, kind: google, clientId: c, clientSecret: Ju83kdLq }]
telegram: { botToken: "1:a" }
roles: [{ id: r, name: R }]
`,
  });
  const { settings, secrets } = load(
    {
      ...PRODUCTION,
      LATCHKEY_REDIS_URL: 'redis://a,redis://b',
      LATCHKEY_SMTP_FALLBACK_URL: 'smtp://u:p@b.example',
      LATCHKEY_PASSWORD_PEPPER_FILE: 'pepper',
      LATCHKEY_WORKERS: 'auto',
      LATCHKEY_DATA_DIR: '/var/lib/latchkey',
      LATCHKEY_REGISTRATION: 'closed',
    },
    cwd,
  );
  assert.deepEqual(settings.database, { kind: 'postgres', poolSize: 3 });
  assert.equal(settings.redis.kind, 'cluster');
  assert.deepEqual(settings.mail, { kind: 'smtp', from: 'no-reply@example.com', hasFallback: true, plainHosts: [] });
  assert.deepEqual(settings.privateNetworkHosts, ['intranet.example.com', '10.0.0.5']);
  assert.equal(settings.registration, 'closed', 'the environment wins');
  assert.equal(settings.ttl.accessToken, 300);
  assert.equal(settings.workers, availableParallelism());
  assert.equal(settings.stopDelay, 3, 'a proxy stands in front of a public issuer');
  assert.equal(settings.dataDir, '/var/lib/latchkey');
  assert.deepEqual(settings.clients, [{ client_id: 'demo' }]);
  assert.equal(settings.upstreams[0]?.kind, 'google');
  assert.equal(settings.telegram?.mode, 'polling');
  assert.equal(settings.roles[0]?.id, 'r');

  assert.equal(secrets.masterSecret, SECRET);
  assert.equal(secrets.databaseUrl, PRODUCTION['LATCHKEY_DATABASE_URL']);
  assert.deepEqual(secrets.redisUrls, ['redis://a', 'redis://b']);
  assert.equal(secrets.smtpUrl, 'smtps://mail.example.com');
  assert.equal(secrets.smtpFallbackUrl, 'smtp://u:p@b.example');
  assert.equal(secrets.pepper, 'Zx81kTgVbn5wQeYu0RmJpFs7cDhL2aGi9oNvXtKlE4M=');
  assert.equal(secrets.clientSecrets['demo'], 'Rk29vTgQbn5wXeYu');
  assert.equal(secrets.upstreamSecrets['g'], 'Ju83kdLq');
  assert.equal(secrets.telegramBotToken, '1:a');

  const loggable = JSON.stringify(settings);
  for (const secret of [SECRET, 'postgres:', 'redis:', 'smtp', 'Zx81k', 'Rk29v', 'Ju83k', '1:a']) {
    assert.ok(!loggable.replaceAll('"kind":"smtp"', '').includes(secret), secret);
  }
});

test('the source of every setting is known', (context) => {
  const cwd = folder(context, { secret: SECRET, 'config/latchkey.yaml': 'host: "::1"\nclients: [{ client_id: a }]' });
  const { sources } = load({ LATCHKEY_PORT: '4000', LATCHKEY_SECRET_FILE: 'secret' }, cwd);
  assert.equal(sources.get('LATCHKEY_PORT'), 'environment');
  assert.equal(sources.get('LATCHKEY_SECRET'), 'file');
  assert.equal(sources.get('LATCHKEY_HOST'), 'yaml');
  assert.equal(sources.get('LATCHKEY_ISSUER'), 'default');
  assert.equal(sources.get('clients'), 'yaml');
  assert.equal(sources.has('roles'), false);
  for (const name of settingNames) assert.ok(sources.has(variableName(name)), name);
  assert.equal(load({}).sources.get('LATCHKEY_SECRET'), 'generated');
});

test('everything is frozen, down to the last list', (context) => {
  const cwd = folder(context, {
    'config/latchkey.yaml': 'clients: [{ client_id: a, redirect_uris: [x], jwks: { keys: [{}] } }]',
  });
  const loaded = load({}, cwd);
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value), path);
    for (const [key, part] of Object.entries(value)) visit(part, `${path}.${key}`);
  };
  visit(loaded, 'loaded');
  assert.ok(Object.isFrozen(loaded.secrets.redisUrls) && Object.isFrozen(loaded.secrets.clientSecrets));
});

describe('a refusal', () => {
  test('lists every problem at once, each with name, place, fault and an example', (context) => {
    const cwd = folder(context, { 'config/latchkey.yaml': 'port: many\nhots: x\nclients: [{}]\n' });
    const error = refusal(
      { LATCHKEY_ISSUER: 'http://id.example.com', LATCHKEY_TRUSTED_PROXYS: '1', LATCHKEY_SECRET: 'changeme' },
      cwd,
    );
    assert.equal(
      error.message,
      `The settings have 6 problems:
  LATCHKEY_TRUSTED_PROXYS: is not a setting; did you mean LATCHKEY_TRUSTED_PROXIES? Example: LATCHKEY_TRUSTED_PROXIES=1
  hots (in config/latchkey.yaml): is not a setting; did you mean host? Example: config/latchkey.example.yaml shows every name
  LATCHKEY_ISSUER: must use https: http is accepted only on localhost, 127.0.0.1 or [::1]. Example: https://id.example.com
  LATCHKEY_PORT (port in config/latchkey.yaml): must be a whole number from 1 to 65535. Example: 3000
  clients[0].client_id: is missing; it must be 1 to 200 visible ASCII characters. Example: clients: [{ client_id: demo, redirect_uris: [https://app.example.com/callback] }]
  LATCHKEY_SECRET: has 8 bytes and needs at least 32. Example: what \`openssl rand -base64 32\` prints`,
    );
  });

  test('comes for every setting that is given nonsense, by its name', () => {
    const nonsense = '\u0001';
    const env = Object.fromEntries(
      settingNames.filter((name) => name !== 'config').map((name) => [variableName(name), nonsense]),
    );
    assert.deepEqual(refusedNames(env), Object.keys(env).toSorted());
    assert.ok(!refusal(env).message.includes(nonsense));
  });

  test('never repeats a value', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...VARIABLES), fc.stringMatching(/^[ -~]{0,20}hunter2[ -~]{0,20}$/), {
          minKeys: 1,
          noNullPrototype: true,
        }),
        (env) => {
          try {
            load(env);
          } catch (error) {
            assert.ok(error instanceof SettingsError);
            assert.ok(!error.message.includes('hunter2'));
          }
        },
      ),
    );
  });

  test('of client secrets copied from an example comes as soon as the issuer is public', (context) => {
    const cwd = folder(context, { 'config/latchkey.yaml': 'clients: [{ client_id: demo, client_secret: changeme }]' });
    assert.deepEqual(refusedNames(PRODUCTION, cwd), ['client_secret of demo']);
    assert.equal(load({}, cwd).secrets.clientSecrets['demo'], 'changeme');
  });
});

describe('the database of places', () => {
  const whole = placeDatabase(SOME_PLACES);

  test('is a file that is there and can be read, wherever the path starts', (context) => {
    const cwd = folder(context);
    writeFileSync(join(cwd, 'city.mmdb'), whole);
    const { settings, values } = load({ LATCHKEY_PLACE_DATABASE: 'city.mmdb' }, cwd);
    assert.equal(settings.placeDatabase, join(cwd, 'city.mmdb'));
    assert.equal(values.get('LATCHKEY_PLACE_DATABASE'), 'city.mmdb');
  });

  test('is refused among all other problems, with what is wrong with it', (context) => {
    const cwd = folder(context, { 'text.mmdb': 'not a database', 'empty.mmdb': '' });
    const files: Readonly<Record<string, Uint8Array>> = {
      'asn.mmdb': placeDatabase(SOME_PLACES, { type: 'Test-ASN' }),
      'start.mmdb': whole.subarray(0, whole.length / 2),
      'end.mmdb': whole.subarray(-400),
      'packed.mmdb': gzipSync(whole),
    };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(cwd, name), bytes);
    const broken = 'names a file that is not a complete database in the MaxMind DB format (.mmdb, unpacked)';
    for (const [path, wrong] of [
      ['missing.mmdb', 'names a file that does not exist'],
      ['.', 'names something that is not a file'],
      ['asn.mmdb', 'names a database that is neither of cities nor of countries'],
      ...['text.mmdb', 'empty.mmdb', 'start.mmdb', 'end.mmdb', 'packed.mmdb'].map((name) => [name, broken] as const),
    ] as const) {
      const { problems } = refusal({ LATCHKEY_PLACE_DATABASE: path, LATCHKEY_PORT: 'many' }, cwd);
      assert.deepEqual(
        problems.map((problem) => problem.name),
        ['LATCHKEY_PORT', 'LATCHKEY_PLACE_DATABASE'],
      );
      assert.equal(problems[1]?.wrong, wrong, path);
      assert.equal(problems[1].example, '/var/lib/latchkey/city.mmdb');
    }
  });
});

test('any environment ends in settings or in a refusal, and never in another error', () => {
  const value = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.integer().map(String),
    fc.constantFrom('true', 'auto', 'redis://a', SECRET),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...VARIABLES), value, { maxKeys: 6 }), (env) => {
      try {
        const { settings } = load(env);
        assert.ok(settings.issuer.startsWith('http'));
      } catch (error) {
        assert.ok(error instanceof SettingsError && error.problems.length > 0, String(error));
      }
    }),
  );
});

test('a path that is not absolute starts at the folder of the process', (context) => {
  const cwd = folder(context, { 'a.yaml': 'dataDir: ../elsewhere' });
  assert.equal(load({ LATCHKEY_CONFIG: 'a.yaml' }, cwd).settings.dataDir, join(cwd, '../elsewhere'));
});

test('the version is that of the package it is given', () => {
  assert.equal(loadSettings({ env: {}, cwd: '/nonexistent', package: { version: '9.8.7' } }).settings.version, '9.8.7');
});
