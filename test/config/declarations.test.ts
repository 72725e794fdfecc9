import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import {
  type DeclarationName,
  type DeclarationReading,
  declarations,
  readDeclarations,
  readUpstream,
  upstreamMembers,
} from '../../config/declarations.ts';
import { folder } from './loading.ts';

const keyText = (key: KeyObject, type: 'pkcs8' | 'sec1' = 'pkcs8') =>
  key.export({ type, format: 'pem' }).toString().trimEnd();
const EC_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const PEM = keyText(EC_KEY);

function read(yaml: string, cwd = '/nonexistent'): DeclarationReading {
  const entries = Object.entries(parse(yaml) as Record<DeclarationName, unknown>) as [DeclarationName, unknown][];
  return readDeclarations(new Map(entries), cwd);
}

function problems(yaml: string, cwd?: string): string[] {
  return read(yaml, cwd).problems.map((problem) => `${problem.name}: ${problem.wrong}`);
}

test('without any list there is nothing, and no problem', () => {
  const { declared, problems: found } = read('{}');
  assert.deepEqual(declared, { clients: [], resources: [], upstreams: [], telegram: undefined, roles: [] });
  assert.deepEqual(found, []);
});

test('each example is taken, and so is the short one', (context) => {
  const files = { demo: 'a', google: 'b', company: 'c', 'apple.p8': PEM, 'telegram-bot': '1:abc' };
  const cwd = folder(context, files);
  for (const { example, short } of Object.values(declarations)) {
    for (const yaml of [example, short]) assert.deepEqual(problems(yaml.replaceAll('/run/secrets/', ''), cwd), []);
  }
});

describe('clients', () => {
  test('keep their metadata and lose their secret to the secrets', (context) => {
    const cwd = folder(context, { two: 'second\n' });
    const reading = read(
      `clients:
        - { client_id: one, client_secret: first, redirect_uris: [https://a.example/cb], "client_name#ru": Имя }
        - { client_id: two, client_secret_file: two }
        - { client_id: three, token_endpoint_auth_method: none }`,
      cwd,
    );
    assert.deepEqual(reading.problems, []);
    assert.deepEqual(reading.declared.clients, [
      { client_id: 'one', redirect_uris: ['https://a.example/cb'], 'client_name#ru': 'Имя' },
      { client_id: 'two' },
      { client_id: 'three', token_endpoint_auth_method: 'none' },
    ]);
    assert.deepEqual({ ...reading.secrets.clientSecrets }, { one: 'first', two: 'second' });
  });

  test('have their secrets under no other name, whatever the id', () => {
    const { clientSecrets } = read('clients: [{ client_id: __proto__, client_secret: x }]').secrets;
    assert.deepEqual(Object.entries(clientSecrets), [['__proto__', 'x']]);
    assert.equal(clientSecrets['constructor'], undefined);
    assert.equal(clientSecrets['toString'], undefined);
  });

  test('are refused without an id, twice, with names in another style, or with a secret in two ways', () => {
    assert.deepEqual(
      problems(`clients:
        - { client_name: No id }
        - { client_id: a, redirectUris: [] }
        - { client_id: "a b" }`),
      [
        'clients[0].client_id: is missing; it must be 1 to 200 visible ASCII characters',
        'clients[1].redirectUris: is not a registered name of client metadata; did you mean redirect_uris?',
        'clients[2].client_id: must be 1 to 200 visible ASCII characters',
      ],
    );
    assert.deepEqual(problems('clients: [{ client_id: a }, { client_id: a }]'), [
      'clients[1].client_id: is there twice',
    ]);
    assert.deepEqual(problems('clients: [{ client_id: a, client_secret: x, client_secret_file: y }]'), [
      'clients[0].client_secret: is given twice, as client_secret and as client_secret_file; keep one',
    ]);
    assert.deepEqual(problems('clients: { client_id: a }'), ['clients: must be a list']);
    assert.deepEqual(problems('clients: [demo]'), ['clients[0]: must be a map of names to values']);
  });

  test('never have their secret in a refusal', (context) => {
    const cwd = folder(context, { two: 'hunter2\nhunter2' });
    const yaml =
      'clients: [{ client_id: a, client_secret: "hunter2\\nhunter2" }, { client_id: b, client_secret_file: two }]';
    const found = problems(yaml, cwd);
    assert.equal(found.length, 2);
    assert.ok(!found.join().includes('hunter2'));
  });
});

