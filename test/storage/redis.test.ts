// The connection to Redis against real servers: what it accepts, how fast it gives up, and that it comes back by itself.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { destination } from 'pino';
import { AppError, Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import { openRedis, parseRedisUrl, type RedisConnection } from '../../src/storage/redis.ts';
import type { RedisScript } from '../../src/storage/script-batch.ts';
import {
  type RedisCluster,
  type RedisServer,
  redisServerMissing,
  startRedisCluster,
  startRedisSentinel,
  startRedisServer,
} from '../support/redis-cluster.ts';

const log = createLog('silent', destination('/dev/null'));
const missing = redisServerMissing();

function open(
  url: string,
  options: { allowVolatile?: boolean; scripts?: Record<string, RedisScript> } = {},
): RedisConnection {
  return openRedis({
    url,
    keyPrefix: 'test:',
    allowVolatile: options.allowVolatile ?? false,
    log,
    scripts: options.scripts ?? {},
  });
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function eventually(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, `waited too long for ${what}`);
    await sleep(50);
  }
}

describe('the forms of the Redis URL', () => {
  it('reads one node with user, password, port and database', () => {
    assert.deepEqual(parseRedisUrl('rediss://me:p%40ss@redis.example:6380/3'), {
      kind: 'single',
      node: { host: 'redis.example', port: 6380 },
      db: 3,
      isTls: true,
      username: 'me',
      password: 'p@ss',
    });
  });

  it('reads several nodes as a Cluster and takes the password from whichever has one', () => {
    assert.deepEqual(parseRedisUrl('redis://a:7000, redis://:secret@[::1]:7001'), {
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 7000 },
        { host: '::1', port: 7001 },
      ],
      isTls: false,
      username: undefined,
      password: 'secret',
    });
  });

  it('reads Sentinel with the name of the master', () => {
    assert.deepEqual(parseRedisUrl('redis+sentinel://:p%2Fw@s1:26379,s2/main/2?sentinel_password=watch'), {
      kind: 'sentinel',
      sentinels: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_379 },
      ],
      name: 'main',
      db: 2,
      isTls: false,
      username: undefined,
      password: 'p/w',
      sentinelPassword: 'watch',
    });
  });

  for (const url of [
    '',
    'http://:secret@host',
    'redis://',
    'redis://:secret@host/x',
    'redis://a,rediss://:secret@b',
    'redis://a/1,redis://:secret@b',
    'redis+sentinel://:secret@host:26379',
    'redis://:%secret@host',
  ]) {
    it(`refuses ${url || 'an empty one'} without repeating its password`, () => {
      assert.throws(
        () => parseRedisUrl(url),
        (error) => error instanceof AppError && error.code === 'redis-url' && !error.message.includes('secret'),
      );
    });
  }

  it('refuses a key prefix with braces, which would move keys in a Cluster', () => {
    assert.throws(() => openRedis({ url: 'redis://a', keyPrefix: '{a}', allowVolatile: true, log }), TypeError);
  });
});

describe('a Redis that may forget', { skip: missing }, () => {
  it('is refused for its eviction policy and for missing persistence, with the setting that accepts it', async () => {
    const server = await startRedisServer(['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru']);
    const redis = open(server.url);
    try {
      assert.equal((await redis.persistenceProblems()).length, 2);
      await assert.rejects(redis.checkPersistence(), (error) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, 'redis-volatile');
        assert.match(error.message, /allkeys-lru.*appendonly.*LATCHKEY_REDIS_ALLOW_VOLATILE/);
        return true;
      });
      const tolerant = open(server.url, { allowVolatile: true });
      await tolerant.checkPersistence();
      await tolerant.close();
    } finally {
      await redis.close();
      await server.stop();
    }
  });

  it('is accepted with noeviction and an append-only file', async () => {
    const server = await startRedisServer(['--maxmemory-policy', 'noeviction', '--appendonly', 'yes']);
    const redis = open(server.url);
    try {
      await redis.checkPersistence();
    } finally {
      await redis.close();
      await server.stop();
    }
  });
});

