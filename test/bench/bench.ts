// `npm run bench`: the bare engine beside Latchkey on its stores, in one run on one machine, as ratios of the same round. Nothing is asserted; what
// matters is kept in docs/performance.md. It ends by itself: see --minutes.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Load, type Measured } from './load.ts';
import { type Operation, operationsOf } from './operations.ts';
import { cpuOf } from './processes.ts';
import { mebibytes, median, Report, spread } from './report.ts';
import { type Kind, measureStart, nodeOptions, ServerUnderTest, TITLES, useNodeOptions } from './server-under-test.ts';

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', default: 'bare,again,redis,postgres,embedded' },
    operations: { type: 'string', default: '' },
    parts: { type: 'string', default: 'start,calm,speed,stored,trips' },
    rounds: { type: 'string', default: '3' },
    parallel: { type: 'string', default: '1,16,64' },
    stored: { type: 'string', default: '1000,100000,1000000' },
    minutes: { type: 'string', default: '20' },
    markdown: { type: 'string' },
    node: { type: 'string' },
    profile: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
if (args.node !== undefined) useNodeOptions(args.node.split(' ').filter(Boolean));
const KINDS = args.only.split(',') as Kind[];
const PARTS = new Set(args.parts.split(','));
const ROUNDS = args.quick ? 1 : Number(args.rounds);
const PARALLEL = args.quick ? [16] : args.parallel.split(',').map(Number);
const STORED = (args.quick ? '1000,100000' : args.stored).split(',').map(Number);
/** The embedded database is meant for small installations. */
const MOST_EMBEDDED = 100_000;
/** Milliseconds of one measurement, and of what runs before it unmeasured. */
const MEASURE_MS = 700;
const WARM_UP_MS = 250;
/** Milliseconds of the unhurried load, and how often a second each server is asked. */
const CALM_MS = args.quick ? 4000 : 15_000;
const CALM_RATE = 50;
const deadline = performance.now() + Number(args.minutes) * 60_000;
const isOver = (): boolean => performance.now() > deadline;

const report = new Report();
const running = new Set<ServerUnderTest>();
const operations = new Map<ServerUnderTest, readonly Operation[]>();

interface Row extends Measured {
  /** Milliseconds of processor time for one operation. */
  readonly cpu: number;
  readonly storesCpu: number;
}

async function main(): Promise<void> {
  describeMachine();
  try {
    if (PARTS.has('start')) await showStarts();
    if (PARTS.has('calm') || PARTS.has('speed')) await showSpeed();
    if (PARTS.has('trips')) await showTrips();
    if (PARTS.has('stored')) await showStored();
  } finally {
    await stopAll();
  }
  const tookMinutes = (performance.now() / 60_000).toFixed(1);
  report.line();
  report.line(isOver() ? `Stopped by its limit after ${tookMinutes} minutes.` : `Took ${tookMinutes} minutes.`);
  if (args.markdown !== undefined) report.write(args.markdown);
}

function describeMachine(): void {
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
  const version = (command: string, ...given: string[]): string => {
    try {
      return execFileSync(command, given, { encoding: 'utf8' }).trim().split('\n')[0] ?? '';
    } catch {
      return `${command}: unknown`;
    }
  };
  const engine = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../node_modules/oidc-provider/package.json'), 'utf8'),
  ) as { version: string };
  const [cpu] = cpus();
  const options = nodeOptions().join(' ') || 'none';
  report.line(
    `- ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores (${cpu?.model.trim()}), load before: ${load}`,
  );
  report.line(`- Node ${process.version} (options of \`npm start\`: ${options}), oidc-provider ${engine.version}`);
  report.line(
    `- ${version('postgres', '--version') || version('psql', '--version')}; ${version('redis-server', '--version')}`,
  );
  report.line(
    `- ${ROUNDS} rounds of ${MEASURE_MS} ms for each figure; medians with (least–most); ratios are to the bare engine in the same round`,
  );
}

/** The program itself, started and left alone. */
async function showStarts(): Promise<void> {
  report.heading('Start and memory of the program, idle');
  report.table(['server', 'first start, empty database (ms)', 'start (ms)', 'resident memory (MiB)']);
  for (const kind of KINDS.filter((one) => one !== 'bare' && one !== 'again')) {
    const start = await measureStart(kind, ROUNDS);
    if (typeof start === 'string') report.line(`left out: ${TITLES[kind]}: ${start}`);
    else report.row([TITLES[kind], start.first.toFixed(0), spread(start.later, 0), mebibytes(start.memory)]);
  }
}

