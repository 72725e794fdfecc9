// `npm run bench`: the bare engine beside Latchkey on its stores, in one run on one machine, as ratios. Nothing is asserted; what matters is
// kept in docs/performance.md. Options: --rounds N, --only bare,redis,postgres,embedded, --stored N, --quick.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTestDatabase, postgresMissing } from '../support/postgres.ts';
import { CountingProxy } from './counting-proxy.ts';
import { Load, type Measured } from './load.ts';
import type { Ready, TargetOptions } from './target.ts';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'bare,redis,postgres,embedded' },
    stored: { type: 'string', default: '0' },
    quick: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(args.rounds);
const PARALLEL = args.quick ? [16] : [1, 16, 64];
const SCALE = args.quick ? 0.25 : 1;
const REDIS_DB = '9';

type Kind = 'bare' | 'redis' | 'postgres' | 'embedded';

interface Operation {
  readonly name: string;
  readonly count: number;
  /** Parallelism of its own; password hashing would only queue. */
  readonly parallel?: readonly number[];
  /** Made before the clock runs; undefined leaves the operation out. */
  prepare(load: Load, lanes: number, count: number): Promise<((lane: number) => Promise<void>) | undefined>;
}

/** One use each: taken from the end of a list that was filled before. */
async function fill(count: number, make: () => Promise<string>): Promise<() => string> {
  const values: string[] = [];
  while (values.length < count) {
    values.push(...(await Promise.all(Array.from({ length: Math.min(16, count - values.length) }, make))));
  }
  return () => values.pop() ?? '';
}

function operations(ready: Ready, isBare: boolean): readonly Operation[] {
  const refreshTokens = [...ready.refreshTokens];
  return [
    { name: 'discovery', count: 2000, prepare: async (load) => () => load.discovery() },
    { name: 'client_credentials', count: 3000, prepare: async (load) => () => load.clientCredentials() },
    {
      name: 'authorize, signed in',
      count: 1500,
      prepare: async (load) => async () => void (await load.authorize()),
    },
    {
      name: 'code exchange',
      count: 1000,
      prepare: async (load, _lanes, count) => {
        const code = await fill(count + 64, () => load.authorize());
        return async () => void (await load.exchange(code()));
      },
    },
    {
      name: 'refresh, rotation',
      count: 2000,
      prepare: async (load) => async (lane) => {
        refreshTokens[lane] = await load.refresh(refreshTokens[lane] ?? '');
      },
    },
    {
      name: 'introspection',
      count: 3000,
      prepare: async (load) => {
        const token = await load.exchange(await load.authorize());
        return () => load.introspect(token);
      },
    },
    {
      name: 'userinfo',
      count: 3000,
      prepare: async (load) => {
        const token = await load.exchange(await load.authorize());
        return () => load.userinfo(token);
      },
    },
    {
      name: 'password sign-in',
      count: 100,
      parallel: [1, 16],
      prepare: async (load) => (isBare ? undefined : () => load.passwordSignIn()),
    },
  ];
}

interface Usage {
  readonly cpu: { user: number; system: number };
  readonly rss: number;
}

class Target {
  readonly kind: Kind;
  readonly #child: ChildProcess;
  readonly ready: Ready;
  readonly coldStartMs: number;
  readonly redis: CountingProxy | undefined;
  readonly postgres: CountingProxy | undefined;
  readonly #cleanUp: () => Promise<void>;

  private constructor(parts: {
    kind: Kind;
    child: ChildProcess;
    ready: Ready;
    coldStartMs: number;
    redis: CountingProxy | undefined;
    postgres: CountingProxy | undefined;
    cleanUp: () => Promise<void>;
  }) {
    this.kind = parts.kind;
    this.#child = parts.child;
    this.ready = parts.ready;
    this.coldStartMs = parts.coldStartMs;
    this.redis = parts.redis;
    this.postgres = parts.postgres;
    this.#cleanUp = parts.cleanUp;
  }

