// One server under load, in a process of its own: the bare engine with its in-memory adapter, or the whole of Latchkey. Both get the same client
// and the same kind of signed-in session, and tell the parent when they are ready.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Session as Inspector } from 'node:inspector/promises';
import type { AddressInfo } from 'node:net';
import Keygrip from 'keygrip';
import Provider from 'oidc-provider';
import { loadSettings } from '../../config/settings.ts';
import { createApp } from '../../src/app.ts';
import { createLog } from '../../src/log.ts';
import { CookieKeys } from '../../src/oidc/cookie-keys.ts';
import { makeSigningKeys } from '../../src/oidc/keys.ts';
import { startServer } from '../../src/server.ts';
import { createMemoryAdapter } from './memory-adapter.ts';
import { fillSql } from './stored-grants.ts';

export const CLIENT_ID = 'bench';
export const REDIRECT_URI = 'http://127.0.0.1:9/callback';
export const PASSWORD = 'a password for the benchmark';
export const SIGN_IN_NAME = 'bench@example.com';
/** Refresh tokens that are made, and so the most lanes a measurement can have. */
export const LANES = 64;
/** Password hashes whose cost is averaged. */
const HASHES = 20;
const SCOPE = 'openid profile email offline_access';

/** What the parent needs to know to put load on it. */
export interface Ready {
  readonly origin: string;
  readonly clientSecret: string;
  /** Cookie header of a browser that is signed in and has consented. */
  readonly cookie: string;
  /** One for each lane, each of a family of its own. */
  readonly refreshTokens: readonly string[];
}

export interface TargetOptions {
  readonly kind: 'bare' | 'latchkey';
  readonly env: Readonly<Record<string, string>>;
}

/** What it can be asked once it is ready. */
type Question =
  | 'cpu'
  | 'hash'
  | 'profile'
  | { readonly profile: string }
  | { readonly fill: readonly [number, number] };

async function startBare(): Promise<Ready> {
  const cookieKeys = ['bench cookie key'];
  const clientSecret = 'a secret for the benchmark only, 43 chars ok';
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(origin, {
    adapter: createMemoryAdapter(),
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: clientSecret,
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    cookies: { keys: cookieKeys },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Bench', email: SIGN_IN_NAME }) }),
    jwks: { keys: [...(await makeSigningKeys())] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    ttl: {
      AccessToken: 900,
      Interaction: 3600,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 3600,
      RefreshToken: 86_400,
      Session: 86_400,
      ClientCredentials: 900,
    },
  });
  server.on('request', provider.callback());
  return {
    origin,
    clientSecret,
    ...(await prepare(provider, 'bench-account', new Keygrip(cookieKeys), '_session')),
  };
}

let hashOnce: () => Promise<unknown> = async () => undefined;
let fill: (from: number, to: number) => Promise<void> = async () => undefined;

async function startLatchkey(env: Readonly<Record<string, string>>): Promise<Ready> {
  const loaded = loadSettings({ env, cwd: env['LATCHKEY_DATA_DIR'] ?? '.' });
  const app = await createApp(loaded, createLog('error'), { migrate: true });
  await app.prepare();
  const { port } = loaded.settings;
  await startServer(app, app.log, { host: '127.0.0.1', port, internalPort: 0, stopDelay: 0 });
  app.startWorkers();
  const cause = { actor: { kind: 'cli' } } as const;
  const metadata = {
    client_id: CLIENT_ID,
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    latchkey_first_party: true,
  };
  const { secret = '' } = await app.clients.create(metadata, cause);
  const hash = await app.passwords.hash(PASSWORD);
  const account = await app.database.transaction(async (em) => {
    const created = await app.accounts.create({ email: SIGN_IN_NAME, name: 'Bench', isVerified: true }, cause, em);
    await app.passwords.set(em, created.id, hash);
    return created;
  });
  hashOnce = () => app.passwords.hash(PASSWORD);
  fill = async (from, to) => {
    await fillSql(app.database.sql, from, to);
    await app.database.sql.query({ name: '', text: 'analyze oidc_artifact' });
  };
  const { provider } = app.engine;
  const prepared = await prepare(
    provider,
    account.subject,
    new CookieKeys(await app.keys.listCookieKeys()),
    'latchkey_session',
  );
  return { origin: loaded.settings.issuer, clientSecret: secret, ...prepared };
}

/** A session with a consented client and refresh tokens: what the pages would leave behind. */
async function prepare(
  provider: Provider,
  accountId: string,
  cookieKeys: Pick<Keygrip, 'sign'>,
  cookieName: string,
): Promise<Pick<Ready, 'cookie' | 'refreshTokens'>> {
  const client = await provider.Client.find(CLIENT_ID);
  const newGrant = async (): Promise<string> => {
    const grant = new provider.Grant({ accountId, clientId: CLIENT_ID });
    grant.addOIDCScope(SCOPE);
    return grant.save();
  };
  const newRefreshToken = async (): Promise<string> => {
    const fields = {
      accountId,
      client,
      grantId: await newGrant(),
      gty: 'authorization_code',
      scope: SCOPE,
      claims: {},
    };
    return new provider.RefreshToken({ ...fields, iiat: Math.floor(Date.now() / 1000), rotations: 0 } as never).save();
  };
  const session = new provider.Session();
  session.loginAccount({ accountId, amr: ['pwd'], acr: 'urn:latchkey:aal1' });
  session.ensureClientContainer(CLIENT_ID);
  session.grantIdFor(CLIENT_ID, await newGrant());
  await session.save(86_400);
  const pair = `${cookieName}=${session.jti}`;
  const cookie = `${pair}; ${cookieName}.sig=${cookieKeys.sign(pair)}`;
  return { cookie, refreshTokens: await Promise.all(Array.from({ length: LANES }, newRefreshToken)) };
}

const inspector = new Inspector();

async function answer(question: Question): Promise<unknown> {
  if (question === 'cpu') return process.cpuUsage();
  if (question === 'hash') {
    // The first one has costs of its own.
    await hashOnce();
    const before = process.cpuUsage();
    for (let count = 0; count < HASHES; count += 1) await hashOnce();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / HASHES;
  }
  if (question === 'profile') {
    inspector.connect();
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.setSamplingInterval', { interval: 200 });
    await inspector.post('Profiler.start');
  } else if ('profile' in question) {
    const { profile } = await inspector.post('Profiler.stop');
    inspector.disconnect();
    writeFileSync(question.profile, JSON.stringify(profile));
  } else {
    await fill(...question.fill);
  }
  return 'done';
}

if (process.send) {
  process.once('message', (options: TargetOptions) => {
    void (options.kind === 'bare' ? startBare() : startLatchkey(options.env)).then((ready) => {
      process.on('message', (question: Question) => void answer(question).then((told) => process.send?.(told)));
      process.send?.(ready);
    });
  });
  process.once('disconnect', () => process.exit());
}
