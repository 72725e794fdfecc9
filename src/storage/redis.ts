// The connection to Redis (or Valkey): one node, Sentinel or Cluster. It gives up within two seconds instead of hanging, names every failure
// Unavailable so that nobody takes it for "not there", and defines scripts only while the client is made: defining one later, while an
// automatic pipeline is open, ends the process (ioredis 6.0.0).

import type { EventEmitter } from 'node:events';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { AppError, Unavailable } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Argument, type RedisScript, ScriptBatch } from './script-batch.ts';

export interface RedisConnectionOptions {
  /** `LATCHKEY_REDIS_URL` as given: one URL, several with commas between them (Cluster), or `redis+sentinel://…`. */
  readonly url: string;
  /** In front of every key; without braces, which mark the part of a key that decides its place in a Cluster. */
  readonly keyPrefix: string;
  /** Accepts a Redis that may lose or evict keys. */
  readonly allowVolatile: boolean;
  readonly log: Log;
  /** Milliseconds for a whole operation; connecting and one command have two thirds of it. */
  readonly timeout?: number;
  readonly scripts?: Readonly<Record<string, RedisScript>>;
}

type Call = (this: unknown, ...args: readonly Argument[]) => Promise<unknown>;

/** For a whole operation, waiting for a reconnect or a redirection included. */
const DEFAULT_TIMEOUT_MS = 1500;
/** Once it has been away for this long, operations fail at once instead of piling up. */
const FAIL_FAST_AFTER_MS = 1000;
/** A socket that stays silent this long after a command is dead even if nobody closed it. */
const SILENCE_MS = 3000;
const RECONNECT_CAP_MS = 500;
const SLOTS_REFRESH_MS = 3000;
/** Keys that Redis looks at in one step of a walk over all of them. */
const SCAN_BATCH = 1000;
/** Keys enough to meet every node of a Cluster of usual size. */
const HEALTH_PROBES = 48;

/** @throws AppError `redis-url` */
export function openRedis(options: RedisConnectionOptions): RedisConnection {
  return new RedisConnection(options);
}

export class RedisConnection {
  /** For what has no script: limiters, one-time values. Wrap its calls in `run`. */
  readonly client: Redis | Cluster;
  readonly isCluster: boolean;
  readonly keyPrefix: string;
  readonly #allowVolatile: boolean;
  readonly #log: Log;
  readonly #timeout: number;
  /** Of a single node; in a Cluster each script has a place of its own. */
  readonly #batch: ScriptBatch | undefined;
  #downSince: number | undefined;
  #reached: Promise<void> | undefined;
  #isReported = false;
  #isClosing = false;

