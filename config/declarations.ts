// The lists that only YAML can declare: clients, resources, upstreams, Telegram and roles. Their secrets are taken out
// and kept apart. What the values mean (redirect rules, permissions, combinations of client metadata) is checked by the rooms
// that use them.
import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { webUrl } from './address.ts';
import { choice, type Kind, line, list, type Problem, parseValue, seconds, wholeNumber, yesNo } from './setting.ts';
import { findNearest } from './suggestion.ts';
import { readValueFile } from './value-file.ts';

/**
 * Client metadata under its registered names (OpenID Connect Dynamic Client Registration 1.0, section 2), without the
 * secret.
 */
interface ClientDeclaration {
  readonly client_id: string;
  readonly [name: string]: unknown;
}

type Without<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;
export type UpstreamDeclaration = Without<z.infer<typeof upstreamSchema>, UpstreamSecretField>;
type RoleDeclaration = z.infer<typeof roleSchema>;

/** An API that access tokens are made for (RFC 8707). */
export interface ResourceDeclaration {
  /** The resource indicator, which is also the audience of its tokens. */
  readonly id: string;
  /** What people are told it is called. */
  readonly name: string;
  /** Scope → what people are told it allows; null where nobody wrote a sentence. */
  readonly scopes: Readonly<Record<string, string | null>>;
  readonly format: 'jwt' | 'opaque';
  readonly algorithm: 'ES256' | 'RS256' | 'EdDSA';
  /** Seconds; undefined: as for every other access token. */
  readonly accessTokenTtl: number | undefined;
  /** Clients that may ask for its tokens; undefined: every one, for a person who agrees. */
  readonly clients: readonly string[] | undefined;
  /** Clients that are the API itself and may introspect its tokens. */
  readonly servers: readonly string[];
}
type UpstreamSecretField = (typeof UPSTREAM_SECRETS)[number];

interface TelegramDeclaration {
  readonly mode: 'polling' | 'webhook';
  readonly hasBot: boolean;
  readonly hasGateway: boolean;
  readonly hasProxy: boolean;
  readonly apiRoot: string | undefined;
  readonly gatewayRoot: string | undefined;
  readonly gatewayDailyLimit: number;
  readonly miniApp: boolean;
  readonly widget: boolean;
  readonly phone: boolean;
  /** Ed25519 public keys in hexadecimal. */
  readonly miniAppKeys: readonly string[];
}

export interface Declared {
  readonly clients: readonly ClientDeclaration[];
  readonly resources: readonly ResourceDeclaration[];
  /** In the order of the buttons. */
  readonly upstreams: readonly UpstreamDeclaration[];
  readonly telegram: TelegramDeclaration | undefined;
  readonly roles: readonly RoleDeclaration[];
}

export interface DeclaredSecrets {
  /** By client id. */
  readonly clientSecrets: Readonly<Record<string, string>>;
  /** By upstream id: the client secret, or Apple's private key in PEM. */
  readonly upstreamSecrets: Readonly<Record<string, string>>;
  readonly telegramBotToken: string | undefined;
  readonly telegramGatewayToken: string | undefined;
  /** A URL, with user and password where the proxy asks for them. */
  readonly telegramProxy: string | undefined;
}

/** A field whose every fault reads like that of a setting. */
function needed<T>(kind: Kind<T>, meaning: string) {
  return z
    .unknown()
    .transform((raw, context): T => {
      const result = raw === undefined ? { wrong: `is missing; it must be ${kind.allowed}` } : parseValue(kind, raw);
      if ('value' in result) return result.value;
      context.addIssue({ code: 'custom', message: result.wrong });
      return z.NEVER;
    })
    .describe(meaning);
}

function optional<T>(kind: Kind<T>, meaning: string) {
  return needed(kind, meaning).optional().describe(meaning);
}

function pattern(allowed: string, expression: RegExp): Kind<string> {
  return { allowed, schema: z.string().regex(expression) };
}