describe('scripts that are called at the same time', { skip: missing }, () => {
  const scripts = {
    join: { keys: 1, lua: "return KEYS[1] .. ' ' .. table.concat(ARGV, ' ')" },
    keep: { keys: 1, lua: "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])" },
    push: { keys: 1, lua: "return redis.call('LPUSH', KEYS[1], ARGV[1])" },
    nothing: { keys: 1, lua: "return redis.call('GET', KEYS[1])" },
  };
  let server: RedisServer;
  let redis: RedisConnection;

  before(async () => {
    server = await startRedisServer();
    redis = open(server.url, { scripts });
  });
  after(async () => {
    await redis.close();
    await server.stop();
  });
  const countCommands = async (): Promise<number> => {
    const info = await redis.run(() => (redis.client as Redis).info('commandstats'));
    return [...info.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  it('leave as one command, and each gets its own answer, whatever bytes are in it', async () => {
    await redis.call('nothing', ['k']);
    const before = await countCommands();
    const bytes = Buffer.from([0, 255, 13, 10, 36, 128]);
    const answers = await Promise.all([
      redis.call('join', ['k'], ['é', 2, 'x\r\ny']),
      redis.call('keep', ['bytes'], [bytes]),
      redis.call('keep', ['empty'], [Buffer.alloc(0)]),
      redis.call('nothing', ['missing']),
    ]);
    assert.deepEqual(answers, [Buffer.from('test:k é 2 x\r\ny'), bytes, Buffer.alloc(0), null]);
    assert.equal((await countCommands()) - before, 1);
  });

  it('fail one by one', async () => {
    await redis.call('keep', ['text'], ['x']);
    const [bad, good] = await Promise.allSettled([
      redis.call('push', ['text'], ['y']),
      redis.call('keep', ['other'], ['z']),
    ]);
    assert.ok(bad.status === 'rejected' && bad.reason instanceof Unavailable);
    assert.match((bad.reason.cause as Error).message, /WRONGTYPE/);
    assert.equal(good.status === 'fulfilled' && String(good.value), 'z');
    await assert.rejects(redis.call('other', ['k']), TypeError);
  });

  it('are known again to a server that has forgotten them', async () => {
    await redis.run(() => (redis.client as Redis).script('FLUSH'));
    const answers = await Promise.all(['a', 'b'].map((word) => redis.call('join', ['k'], [word])));
    assert.deepEqual(answers.map(String), ['test:k a', 'test:k b']);
  });

  it('leave a server that became a replica', async () => {
    const client = redis.client as Redis;
    await redis.run(() => client.replicaof('127.0.0.1', 1));
    const left = new Promise((resolve) => client.once('close', resolve));
    await assert.rejects(redis.call('keep', ['k'], ['x']), Unavailable);
    await left;
    await eventually('the way back', async () => redis.isHealthy());
    await redis.run(() => client.replicaof('NO', 'ONE'));
    assert.equal(String(await redis.call('keep', ['k'], ['x'])), 'x');
  });
});

describe('a Redis that goes away', { skip: missing }, () => {
  let server: RedisServer;
  let redis: RedisConnection;

  before(async () => {
    server = await startRedisServer();
    redis = open(server.url, { scripts: { echoOf: { keys: 1, lua: 'return ARGV[1]' } } });
    await redis.run(() => redis.client.set('here', 'yes'));
  });
  after(async () => {
    await redis.close();
    await server.stop();
  });

  it('says Unavailable within two seconds when nobody has ever answered', async () => {
    const nobody = open('redis://127.0.0.1:1');
    const took = await elapsed(() =>
      assert.rejects(
        nobody.run(() => nobody.client.get('x')),
        Unavailable,
      ),
    );
    assert.ok(took < 2000, `${took} ms`);
    assert.equal(await nobody.isHealthy(), false);
    await assert.rejects(nobody.checkPersistence(), Unavailable);
    await nobody.close();
  });

  it('says Unavailable within two seconds when it falls silent, each time, and works again when it answers', async () => {
    server.pause();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const took = await elapsed(() =>
        assert.rejects(
          redis.run(() => redis.client.get('here')),
          (error) => {
            assert.ok(error instanceof Unavailable);
            assert.equal(error.status, 503);
            assert.ok(error.retryAfter);
            return true;
          },
        ),
      );
      assert.ok(took < 2000, `${took} ms`);
    }
    server.resume();
    await eventually('an answer', () => redis.isHealthy());
    assert.equal(await redis.run(() => redis.client.get('here')), 'yes');
  });

  it('is unhealthy while the server is down, recovers after its restart, and scripts work again', async () => {
    assert.equal(String(await redis.run(() => redis.script('echoOf', ['k'], ['before']))), 'before');
    await server.kill();
    const took = await elapsed(() =>
      assert.rejects(
        redis.run(() => redis.client.get('here')),
        Unavailable,
      ),
    );
    assert.ok(took < 2000, `${took} ms`);
    assert.equal(await redis.isHealthy(), false);
    await server.restart();
    await eventually('an answer', () => redis.isHealthy());
    assert.equal(String(await redis.run(() => redis.script('echoOf', ['k'], ['after']))), 'after');
  });

  it('fails at once while it is known to be away instead of queueing', async () => {
    await server.kill();
    await eventually('the outage to be known', async () => {
      const took = await elapsed(() =>
        assert.rejects(
          redis.run(() => redis.client.get('here')),
          Unavailable,
        ),
      );
      return took < 50;
    });
    await server.restart();
    await eventually('an answer', () => redis.isHealthy());
  });

  it('does not run a script that was not given to it at the start', async () => {
    await assert.rejects(
      redis.run(async () => redis.script('other', ['k'])),
      TypeError,
    );
  });
});

describe('a Redis behind Sentinel', { skip: missing }, () => {
  it('goes on at the replica when the master is gone', async () => {
    const watched = await startRedisSentinel();
    const redis = open(watched.url, { allowVolatile: true });
    try {
      assert.equal(await redis.isHealthy(), true);
      await redis.run(() => redis.client.set('here', 'yes'));
      const [master, replica] = watched.servers;
      const follower = new Redis(replica?.port ?? 0, '127.0.0.1');
      await eventually('the write to arrive', async () => (await follower.get('test:here')) === 'yes');
      follower.disconnect();
      await master?.kill();
      const took = await elapsed(() =>
        assert.rejects(
          redis.run(() => redis.client.set('here', 'no')),
          Unavailable,
        ),
      );
      assert.ok(took < 2000, `${took} ms`);
      await eventually('the replica to be master', async () => {
        const written = await redis.run(() => redis.client.set('there', 'yes')).catch(() => '');
        return written === 'OK';
      });
      assert.equal(await redis.run(() => redis.client.get('here')), 'yes');
    } finally {
      await redis.close();
      await watched.stop();
    }
  });
});

describe('a Cluster', { skip: missing }, () => {
  let cluster: RedisCluster;
  let redis: RedisConnection;

  before(async () => {
    cluster = await startRedisCluster();
    redis = open(cluster.url, { allowVolatile: true });
  });
  after(async () => {
    await redis.close();
    await cluster.stop();
  });

  it('checks every master', async () => {
    assert.equal(await redis.isHealthy(), true);
    assert.deepEqual(await redis.persistenceProblems(), ['appendonly is off and should be yes']);
  });

  it('finds keys again whose slots moved to another node', async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `moved${index}`);
    await Promise.all(keys.map((key) => redis.run(() => redis.client.get(key))));
    const nodes = cluster.servers.map((server) => new Redis(server.port, '127.0.0.1'));
    try {
      const [first, second, third] = nodes;
      assert.ok(first && second && third);
      const owner = await third.cluster('MYID');
      const wanted = await Promise.all(keys.map((key) => first.cluster('KEYSLOT', `test:${key}`)));
      const slots = [...new Set(wanted)].filter((slot) => slot < 5462);
      assert.ok(slots.length > 1);
      for (const node of [third, first, second]) {
        for (const slot of slots) await node.cluster('SETSLOT', slot, 'NODE', owner);
      }
    } finally {
      for (const node of nodes) node.disconnect();
    }
    const found = await Promise.allSettled(keys.map((key) => redis.run(() => redis.client.get(key))));
    assert.ok(found.every((one) => one.status === 'fulfilled'));
  });

  it('says Unavailable within two seconds when a node dies, and recovers when it is back', async () => {
    const [, second] = cluster.servers;
    assert.ok(second);
    await second.kill();
    const keys = Array.from({ length: 30 }, (_, index) => `key${index}`);
    for (let round = 0; round < 2; round += 1) {
      const took = await elapsed(() => Promise.allSettled(keys.map((key) => redis.run(() => redis.client.get(key)))));
      assert.ok(took < 2000, `${took} ms`);
    }
    assert.equal(await redis.isHealthy(), false);
    await second.restart();
    await eventually('all nodes', async () => {
      const answers = await Promise.allSettled(keys.map((key) => redis.run(() => redis.client.get(key))));
      return answers.every((one) => one.status === 'fulfilled');
    });
    assert.equal(await redis.isHealthy(), true);
  });
});
