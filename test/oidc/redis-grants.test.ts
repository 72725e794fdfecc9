// What is particular to the artifacts in Redis: indexes stay as small as what is alive, and one round trip brings what belongs together.
import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { Redis } from 'ioredis';
import { randomToken } from '../../src/crypto/random.ts';
import { createLog } from '../../src/log.ts';
import { grantScripts, RedisArtifacts } from '../../src/oidc/redis-grants.ts';
import { openRedis, type RedisConnection } from '../../src/storage/redis.ts';
import { type RedisServer, redisServerMissing, startRedisServer } from '../support/redis-cluster.ts';

const sealed = Buffer.from('sealed');
const key = () => randomToken();

describe('the artifacts in Redis', { skip: redisServerMissing() ?? false }, () => {
  let server: RedisServer;
  let redis: RedisConnection;
  let plain: Redis;
  let artifacts: RedisArtifacts;

  before(async () => {
    server = await startRedisServer();
    redis = openRedis({
      url: server.url,
      keyPrefix: 't:',
      allowVolatile: true,
      log: createLog('silent'),
      scripts: grantScripts,
    });
    plain = new Redis(server.port, '127.0.0.1');
    artifacts = new RedisArtifacts(redis);
  });
  after(async () => {
    plain.disconnect();
    await redis.close();
    await server.stop();
  });

  it('drops expired tokens from the index of a grant that goes on', async () => {
    const grantKey = key();
    await artifacts.put({ model: 'Grant', key: grantKey, sealed, ttl: 86_400 });
    const start = Date.now();
    mock.timers.enable({ apis: ['Date'], now: start });
    try {
      for (let minute = 0; minute < 60; minute += 1) {
        mock.timers.setTime(start + minute * 60_000);
        await artifacts.put({ model: 'AccessToken', key: key(), sealed, ttl: 300, grantKey });
      }
    } finally {
      mock.timers.reset();
    }
    const size = await plain.zcard(`t:grant:{${grantKey}}`);
    assert.ok(size >= 5 && size <= 10, `${size} members`);
    assert.equal(await plain.object('ENCODING', `t:grant:{${grantKey}}`), 'listpack');
  });

  it('keeps an index for as long as its longest member, whatever is added later', async () => {
    const accountId = key();
    await artifacts.put({ model: 'Grant', key: key(), sealed, ttl: 5000, accountId });
    await artifacts.put({ model: 'Interaction', key: key(), sealed, ttl: 60, accountId });
    const [index] = await plain.keys('t:account:*');
    assert.ok((await plain.ttl(index ?? '')) >= 5000);
  });

  /** How often the server was written to while `work` ran. */
  const roundTrips = async (work: () => Promise<unknown>): Promise<number> => {
    const before = await reads(plain);
    await work();
    // The question itself is one of them.
    return (await reads(plain)) - before - 1;
  };

  it('needs one round trip for each question and each save', async () => {
    const [grantKey, tokenKey, sessionKey, userCodeKey] = [key(), key(), key(), key()];
    const grant = { model: 'Grant', key: grantKey, sealed, ttl: 600, accountId: key() };
    const token = { model: 'RefreshToken', key: tokenKey, sealed, ttl: 600, grantKey, sessionKey };
    const session = { model: 'Session', key: key(), sealed, ttl: 600, accountId: key(), sessionKey };
    const device = { model: 'DeviceCode', key: key(), sealed, ttl: 600, userCodeKey };
    // Once beforehand: the first use of a script on a connection brings its text along.
    const boundKey = key();
    const bound = { ...token, key: boundKey, isReadWithSession: true };
    for (const one of [grant, token, bound, session, device]) await artifacts.put(one);
    assert.ok((await artifacts.find('RefreshToken', boundKey))?.session?.stored);
    const asked: Record<string, () => Promise<unknown>> = {
      'save a grant': () => artifacts.put(grant),
      'save a token': () => artifacts.put({ ...token, key: key(), parentKey: tokenKey }),
      'save a session': () => artifacts.put(session),
      'save a device code': () => artifacts.put(device),
      'find a token with its grant': () => artifacts.find('RefreshToken', tokenKey),
      'find a token with its grant and its session': () => artifacts.find('RefreshToken', boundKey),
      'exchange a token for two': () =>
        artifacts.exchange(
          boundKey,
          [key(), key()].map((own) => ({ ...token, key: own, parentKey: boundKey })),
        ),
      'find a session by its uid': () => artifacts.findSession(sessionKey),
      'find a device code by its user code': () => artifacts.findByUserCode(userCodeKey),
      'use a token': () => artifacts.consume(tokenKey),
      'ask for three things at once': () =>
        Promise.all(['AccessToken', 'ClientCredentials', 'RefreshToken'].map((model) => artifacts.find(model, key()))),
    };
    for (const [what, work] of Object.entries(asked)) assert.equal(await roundTrips(work), 1, what);
  });
});

async function reads(client: Redis): Promise<number> {
  return Number(/total_reads_processed:(\d+)/.exec(await client.info('stats'))?.[1]);
}