const slug = pattern('up to 32 of a-z, 0-9 and -, beginning with a letter', /^[a-z][a-z0-9-]{0,31}$/);
const clientIdKind = pattern('1 to 200 visible ASCII characters', /^[\x21-\x7e]{1,200}$/);
const oneLineSecret = pattern('1 to 1024 characters without line breaks', /^\P{Cc}{1,1024}$/u);
const appleKey: Kind<string> = {
  allowed: 'a private key for ES256 in PEM: the .p8 file that Apple offers for download, as it is',
  schema: z.string().max(8000).refine(isEs256Key),
};
const appleId = pattern('10 capital letters and digits, such as ABCDE12345', /^[A-Z0-9]{10}$/);
const botTokenKind = pattern("a bot's token, digits:letters", /^\d{1,20}:[\w-]{1,200}$/);
const filePath = line(1000);
/** Checked for its kind only after the file, if that is the way it is given, has been read. */
const unchecked: Kind<string> = { allowed: 'text', schema: z.string().max(20_000) };

const clientSchema = z
  .looseObject({
    client_id: needed(clientIdKind, 'Id of the client.'),
    client_secret: optional(unchecked, 'Its secret, unless it is public or signs.'),
    client_secret_file: optional(filePath, 'Or the file that holds the secret.'),
  })
  .superRefine((client, context) => {
    for (const name of Object.keys(client)) {
      if (/^[a-z][a-z0-9_]{0,99}(?:#[\w-]{1,40})?$/.test(name)) continue;
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const message = `is not a registered name of client metadata; did you mean ${snake}?`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
  });

const upstreamFields = {
  id: needed(slug, 'Path segment of /upstream/<id>/callback.'),
  clientId: needed(line(300), 'Id we have at the upstream.'),
  scopes: optional(list(line(200), 50), 'Scopes to ask for instead of the usual ones.'),
  label: optional(line(60), 'Text of the button.'),
  trustEmail: optional(yesNo(), 'Its word that an address is verified counts like our own mail; false by default.'),
  trustSecondFactor: optional(yesNo(), 'It asks for a second factor itself, so ours is not asked; false by default.'),
  refreshProfile: optional(yesNo(), 'Names and picture follow it at every sign-in; false by default.'),
  keepTokens: optional(yesNo(), 'Its tokens are kept, sealed; false by default.'),
  domains: optional(
    list(pattern('a domain such as example.com', /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])$/), 50),
    'Addresses of these domains are sent there from the sign-in page.',
  ),
};
const clientSecretFields = {
  clientSecret: optional(unchecked, 'Secret we have at the upstream.'),
  clientSecretFile: optional(filePath, 'Or the file that holds it.'),
};
const https = webUrl('https');
const endpointsMeaning = 'Other addresses: issuer (OIDC kinds), or authorization, token, api (OAuth 2.0 kinds).';
const oidcEndpoints = z.strictObject({ issuer: needed(https, 'Issuer.') });
const oidcFields = { ...upstreamFields, endpoints: oidcEndpoints.optional().describe(endpointsMeaning) };
const oauthFields = {
  ...upstreamFields,
  ...clientSecretFields,
  endpoints: z
    // All or none: half of them would hand tokens of one server to another, and name its people after the wrong one.
    .strictObject({
      authorization: needed(https, 'Authorization endpoint.'),
      token: needed(https, 'Token endpoint.'),
      api: needed(https, 'Root of the API.'),
    })
    .optional()
    .describe(endpointsMeaning),
};

const UPSTREAM_KINDS = 'google, apple, github, microsoft, discord, x, telegram or oidc';

function kindOf<const Name extends string>(kind: Name) {
  return z.literal(kind).describe(`One of ${UPSTREAM_KINDS}.`);
}

const upstreamSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: kindOf('google'), ...oidcFields, ...clientSecretFields }),
    z.strictObject({
      kind: kindOf('apple'),
      ...oidcFields,
      teamId: needed(appleId, 'Apple only: team id.'),
      keyId: needed(appleId, 'Apple only: key id.'),
      privateKey: optional(unchecked, 'Apple only: private key in PEM.'),
      privateKeyFile: optional(filePath, 'Or the file that holds it.'),
    }),
    z.strictObject({ kind: kindOf('github'), ...oauthFields }),
    z.strictObject({
      kind: kindOf('microsoft'),
      ...oidcFields,
      ...clientSecretFields,
      tenant: needed(pattern('a tenant id or domain', /^[A-Za-z0-9.-]{1,100}$/), 'Microsoft only: tenant.'),
    }),
    z.strictObject({ kind: kindOf('discord'), ...oauthFields }),
    z.strictObject({ kind: kindOf('x'), ...oauthFields }),
    z.strictObject({ kind: kindOf('telegram'), ...oidcFields, ...clientSecretFields }),
    z.strictObject({ kind: kindOf('oidc'), ...upstreamFields, ...clientSecretFields, endpoints: oidcEndpoints }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? `must be one of ${UPSTREAM_KINDS}` : undefined) },
);

