// Key prefixes of a test's own on the Redis server that the machine runs. TEST_REDIS_URL names another server.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';

export const TEST_REDIS_URL = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379';

/** Milliseconds that the server has to answer before it counts as missing. */
const PATIENCE_MS = 1500;

let missing: Promise<string | undefined> | undefined;

/** Why there is no Redis to use here; undefined when there is. */
export function redisMissing(): Promise<string | undefined> {
  missing ??= onServer((redis) => redis.ping()).then(
    () => undefined,
    (error: unknown) => `no Redis answers at ${new URL(TEST_REDIS_URL).host} (${String(error)})`,
  );
  return missing;
}

export function newKeyPrefix(): string {
  return `latchkey-test-${randomBytes(6).toString('hex')}:`;
}

/** Every key below a prefix with its value as text, whatever its type. */
export async function dumpKeys(prefix: string): Promise<string> {
  return onServer(async (redis) => {
    const lines: string[] = [];
    for (const key of await keysOf(redis, prefix)) {
      const type = await redis.type(key);
      if (type === 'string') lines.push(`${key} = ${(await redis.getBuffer(key))?.toString('latin1')}`);
      else if (type === 'zset') lines.push(`${key} = ${(await redis.zrange(key, 0, '-1')).join(' ')}`);
      else lines.push(`${key} = (${type})`);
    }
    return lines.join('\n');
  });
}

export async function deleteKeys(prefix: string): Promise<void> {
  await onServer(async (redis) => {
    const keys = await keysOf(redis, prefix);
    if (keys.length > 0) await redis.unlink(...keys);
  });
}

async function keysOf(redis: Redis, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const batch of redis.scanStream({ match: `${prefix}*`, count: 1000 })) keys.push(...(batch as string[]));
  return keys;
}

async function onServer<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(TEST_REDIS_URL, {
    lazyConnect: true,
    connectTimeout: PATIENCE_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // What goes wrong is told by the command; without a listener it would also be printed.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