  constructor(options: RedisConnectionOptions) {
    if (/[{}]/.test(options.keyPrefix)) throw new TypeError('a key prefix must not contain braces');
    const address = parseRedisUrl(options.url);
    this.#allowVolatile = options.allowVolatile;
    this.#log = options.log;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT_MS;
    this.keyPrefix = options.keyPrefix;
    this.isCluster = address.kind === 'cluster';
    this.client = connect(address, options);
    if (!(this.client instanceof Cluster)) {
      const { scripts = {}, keyPrefix } = options;
      this.#batch = new ScriptBatch({ client: this.client, scripts, keyPrefix, timeout: this.#timeout });
    }
    const events: EventEmitter = this.client;
    events.on('error', (error: unknown) => this.#report(error));
    events.on('close', () => this.#report());
    events.on('ready', () => this.#recovered());
  }

  /**
   * Runs commands under one deadline.
   * @throws Unavailable for every failure but a wrong call, in at most one and a half seconds
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#failFast();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('Redis did not answer in time')), this.#timeout);
    });
    try {
      return await Promise.race([this.#attempt(work), deadline]);
    } catch (cause) {
      if (cause instanceof TypeError) throw cause;
      throw away(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Calls a script given to `openRedis`, by itself and under one deadline; texts in its answer are Buffers. On a single node what is called at the
   * same time leaves together.
   * @throws Unavailable as `run` does
   */
  async call(name: string, keys: readonly string[], args: readonly Argument[] = []): Promise<unknown> {
    if (!this.#batch) return this.run(() => this.script(name, keys, args));
    this.#failFast();
    try {
      return await this.#batch.call(name, keys, args);
    } catch (cause) {
      if (cause instanceof TypeError) throw cause;
      throw away(cause);
    }
  }

  /** The same as a part of what happens inside of `run`. */
  script(name: string, keys: readonly string[], args: readonly Argument[] = []): Promise<unknown> {
    const call = (this.client as unknown as Record<string, Call>)[`${name}Buffer`];
    if (!call) throw new TypeError(`the script ${name} was not given to openRedis`);
    return call.call(this.client, ...keys, ...args);
  }

  /**
   * Refuses a Redis that evicts keys or forgets them at a restart: it would forget who is signed in, and which values were used.
   * @throws AppError `redis-volatile`; Unavailable when it cannot be asked
   */
  async checkPersistence(): Promise<void> {
    const problems = await this.persistenceProblems();
    if (problems.length === 0) return;
    const text = `Redis may lose what it is given: ${problems.join('; ')}.`;
    if (!this.#allowVolatile) {
      const way = 'Change that, or set LATCHKEY_REDIS_ALLOW_VOLATILE=true where losing all sessions is fine.';
      throw new AppError('redis-volatile', 500, `${text} ${way}`);
    }
    this.#log.warn({ problems }, 'redis is volatile');
  }

  /** What is wrong with its settings, in words, each once; empty when all is well. */
  async persistenceProblems(): Promise<readonly string[]> {
    const answers = await this.run(async () => {
      return Promise.all(this.#masters().map((node) => node.info()));
    });
    const problems = new Set<string>();
    for (const info of answers) {
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
      if (policy !== 'noeviction') problems.add(`maxmemory-policy is ${policy} and should be noeviction`);
      if (!/^aof_enabled:1/m.test(info)) problems.add('appendonly is off and should be yes');
    }
    return [...problems];
  }

  /** Whether every part of it answers now. */
  async isHealthy(): Promise<boolean> {
    try {
      await this.run(async () => {
        // A node that died leaves the client's list before the Cluster notices, so keys all over the slots are asked for instead.
        const probes = this.isCluster ? HEALTH_PROBES : 1;
        await Promise.all(Array.from({ length: probes }, (_, index) => this.client.exists(`health:${index}`)));
      });
      return true;
    } catch {
      return false;
    }
  }

  /** The names of keys like this, without the prefix, in batches; what comes or goes meanwhile may be missed, and names may come twice. */
  async *scan(pattern: string): AsyncIterable<readonly string[]> {
    const match = this.keyPrefix.replace(/[*?[\]\\^]/g, '\\$&') + pattern;
    for (const node of this.#masters()) {
      let cursor = '0';
      do {
        const [next, names] = await this.run(() => node.scan(cursor, 'MATCH', match, 'COUNT', SCAN_BATCH));
        cursor = next;
        yield names.map((name) => name.slice(this.keyPrefix.length));
      } while (cursor !== '0');
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.client.status === 'ready') {
      await this.run(() => this.client.quit()).catch(() => undefined);
    }
    this.client.disconnect();
  }

  #failFast(): void {
    if (this.#downSince !== undefined && Date.now() - this.#downSince > FAIL_FAST_AFTER_MS) throw away();
  }

  #masters(): readonly Redis[] {
    return this.client instanceof Cluster ? this.client.nodes('master') : [this.client];
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isReachable()) await this.#reach();
    try {
      return await work();
    } catch (error) {
      // The client follows a moved slot for single commands, but not when an automatic pipeline held several of them.
      if (!(this.client instanceof Cluster) || !(error instanceof Error) || !error.message.startsWith('MOVED '))
        throw error;
      const { client } = this;
      await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()));
      return work();
    }
  }

  /** A single node queues commands while it connects; a Cluster is told not to, so its callers wait here. */
  #isReachable(): boolean {
    return !this.isCluster || this.client.status === 'ready';
  }

  #reach(): Promise<void> {
    this.#reached ??= new Promise((resolve) => {
      (this.client as EventEmitter).once('ready', () => {
        this.#reached = undefined;
        resolve();
      });
    });
    if (this.client.status === 'wait') this.client.connect().catch(() => undefined);
    return this.#reached;
  }

  /** Once for each time it goes away, not once for each attempt to reach it again. */
  #report(error?: unknown): void {
    if (this.#isClosing) return;
    this.#downSince ??= Date.now();
    if (error === undefined || this.#isReported) return;
    this.#isReported = true;
    this.#log.error({ err: error }, 'redis is away');
  }

  #recovered(): void {
    this.#downSince = undefined;
    if (!this.#isReported) return;
    this.#isReported = false;
    this.#log.info('redis is back');
  }
}

function away(cause?: unknown): Unavailable {
  return new Unavailable('The session storage is not available right now.', { code: 'redis-unavailable', cause });
}

interface Access {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly isTls: boolean;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

type Address = Access &
  (
    | { readonly kind: 'single'; readonly node: Endpoint; readonly db: number }
    | { readonly kind: 'cluster'; readonly nodes: readonly Endpoint[] }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly Endpoint[];
        readonly name: string;
        readonly db: number;
        readonly sentinelPassword?: string | undefined;
      }
  );

