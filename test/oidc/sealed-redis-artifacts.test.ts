import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { createLog } from '../../src/log.ts';
import { GRANT_BOUND, UNBOUND } from '../../src/oidc/artifact.ts';
import { GrantStorage } from '../../src/oidc/grant-adapter.ts';
import { grantScripts, RedisArtifacts } from '../../src/oidc/redis-grants.ts';
import { SealedRedisArtifacts } from '../../src/oidc/sealed-redis-artifacts.ts';
import { openRedis, type RedisConnection } from '../../src/storage/redis.ts';
import { redisServerMissing, startRedisCluster, startRedisServer } from '../support/redis-cluster.ts';

const OLD = 'the old master secret of this test, long enough';
const NEW = 'the new master secret of this test, long enough';
const log = createLog('silent');

const kinds = [
  { name: 'one node', start: () => startRedisServer() },
  { name: 'Cluster', start: () => startRedisCluster() },
];

for (const { name, start } of kinds) {
  describe(`sealing again what is in Redis, ${name}`, { skip: redisServerMissing() ?? false }, () => {
    let server: { readonly url: string; stop(): Promise<void> };
    let redis: RedisConnection;
    const grantsWith = (seal: Seal) =>
      new GrantStorage({ artifacts: new RedisArtifacts(redis), seal, refreshGrace: 0, log });
    const reseal = (seal: Seal) => new SealedRedisArtifacts({ redis, seal }).reseal();

    before(async () => {
      server = await start();
      // A prefix with characters that mean something in a pattern.
      redis = openRedis({ url: server.url, keyPrefix: 't[1]*:', allowVolatile: true, log, scripts: grantScripts });
    });
    after(async () => {
      await redis.close();
      await server.stop();
    });

    it('moves every kind of artifact, the used ones too, and leaves their life as it was', async () => {
      const old = grantsWith(new Seal(OLD));
      const grantId = randomToken();
      await old.adapter('Grant').upsert(grantId, { jti: grantId, accountId: 'a', clientId: 'c' }, 900);
      const models = [...GRANT_BOUND, ...UNBOUND].filter((model) => model !== 'Grant');
      const ids = new Map(models.map((model) => [model, randomToken()]));
      for (const [model, id] of ids) {
        const payload = { ...(GRANT_BOUND.has(model) ? { grantId } : {}), uid: id, jti: id };
        await old.adapter(model).upsert(id, payload, 900);
      }
      const loose = randomToken();
      await old.adapter('DeviceCode').upsert(loose, { userCode: 'ABCD', jti: loose }, 900);
      const used = randomToken();
      await old.adapter('RefreshToken').upsert(used, { grantId }, 900);
      await old.adapter('RefreshToken').consume(used);
      const ended = randomToken();
      await old.adapter('Session').upsert(ended, { uid: ended }, 900);
      await old.adapter('Session').destroy(ended);
      await redis.client.set('unrelated', 'value');

      const count = models.length + 3;
      assert.deepEqual(await reseal(new Seal(NEW, OLD)), { store: 'redis', resealed: count, unreadable: 0 });
      assert.deepEqual(await reseal(new Seal(NEW, OLD)), { store: 'redis', resealed: 0, unreadable: 0 });

      const moved = grantsWith(new Seal(NEW));
      for (const [model, id] of ids) assert.ok(await moved.adapter(model).find(id), model);
      assert.equal((await moved.adapter('DeviceCode').find(loose))?.userCode, 'ABCD');
      assert.ok((await moved.adapter('RefreshToken').find(used))?.consumed);
      assert.equal(await moved.adapter('Session').find(ended), undefined);
      for await (const keys of redis.scan('artifact:*')) {
        for (const key of keys) assert.ok((await redis.client.ttl(key)) > 500, key);
      }
      assert.equal(await redis.client.get('unrelated'), 'value');
    });

    it('counts what no configured secret opens and leaves it', async () => {
      await grantsWith(new Seal('a secret that nobody has any more, long enough'))
        .adapter('Interaction')
        .upsert(randomToken(), {}, 900);
      assert.deepEqual(await reseal(new Seal(NEW, OLD)), { store: 'redis', resealed: 0, unreadable: 1 });
    });

    it('wins no race against who uses or ends a token', async () => {
      const old = grantsWith(new Seal(OLD));
      const ids = Array.from({ length: 60 }, () => randomToken());
      for (const id of ids) await old.adapter('PushedAuthorizationRequest').upsert(id, {}, 900);
      const both = grantsWith(new Seal(NEW, OLD)).adapter('PushedAuthorizationRequest');
      await Promise.all([
        reseal(new Seal(NEW, OLD)),
        ...ids.map((id, index) => (index % 2 === 0 ? both.consume(id) : both.destroy(id))),
      ]);
      await reseal(new Seal(NEW, OLD));
      const moved = grantsWith(new Seal(NEW)).adapter('PushedAuthorizationRequest');
      for (const [index, id] of ids.entries()) {
        const found = await moved.find(id);
        if (index % 2 === 0) assert.ok(found?.consumed, 'used, and known as such');
        else assert.equal(found, undefined, 'ended for good');
      }
    });

    it('a user code that was shown before the rotation is found after it', async () => {
      const id = randomToken();
      await grantsWith(new Seal(OLD)).adapter('DeviceCode').upsert(id, { userCode: 'WXYZ' }, 900);
      assert.ok(await grantsWith(new Seal(NEW, OLD)).adapter('DeviceCode').findByUserCode('WXYZ'));
      assert.equal(await grantsWith(new Seal(NEW)).adapter('DeviceCode').findByUserCode('WXYZ'), undefined);
    });
  });
}