  /** @param isCounted puts a counting proxy in front of the stores, which costs time: not where speed is measured */
  static async start(kind: Kind, stored: number, isCounted: boolean): Promise<Target | string> {
    const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
    const port = await freePort();
    const env: Record<string, string> = {
      LATCHKEY_PORT: String(port),
      LATCHKEY_ISSUER: `http://127.0.0.1:${port}`,
      LATCHKEY_DATA_DIR: dataDir,
      LATCHKEY_LOG_LEVEL: 'error',
      LATCHKEY_LIMITS_OFF: 'true',
      LATCHKEY_ANSWER_FLOOR_MS: '0',
      LATCHKEY_ANSWER_JITTER_MS: '0',
      LATCHKEY_SECRET: randomBytes(32).toString('base64url'),
    };
    const cleanUps: (() => unknown)[] = [() => rmSync(dataDir, { recursive: true, force: true })];
    let redis: CountingProxy | undefined;
    let postgres: CountingProxy | undefined;
    if (kind === 'redis' || kind === 'postgres') {
      const missing = await postgresMissing();
      if (missing !== undefined) return missing;
      const database = await createTestDatabase();
      cleanUps.unshift(() => database.drop());
      const url = new URL(database.url);
      if (isCounted) postgres = await through(url, 5432);
      env['LATCHKEY_DATABASE_URL'] = url.href;
    }
    if (kind === 'redis') {
      const url = new URL(process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379');
      if (isCounted) redis = await through(url, 6379);
      url.pathname = `/${REDIS_DB}`;
      env['LATCHKEY_REDIS_URL'] = url.href;
      env['LATCHKEY_REDIS_ALLOW_VOLATILE'] = 'true';
      env['LATCHKEY_REDIS_KEY_PREFIX'] = `bench-${port}:`;
    }
    const startedAt = performance.now();
    const child = fork(join(import.meta.dirname, 'target.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const options: TargetOptions = { kind: kind === 'bare' ? 'bare' : 'latchkey', env, stored };
    const ready = await new Promise<Ready>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Ready));
      child.once('exit', (code) => reject(new Error(`${kind} ended with ${code} before it was ready`)));
      child.send(options);
    });
    const load = new Load(ready, 1);
    await load.discovery();
    await load.close();
    const coldStartMs = performance.now() - startedAt;
    const cleanUp = async () => {
      redis?.close();
      postgres?.close();
      for (const one of cleanUps) await one();
    };
    return new Target({ kind, child, ready, coldStartMs, redis, postgres, cleanUp });
  }

  usage(): Promise<Usage> {
    return new Promise((resolve) => {
      this.#child.once('message', (message) => resolve(message as Usage));
      this.#child.send('usage');
    });
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 500))]);
    await this.#cleanUp();
  }
}