async function showSpeed(): Promise<void> {
  const servers = await startAll();
  const calm = PARTS.has('calm') ? await measureCalm(servers) : undefined;
  if (PARTS.has('speed')) {
    report.heading('Operations');
    report.table([
      'operation',
      'at once',
      'server',
      'per second',
      'ratio',
      'p50 ms',
      'p99 ms',
      'CPU ms',
      'CPU ms of the stores',
    ]);
    const names = new Map(servers.flatMap((one) => operationsFor(one).map((operation) => [operation.name, operation])));
    for (const operation of names.values()) {
      for (const parallel of operation.parallel ?? PARALLEL) await compare(servers, operation.name, parallel);
    }
  }
  await showHash(servers);
  report.heading('Memory (resident, MiB)');
  report.table([
    'server',
    `after ${CALM_MS / 1000} s at ${CALM_RATE} requests a second`,
    'after the load above',
    'to the bare engine',
  ]);
  const bare = servers.find((one) => one.kind === 'bare')?.memory() ?? Number.NaN;
  for (const server of servers) {
    const calmBytes = calm?.get(server);
    report.row([
      TITLES[server.kind],
      calmBytes === undefined ? '–' : mebibytes(calmBytes),
      mebibytes(server.memory()),
      (server.memory() / bare).toFixed(2),
    ]);
  }
  await stopAll();
}

/** What a sign-in is measured against. */
async function showHash(servers: readonly ServerUnderTest[]): Promise<void> {
  const server = servers.find((one) => operationsFor(one).some((operation) => operation.isOurs));
  if (!server || isOver()) return;
  const hashes: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) hashes.push((await server.ask('hash')) as number);
  report.line();
  report.line(`One password hash alone (argon2id as configured) takes ${spread(hashes, 1)} ms of CPU.`);
}

/** All at the same time: together they are still far from busy. */
async function measureCalm(servers: readonly ServerUnderTest[]): Promise<ReadonlyMap<ServerUnderTest, number>> {
  await Promise.all(
    servers.map(async (server) => {
      const load = new Load(server.ready, 8);
      const works = await Promise.all(
        operationsFor(server)
          .filter((one) => one.most > 1000)
          .map((one) => one.prepare(load, 1)),
      );
      const until = performance.now() + CALM_MS;
      const pending: Promise<void>[] = [];
      for (let turn = 0; performance.now() < until; turn += 1) {
        // One lane after another, so that no refresh token is used twice at once.
        const work = works[turn % works.length];
        if (work) pending.push(work(turn % 64));
        await new Promise((resolve) => setTimeout(resolve, 1000 / CALM_RATE));
      }
      await Promise.all(pending);
      await load.close();
    }),
  );
  return new Map(servers.map((server) => [server, server.memory()]));
}

async function compare(servers: readonly ServerUnderTest[], name: string, parallel: number): Promise<void> {
  if (isOver()) return;
  const rows = new Map<ServerUnderTest, Row[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const server of servers) {
      const operation = operationsFor(server).find((one) => one.name === name);
      if (!operation || isOver()) continue;
      rows.set(server, [...(rows.get(server) ?? []), await measure(server, operation, parallel)]);
    }
  }
  const bare = [...rows].find(([server]) => server.kind === 'bare')?.[1];
  for (const [server, list] of rows) {
    const ratios = bare ? list.map((row, index) => row.perSecond / (bare[index]?.perSecond ?? Number.NaN)) : [];
    const of = (pick: (row: Row) => number, digits: number): string => median(list.map(pick)).toFixed(digits);
    report.row([
      ...[name, String(parallel), TITLES[server.kind], of((row) => row.perSecond, 0), spread(ratios)],
      ...[of((row) => row.p50, 1), of((row) => row.p99, 1), of((row) => row.cpu, 2), of((row) => row.storesCpu, 2)],
    ]);
  }
}

async function measure(server: ServerUnderTest, operation: Operation, parallel: number): Promise<Row> {
  const load = new Load(server.ready, parallel);
  try {
    const most = operation.most;
    const work = await operation.prepare(load, Math.ceil(most * 1.3) + parallel);
    await load.measure(parallel, { most: Math.ceil(most * 0.3), ms: WARM_UP_MS }, work);
    const run = async (): Promise<Row> => {
      const [cpu, stores] = [await server.cpu(), storesCpu()];
      const measured = await load.measure(parallel, { most, ms: MEASURE_MS }, work);
      const cost = (await server.cpu()) - cpu;
      return { ...measured, cpu: cost / measured.done, storesCpu: (storesCpu() - stores) / measured.done };
    };
    const row = await run();
    if (args.profile !== undefined) {
      const file = `${server.kind}-${operation.name.replaceAll(/\W+/g, '-')}-${parallel}.cpuprofile`;
      await server.profile(join(args.profile, file), async () => void (await run()));
    }
    return row;
  } finally {
    await load.close();
  }
}

