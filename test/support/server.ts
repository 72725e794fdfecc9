// The whole of Latchkey inside of the test's process: on a clean database and key prefix, at ports of its own, with as few settings as it
// can be run with. Suites that must hold everywhere run once for each of `backends`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { loadSettings } from '../../config/settings.ts';
import type { AccountRow } from '../../src/account/accounts.ts';
import { type App, createApp } from '../../src/app.ts';
import type { ClientMetadata } from '../../src/client/client-metadata.ts';
import { AppError } from '../../src/errors.ts';
import { createLog, type Log } from '../../src/log.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { Browser, type BrowserOptions } from './browser-client.ts';
import { copyEmbeddedDatabase } from './embedded-template.ts';
import { freePort } from './free-port.ts';
import { createTestDatabase, postgresMissing, type TestDatabase } from './postgres.ts';
import { deleteKeys, newKeyPrefix, redisMissing, TEST_REDIS_URL } from './redis.ts';

export const TEST_SECRET = 'q0JYl7h3B5m9RzXvT2dWcE8uKfN4sGyPaLbHiQ6oMnU=';
export const TEST_PASSWORD = 'correct horse battery staple';

export type Backend = 'embedded' | 'postgres+redis';

export const backends: readonly { readonly backend: Backend; readonly missing: string | undefined }[] = [
  { backend: 'embedded', missing: undefined },
  { backend: 'postgres+redis', missing: (await postgresMissing()) ?? (await redisMissing()) },
];

export interface StartOptions {
  readonly backend?: Backend;
  /** Beside those that every test server has; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Puts something between Latchkey and the servers behind it. @returns the address to use instead */
  readonly reroute?: {
    readonly database?: (url: string) => string | Promise<string>;
    readonly redis?: (url: string) => string | Promise<string>;
  };
  /** The issuer's host name. */
  readonly host?: 'localhost' | '127.0.0.1';
}

export interface NewTestAccount {
  readonly email?: string;
  readonly username?: string;
  readonly name?: string;
  /** TEST_PASSWORD unless named; null for none. */
  readonly password?: string | null;
}

export interface TestClient {
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly redirectUri: string;
  readonly metadata: ClientMetadata;
}

export interface Latchkey {
  readonly issuer: string;
  readonly app: App;
  readonly env: Readonly<Record<string, string>>;
  readonly keyPrefix: string;
  /** Every line of the log so far, from level `debug` on. */
  readonly logLines: readonly string[];
  createAccount(input?: NewTestAccount): Promise<AccountRow>;
  /** A confidential web client with a refresh token unless the metadata say otherwise. */
  createClient(metadata?: Record<string, unknown>): Promise<TestClient>;
  /** A new person at a new browser. */
  browser(options?: BrowserOptions): Browser;
  /** Stops and starts again on the same storage with some settings changed, as a deployment does; `app` is another one then. */
  restart(change: Readonly<Record<string, string | undefined>>): Promise<void>;
  stop(): Promise<void>;
}

const CLI = { actor: { kind: 'cli' } } as const;
let counter = 0;

export async function startLatchkey(options: StartOptions = {}): Promise<Latchkey> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await tryToStart(options);
    } catch (error) {
      // Another test took the port between looking and listening.
      if (!(error instanceof AppError && error.code === 'port-taken') || attempt >= 5) throw error;
    }
  }
}

interface Running {
  readonly app: App;
  stop(): Promise<void>;
}

async function run(env: Readonly<Record<string, string | undefined>>, cwd: string, log: Log): Promise<Running> {
  const named = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const loaded = loadSettings({ env: Object.fromEntries(named), cwd });
  const app = await createApp(loaded, log, { migrate: true });
  let server: RunningServer | undefined;
  try {
    await app.prepare();
    const { port, internalPort, stopDelay } = loaded.settings;
    server = await startServer(app, log, { host: '127.0.0.1', port, internalPort, stopDelay });
    app.startWorkers();
  } catch (error) {
    await server?.stop();
    await app.close();
    throw error;
  }
  return {
    app,
    async stop() {
      await server?.stop();
      await app.close();
    },
  };
}