/** Puts a counting proxy in the place of the server that `url` names. */
async function through(url: URL, defaultPort: number): Promise<CountingProxy> {
  const proxy = await CountingProxy.open(url.hostname, Number(url.port || defaultPort));
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  return proxy;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

interface Row extends Measured {
  readonly cpuMs: number;
}

/** Round trips and bytes of one operation, one after another. */
async function countTrips(target: Target, operation: Operation): Promise<string | undefined> {
  const load = new Load(target.ready, 1);
  const count = 30;
  try {
    const work = await operation.prepare(load, 1, count + 5);
    if (!work) return undefined;
    await load.measure(1, 5, work);
    const before = [target.redis?.traffic, target.postgres?.traffic];
    await load.measure(1, count, work);
    const cells = [target.redis?.traffic, target.postgres?.traffic].map((now, index) => {
      const then = before[index];
      if (!now || !then) return '– | –';
      const trips = (now.roundTrips - then.roundTrips) / count;
      return `${trips.toFixed(1)} | ${((now.bytes - then.bytes) / count).toFixed(0)}`;
    });
    return cells.join(' | ');
  } finally {
    await load.close();
  }
}

async function measure(target: Target, operation: Operation, parallel: number): Promise<Row | undefined> {
  const load = new Load(target.ready, parallel);
  try {
    const count = Math.max(parallel, Math.round(operation.count * SCALE * (parallel === 1 ? 0.3 : 1)));
    const warmUp = Math.ceil(count / 5);
    const work = await operation.prepare(load, parallel, count + warmUp);
    if (!work) return undefined;
    await load.measure(parallel, warmUp, work);
    const usage = await target.usage();
    const measured = await load.measure(parallel, count, work);
    const after = await target.usage();
    const cpu = after.cpu.user + after.cpu.system - usage.cpu.user - usage.cpu.system;
    return {
      ...measured,
      cpuMs: cpu / 1000 / count,
    };
  } finally {
    await load.close();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const kept = new Map<Target, readonly Operation[]>();
const kinds = args.only.split(',') as Kind[];
const targets: Target[] = [];
const out: string[] = [];
const print = (line = ''): void => {
  out.push(line);
  process.stdout.write(`${line}\n`);
};

try {
  for (const kind of kinds) {
    const target = await Target.start(kind, Number(args.stored), false);
    if (typeof target === 'string') print(`left out: ${kind}: ${target}`);
    else targets.push(target);
  }
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
  print(`node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load before: ${load}`);
  print(`rounds: ${ROUNDS}, stored grants: ${args.stored}; ratios are to the bare engine in the same round`);
  print();
  print('| target | cold start to the first 200 (ms) | resident memory idle (MiB) |');
  print('|---|---|---|');
  for (const target of targets) {
    const { rss } = await target.usage();
    print(`| ${target.kind} | ${target.coldStartMs.toFixed(0)} | ${(rss / 2 ** 20).toFixed(0)} |`);
  }
  print();
  print('| operation | at once | target | per second | ratio (min–max) | p50 ms | p99 ms | CPU ms |');
  print('|---|---|---|---|---|---|---|---|');
  const names = operations(targets[0]?.ready ?? ({ refreshTokens: [] } as never), false);
  for (const { name, parallel: own } of names) {
    for (const parallel of own ?? PARALLEL) {
      const rows = new Map<Kind, Row[]>();
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const target of targets) {
          const operation = operationsOf(target).find((one) => one.name === name);
          const row = operation && (await measure(target, operation, parallel));
          if (row) rows.set(target.kind, [...(rows.get(target.kind) ?? []), row]);
        }
      }
      const bare = rows.get('bare');
      for (const [kind, list] of rows) {
        const ratios = list.map((row, index) => row.perSecond / (bare?.[index]?.perSecond ?? Number.NaN));
        const of = (pick: (row: Row) => number): number => median(list.map(pick));
        const ratio = bare
          ? `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`
          : '–';
        print(
          `| ${name} | ${parallel} | ${kind} | ${of((row) => row.perSecond).toFixed(0)} | ${ratio} | ` +
            `${of((row) => row.p50).toFixed(1)} | ${of((row) => row.p99).toFixed(1)} | ${of((row) => row.cpuMs).toFixed(2)} |`,
        );
      }
    }
  }
  print();
  print('| target | resident memory after the load (MiB) |');
  print('|---|---|');
  for (const target of targets) {
    const { rss } = await target.usage();
    print(`| ${target.kind} | ${(rss / 2 ** 20).toFixed(0)} |`);
  }
  await stopAll();

  print();
  print('| operation | target | Redis trips | Redis bytes | SQL trips | SQL bytes |');
  print('|---|---|---|---|---|---|');
  for (const kind of kinds.filter((one) => one === 'redis' || one === 'postgres')) {
    const target = await Target.start(kind, 0, true);
    if (typeof target === 'string') continue;
    targets.push(target);
    for (const operation of operationsOf(target)) {
      const cells = await countTrips(target, operation);
      if (cells) print(`| ${operation.name} | ${kind} | ${cells} |`);
    }
  }
} finally {
  await stopAll();
}

async function stopAll(): Promise<void> {
  for (const target of targets.splice(0)) await target.stop();
}

/** Refresh tokens rotate, so each target keeps its own list over all rounds. */
function operationsOf(target: Target): readonly Operation[] {
  const known = kept.get(target);
  if (known) return known;
  const made = operations(target.ready, target.kind === 'bare');
  kept.set(target, made);
  return made;
}