function connect(address: Address, options: RedisConnectionOptions): Redis | Cluster {
  const scripts = Object.fromEntries(
    Object.entries(options.scripts ?? {}).map(([name, { lua, keys }]) => [name, { lua, numberOfKeys: keys }]),
  );
  const stepTimeout = Math.round(((options.timeout ?? DEFAULT_TIMEOUT_MS) * 2) / 3);
  const node = {
    connectTimeout: stepTimeout,
    commandTimeout: stepTimeout,
    socketTimeout: SILENCE_MS,
    maxRetriesPerRequest: 1,
    keepAlive: 10_000,
    connectionName: 'latchkey',
    username: address.username,
    password: address.password,
  } satisfies RedisOptions;
  const retryStrategy = (times: number) => Math.min(25 * 2 ** Math.min(times, 10), RECONNECT_CAP_MS);
  if (address.kind === 'cluster') {
    return new Cluster([...address.nodes], {
      lazyConnect: true,
      enableAutoPipelining: true,
      // Without it a write could wait in the queue for as long as the cluster is down, and then still happen.
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      // By default a node that was lost is dropped, and its slots are found again only by luck.
      clusterNodeRetryStrategy: retryStrategy,
      slotsRefreshInterval: SLOTS_REFRESH_MS,
      slotsRefreshTimeout: stepTimeout,
      scripts,
      keyPrefix: options.keyPrefix,
      // Certificates carry names, and the default look-up would turn them into addresses first.
      ...(address.isTls ? { dnsLookup: (host: string, done: Found) => done(null, host) } : {}),
      redisOptions: { ...node, ...(address.isTls ? { tls: {} } : {}) },
    });
  }
  const shared = {
    ...node,
    lazyConnect: true,
    enableAutoPipelining: true,
    keyPrefix: options.keyPrefix,
    db: address.db,
    scripts,
    retryStrategy,
    // After a fail-over the old address may answer as a replica: leave it.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
  if (address.kind === 'sentinel') {
    return new Redis({
      ...shared,
      sentinels: [...address.sentinels],
      name: address.name,
      sentinelPassword: address.sentinelPassword,
      sentinelRetryStrategy: retryStrategy,
      ...(address.isTls ? { tls: {}, enableTLSForSentinelMode: true } : {}),
    });
  }
  return new Redis({
    ...shared,
    ...address.node,
    ...(address.isTls ? { tls: { servername: address.node.host } } : {}),
  });
}

type Found = (error: null, address: string) => void;

const SENTINEL = /^(rediss?)\+sentinel:\/\/(?:([^@/]*)@)?([^/?@]+)\/([^/?]+)(?:\/(\d+))?(?:\?(.*))?$/;

/**
 * Reads the forms of `LATCHKEY_REDIS_URL`. Messages never repeat it, because it may carry a password.
 * @throws AppError `redis-url`
 */
export function parseRedisUrl(text: string): Address {
  if (/^rediss?\+sentinel:/.test(text)) return parseSentinelUrl(text);
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map(parseNodeUrl);
  const [first] = urls;
  if (!first) throw refused('it is empty');
  if (urls.length === 1) return { kind: 'single', ...first };
  if (urls.some((one) => one.db !== 0)) throw refused('a Cluster has no numbered databases');
  if (urls.some((one) => one.isTls !== first.isTls)) throw refused('redis:// and rediss:// do not mix');
  const { username, password } = urls.find((one) => one.password !== undefined) ?? first;
  return { kind: 'cluster', nodes: urls.map((one) => one.node), isTls: first.isTls, username, password };
}

function parseNodeUrl(text: string): Access & { readonly node: Endpoint; readonly db: number } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    throw refused('expected redis://host:6379, rediss://…, several of them with commas, or redis+sentinel://…');
  }
  const db = url.pathname.replace(/^\//, '') || '0';
  if (!/^\d{1,3}$/.test(db)) throw refused('the path must be the number of a database');
  return {
    node: { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) },
    db: Number(db),
    isTls: url.protocol === 'rediss:',
    username: decoded(url.username),
    password: decoded(url.password),
  };
}

function parseSentinelUrl(text: string): Address {
  const found = SENTINEL.exec(text);
  const [, scheme, login, hosts, name, db, query] = found ?? [];
  if (hosts === undefined || name === undefined) {
    throw refused('expected redis+sentinel://[user:password@]host:26379,host:26379/name-of-the-master');
  }
  const [username, password] = login === undefined ? [] : login.includes(':') ? login.split(':') : ['', login];
  return {
    kind: 'sentinel',
    sentinels: hosts.split(',').map((host) => {
      const { node } = parseNodeUrl(`redis://${host.includes(':') ? host : `${host}:26379`}`);
      return node;
    }),
    name: decodeURIComponent(name),
    db: Number(db ?? 0),
    isTls: scheme === 'rediss',
    username: decoded(username ?? ''),
    password: decoded(password ?? ''),
    sentinelPassword: new URLSearchParams(query ?? '').get('sentinel_password') ?? undefined,
  };
}

function decoded(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused('its user name or password is not percent-encoded');
  }
}

function refused(why: string): AppError {
  return new AppError('redis-url', 500, `The Redis URL cannot be used: ${why}.`);
}