function storesCpu(): number {
  return (cpuOf('redis-server') ?? 0) + (cpuOf('postgres') ?? 0);
}

/** Round trips and bytes of one operation, one after another. */
async function showTrips(): Promise<void> {
  report.heading('Round trips and bytes at the stores, for one operation');
  report.table(['operation', 'server', 'Redis trips', 'Redis bytes', 'SQL trips', 'SQL bytes']);
  for (const kind of KINDS.filter((one) => one === 'redis' || one === 'postgres')) {
    const server = await start(kind, true);
    for (const operation of server ? operationsFor(server) : []) {
      if (!server || isOver()) break;
      const load = new Load(server.ready, 1);
      const most = 30;
      const work = await operation.prepare(load, most + 5);
      await load.measure(1, { most: 5, ms: 10_000 }, work);
      const before = server.traffic;
      await load.measure(1, { most, ms: 10_000 }, work);
      const now = server.traffic;
      await load.close();
      const cells = (['redis', 'postgres'] as const).flatMap((store) => {
        const [then, since] = [before[store], now[store]];
        if (!then || !since) return ['–', '–'];
        return [
          ((since.roundTrips - then.roundTrips) / most).toFixed(1),
          ((since.bytes - then.bytes) / most).toFixed(0),
        ];
      });
      report.row([operation.name, TITLES[kind], ...cells]);
    }
    await stopAll();
  }
}

/** Each store against a twin of itself with a thousand grants, round by round, so that the machine's moods are in both. */
async function showStored(): Promise<void> {
  report.heading('Stored grants');
  report.line('At parallelism 16; ratio to a twin with a thousand grants in the same round.');
  report.line();
  report.table(['operation', 'server', 'stored grants', 'per second', 'ratio', 'CPU ms', 'CPU ms of the stores']);
  for (const kind of KINDS.filter((one) => one !== 'bare' && one !== 'again')) {
    const [server, twin] = [await start(kind), await start(kind)];
    if (!server || !twin) continue;
    await twin.store(1000);
    for (const grants of STORED) {
      if (isOver() || (kind === 'embedded' && grants > MOST_EMBEDDED)) continue;
      await server.store(grants);
      for (const { name } of operationsFor(server).filter((one) => !one.isOurs && one.name !== 'discovery')) {
        await compareStored([server, twin], name, grants);
      }
    }
    await stopAll();
  }
}

async function compareStored(pair: readonly [ServerUnderTest, ServerUnderTest], name: string, grants: number) {
  const rows: [Row[], Row[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    // In turns, so that neither always has the warmer machine.
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const operation = operationsFor(pair[index]).find((one) => one.name === name);
      if (operation && !isOver()) rows[index].push(await measure(pair[index], operation, 16));
    }
  }
  const [own, other] = rows;
  const ratios = own.map((row, index) => row.perSecond / (other[index]?.perSecond ?? Number.NaN));
  const of = (pick: (row: Row) => number, digits: number): string => median(own.map(pick)).toFixed(digits);
  report.row([
    ...[name, TITLES[pair[0].kind], grants.toLocaleString('en'), of((row) => row.perSecond, 0), spread(ratios)],
    ...[of((row) => row.cpu, 2), of((row) => row.storesCpu, 2)],
  ]);
}

async function startAll(): Promise<readonly ServerUnderTest[]> {
  const servers: ServerUnderTest[] = [];
  for (const kind of KINDS) {
    const server = await start(kind);
    if (server) servers.push(server);
  }
  return servers;
}

async function start(kind: Kind, isCounted = false): Promise<ServerUnderTest | undefined> {
  const server = await ServerUnderTest.start(kind, isCounted);
  if (typeof server === 'string') {
    report.line(`left out: ${TITLES[kind]}: ${server}`);
    return undefined;
  }
  running.add(server);
  return server;
}

async function stopAll(): Promise<void> {
  for (const server of running) {
    running.delete(server);
    operations.delete(server);
    await server.stop();
  }
}

function operationsFor(server: ServerUnderTest): readonly Operation[] {
  const known = operations.get(server);
  if (known) return known;
  const wanted = args.operations.split(',');
  const isBare = server.kind === 'bare' || server.kind === 'again';
  const made = operationsOf(server.ready).filter(
    (one) => !(isBare && one.isOurs) && wanted.some((beginning) => one.name.startsWith(beginning)),
  );
  operations.set(server, made);
  return made;
}

await main();
