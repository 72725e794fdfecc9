// One server under test, seen from outside: a process of its own on stores of its own, asked for its use of the machine and taken away at the end.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { createTestDatabase, postgresMissing } from '../support/postgres.ts';
import { CountingProxy } from './counting-proxy.ts';
import { residentMemory } from './processes.ts';
import { emptyRedis, fillRedis } from './stored-grants.ts';
import type { Ready, TargetOptions } from './target.ts';

/** `again` is `bare` a second time: what the two differ by is the noise of the machine. */
export type Kind = 'bare' | 'again' | 'redis' | 'postgres' | 'embedded';

export const TITLES: Readonly<Record<Kind, string>> = {
  bare: 'bare engine',
  again: 'bare engine, again',
  redis: 'PostgreSQL + Redis',
  postgres: 'PostgreSQL',
  embedded: 'embedded',
};

const ROOT = join(import.meta.dirname, '..', '..');
const REDIS = new URL(process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379');
const REDIS_DB = '/9';
/** Milliseconds. */
const LONGEST_START = 30_000;

/** The options of Node that `npm start` uses, so that what is measured is what runs. */
let options: readonly string[] = (
  JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } }
).scripts.start
  .split(' ')
  .filter((word) => word.startsWith('--'));

export function nodeOptions(): readonly string[] {
  return options;
}

/** Measures Latchkey with other options instead. */
export function useNodeOptions(others: readonly string[]): void {
  options = others;
}

interface Stores {
  readonly env: Record<string, string>;
  readonly redisUrl: string | undefined;
  readonly redis: CountingProxy | undefined;
  readonly postgres: CountingProxy | undefined;
  close(): Promise<void>;
}

/** @param isCounted puts a counting proxy in front of the stores, which costs time: not where speed is measured */
async function openStores(kind: Kind, isCounted: boolean): Promise<Stores | string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  const port = await freePort();
  const env: Record<string, string> = {
    LATCHKEY_PORT: String(port),
    LATCHKEY_INTERNAL_PORT: '0',
    LATCHKEY_ISSUER: `http://127.0.0.1:${port}`,
    LATCHKEY_DATA_DIR: dataDir,
    LATCHKEY_LOG_LEVEL: 'error',
    LATCHKEY_LIMITS_OFF: 'true',
    LATCHKEY_ANSWER_FLOOR_MS: '0',
    LATCHKEY_ANSWER_JITTER_MS: '0',
    // Each sign-in comes from a browser that was never seen; a mail about each would be measured instead.
    LATCHKEY_NEW_DEVICE_NOTICES: 'false',
    LATCHKEY_SECRET: randomBytes(32).toString('base64url'),
  };
  const closers: (() => unknown)[] = [() => rmSync(dataDir, { recursive: true, force: true })];
  let [redis, postgres]: (CountingProxy | undefined)[] = [];
  let redisUrl: string | undefined;
  if (kind === 'redis' || kind === 'postgres') {
    const missing = await postgresMissing();
    if (missing !== undefined) return missing;
    const database = await createTestDatabase();
    closers.unshift(() => database.drop());
    const url = new URL(database.url);
    if (isCounted) postgres = await through(url, 5432);
    env['LATCHKEY_DATABASE_URL'] = url.href;
  }
  if (kind === 'redis') {
    const url = new URL(REDIS);
    const keyPrefix = `bench-${port}:`;
    url.pathname = REDIS_DB;
    const direct = url.href;
    redisUrl = direct;
    closers.unshift(() => emptyRedis(direct, keyPrefix));
    if (isCounted) redis = await through(url, 6379);
    env['LATCHKEY_REDIS_URL'] = url.href;
    env['LATCHKEY_REDIS_ALLOW_VOLATILE'] = 'true';
    env['LATCHKEY_REDIS_KEY_PREFIX'] = keyPrefix;
  }
  const close = async () => {
    redis?.close();
    postgres?.close();
    for (const one of closers) await one();
  };
  return { env, redisUrl, redis, postgres, close };
}

/** Puts a counting proxy in the place of the server that `url` names. */
async function through(url: URL, defaultPort: number): Promise<CountingProxy> {
  const proxy = await CountingProxy.open(url.hostname, Number(url.port || defaultPort));
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  return proxy;
}