const UPSTREAM_SECRETS = ['clientSecret', 'clientSecretFile', 'privateKey', 'privateKeyFile'] as const;

/** Where the secret of a kind of upstream stands and what it must be. */
function upstreamSecret(kind: string): {
  readonly names: readonly [direct: 'clientSecret' | 'privateKey', file: 'clientSecretFile' | 'privateKeyFile'];
  readonly value: Kind<string>;
  readonly isNeeded: boolean;
} {
  return kind === 'apple'
    ? { names: ['privateKey', 'privateKeyFile'], value: appleKey, isNeeded: true }
    : // A public client (PKCE without a secret) is possible at a provider of one's own only.
      { names: ['clientSecret', 'clientSecretFile'], value: oneLineSecret, isNeeded: kind !== 'oidc' };
}

/**
 * What only the file may say. It names files of the server; and whoever names another Telegram names everybody who comes by Telegram, through
 * whichever of its doors: they are known by one number.
 */
function isOnlyForTheFile(kind: string, name: string): boolean {
  return name.endsWith('File') || (kind === 'telegram' && name === 'endpoints');
}

/** Kind → what may be said of such an upstream, for a form that asks for it. */
export const upstreamMembers: ReadonlyMap<string, readonly string[]> = new Map(
  upstreamSchema.options.map(({ shape }) => [
    shape.kind.value,
    Object.keys(shape).filter((name) => !isOnlyForTheFile(shape.kind.value, name)),
  ]),
);

export interface UpstreamReading {
  /** Only when nothing is wrong. */
  readonly upstream: { readonly declaration: UpstreamDeclaration; readonly secret: string | undefined } | null;
  /** What is wrong, by its place in the declaration: `clientId`, `endpoints.issuer`, …; without the values. */
  readonly wrong: readonly string[];
}

/**
 * One upstream from somewhere else than the file, by the same rules, and without what only the file may say.
 * @param options.hasSecret that the one it needs is known already
 */
export function readUpstream(
  raw: Readonly<Record<string, unknown>>,
  options: { readonly hasSecret: boolean },
): UpstreamReading {
  const result = upstreamSchema.safeParse(raw);
  const kind = String(raw['kind']);
  const { names, value, isNeeded } = upstreamSecret(kind);
  const [direct] = names;
  const given = raw[direct] === undefined ? null : parseValue(value, raw[direct]);
  const isFaulty = given === null ? isNeeded && !options.hasSecret : 'wrong' in given;
  const wrong = [
    ...(result.success ? [] : result.error.issues.map((issue) => issue.path.map(String).join('.'))),
    ...(isFaulty ? [direct] : []),
    ...Object.keys(raw).filter((name) => isOnlyForTheFile(kind, name)),
  ];
  if (!result.success || wrong.length > 0) return { upstream: null, wrong };
  const secret = given !== null && 'value' in given ? given.value : undefined;
  return { upstream: { declaration: without(result.data, UPSTREAM_SECRETS), secret }, wrong };
}

