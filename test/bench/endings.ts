// `npm run bench:endings`: two server processes on the same stores. Sessions are ended in one of them, and the other is asked until it refuses what
// belonged to them. Prints how long that takes; docs/performance.md keeps what was found.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../support/free-port.ts';
import { isAccepted, signInDevice, USES, untilRefused } from '../support/other-process.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { deleteKeys, newKeyPrefix, TEST_REDIS_URL } from '../support/redis.ts';
import { TEST_PASSWORD, TEST_SECRET, type TestClient } from '../support/server.ts';
import { median, Report } from './report.ts';

const { values: args } = parseArgs({ options: { times: { type: 'string', default: '30' } } });
const TIMES = Number(args.times);
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const CALLBACK = 'https://app.example.com/callback';
const ADA = { email: 'ada@example.com', username: null } as const;

type Env = Readonly<Record<string, string>>;

const report = new Report();
report.table([
  'stores',
  'refused by the other process',
  'ms until it refuses: median',
  'most',
  'granted after the end',
]);
for (const hasRedis of [true, false]) await measure(hasRedis);

async function measure(hasRedis: boolean): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  const database = await createTestDatabase();
  const keyPrefix = newKeyPrefix();
  const ports = [await freePort(), await freePort()] as const;
  const env: Env = {
    ...{ PATH: process.env['PATH'] ?? '', LATCHKEY_ISSUER: `http://localhost:${ports[0]}` },
    ...{ LATCHKEY_DATABASE_URL: database.url, LATCHKEY_DATA_DIR: folder, LATCHKEY_SECRET: TEST_SECRET },
    ...{ LATCHKEY_INTERNAL_PORT: '0', LATCHKEY_LIMITS_OFF: 'true', LATCHKEY_NEW_DEVICE_NOTICES: 'false' },
    ...{ LATCHKEY_STARTED_REQUEST_LIMIT: '100000', LATCHKEY_REFUSED_REQUEST_LIMIT: '100000' },
    ...(hasRedis ? { LATCHKEY_REDIS_URL: TEST_REDIS_URL, LATCHKEY_REDIS_KEY_PREFIX: keyPrefix } : {}),
    ...(hasRedis ? { LATCHKEY_REDIS_ALLOW_VOLATILE: 'true' } : {}),
  };
  const servers: ChildProcess[] = [];
  try {
    for (const port of ports) servers.push(await serve({ ...env, LATCHKEY_PORT: String(port) }));
    await command(env, ['account', 'create', '--email', ADA.email, '--password-stdin', '--verified'], TEST_PASSWORD);
    const metadata = { redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'] };
    const made = await command(env, ['client', 'create', '--file', '-'], JSON.stringify(metadata));
    const client: TestClient = {
      ...{ clientId: String(made['client_id']), clientSecret: String(made['client_secret']) },
      ...{ redirectUri: CALLBACK, metadata },
    };
    const [first, second] = ports.map((port) => ({ issuer: `http://localhost:${port}` })) as [Listening, Listening];
    const found = await endSessions(first, second, client);
    for (const use of USES) {
      const ended = found.map((one) => one[use]);
      const took = ended.map((one) => one.refusedAfter);
      const granted = ended.filter((one) => one.grantedUntil !== null).length;
      report.row([
        ...[hasRedis ? 'PostgreSQL + Redis' : 'PostgreSQL', use, median(took).toFixed(0), Math.max(...took).toFixed(0)],
        `${granted} of ${ended.length}`,
      ]);
    }
  } finally {
    for (const server of servers) {
      server.kill();
      if (server.exitCode === null) await once(server, 'exit');
    }
    await database.drop();
    if (hasRedis) await deleteKeys(keyPrefix);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Listening {
  readonly issuer: string;
}

type Found = Readonly<Record<(typeof USES)[number], Awaited<ReturnType<typeof untilRefused>>>>;

async function endSessions(first: Listening, second: Listening, client: TestClient): Promise<readonly Found[]> {
  const here = await signInDevice(first, client, ADA);
  const found: Found[] = [];
  for (let count = 0; count < TIMES; count += 1) {
    const there = await signInDevice(first, client, ADA);
    // Whatever the other process remembers, it remembers now.
    for (const use of USES) {
      if (!(await isAccepted(second, there, use))) throw new Error(`${use} is refused before the session is ended`);
    }
    const page = await here.browser.get('/account/sessions');
    await here.browser.submitOnce(page, {}, { form: `form[action="/account/sessions/${there.sessionId}/end"]` });
    const ended = await Promise.all(USES.map(async (use) => [use, await untilRefused(second, there, use)] as const));
    found.push(Object.fromEntries(ended) as Found);
  }
  return found;
}

/** A server of its own that has said that it is ready. */
async function serve(env: Env): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, 'serve'], { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'ignore'] });
  process.once('exit', () => child.kill());
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += String(part);
    if (/ is ready: /.test(text)) break;
  }
  if (!/ is ready: /.test(text)) throw new Error('the server did not start');
  child.stdout.resume();
  return child;
}

function command(env: Env, argv: readonly string[], input: string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [MAIN, ...argv, '--json'], { env, cwd: tmpdir() }, (error, stdout) => {
      if (error) reject(error);
      else resolve(JSON.parse(stdout) as Readonly<Record<string, unknown>>);
    });
    child.stdin?.end(input);
  });
}
