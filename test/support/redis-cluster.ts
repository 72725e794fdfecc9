// Redis servers of a test's own: one with chosen settings, two watched by a Sentinel, or a Cluster of three. They listen on loopback, keep their files in a temporary
// folder, and end with the test process whatever happens to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Stops it from answering without closing a connection, like a cable that was pulled. */
  pause(): void;
  resume(): void;
  /** Ends the process as a power cut would. */
  kill(): Promise<void>;
  /** The same server again, on the same port and files. */
  restart(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Several servers that are reached together. */
export interface RedisCluster {
  /** As `LATCHKEY_REDIS_URL` wants it. */
  readonly url: string;
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Why no server can be started here; undefined when it can. */
export function redisServerMissing(): string | undefined {
  return spawnSync('redis-server', ['--version']).status === 0 ? undefined : 'there is no redis-server on the path';
}

/** @param settings lines of redis.conf as arguments, such as `--appendonly`, `yes` */
export async function startRedisServer(settings: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-redis-'));
  const port = await freePort();
  const base = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  let child = await launch(port, [...base, ...settings]);
  const endAll = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', endAll);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    kill,
    async restart() {
      await kill();
      child = await launch(port, [...base, ...settings]);
    },
    async stop() {
      await kill();
      process.removeListener('exit', endAll);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A master, its replica, and one Sentinel that names the replica master as soon as the master is gone for half a second. */
export async function startRedisSentinel(): Promise<RedisCluster> {
  const master = await startRedisServer(['--repl-diskless-sync-delay', '0']);
  const replica = await startRedisServer(['--replicaof', '127.0.0.1', String(master.port)]);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-sentinel-'));
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 3000',
  ];
  writeFileSync(file, settings.join('\n'));
  const child = await launch(port, [file, '--sentinel']);
  const endAll = () => child.kill('SIGKILL');
  process.once('exit', endAll);
  const stop = async () => {
    endAll();
    process.removeListener('exit', endAll);
    await Promise.all([master.stop(), replica.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  const client = new Redis(port, '127.0.0.1');
  const follower = new Redis(replica.port, '127.0.0.1');
  try {
    await until('the replica to follow', async () => /master_link_status:up/.test(await follower.info('replication')));
    await until('Sentinel to know the replica', async () => {
      const replicas = (await client.call('SENTINEL', 'REPLICAS', 'main')) as readonly string[][];
      return replicas.length === 1 && replicas[0]?.includes('slave') === true;
    });
  } catch (error) {
    await stop();
    throw error;
  } finally {
    client.disconnect();
    follower.disconnect();
  }
  return { url: `redis+sentinel://127.0.0.1:${port}/main`, servers: [master, replica], stop };
}

/** Three masters that share the slots and refuse everything when one of them is gone, as Redis does by default. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const settings = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    '2000',
    '--cluster-require-full-coverage',
    'yes',
  ];
  const servers = await Promise.all([0, 1, 2].map(() => startRedisServer(settings)));
  const clients = servers.map((server) => new Redis(server.port, '127.0.0.1'));
  try {
    const size = Math.ceil(16_384 / servers.length);
    for (const [index, client] of clients.entries()) {
      const slots = Array.from({ length: size }, (_, slot) => index * size + slot).filter((slot) => slot < 16_384);
      await client.cluster('SET-CONFIG-EPOCH', index + 1);
      await client.cluster('ADDSLOTS', ...slots);
    }
    for (const server of servers.slice(1)) await clients[0]?.cluster('MEET', '127.0.0.1', server.port);
    await until('the cluster to form', async () => {
      const states = await Promise.all(clients.map((client) => client.cluster('INFO')));
      return states.every((info) => /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info));
    });
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()));
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return {
    url: servers.map((server) => server.url).join(','),
    servers,
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

async function launch(port: number, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    });
  }
  const client = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => undefined);
  try {
    await until('redis-server to answer', async () => {
      if (child.exitCode !== null) throw new Error(`redis-server ended: ${output}`);
      return (await Promise.race([client.ping(), sleep(500)])) === 'PONG';
    });
  } finally {
    client.disconnect();
  }
  return child;
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await sleep(25);
  }
}

/** A port whose neighbour ten thousand above is free as well: nodes of a Cluster talk to each other there. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 25_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