export class ServerUnderTest {
  readonly kind: Kind;
  readonly ready: Ready;
  readonly #child: ChildProcess;
  readonly #stores: Stores;
  #stored = 0;

  private constructor(kind: Kind, child: ChildProcess, stores: Stores, ready: Ready) {
    this.kind = kind;
    this.#child = child;
    this.#stores = stores;
    this.ready = ready;
  }

  /** @returns in words why there is none */
  static async start(kind: Kind, isCounted = false): Promise<ServerUnderTest | string> {
    const stores = await openStores(kind, isCounted);
    if (typeof stores === 'string') return stores;
    const child = fork(join(import.meta.dirname, 'target.ts'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: kind === 'bare' || kind === 'again' ? [] : [...options],
    });
    const wanted: TargetOptions = { kind: kind === 'bare' || kind === 'again' ? 'bare' : 'latchkey', env: stores.env };
    const ready = await new Promise<Ready>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Ready));
      child.once('exit', (code) => reject(new Error(`${kind} ended with ${code} before it was ready`)));
      child.send(wanted);
    });
    return new ServerUnderTest(kind, child, stores, ready);
  }

  get traffic() {
    return { redis: this.#stores.redis?.traffic, postgres: this.#stores.postgres?.traffic };
  }

  /** Milliseconds of processor time so far. */
  async cpu(): Promise<number> {
    const { user, system } = (await this.ask('cpu')) as NodeJS.CpuUsage;
    return (user + system) / 1000;
  }

  /** Bytes. */
  memory(): number {
    return residentMemory(this.#child.pid ?? 0);
  }

  /** Brings the stores up to so many grants. */
  async store(grants: number): Promise<void> {
    const { redisUrl, env } = this.#stores;
    if (redisUrl !== undefined)
      await fillRedis(redisUrl, env['LATCHKEY_REDIS_KEY_PREFIX'] ?? '', this.#stored + 1, grants);
    else await this.ask({ fill: [this.#stored + 1, grants] });
    this.#stored = grants;
  }

  async profile(path: string, work: () => Promise<void>): Promise<void> {
    await this.ask('profile');
    await work();
    await this.ask({ profile: path });
  }

  ask(question: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`${this.kind} ended`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer) => {
        this.#child.removeListener('exit', onExit);
        resolve(answer);
      });
      this.#child.send(question as string);
    });
  }

  async stop(): Promise<void> {
    await end(this.#child);
    await this.#stores.close();
  }
}

export interface Start {
  /** Milliseconds until discovery answered: with an empty database, and afterwards. */
  readonly first: number;
  readonly later: readonly number[];
  /** Bytes, three seconds after the last of these. */
  readonly memory: number;
}

/** Starts the program itself, as `npm start` does, several times on the same stores. */
export async function measureStart(kind: Kind, times: number): Promise<Start | string> {
  const stores = await openStores(kind, false);
  if (typeof stores === 'string') return stores;
  const took: number[] = [];
  let memory = Number.NaN;
  try {
    for (let count = 0; count <= times; count += 1) {
      const child = spawn(process.execPath, [...options, join(ROOT, 'src', 'main.ts'), 'serve'], {
        env: { PATH: process.env['PATH'], ...stores.env, LATCHKEY_STOP_DELAY: '0' },
        stdio: 'ignore',
      });
      took.push(await untilItAnswers(child, `${stores.env['LATCHKEY_ISSUER']}/.well-known/openid-configuration`));
      if (count === times) {
        await new Promise((resolve) => setTimeout(resolve, 3000));
        memory = residentMemory(child.pid ?? 0);
      }
      await end(child, 'SIGTERM');
    }
  } finally {
    await stores.close();
  }
  const [first = Number.NaN, ...later] = took;
  return { first, later, memory };
}

async function untilItAnswers(child: ChildProcess, url: string): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.arrayBuffer();
    const took = performance.now() - startedAt;
    if (answer?.status === 200) return took;
    if (child.exitCode !== null || took > LONGEST_START) throw new Error(`the server did not start at ${url}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const cutOff = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(cutOff);
}