async function tryToStart(options: StartOptions): Promise<Latchkey> {
  const { backend = 'embedded', host = 'localhost', reroute = {} } = options;
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  const port = await freePort();
  const keyPrefix = newKeyPrefix();
  const made: TestDatabase | undefined = backend === 'embedded' ? undefined : await createTestDatabase();
  const env = Object.fromEntries(
    Object.entries<string | undefined>({
      LATCHKEY_ISSUER: `http://${host}:${port}`,
      LATCHKEY_PORT: String(port),
      LATCHKEY_INTERNAL_PORT: '0',
      LATCHKEY_STOP_DELAY: '0',
      // A machine under load may take its time; what waits for an outage says so.
      LATCHKEY_STORAGE_TIMEOUT_MS: '20000',
      LATCHKEY_DATA_DIR: folder,
      LATCHKEY_SECRET: TEST_SECRET,
      LATCHKEY_ANSWER_FLOOR_MS: '0',
      LATCHKEY_ANSWER_JITTER_MS: '0',
      // All persons and apps of a test come from one network.
      LATCHKEY_REFUSED_REQUEST_LIMIT: '100000',
      LATCHKEY_STARTED_REQUEST_LIMIT: '100000',
      ...(made
        ? {
            LATCHKEY_DATABASE_URL: (await reroute.database?.(made.url)) ?? made.url,
            LATCHKEY_REDIS_URL: (await reroute.redis?.(TEST_REDIS_URL)) ?? TEST_REDIS_URL,
            LATCHKEY_REDIS_KEY_PREFIX: keyPrefix,
            // The machine's Redis serves tests only and need not keep anything.
            LATCHKEY_REDIS_ALLOW_VOLATILE: 'true',
          }
        : {}),
      ...options.env,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const logLines: string[] = [];
  const log = createLog('debug', { write: (line: string) => void logLines.push(line.trimEnd()) });
  const ending: (() => Promise<void> | void)[] = [
    () => rmSync(folder, { recursive: true, force: true }),
    ...(made ? [() => made.drop(), () => deleteKeys(keyPrefix)] : []),
  ];
  const end = async (): Promise<void> => {
    for (const step of ending.toReversed()) await step();
  };
  try {
    if (!made) await copyEmbeddedDatabase(folder);
    let running = await run(env, folder, log);
    ending.push(() => running.stop());
    const { issuer } = running.app.loaded.settings;
    return {
      ...{ issuer, env, keyPrefix, logLines },
      get app() {
        return running.app;
      },
      createAccount: (input) => createAccount(running.app, input),
      createClient: (metadata) => createClient(running.app, metadata),
      browser: (browserOptions) => new Browser(issuer, browserOptions),
      async restart(change) {
        await running.stop();
        running = await run({ ...env, ...change }, folder, log);
      },
      stop: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

export async function createAccount(app: App, input: NewTestAccount = {}): Promise<AccountRow> {
  const { password = TEST_PASSWORD, ...names } = input;
  counter += 1;
  const named =
    names.email === undefined && names.username === undefined ? { email: `person${counter}@example.com` } : {};
  const hash = password === null ? null : await app.passwords.hash(password);
  const { id } = await app.database.transaction(async (em) => {
    const account = await app.accounts.create(
      { name: `Person ${counter}`, ...named, ...names, isVerified: true },
      CLI,
      em,
    );
    if (hash !== null) await app.passwords.set(em, account.id, hash);
    return account;
  });
  return app.accounts.get(id);
}

export async function createClient(app: App, metadata: Record<string, unknown> = {}): Promise<TestClient> {
  const { client, secret } = await app.clients.create(
    {
      client_name: 'Test app',
      redirect_uris: ['https://app.example.com/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    },
    CLI,
  );
  return {
    clientId: client.clientId,
    clientSecret: secret,
    redirectUri: client.metadata.redirect_uris?.[0] ?? '',
    metadata: client.metadata,
  };
}

/** Declares the same stories for each back end. @param suite gets the running server; valid only inside of hooks and cases */
export function describeOnEachBackend(
  title: string,
  suite: (latchkey: () => Latchkey) => void,
  options: StartOptions = {},
): void {
  for (const { backend, missing } of backends) {
    describe(`${title}, on ${backend}`, { skip: missing ?? false }, () => {
      let running: Latchkey | undefined;
      before(async () => {
        running = await startLatchkey({ ...options, backend });
      });
      after(() => running?.stop());
      suite(() => {
        if (!running) throw new Error('the server was not started');
        return running;
      });
    });
  }
}