/** Telegram's production key (Telegram Mini Apps, "Validating data for third-party use"). */
const TELEGRAM_KEY = 'e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d';

const telegramSchema = z.strictObject({
  botToken: optional(unchecked, "The bot's token."),
  botTokenFile: optional(filePath, 'Or the file that holds it.'),
  mode: optional(choice('polling', 'webhook'), 'How updates arrive: polling (the default) or webhook.'),
  // A Bot API server of one's own answers plain http inside one's own network.
  apiRoot: optional(webUrl('https', 'http'), 'Address of a local Bot API server.'),
  gatewayToken: optional(unchecked, 'Token of the Telegram Gateway, for codes to phone numbers.'),
  gatewayTokenFile: optional(filePath, 'Or the file that holds it.'),
  gatewayRoot: optional(https, 'Other address of the Gateway.'),
  gatewayDailyLimit: optional(
    wholeNumber(1, 1_000_000),
    'Messages through the Gateway within a day, because each costs; 200 by default.',
  ),
  proxy: optional(unchecked, "Outgoing proxy for Telegram's hosts."),
  proxyFile: optional(filePath, 'Or the file that holds its URL.'),
  miniApp: optional(yesNo(), 'Whether people may sign in inside of a Mini App of this bot; false by default.'),
  widget: optional(yesNo(), 'The legacy Telegram Login Widget as one more way in; false by default.'),
  phone: optional(yesNo(), 'Proven phone numbers, and signing in by a code to one; true by default.'),
  miniAppKeys: optional(
    list(pattern('64 hexadecimal digits', /^[0-9a-f]{64}$/), 10),
    "Ed25519 public keys that may sign Mini App data, instead of Telegram's production key.",
  ),
});

const roleSchema = z.strictObject({
  id: needed(slug, 'Id of the role, as it appears in claims.'),
  name: needed(line(100), 'Name people see.'),
  rank: optional(wholeNumber(0, 5), 'Rank from 0 to 5: nobody acts on a higher one than their own.'),
  inherits: optional(list(slug, 20), 'Roles whose permissions it includes.'),
  permissions: optional(
    list(pattern('1 to 100 visible ASCII characters', /^[\x21-\x7e]{1,100}$/), 200),
    'Permissions of Latchkey, or of the API named by audience.',
  ),
  audience: optional(line(500), "An operator's own API: only clients of it see the role."),
});