describe('upstreams', () => {
  const apple = (privateKey: string, ids = 'teamId: ABCDE12345, keyId: FGHIJ67890') =>
    `{ id: a, kind: apple, clientId: c, ${ids}, privateKey: ${JSON.stringify(privateKey)} }`;
  const wrongKey = 'must be a private key for ES256 in PEM: the .p8 file that Apple offers for download, as it is';

  test('of Apple have a key that can sign, however its lines end', () => {
    for (const key of [PEM, `${PEM}\n`, PEM.replaceAll('\n', '\r\n'), keyText(EC_KEY, 'sec1')])
      assert.deepEqual(problems(`upstreams: [${apple(key)}]`), []);
  });

  for (const [what, key] of [
    ['no PEM', 'nonsense'],
    ['PEM around something else', '-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----'],
    ['one that lost its end', PEM.slice(0, 100)],
    ['one on a single line', PEM.replaceAll('\n', '\\n')],
    ['of RSA', keyText(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)],
    ['of another curve', keyText(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)],
    ['public', createPublicKey(EC_KEY).export({ type: 'spki', format: 'pem' }).toString()],
  ] as const) {
    test(`of Apple are refused with a key that is ${what}, and nothing of it is said`, (context) => {
      assert.deepEqual(problems(`upstreams: [${apple(key)}]`), [`upstreams[0].privateKey: ${wrongKey}`]);
      const yaml =
        'upstreams: [{ id: a, kind: apple, clientId: c, teamId: ABCDE12345, keyId: FGHIJ67890, privateKeyFile: k }]';
      assert.deepEqual(problems(yaml, folder(context, { k: key })), [`upstreams[0].privateKeyFile: ${wrongKey}`]);
    });
  }

  test('that are wrong in several ways are told of all at once', () => {
    const needed = 'is missing; it must be';
    const ids = '10 capital letters and digits, such as ABCDE12345';
    assert.deepEqual(
      problems(`upstreams:
        - { id: a, kind: apple, clientId: c, keyId: short, privateKey: x }
        - { id: m, kind: microsoft, clientId: c, clientSecret: s }
        - { id: d, kind: discord, clientId: 112233445566778899, clientSecret: s }`),
      [
        `upstreams[0].teamId: ${needed} ${ids}`,
        `upstreams[0].keyId: must be ${ids}`,
        `upstreams[1].tenant: ${needed} a tenant id or domain`,
        'upstreams[2].clientId: must be text of 1 to 300 characters without control characters',
      ],
    );
    assert.deepEqual(
      problems(`upstreams: [${apple('x')}, { id: x, kind: x, clientId: c }, { id: g, kind: google, clientId: c }]`),
      [
        `upstreams[0].privateKey: ${wrongKey}`,
        'upstreams[1].clientSecret: is missing',
        'upstreams[2].clientSecret: is missing',
      ],
    );
  });

  test('of every kind are taken, in their order, with their secrets apart', () => {
    const reading = read(`upstreams:
      - { id: g, kind: google, clientId: c, clientSecret: s1 }
      - { id: a, kind: apple, clientId: c, teamId: ABCDE12345, keyId: FGHIJ67890, privateKey: ${JSON.stringify(PEM)} }
      - { id: h, kind: github, clientId: c, clientSecret: s2, endpoints: { authorization: https://ghe.example/login/oauth/authorize, token: https://ghe.example/login/oauth/access_token, api: https://ghe.example/api/v3 } }
      - { id: m, kind: microsoft, clientId: c, clientSecret: s3, tenant: common }
      - { id: d, kind: discord, clientId: c, clientSecret: s4, scopes: [identify], label: Chat }
      - { id: x, kind: x, clientId: c, clientSecret: s5 }
      - { id: t, kind: telegram, clientId: "1", clientSecret: s6, endpoints: { issuer: http://127.0.0.1:4000 } }
      - { id: o, kind: oidc, clientId: c, endpoints: { issuer: https://login.example/ } }`);
    assert.deepEqual(reading.problems, []);
    assert.deepEqual(reading.declared.upstreams.map((one) => one.id).join(''), 'gahmdxto');
    assert.deepEqual(reading.declared.upstreams[4], {
      id: 'd',
      kind: 'discord',
      clientId: 'c',
      scopes: ['identify'],
      label: 'Chat',
    });
    assert.ok(!JSON.stringify(reading.declared).includes('BEGIN') && !/s[1-6]"/.test(JSON.stringify(reading.declared)));
    assert.deepEqual(
      { ...reading.secrets.upstreamSecrets },
      { g: 's1', a: PEM, h: 's2', m: 's3', d: 's4', x: 's5', t: 's6' },
    );
  });

  test('are refused with what is missing, unknown or of another kind', () => {
    assert.deepEqual(
      problems(`upstreams:
        - { id: a, kind: facebook, clientId: c }
        - { id: b, kind: google, clientId: c, clientSecret: s, teamId: T }
        - { id: c, kind: microsoft, clientId: c, clientSecret: s }
        - { id: d, kind: oidc, clientId: c, clientSecret: s }
        - { id: E, kind: x, clientId: c, clientSecret: s }
        - { id: f, kind: github, clientId: c, clientSecret: s, endpoints: { api: https://a.example, issuer: https://a.example } }
        - { id: g, kind: google, clientId: c, clientSecret: s, endpoints: { issuer: http://a.example } }
        - { id: h, kind: google, clientID: c, clientSecret: s }`),
      [
        'upstreams[0].kind: must be one of google, apple, github, microsoft, discord, x, telegram or oidc',
        'upstreams[1].teamId: is not known here',
        'upstreams[2].tenant: is missing; it must be a tenant id or domain',
        'upstreams[3].endpoints: must be a map of names to values',
        'upstreams[4].id: must be up to 32 of a-z, 0-9 and -, beginning with a letter',
        'upstreams[5].endpoints.authorization: is missing; it must be a URL that starts with https:// (http only on localhost, 127.0.0.1 or [::1])',
        'upstreams[5].endpoints.token: is missing; it must be a URL that starts with https:// (http only on localhost, 127.0.0.1 or [::1])',
        'upstreams[5].endpoints.issuer: is not known here',
        'upstreams[6].endpoints.issuer: must be a URL that starts with https:// (http only on localhost, 127.0.0.1 or [::1])',
        'upstreams[7].clientId: is missing; it must be text of 1 to 300 characters without control characters',
        'upstreams[7].clientID: is not known here; did you mean clientId?',
      ],
    );
  });

  test('need their secret, and an id of their own', () => {
    assert.deepEqual(
      problems(
        'upstreams: [{ id: a, kind: x, clientId: c }, { id: a, kind: oidc, clientId: c, endpoints: { issuer: https://a.example } }]',
      ),
      ['upstreams[0].clientSecret: is missing', 'upstreams[1].id: is there twice'],
    );
    assert.deepEqual(problems('upstreams: [{ id: a, kind: x, clientId: c, clientSecretFile: gone }]'), [
      'upstreams[0].clientSecretFile: names a file that does not exist',
    ]);
  });
});

describe('an upstream from somewhere else than the file', () => {
  const google = { id: 'g', kind: 'google', clientId: 'c' };
  const wrong = (raw: object, hasSecret = false) => readUpstream({ ...raw }, { hasSecret }).wrong;
  const TELEGRAM = { id: 'tg', kind: 'telegram', clientId: '1', clientSecret: 's' };

  test('names no files of the server', () => {
    const raw = { ...TELEGRAM, clientSecret: undefined, clientSecretFile: '/etc/passwd' };
    assert.deepEqual(readUpstream(raw, { hasSecret: true }), { upstream: null, wrong: ['clientSecretFile'] });
    assert.equal(readUpstream({ ...google, privateKeyFile: 'x' }, { hasSecret: true }).upstream, null);
  });

  test('names no other Telegram, whose word would be taken for everybody who comes by Telegram', () => {
    const endpoints = { issuer: 'https://telegram.example.com' };
    assert.deepEqual(readUpstream({ ...TELEGRAM, endpoints }, { hasSecret: false }), {
      upstream: null,
      wrong: ['endpoints'],
    });
    assert.deepEqual(readUpstream(TELEGRAM, { hasSecret: false }).wrong, []);
    assert.equal(upstreamMembers.get('telegram')?.includes('endpoints'), false);
    assert.equal(upstreamMembers.get('google')?.includes('endpoints'), true);
  });

  test('is read by the same rules, its secret apart', () => {
    const secret = 'of google';
    const { upstream } = readUpstream({ ...google, clientSecret: secret, label: ' G ' }, { hasSecret: false });
    assert.deepEqual(upstream, { declaration: { ...google, label: 'G' }, secret });
    const kept = readUpstream(google, { hasSecret: true });
    assert.deepEqual(kept.upstream, { declaration: google, secret: undefined });
  });

  test('is refused by the places that are wrong, all at once and without their values', () => {
    const { id: _id, ...unnamed } = google;
    assert.deepEqual(wrong(google), ['clientSecret']);
    assert.deepEqual(wrong({ ...unnamed, label: '', clientSecret: 'two\nlines' }), ['id', 'label', 'clientSecret']);
    assert.deepEqual(wrong({ ...google, endpoints: { issuer: 'ftp://x' } }, true), ['endpoints.issuer']);
    assert.deepEqual(wrong({ ...google, kind: 'apple', teamId: 'ABCDE12345' }, true), ['keyId']);
    assert.deepEqual(wrong({ ...google, kind: 'constructor' }, true), ['kind']);
    assert.deepEqual(wrong({ ...google, kind: 'oidc', endpoints: { issuer: 'https://a.example' } }), []);
  });

  test('may say what each kind may say', () => {
    assert.deepEqual(upstreamMembers.get('apple')?.slice(-4), ['endpoints', 'teamId', 'keyId', 'privateKey']);
    assert.ok([...upstreamMembers.values()].flat().every((name) => !name.endsWith('File')));
  });
});

describe('Telegram', () => {
  test("has Telegram's production key and polling unless told otherwise", () => {
    const {
      declared,
      secrets,
      problems: found,
    } = read('telegram: { botToken: "12:ab_c", gatewayToken: g, proxy: socks5://u:p@h }');
    assert.deepEqual(found, []);
    assert.deepEqual(declared.telegram, {
      mode: 'polling',
      hasBot: true,
      hasGateway: true,
      hasProxy: true,
      apiRoot: undefined,
      gatewayRoot: undefined,
      gatewayDailyLimit: 200,
      miniApp: false,
      phone: true,
      widget: false,
      miniAppKeys: ['e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d'],
    });
    assert.equal(secrets.telegramBotToken, '12:ab_c');
    assert.equal(secrets.telegramGatewayToken, 'g');
    assert.equal(secrets.telegramProxy, 'socks5://u:p@h');
  });

  test('is refused with a token, mode or key of another form', () => {
    assert.deepEqual(problems('telegram: { botToken: nonsense, mode: push, miniAppKeys: [ff], bottoken: x }'), [
      'telegram.mode: must be one of polling, webhook',
      'telegram.miniAppKeys: must be a list of at most 10, each 64 hexadecimal digits',
      'telegram.bottoken: is not known here; did you mean botToken?',
    ]);
    assert.deepEqual(problems('telegram: { botToken: nonsense }'), [
      "telegram.botToken: must be a bot's token, digits:letters",
    ]);
  });
});

describe('resources', () => {
  test('have everything that is left out filled in', () => {
    assert.deepEqual(read('resources: [{ id: "https://api.example.com/v1", scopes: [a, b:c] }]').declared.resources, [
      {
        id: 'https://api.example.com/v1',
        name: 'api.example.com',
        scopes: { a: null, 'b:c': null },
        format: 'jwt',
        algorithm: 'ES256',
        accessTokenTtl: undefined,
        clients: undefined,
        servers: [],
      },
    ]);
  });

  test('keep what they carry, sentences of scopes included', () => {
    const yaml = `resources:
      - id: urn:example:api
        name: The API
        scopes: { a: read all, b: write all }
        format: opaque
        algorithm: EdDSA
        accessTokenTtl: 5m
        clients: [one]
        servers: [two]`;
    assert.deepEqual(read(yaml).declared.resources, [
      {
        id: 'urn:example:api',
        name: 'The API',
        scopes: { a: 'read all', b: 'write all' },
        format: 'opaque',
        algorithm: 'EdDSA',
        accessTokenTtl: 300,
        clients: ['one'],
        servers: ['two'],
      },
    ]);
    assert.deepEqual(problems(yaml), []);
  });

  test('are refused without an absolute URI, with a fragment, with a scope of the provider, and twice', () => {
    const id = 'must be an absolute URI without fragment, such as https://api.example.com';
    assert.deepEqual(problems('resources: [{ id: /api, scopes: [a] }]'), [`resources[0].id: ${id}`]);
    assert.deepEqual(problems('resources: [{ id: "https://a.example/#b", scopes: [a] }]'), [`resources[0].id: ${id}`]);
    for (const scopes of ['[openid]', '[a b]', '{ profile: x }', `{ 'a"b': x }`, '{ a: "" }', '7']) {
      const [problem] = problems(`resources: [{ id: "https://a.example", scopes: ${scopes} }]`);
      assert.match(problem ?? '', /^resources\[0\]\.scopes: must be a list of scopes/, scopes);
    }
    assert.deepEqual(problems('resources: [{ id: "https://a.example" }]').length, 1);
    assert.deepEqual(problems('resources: [{ id: "urn:a", scopes: [a] }, { id: "urn:a", scopes: [a] }]'), [
      'resources[1].id: is there twice',
    ]);
  });
});

test('roles are taken with what they carry, and refused twice or with a rank nobody has', () => {
  const yaml = 'roles: [{ id: help-desk, name: Help desk, rank: 2, inherits: [viewer], permissions: [sessions:read] }]';
  assert.deepEqual(read(yaml).declared.roles, [
    { id: 'help-desk', name: 'Help desk', rank: 2, inherits: ['viewer'], permissions: ['sessions:read'] },
  ]);
  assert.deepEqual(problems('roles: [{ id: a, name: A }, { id: a, name: B }]'), ['roles[1].id: is there twice']);
  assert.deepEqual(problems('roles: [{ id: a, name: A, rank: 6 }]'), [
    'roles[0].rank: must be a whole number from 0 to 5',
  ]);
});