/** RFC 8707, section 2: an absolute URI without a fragment. */
const resourceId: Kind<string> = {
  allowed: 'an absolute URI without fragment, such as https://api.example.com',
  schema: z
    .string()
    .max(500)
    .refine((text) => URL.canParse(text) && !/[#\s]/.test(text)),
};
/** RFC 6749, 3.3, without what the provider uses itself. */
const resourceScope: Kind<string> = {
  allowed: 'a scope of 1 to 100 visible ASCII characters that is none of the provider itself',
  schema: z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/)
    .refine((scope) => !OWN_SCOPES.has(scope)),
};
const OWN_SCOPES = new Set([
  ...['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
  ...['roles', 'organizations', 'telegram'],
]);
const resourceScopes: Kind<Record<string, string | null>> = {
  allowed: `a list of scopes, or a map of scope to a sentence, at most 200; each scope is ${resourceScope.allowed}`,
  schema: z.union([
    list(resourceScope, 200).schema.transform((names) => Object.fromEntries(names.map((name) => [name, null]))),
    z
      .record(resourceScope.schema, line(200).schema)
      .refine((scopes) => Object.keys(scopes).length <= 200)
      .transform((scopes): Record<string, string | null> => scopes),
  ]),
};
const resourceSchema = z.strictObject({
  id: needed(resourceId, 'Resource indicator; it is the audience of its tokens.'),
  name: optional(line(100), 'Name people see; otherwise the host of the id.'),
  scopes: needed(resourceScopes, 'Scopes, as a list or as a map of scope to the sentence people are asked with.'),
  format: optional(choice('jwt', 'opaque'), 'Tokens: jwt (RFC 9068, the default) or opaque (to be introspected).'),
  algorithm: optional(
    choice('ES256', 'RS256', 'EdDSA'),
    'What its JWTs are signed with: ES256 (the default), RS256, EdDSA.',
  ),
  accessTokenTtl: optional(seconds(30, 86_400), 'Life of its access tokens; otherwise that of all others.'),
  clients: optional(
    list(clientIdKind, 500),
    'The only clients that may ask for its tokens. Without it every client may for a person who agrees, and none for itself.',
  ),
  servers: optional(list(clientIdKind, 50), 'Clients that are the API itself: they may introspect its tokens.'),
});

const clientsSchema = z.array(clientSchema).max(1000);
const resourcesSchema = z.array(resourceSchema).max(200);
const upstreamsSchema = z.array(upstreamSchema).max(50);
const rolesSchema = z.array(roleSchema).max(200);

interface Declaration {
  readonly meaning: string;
  /** One object schema, or one for each kind. */
  readonly items: readonly { readonly shape: Readonly<Record<string, z.ZodType>> }[];
  /** Complete, for the example file and the settings page. */
  readonly example: string;
  /** One line, for refusals. */
  readonly short: string;
}

export const declarations = {
  clients: {
    meaning: 'Clients by their registered metadata; they are upserted at start and read-only elsewhere.',
    items: [clientSchema],
    example: `clients:
  - client_id: demo
    client_name: Demo
    client_secret_file: /run/secrets/demo
    redirect_uris: [https://app.example.com/callback]
    post_logout_redirect_uris: [https://app.example.com/]`,
    short: 'clients: [{ client_id: demo, redirect_uris: [https://app.example.com/callback] }]',
  },
  resources: {
    meaning: 'APIs that clients can get access tokens for, by their resource indicator (RFC 8707).',
    items: [resourceSchema],
    example: `resources:
  - id: https://api.example.com
    name: Shop
    scopes: { orders:read: see your orders, orders:refund: give you your money back }
    servers: [shop-api]
  - id: https://reports.example.com
    scopes: [reports:write]
    format: opaque
    accessTokenTtl: 5m
    clients: [nightly-job]`,
    short: 'resources: [{ id: https://api.example.com, scopes: [orders:read] }]',
  },
  upstreams: {
    meaning: 'Identity providers people can sign in with, in the order of their buttons.',
    items: upstreamSchema.options,
    example: `upstreams:
  - id: google
    kind: google
    clientId: 1234567890.apps.googleusercontent.com
    clientSecretFile: /run/secrets/google
  - id: apple
    kind: apple
    clientId: com.example.signin
    teamId: ABCDE12345
    keyId: FGHIJ67890
    privateKeyFile: /run/secrets/apple.p8
  - id: company
    kind: oidc
    label: Company account
    clientId: latchkey
    clientSecretFile: /run/secrets/company
    scopes: [openid, profile, email]
    endpoints: { issuer: https://login.example.com }
    domains: [example.com]
    trustEmail: true`,
    short: 'upstreams: [{ id: google, kind: google, clientId: ID, clientSecretFile: /run/secrets/google }]',
  },
  telegram: {
    meaning: 'The Telegram bot and, for codes to phone numbers, the Telegram Gateway.',
    items: [telegramSchema],
    example: `telegram:
  botTokenFile: /run/secrets/telegram-bot
  mode: polling`,
    short: 'telegram: { botTokenFile: /run/secrets/telegram-bot }',
  },
  roles: {
    meaning: 'Roles beside the built-in ones viewer, support, operator, admin and super-admin.',
    items: [roleSchema],
    example: `roles:
  - { id: help-desk, name: Help desk, rank: 2, inherits: [viewer], permissions: [sessions:read, sessions:revoke] }
  - { id: shop-manager, name: Shop manager, audience: https://api.example.com, permissions: [orders:read] }`,
    short: 'roles: [{ id: help-desk, name: Help desk, rank: 2, inherits: [viewer] }]',
  },
} satisfies Readonly<Record<string, Declaration>>;

export type DeclarationName = keyof typeof declarations;

export function isDeclarationName(name: string): name is DeclarationName {
  return Object.hasOwn(declarations, name);
}

export interface DeclarationReading {
  readonly declared: Declared;
  readonly secrets: DeclaredSecrets;
  readonly problems: readonly Problem[];
}

/** Checks the declared lists and reads the secret files they name; relative paths start at `cwd`. */
export function readDeclarations(given: ReadonlyMap<DeclarationName, unknown>, cwd: string): DeclarationReading {
  const problems: Problem[] = [];

  const parse = <T>(name: DeclarationName, schema: z.ZodType<T>): T | undefined => {
    const raw = given.get(name);
    if (raw === undefined) return undefined;
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    problems.push(...result.error.issues.flatMap((issue) => explain(name, issue)));
    return undefined;
  };

  /** The secret of one entry from one of its two fields. */
  const take = <Field extends string>(
    place: string,
    entry: { readonly [Key in Field]?: unknown },
    [direct, file]: readonly [direct: Field, file: Field],
    kind: Kind<string>,
    isNeeded = false,
  ): string | undefined => {
    const refuse = (field: string, wrong: string): undefined => {
      problems.push({
        name: `${place}.${field}`,
        wrong,
        example: `${file}: /run/secrets/${file.replace(/_?file$/i, '')}`,
      });
    };
    if (entry[direct] !== undefined && entry[file] !== undefined) {
      return refuse(direct, `is given twice, as ${direct} and as ${file}; keep one`);
    }
    let raw = entry[direct];
    if (entry[file] !== undefined) {
      const content = readValueFile(entry[file], cwd);
      if ('wrong' in content) return refuse(file, content.wrong);
      raw = content.text;
    }
    if (raw === undefined) return isNeeded ? refuse(direct, 'is missing') : undefined;
    const result = parseValue(kind, raw);
    return 'value' in result ? result.value : refuse(entry[file] === undefined ? direct : file, result.wrong);
  };

  const refuseRepeated = (name: DeclarationName, field: string, ids: readonly string[]): void => {
    for (const [index, id] of ids.entries()) {
      if (ids.indexOf(id) === index) continue;
      problems.push({ name: `${name}[${index}].${field}`, wrong: 'is there twice', example: declarations[name].short });
    }
  };

  const clientSecrets = emptyRecord();
  const clients = (parse('clients', clientsSchema) ?? []).map((client, index): ClientDeclaration => {
    const names = ['client_secret', 'client_secret_file'] as const;
    const secret = take(`clients[${index}]`, client, names, oneLineSecret);
    if (secret !== undefined) clientSecrets[client.client_id] = secret;
    return { ...without(client, names), client_id: client.client_id };
  });
  refuseRepeated(
    'clients',
    'client_id',
    clients.map((client) => client.client_id),
  );

  const resources = (parse('resources', resourcesSchema) ?? []).map(
    (resource): ResourceDeclaration => ({
      id: resource.id,
      name: resource.name ?? (new URL(resource.id).host || resource.id),
      scopes: resource.scopes,
      format: resource.format ?? 'jwt',
      algorithm: resource.algorithm ?? 'ES256',
      accessTokenTtl: resource.accessTokenTtl,
      clients: resource.clients,
      servers: resource.servers ?? [],
    }),
  );
  refuseRepeated(
    'resources',
    'id',
    resources.map((resource) => resource.id),
  );

  const upstreamSecrets = emptyRecord();
  const upstreams = (parse('upstreams', upstreamsSchema) ?? []).map((upstream, index): UpstreamDeclaration => {
    const { names, value, isNeeded } = upstreamSecret(upstream.kind);
    const secret = take(`upstreams[${index}]`, upstream, names, value, isNeeded);
    if (secret !== undefined) upstreamSecrets[upstream.id] = secret;
    return without(upstream, UPSTREAM_SECRETS);
  });
  refuseRepeated(
    'upstreams',
    'id',
    upstreams.map((upstream) => upstream.id),
  );

  const bot = parse('telegram', telegramSchema);
  const telegramBotToken = bot && take('telegram', bot, ['botToken', 'botTokenFile'], botTokenKind);
  const telegramGatewayToken = bot && take('telegram', bot, ['gatewayToken', 'gatewayTokenFile'], oneLineSecret);
  const telegramProxy = bot && take('telegram', bot, ['proxy', 'proxyFile'], webUrl('http', 'https', 'socks5'));
  const telegram: TelegramDeclaration | undefined = bot && {
    mode: bot.mode ?? 'polling',
    hasBot: telegramBotToken !== undefined,
    hasGateway: telegramGatewayToken !== undefined,
    hasProxy: telegramProxy !== undefined,
    apiRoot: bot.apiRoot,
    gatewayRoot: bot.gatewayRoot,
    gatewayDailyLimit: bot.gatewayDailyLimit ?? 200,
    miniApp: bot.miniApp ?? false,
    widget: bot.widget ?? false,
    phone: bot.phone ?? true,
    miniAppKeys: bot.miniAppKeys ?? [TELEGRAM_KEY],
  };

  const roles = parse('roles', rolesSchema) ?? [];
  refuseRepeated(
    'roles',
    'id',
    roles.map((role) => role.id),
  );

  return {
    declared: { clients, resources, upstreams, telegram, roles },
    secrets: { clientSecrets, upstreamSecrets, telegramBotToken, telegramGatewayToken, telegramProxy },
    problems,
  };
}

function isEs256Key(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    // What the library says could name parts of the key.
    return false;
  }
}

/** Keyed by ids from outside: nothing may be found under a name such as `constructor`. */
function emptyRecord(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}

function without<T extends object, Key extends PropertyKey>(entry: T, keys: readonly Key[]): Without<T, Key> {
  const kept = Object.entries(entry).filter(([key]) => !(keys as readonly PropertyKey[]).includes(key));
  return Object.fromEntries(kept) as Without<T, Key>;
}

/**
 * One issue of the schema as problems; the library's own sentences would be the only ones that do not read like the
 * rest.
 */
function explain(name: DeclarationName, issue: z.core.$ZodIssue): Problem[] {
  const at = issue.path.reduce<string>(
    (place, part) => (typeof part === 'number' ? `${place}[${part}]` : `${place}.${String(part)}`),
    name,
  );
  const { short, items } = declarations[name] as Declaration;
  if (issue.code === 'unrecognized_keys') {
    const known = items.flatMap((item) => Object.keys(item.shape));
    return issue.keys.map((key) => {
      const nearest = findNearest(key, known);
      const wrong = `is not known here${nearest === undefined || nearest === key ? '' : `; did you mean ${nearest}?`}`;
      return { name: `${at}.${key}`, wrong, example: short };
    });
  }
  if (issue.code === 'invalid_type') {
    return [
      {
        name: at,
        wrong: issue.expected === 'array' ? 'must be a list' : 'must be a map of names to values',
        example: short,
      },
    ];
  }
  if (issue.code === 'too_big')
    return [{ name: at, wrong: `must have at most ${issue.maximum} entries`, example: short }];
  return [{ name: at, wrong: issue.message, example: short }];
}
