// What every grant adapter must do, the same for Redis, a Redis Cluster, PostgreSQL and the embedded database: first through the adapter,
// then through oidc-provider itself on a loopback port.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { type AdapterPayload, errors } from 'oidc-provider';
import { hashToken, randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import type { Artifacts } from '../../src/oidc/artifact.ts';
import { GrantStorage } from '../../src/oidc/grant-adapter.ts';
import { grantScripts, RedisArtifacts } from '../../src/oidc/redis-grants.ts';
import { SqlArtifacts } from '../../src/oidc/sql-grants.ts';
import { openRedis, type RedisConnection } from '../../src/storage/redis.ts';
import { type DatabaseKind, databaseKinds } from '../support/database.ts';
import { type GrantEngine, startGrantEngine, type TokenAnswer } from '../support/grant-engine.ts';
import { redisServerMissing, startRedisCluster, startRedisServer } from '../support/redis-cluster.ts';

const PARALLEL = 50;
const ROUNDS = 20;
const ENGINE_ROUNDS = 5;

const log = createLog('silent');
const masterSecret = randomToken();
const seal = new Seal(masterSecret);

interface OpenBackend {
  readonly artifacts: Artifacts;
  /** Everything that is stored, as text. */
  dump(): Promise<string>;
  /** Names what would stay for ever. */
  listImmortal(): Promise<readonly string[]>;
  /** Puts the sealed payload of one artifact in the place of another's, as somebody with access to the storage could. */
  swap(fromKey: string, toKey: string): Promise<void>;
  close(): Promise<void>;
}

interface Backend {
  readonly name: string;
  readonly missing: string | undefined;
  open(): Promise<OpenBackend>;
}

const redisUrl = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const serverMissing = redisServerMissing();
const isRedisRunning = await answers(redisUrl);

const backends: readonly Backend[] = [
  {
    name: 'Redis',
    missing: isRedisRunning ? undefined : serverMissing && `no Redis answers at ${redisUrl} and ${serverMissing}`,
    async open() {
      if (isRedisRunning) return openRedisBackend(redisUrl, async () => undefined);
      const server = await startRedisServer();
      return openRedisBackend(server.url, () => server.stop());
    },
  },
  {
    name: 'Redis Cluster',
    missing: serverMissing,
    async open() {
      const cluster = await startRedisCluster();
      return openRedisBackend(cluster.url, () => cluster.stop());
    },
  },
  ...databaseKinds.map((kind) => ({
    name: `SQL on ${kind.name}`,
    missing: kind.missing,
    open: () => openSqlBackend(kind),
  })),
];

for (const backend of backends) {
  describe(`the grant adapter on ${backend.name}`, { skip: backend.missing ?? false }, () => contract(backend));
}

function contract(backend: Backend): void {
  let opened: OpenBackend;
  let grants: GrantStorage;
  const storage = (refreshGrace: number, sealedWith = seal) =>
    new GrantStorage({ artifacts: opened.artifacts, seal: sealedWith, refreshGrace, log });

  before(async () => {
    opened = await backend.open();
    grants = storage(0);
  });
  after(() => opened.close());

  const save = async (model: string, payload: AdapterPayload = {}, ttl = 600): Promise<string> => {
    const id = randomToken();
    await grants.adapter(model).upsert(id, { jti: id, kind: model, exp: inSeconds(ttl), ...payload }, ttl);
    return id;
  };
  const saveGrant = (accountId = randomToken()) =>
    save('Grant', { accountId, clientId: 'app', ...({ openid: { scope: 'openid email' } } as object) });
  const newKey = () => hashToken('RefreshToken', randomToken());
  /** A grant with a refresh token, and what goes for all tokens of it. */
  const putFamily = async (sessionKey?: string) => {
    const [grantKey, parentKey] = [newKey(), newKey()];
    const token = { model: 'RefreshToken', sealed: Buffer.from('sealed'), ttl: 60, grantKey, sessionKey };
    await opened.artifacts.put({ ...token, model: 'Grant', key: grantKey, grantKey: undefined });
    await opened.artifacts.put({ ...token, key: parentKey });
    return { grantKey, parentKey, token };
  };
  const find = async (model: string, id: string) => (await grants.adapter(model).find(id)) ?? undefined;
  const isAlive = async (model: string, id: string) => (await find(model, id)) !== undefined;

  describe('keeping', () => {
    it('gives back what was saved, with its id and without a trace of use', async () => {
      const grantId = await saveGrant();
      const claims = { id_token: { email: null } };
      const id = await save('RefreshToken', { grantId, accountId: 'a', scope: 'openid ü', claims });
      const found = await find('RefreshToken', id);
      assert.equal(found?.jti, id);
      assert.equal(found?.scope, 'openid ü');
      assert.deepEqual(found?.claims, claims);
      assert.equal(found?.grantId, grantId);
      assert.equal(found?.consumed, undefined);
    });

    it('replaces on a second save', async () => {
      const id = randomToken();
      await grants.adapter('Interaction').upsert(id, { cid: 'first' }, 60);
      await grants.adapter('Interaction').upsert(id, { cid: 'second' }, 60);
      assert.equal((await find('Interaction', id))?.cid, 'second');
    });

    it('finds a session by its uid with the id it has', async () => {
      const uid = randomToken();
      const id = await save('Session', { uid, accountId: 'a' });
      const found = await grants.adapter('Session').findByUid(uid);
      assert.equal(found?.jti, id);
      assert.equal(await grants.adapter('Session').findByUid(randomToken()), undefined);
    });

    it('finds a device code by its user code, and refuses a user code that is taken', async () => {
      const userCode = randomToken(6);
      const id = await save('DeviceCode', { userCode });
      const found = await grants.adapter('DeviceCode').findByUserCode(userCode);
      assert.equal(found?.jti, id);
      await assert.rejects(save('DeviceCode', { userCode }), errors.TemporarilyUnavailable);
      assert.equal((await grants.adapter('DeviceCode').findByUserCode(userCode))?.jti, id);
      assert.equal(await grants.adapter('DeviceCode').findByUserCode(randomToken(6)), undefined);
    });

    it('never reads one kind of secret as another', async () => {
      const grantId = await saveGrant();
      const models = [
        'RefreshToken',
        'AccessToken',
        'AuthorizationCode',
        'ClientCredentials',
        'Session',
        'Interaction',
      ];
      for (const model of models) {
        const id = await save(model, { grantId });
        for (const other of models) assert.equal(await isAlive(other, id), other === model);
      }
    });

    it('forgets what has expired', async () => {
      const id = await save('ClientCredentials', {}, 1);
      await until('the end of its life', async () => !(await isAlive('ClientCredentials', id)));
      await grants.sweep();
      assert.ok(!(await opened.dump()).includes(hashToken('ClientCredentials', id)));
    });

    it('still knows a device code just after its end, so that its holder hears that it expired', async () => {
      const id = await save('DeviceCode', { userCode: randomToken(6) }, 1);
      await sleep(1100);
      assert.ok(await isAlive('DeviceCode', id));
    });

    it('does not open a payload that was put in the place of another', async () => {
      const victim = await save('Session', { uid: randomToken(), accountId: 'victim' });
      const mine = await save('Session', { uid: randomToken(), accountId: 'mine' });
      await opened.swap(hashToken('Session', victim), hashToken('Session', mine));
      assert.equal(await isAlive('Session', mine), false);
    });

    it('opens nothing with another master secret, and everything while the secret rotates', async () => {
      const id = await save('Session', { uid: randomToken() });
      const stranger = storage(0, new Seal(randomToken()));
      assert.equal(await stranger.adapter('Session').find(id), undefined);
      const rotated = storage(0, new Seal(randomToken(), masterSecret));
      assert.ok(await rotated.adapter('Session').find(id));
    });

    it('leaves clients to the room of clients', () => {
      assert.throws(() => grants.adapter('Client'), TypeError);
    });
  });

  describe('single use', () => {
    for (const model of ['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'PushedAuthorizationRequest']) {
      it(`lets exactly one of ${PARALLEL} parallel uses of one ${model} win`, async () => {
        const Refusal = model === 'PushedAuthorizationRequest' ? errors.InvalidRequestUri : errors.InvalidGrant;
        const grantId = await saveGrant();
        for (let round = 0; round < ROUNDS; round += 1) {
          const id = await save(model, model === 'PushedAuthorizationRequest' ? {} : { grantId });
          const uses = await Promise.allSettled(times(PARALLEL, () => grants.adapter(model).consume(id)));
          const losers = uses.filter((use) => use.status === 'rejected');
          assert.equal(losers.length, PARALLEL - 1);
          assert.ok(losers.every((loser) => loser.reason instanceof Refusal));
          assert.ok((await find(model, id))?.consumed);
        }
      });
    }

    it(`lets exactly one of ${PARALLEL} parallel exchanges win, and keeps nothing of what the others would have saved`, async () => {
      const { artifacts } = opened;
      for (let round = 0; round < ROUNDS; round += 1) {
        const { grantKey, parentKey, token } = await putFamily();
        const exchanges = times(PARALLEL, () => {
          const saves = times(2, () => ({ ...token, key: newKey(), parentKey }));
          return { saves, outcome: artifacts.exchange(parentKey, saves) };
        });
        const outcomes = await Promise.all(exchanges.map(({ outcome }) => outcome));
        assert.equal(outcomes.filter((outcome) => outcome === 'saved').length, 1);
        assert.equal(outcomes.filter((outcome) => outcome === 'refused').length, PARALLEL - 1);
        const found = await Promise.all(
          exchanges.flatMap(({ saves }) => saves.map(({ key }) => artifacts.find('RefreshToken', key))),
        );
        assert.equal(found.filter((one) => one !== undefined).length, 2);
        assert.ok((await artifacts.find('RefreshToken', parentKey))?.consumedAt);
        await artifacts.revokeGrants([grantKey], { keepsGrants: true });
        const [winner = -1] = outcomes.flatMap((outcome, index) => (outcome === 'saved' ? [index] : []));
        for (const { key } of exchanges[winner]?.saves ?? []) {
          assert.equal(await artifacts.find('RefreshToken', key), undefined);
        }
      }
    });

    it('exchanges for nothing, for one and for several', async () => {
      for (const count of [0, 1, 2, 3]) {
        const { parentKey, token } = await putFamily();
        const saves = times(count, () => ({ ...token, key: newKey(), parentKey }));
        assert.equal(await opened.artifacts.exchange(parentKey, saves), 'saved', `${count}`);
        for (const { key } of saves) assert.ok(await opened.artifacts.find('RefreshToken', key));
        assert.equal(await opened.artifacts.consume(parentKey), false);
      }
    });

    it('saves nothing in exchange for what is not there, was used, was ended or has expired', async () => {
      const { artifacts } = opened;
      const { grantKey, parentKey, token } = await putFamily();
      const [used, ended, expired] = [newKey(), newKey(), newKey()];
      for (const key of [used, ended]) await artifacts.put({ ...token, key });
      await artifacts.put({ ...token, key: expired, ttl: 1 });
      assert.ok(await artifacts.consume(used));
      await artifacts.bury([ended]);
      await until('the end of its life', async () => !(await artifacts.find('RefreshToken', expired)));
      for (const key of [newKey(), used, ended, expired]) {
        const save = { ...token, key: newKey(), parentKey: key };
        assert.equal(await artifacts.exchange(key, [save]), 'refused');
        assert.equal(await artifacts.find('RefreshToken', save.key), undefined);
      }
      const stray = { ...token, key: newKey(), parentKey, grantKey: newKey() };
      assert.equal(await artifacts.exchange(parentKey, [stray]), 'dropped');
      assert.equal(await artifacts.find('RefreshToken', stray.key), undefined);
      assert.ok(await artifacts.find('Grant', grantKey));
    });

    it('refuses the use of what is not there, was destroyed or has expired', async () => {
      const adapter = grants.adapter('AuthorizationCode');
      await assert.rejects(adapter.consume(randomToken()), errors.InvalidGrant);
      const destroyed = await save('AuthorizationCode', { grantId: await saveGrant() });
      await adapter.destroy(destroyed);
      await assert.rejects(adapter.consume(destroyed), errors.InvalidGrant);
      const expired = await save('AuthorizationCode', { grantId: await saveGrant() }, 1);
      await until('the end of its life', async () => !(await isAlive('AuthorizationCode', expired)));
      await assert.rejects(adapter.consume(expired), errors.InvalidGrant);
      assert.equal(await isAlive('AuthorizationCode', expired), false);
    });

    it('keeps used what was used when it is saved once more', async () => {
      const grantId = await saveGrant();
      const id = await save('DeviceCode', { userCode: randomToken(6) });
      await grants.adapter('DeviceCode').consume(id);
      await grants.adapter('DeviceCode').upsert(id, { grantId, error: 'access_denied' }, 600);
      const found = await find('DeviceCode', id);
      assert.equal(found?.error, 'access_denied');
      assert.ok(found?.consumed);
      await assert.rejects(grants.adapter('DeviceCode').consume(id), errors.InvalidGrant);
    });

    it(`accepts exactly one of ${PARALLEL} parallel proofs with one id`, async () => {
      const adapter = grants.adapter('ReplayDetection');
      for (let round = 0; round < ROUNDS; round += 1) {
        const id = randomToken();
        const uses = await Promise.allSettled(times(PARALLEL, () => adapter.upsert(id, { iss: 'app' }, 60)));
        const losers = uses.filter((use) => use.status === 'rejected');
        assert.equal(losers.length, PARALLEL - 1);
        assert.ok(losers.every((loser) => loser.reason instanceof errors.InvalidRequest));
        assert.ok(await isAlive('ReplayDetection', id));
      }
    });

    it('does not tell the engine of a use within the grace, refuses it all the same, and tells it afterwards', async () => {
      const grantId = await saveGrant();
      const refresh = await save('RefreshToken', { grantId });
      const code = await save('AuthorizationCode', { grantId });
      await grants.adapter('RefreshToken').consume(refresh);
      await grants.adapter('AuthorizationCode').consume(code);
      const graceful = storage(60);
      const inGrace = await graceful.adapter('RefreshToken').find(refresh);
      assert.ok(inGrace);
      assert.equal(inGrace.consumed, undefined);
      await assert.rejects(graceful.adapter('RefreshToken').consume(refresh), errors.InvalidGrant);
      assert.ok((await graceful.adapter('AuthorizationCode').find(code))?.consumed, 'codes have no grace');
      const afterwards = storage(0.001);
      await sleep(20);
      assert.ok((await afterwards.adapter('RefreshToken').find(refresh))?.consumed);
      assert.ok((await find('RefreshToken', refresh))?.consumed);
    });
  });

  describe('ending a grant', () => {
    const bound = [
      'AuthorizationCode',
      'AccessToken',
      'RefreshToken',
      'DeviceCode',
      'BackchannelAuthenticationRequest',
    ];

    it('ends everything that belongs to it and nothing else', async () => {
      const accountId = randomToken();
      const [ended, other] = [await saveGrant(accountId), await saveGrant(accountId)];
      const mine = await Promise.all(
        bound.map(async (model) => ({ model, id: await save(model, { grantId: ended }) })),
      );
      const others = await Promise.all(
        bound.map(async (model) => ({ model, id: await save(model, { grantId: other }) })),
      );
      await grants.revokeGrant(ended);
      for (const { model, id } of mine) assert.equal(await isAlive(model, id), false, model);
      for (const { model, id } of others) assert.equal(await isAlive(model, id), true, model);
      assert.equal(await isAlive('Grant', ended), false);
      assert.equal(await isAlive('Grant', other), true);
    });

    it('ends the tokens alone when the engine keeps the grant, and tokens issued later live', async () => {
      const grantId = await saveGrant();
      const tokens = await Promise.all(bound.map(async (model) => ({ model, id: await save(model, { grantId }) })));
      await Promise.all(bound.map((model) => grants.adapter(model).revokeByGrantId(grantId)));
      for (const { model, id } of tokens) assert.equal(await isAlive(model, id), false, model);
      assert.ok(await isAlive('Grant', grantId));
      const later = await save('AuthorizationCode', { grantId });
      assert.ok(await isAlive('AuthorizationCode', later));
      await grants.adapter('AuthorizationCode').consume(later);
    });

    it('brings nothing back that is saved afterwards: neither a token, nor the grant', async () => {
      const grantId = await saveGrant();
      const device = await save('DeviceCode', { userCode: randomToken(6) });
      await Promise.all([
        ...bound.map((model) => grants.adapter(model).revokeByGrantId(grantId)),
        grants.adapter('Grant').destroy(grantId),
      ]);
      for (const model of bound) {
        assert.equal(await isAlive(model, await save(model, { grantId })), false, model);
      }
      await grants.adapter('Grant').upsert(grantId, { accountId: 'a', clientId: 'app' }, 600);
      assert.equal(await isAlive('Grant', grantId), false);
      await grants.adapter('DeviceCode').upsert(device, { grantId }, 600);
      assert.equal((await find('DeviceCode', device))?.grantId, undefined);
    });

    it('leaves no token alive of many that are saved at the same time', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const grantId = await saveGrant();
        const saves = times(10, () => save('RefreshToken', { grantId }));
        const revocation = grants.revokeGrant(grantId);
        const ids = await Promise.all([...saves, ...times(10, () => save('AccessToken', { grantId }))]);
        await revocation;
        const alive = await Promise.all(ids.flatMap((id) => [isAlive('RefreshToken', id), isAlive('AccessToken', id)]));
        assert.ok(!alive.includes(true));
      }
    });

    it('says of a save that comes too late that it was dropped', async () => {
      const { artifacts } = opened;
      const [grantKey, parentKey, key] = [randomToken(), randomToken(), randomToken()];
      const token = { model: 'RefreshToken', sealed: Buffer.from('sealed'), ttl: 60, grantKey };
      assert.equal(await artifacts.put({ ...token, key }), 'dropped');
      assert.equal(await artifacts.put({ model: 'Grant', key: grantKey, sealed: token.sealed, ttl: 60 }), 'saved');
      assert.equal(await artifacts.put({ ...token, key: randomToken(), parentKey }), 'dropped');
      assert.equal(await artifacts.put({ ...token, key: parentKey }), 'saved');
      assert.equal(await artifacts.put({ ...token, key: randomToken(), parentKey }), 'saved');
      const interaction = { model: 'Interaction', key: randomToken(), sealed: token.sealed, ttl: 60 };
      assert.equal(await artifacts.put(interaction), 'saved');
      await artifacts.bury([interaction.key]);
      assert.equal(await artifacts.put(interaction), 'dropped');
    });

    for (const sessionKey of [undefined, hashToken('session-uid', randomToken())]) {
      it(`outruns an exchange that takes place at that moment${sessionKey ? ', in one session' : ''}`, async () => {
        const { artifacts } = opened;
        for (let round = 0; round < ROUNDS; round += 1) {
          const { grantKey, parentKey, token } = await putFamily(sessionKey);
          const saves = times(2, () => ({ ...token, key: newKey(), parentKey }));
          const revoke = () =>
            artifacts.revokeGrants([grantKey], { keepsGrants: true, ...(sessionKey ? { sessionKey } : {}) });
          await Promise.all(
            round % 2 === 0
              ? [artifacts.exchange(parentKey, saves), revoke()]
              : [revoke(), artifacts.exchange(parentKey, saves)],
          );
          for (const key of [parentKey, ...saves.map((one) => one.key)]) {
            assert.equal(await artifacts.find('RefreshToken', key), undefined);
          }
        }
      });

      it(`outruns what is exchanged at that moment${sessionKey ? ', in one session' : ''}`, async () => {
        const { artifacts } = opened;
        const sealed = Buffer.from('sealed');
        for (let round = 0; round < ROUNDS; round += 1) {
          const grantKey = hashToken('Grant', randomToken());
          const parentKey = hashToken('RefreshToken', randomToken());
          const token = { model: 'RefreshToken', sealed, ttl: 60, grantKey, sessionKey };
          await artifacts.put({ model: 'Grant', key: grantKey, sealed, ttl: 60 });
          await artifacts.put({ ...token, key: parentKey });
          const keys = times(12, () => hashToken('RefreshToken', randomToken()));
          const saves = (some: readonly string[]) => some.map((key) => artifacts.put({ ...token, key, parentKey }));
          await Promise.all([
            ...saves(keys.slice(0, 6)),
            artifacts.revokeGrants([grantKey], { keepsGrants: true, ...(sessionKey ? { sessionKey } : {}) }),
            ...saves(keys.slice(6)),
          ]);
          const found = await Promise.all([parentKey, ...keys].map((key) => artifacts.find('RefreshToken', key)));
          assert.ok(found.every((one) => one === undefined));
          assert.ok(await artifacts.find('Grant', grantKey));
        }
      });
    }

    it('can be asked for many times at once', async () => {
      const accountId = randomToken();
      const grantIds = await Promise.all(times(3, () => saveGrant(accountId)));
      const ids = await Promise.all(times(30, (index) => save('AccessToken', { grantId: grantIds[index % 3] ?? '' })));
      await Promise.all([
        ...times(10, () => grants.revokeByAccount(accountId)),
        ...grantIds.flatMap((grantId) => times(5, () => storage(0).revokeGrant(grantId))),
      ]);
      assert.ok(!(await Promise.all(ids.map((id) => isAlive('AccessToken', id)))).includes(true));
    });
  });

  describe('sessions', () => {
    it('are read together with a token that looks at them, as they are at that moment', async () => {
      const { artifacts } = opened;
      const sessionKey = newKey();
      const { token } = await putFamily(sessionKey);
      const key = newKey();
      await artifacts.put({ ...token, key, isReadWithSession: true });
      const sessionOf = async () => (await artifacts.find('RefreshToken', key))?.session;
      const session = { model: 'Session', sealed: Buffer.from('session'), ttl: 60, sessionKey, accountId: newKey() };
      const [first, second] = [newKey(), newKey()];
      const steps: readonly { readonly id: string | undefined; change(): Promise<unknown> }[] = [
        { id: undefined, change: async () => undefined },
        { id: first, change: () => artifacts.put({ ...session, key: first }) },
        { id: second, change: () => artifacts.put({ ...session, key: second }) },
        { id: undefined, change: () => artifacts.endSession(sessionKey) },
      ];
      for (const { id, change } of steps) {
        await change();
        const found = await sessionOf();
        // A storage need not read it; what it says must be true.
        if (found !== undefined) assert.deepEqual([found.key, found.stored?.key], [sessionKey, id]);
        assert.equal((await artifacts.findSession(sessionKey))?.key, id);
      }
    });

    it('live under one id at a time', async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const uid = randomToken();
        const ids = await Promise.all(times(8, () => save('Session', { uid, accountId: 'a' })));
        const alive: string[] = [];
        for (const id of ids) if (await isAlive('Session', id)) alive.push(id);
        assert.equal(alive.length, 1);
        assert.equal((await grants.adapter('Session').findByUid(uid))?.jti, alive[0]);
      }
    });

    it('that were destroyed do not come back, under the same id or another', async () => {
      const uid = randomToken();
      const id = await save('Session', { uid, accountId: 'a' });
      await grants.adapter('Session').destroy(id);
      await grants.adapter('Session').upsert(id, { jti: id, uid, accountId: 'a' }, 600);
      const again = await save('Session', { uid, accountId: 'a' });
      assert.equal(await isAlive('Session', id), false);
      assert.equal(await isAlive('Session', again), false);
      assert.equal(await grants.adapter('Session').findByUid(uid), undefined);
    });

    it('are listed for their account, with what the apps know them by', async () => {
      const accountId = randomToken();
      const authorizations = { app: { sid: 's1', grantId: 'g1' } };
      const uids = [randomToken(), randomToken()];
      for (const uid of uids) await save('Session', { uid, accountId, loginTs: 1000, amr: ['pwd'], authorizations });
      await save('Session', { uid: randomToken(), accountId: randomToken() });
      const found = await grants.listSessions(accountId);
      assert.deepEqual(found.map((one) => one.uid).toSorted(), uids.toSorted());
      assert.equal(found[0]?.signedInAt, 1000);
      assert.deepEqual(found[0]?.amr, ['pwd']);
      assert.deepEqual(found[0]?.clients, [{ clientId: 'app', sid: 's1', grantId: 'g1' }]);
      assert.ok(!JSON.stringify(found).includes('jti'), 'the cookie stays inside');
    });

    it('belong to whoever they were last saved for', async () => {
      const uid = randomToken();
      const [before, now] = [randomToken(), randomToken()];
      const id = await save('Session', { uid, accountId: before });
      await grants.adapter('Session').upsert(id, { jti: id, uid, accountId: now }, 600);
      assert.equal((await grants.listSessions(before)).length, 0);
      await grants.revokeByAccount(before);
      assert.ok(await isAlive('Session', id));
      assert.equal((await grants.listSessions(now)).length, 1);
    });

    it('end one by one, with the tokens that were issued in them', async () => {
      const accountId = randomToken();
      const grantId = await saveGrant(accountId);
      const [ended, other] = [randomToken(), randomToken()];
      const id = await save('Session', { uid: ended, accountId, authorizations: { app: { sid: 'sid' } } });
      const kept = await save('Session', { uid: other, accountId });
      const mine = await save('RefreshToken', { grantId, sessionUid: ended });
      const others = await save('RefreshToken', { grantId, sessionUid: other });
      const session = await grants.revokeSession(ended);
      assert.deepEqual(session?.clients, [{ clientId: 'app', sid: 'sid' }]);
      assert.equal(await isAlive('Session', id), false);
      assert.equal(await isAlive('RefreshToken', mine), false);
      assert.equal(await isAlive('Session', kept), true);
      assert.equal(await isAlive('RefreshToken', others), true);
      assert.equal(await isAlive('Grant', grantId), true);
      assert.equal(await grants.revokeSession(ended), null);
    });
  });

  describe('an account', () => {
    it('has its grants listed', async () => {
      const accountId = randomToken();
      const grantId = await saveGrant(accountId);
      await saveGrant();
      const [grant, ...more] = await grants.listGrants(accountId);
      assert.equal(more.length, 0);
      assert.equal(grant?.grantId, grantId);
      assert.equal(grant?.clientId, 'app');
      assert.deepEqual(grant?.scopes, ['openid', 'email']);
    });

    it('loses everything it holds, also what it has not finished, and nobody else anything', async () => {
      const held = async (accountId: string) => {
        const grantId = await saveGrant(accountId);
        const uid = randomToken();
        const parJti = await save('PushedAuthorizationRequest');
        const deviceCode = await save('DeviceCode', { userCode: randomToken(6) });
        return [
          { model: 'Grant', id: grantId },
          { model: 'Session', id: await save('Session', { uid, accountId }) },
          { model: 'RefreshToken', id: await save('RefreshToken', { grantId, accountId, sessionUid: uid }) },
          { model: 'AccessToken', id: await save('AccessToken', { grantId, accountId }) },
          { model: 'AuthorizationCode', id: await save('AuthorizationCode', { grantId, accountId }) },
          { model: 'DeviceCode', id: await save('DeviceCode', { grantId, accountId, userCode: randomToken(6) }) },
          { model: 'PushedAuthorizationRequest', id: parJti },
          { model: 'DeviceCode', id: deviceCode },
          { model: 'Interaction', id: await save('Interaction', { session: { accountId, uid }, parJti }) },
          { model: 'Interaction', id: await save('Interaction', { result: { login: { accountId } }, deviceCode }) },
        ];
      };
      const accountId = randomToken();
      const mine = await held(accountId);
      const others = await held(randomToken());
      await grants.revokeByAccount(accountId);
      for (const { model, id } of mine) {
        assert.equal(await isAlive(model, id), false, model);
        await grants.adapter(model).upsert(id, { jti: id, accountId }, 600);
        assert.equal(await isAlive(model, id), false, `${model} saved again`);
      }
      for (const { model, id } of others) assert.equal(await isAlive(model, id), true, model);
      assert.deepEqual(await grants.listSessions(accountId), []);
      assert.deepEqual(await grants.listGrants(accountId), []);
    });

    it('keeps the one session and the one interaction that asked for it', async () => {
      const accountId = randomToken();
      const uid = randomToken();
      const kept = await save('Session', { uid, accountId });
      const ended = await save('Session', { uid: randomToken(), accountId });
      const interaction = await save('Interaction', { session: { accountId, uid } });
      const token = await save('RefreshToken', { grantId: await saveGrant(accountId), sessionUid: uid });
      await grants.revokeByAccount(accountId, { exceptSessionUid: uid, exceptInteractionUid: interaction });
      assert.equal(await isAlive('Session', kept), true);
      assert.equal(await isAlive('Session', ended), false);
      assert.equal(await isAlive('Interaction', interaction), true);
      assert.equal(await isAlive('RefreshToken', token), false);
    });
  });

  describe('under oidc-provider', () => {
    let engine: GrantEngine;
    before(async () => {
      engine = await startGrantEngine(grants);
    });
    after(() => engine.close());

    const refreshTokens = () => engine.saved.filter(({ model }) => model === 'RefreshToken').map(({ id }) => id);
    /** Of the refresh tokens saved since, those that still would be accepted. */
    const liveFamilies = async (since: number) => {
      const found = await Promise.all(
        refreshTokens()
          .slice(since)
          .map((id) => find('RefreshToken', id)),
      );
      return found.filter((token) => token && !token.consumed).length;
    };
    const assertOneWinner = (answers: readonly TokenAnswer[]): TokenAnswer => {
      const winners = answers.filter(({ status }) => status === 200);
      const losers = answers.filter(({ status, error }) => status === 400 && error === 'invalid_grant');
      assert.equal(winners.length, 1);
      assert.equal(losers.length, answers.length - 1);
      const [winner] = winners;
      assert.ok(winner);
      return winner;
    };

    it('signs in, exchanges, refreshes and revokes', async () => {
      const browser = engine.browser(randomToken());
      const tokens = await engine.exchange(await browser.authorize());
      assert.equal(tokens.status, 200);
      assert.equal(await engine.isActive(tokens.access_token ?? ''), true);
      const refreshed = await engine.refresh(tokens.refresh_token ?? '');
      assert.equal(refreshed.status, 200);
      await engine.revoke(refreshed.refresh_token ?? '');
      assert.equal(await engine.isActive(refreshed.access_token ?? ''), false);
      assert.equal((await engine.refresh(refreshed.refresh_token ?? '')).error, 'invalid_grant');
    });

    it(`gives tokens to exactly one of ${PARALLEL} exchanges of one code, and at most one family lives`, async () => {
      const browser = engine.browser(randomToken());
      for (let round = 0; round < ENGINE_ROUNDS; round += 1) {
        const code = await browser.authorize();
        const since = refreshTokens().length;
        const winner = assertOneWinner(await Promise.all(times(PARALLEL, () => engine.exchange(code))));
        assert.ok((await liveFamilies(since)) <= 1);
        assert.equal((await engine.exchange(code)).error, 'invalid_grant');
        assert.equal(await liveFamilies(since), 0, 'a replay ends what came from the code');
        assert.equal(await engine.isActive(winner.access_token ?? ''), false);
      }
    });

    it(`rotates for exactly one of ${PARALLEL} parallel refreshes, and at most one family lives`, async () => {
      const browser = engine.browser(randomToken());
      for (let round = 0; round < ENGINE_ROUNDS; round += 1) {
        const tokens = await engine.exchange(await browser.authorize());
        const since = refreshTokens().length;
        const answers = await Promise.all(times(PARALLEL, () => engine.refresh(tokens.refresh_token ?? '')));
        assertOneWinner(answers);
        assert.ok((await liveFamilies(since)) <= 1);
        assert.equal((await engine.refresh(tokens.refresh_token ?? '')).error, 'invalid_grant');
        assert.equal(await liveFamilies(since), 0, 'a replay ends the family');
      }
    });

    it('keeps the family through a repeated refresh within the grace, and no longer', async () => {
      const graceful = await startGrantEngine(storage(60));
      try {
        const tokens = await graceful.exchange(await graceful.browser(randomToken()).authorize());
        const refreshed = await graceful.refresh(tokens.refresh_token ?? '');
        assert.equal((await graceful.refresh(tokens.refresh_token ?? '')).error, 'invalid_grant');
        assert.equal(await graceful.isActive(refreshed.access_token ?? ''), true);
      } finally {
        await graceful.close();
      }
    });

    it('lets no token live that is issued while its grant or its tokens are revoked', async () => {
      const revocations = [
        (grantId: string) => grants.revokeGrant(grantId),
        (grantId: string) => grants.adapter('AccessToken').revokeByGrantId(grantId),
      ];
      for (const revoke of revocations) {
        const browser = engine.browser(randomToken());
        const code = await browser.authorize();
        const inExchange = async (work: () => Promise<TokenAnswer>) => {
          engine.whileIssuing((ctx) => revoke(ctx.oidc.entities.Grant?.jti ?? ''));
          const since = refreshTokens().length;
          const answer = await work();
          assert.equal(await liveFamilies(since), 0);
          assert.equal(await engine.isActive(answer.access_token ?? randomToken()), false);
        };
        await inExchange(() => engine.exchange(code));
        const tokens = await engine.exchange(await browser.authorize());
        await inExchange(() => engine.refresh(tokens.refresh_token ?? ''));
        const later = await engine.exchange(await browser.authorize());
        assert.equal((await engine.refresh(later.refresh_token ?? '')).status, 200);
      }
    });

    it('lets no token live that is issued while its session is ended', async () => {
      const browser = engine.browser(randomToken());
      const tokens = await engine.exchange(await browser.authorize());
      engine.whileIssuing(async (ctx) => {
        await grants.revokeSession(ctx.oidc.entities.RefreshToken?.sessionUid ?? '');
      });
      const since = refreshTokens().length;
      const answer = await engine.refresh(tokens.refresh_token ?? '');
      assert.equal(await liveFamilies(since), 0);
      assert.equal(await engine.isActive(answer.access_token ?? randomToken()), false);
      assert.equal(await browser.isSignedIn(), false);
    });

    it('does not save a session again that was ended while a request used it', async () => {
      const browser = engine.browser(randomToken());
      await browser.authorize();
      assert.equal(await browser.isSignedIn(), true);
      let uid = '';
      // The other app is new to this session, so the engine has something to save.
      engine.whileAuthorizing(async (ctx) => {
        uid = ctx.oidc.session?.uid ?? '';
        await grants.revokeSession(uid);
      });
      const since = engine.saved.length;
      await browser.authorize('other').catch(() => undefined);
      const saves = engine.saved.slice(since).filter(({ payload }) => (payload as { uid?: string }).uid === uid);
      assert.ok(saves.length > 0);
      assert.equal(await grants.adapter('Session').findByUid(uid), undefined);
      for (const { id } of saves) assert.equal(await isAlive('Session', id), false);
    });

    it('gives a session a new id at each sign-in, and the old one is dead', async () => {
      const browser = engine.browser(randomToken());
      const since = engine.saved.length;
      await browser.authorize();
      const ids = engine.saved.slice(since).filter(({ model }) => model === 'Session');
      assert.ok(ids.length > 1);
      for (const { id } of ids.filter((one) => one.id !== ids.at(-1)?.id))
        assert.equal(await isAlive('Session', id), false);
      assert.ok(await isAlive('Session', ids.at(-1)?.id ?? ''));
      assert.equal(await browser.isSignedIn(), true);
    });

    it('signs an account out everywhere at once', async () => {
      const accountId = randomToken();
      const browsers = [engine.browser(accountId), engine.browser(accountId)];
      const tokens = await Promise.all(browsers.map(async (browser) => engine.exchange(await browser.authorize())));
      assert.equal((await grants.listSessions(accountId)).length, 2);
      await grants.revokeByAccount(accountId);
      for (const browser of browsers) assert.equal(await browser.isSignedIn(), false);
      for (const { access_token, refresh_token } of tokens) {
        assert.equal(await engine.isActive(access_token ?? ''), false);
        assert.equal((await engine.refresh(refresh_token ?? '')).error, 'invalid_grant');
      }
    });

    it('stores no id, uid, user code or cookie in clear', async () => {
      const accountId = randomToken();
      const browser = engine.browser(accountId);
      const since = engine.saved.length;
      const code = await browser.authorize();
      const tokens = await engine.exchange(code);
      await engine.refresh(tokens.refresh_token ?? '');
      const userCode = randomToken(6);
      const deviceCode = await save('DeviceCode', { userCode });
      const uid = randomToken();
      await save('Interaction', { session: { cookie: uid, accountId: 'a' }, parJti: uid });
      const secrets = new Set([code, userCode, deviceCode, uid, ...browser.cookies.values()]);
      for (const { id, payload } of engine.saved.slice(since)) {
        secrets.add(id);
        for (const value of stringsIn(payload)) if (value.length >= 20 && !/^https?:/.test(value)) secrets.add(value);
      }
      // Whose something is may be read; it signs nobody in.
      secrets.delete(accountId);
      assert.ok(secrets.size > 10);
      const dump = await opened.dump();
      assert.ok(dump.length > 1000);
      for (const secret of secrets) assert.ok(!dump.includes(secret), 'a secret is stored in clear');
    });
  });

  it('keeps nothing for ever', async () => {
    assert.deepEqual(await opened.listImmortal(), []);
  });

  it('is healthy', async () => {
    assert.equal(await grants.isHealthy(), true);
  });
}

describe('a grant adapter whose server is away', () => {
  interface Away {
    readonly artifacts: Artifacts;
    close(): Promise<void>;
  }
  const cases: readonly { readonly name: string; readonly missing: string | undefined; open(): Promise<Away> }[] = [
    {
      name: 'Redis',
      missing: undefined,
      async open() {
        const url = 'redis://127.0.0.1:1';
        const redis = openRedis({ url, keyPrefix: '', allowVolatile: true, log, scripts: grantScripts });
        return { artifacts: new RedisArtifacts(redis), close: () => redis.close() };
      },
    },
    ...databaseKinds
      .filter((kind) => kind.name === 'PostgreSQL')
      .map((kind) => ({
        name: kind.name,
        missing: kind.missing,
        async open() {
          const { database, close } = await kind.open();
          await close();
          const artifacts = new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
          return { artifacts, close: async () => undefined };
        },
      })),
  ];
  for (const { name, missing, open } of cases) {
    it(`says Unavailable within two seconds and never "not found": ${name}`, { skip: missing ?? false }, async () => {
      const away = await open();
      const grants = new GrantStorage({ artifacts: away.artifacts, seal, refreshGrace: 0, log });
      const asked = [
        () => grants.adapter('AccessToken').find('x'),
        () => grants.adapter('Session').findByUid('x'),
        () => grants.adapter('DeviceCode').findByUserCode('x'),
        () => grants.adapter('ReplayDetection').upsert('x', {}, 60),
        () => grants.adapter('Session').upsert('x', { uid: 'x' }, 60),
        () => grants.adapter('AuthorizationCode').consume('x'),
        () => away.artifacts.exchange('x', []),
        () => grants.adapter('RefreshToken').destroy('x'),
        () => grants.adapter('RefreshToken').revokeByGrantId('x'),
        () => grants.listSessions('x'),
        () => grants.revokeByAccount('x'),
        () => grants.revokeSession('x'),
      ];
      for (const ask of asked) {
        const start = performance.now();
        await assert.rejects(ask(), Unavailable);
        assert.ok(performance.now() - start < 2000);
      }
      assert.equal(await grants.isHealthy(), false);
      await away.close();
    });
  }
});

async function openRedisBackend(url: string, stop: () => Promise<void>): Promise<OpenBackend> {
  const keyPrefix = `test-${randomToken(6)}:`;
  const redis = openRedis({ url, keyPrefix, allowVolatile: true, log, scripts: grantScripts });
  assert.equal(await redis.isHealthy(), true);
  return {
    artifacts: new RedisArtifacts(redis),
    async dump() {
      const texts: string[] = [];
      await eachKey(redis, async (node, key) => {
        const isString = (await node.type(key)) === 'string';
        const value = isString ? await node.getBuffer(key) : (await node.zrange(key, 0, '-1', 'WITHSCORES')).join(' ');
        texts.push(key, value?.toString('latin1') ?? '');
      });
      return texts.join('\n');
    },
    async listImmortal() {
      const immortal: string[] = [];
      let count = 0;
      await eachKey(redis, async (node, key) => {
        count += 1;
        if ((await node.pttl(key)) === -1) immortal.push(key);
      });
      assert.ok(count > 0);
      return immortal;
    },
    async swap(fromKey, toKey) {
      const value = await redis.client.getBuffer(`artifact:{${fromKey}}`);
      assert.ok(value);
      await redis.client.set(`artifact:{${toKey}}`, value, 'PX', 60_000);
    },
    async close() {
      await eachKey(redis, async (node, key) => {
        await node.del(key);
      });
      await redis.close();
      await stop();
    },
  };
}

/** Calls `visit` with every key of the test and a plain connection to the node that has it. */
async function eachKey(redis: RedisConnection, visit: (node: Redis, key: string) => Promise<void>): Promise<void> {
  const nodes = redis.client instanceof Cluster ? redis.client.nodes('master') : [redis.client];
  for (const { options } of nodes) {
    const node = new Redis(options.port ?? 6379, options.host ?? '127.0.0.1');
    try {
      let cursor = '0';
      do {
        const [next, keys] = await node.scan(cursor, 'MATCH', `${redis.keyPrefix}*`, 'COUNT', 1000);
        cursor = next;
        await Promise.all(keys.map((key) => visit(node, key)));
      } while (cursor !== '0');
    } finally {
      node.disconnect();
    }
  }
}

async function openSqlBackend(kind: DatabaseKind): Promise<OpenBackend> {
  const { database, close } = await kind.open();
  const { sql } = database;
  return {
    artifacts: new SqlArtifacts({ sql, isHealthy: () => database.isHealthy() }),
    async dump() {
      const { rows } = await sql.query<{ line: string; sealed: Uint8Array | null }>({
        name: 'dump',
        text: 'select t::text as line, sealed from oidc_artifact t',
      });
      return rows.map(({ line, sealed }) => line + Buffer.from(sealed ?? []).toString('latin1')).join('\n');
    },
    async listImmortal() {
      const text = `select key from oidc_artifact where expires_at is null or expires_at > now() + interval '2 hours'`;
      const { rows } = await sql.query<{ key: string }>({ name: 'immortal', text });
      return rows.map(({ key }) => key);
    },
    async swap(fromKey, toKey) {
      const text = 'update oidc_artifact set sealed = (select sealed from oidc_artifact where key = $1) where key = $2';
      const { count } = await sql.query({ name: 'swap', text }, [fromKey, toKey]);
      assert.equal(count, 1);
    },
    close,
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1000 });
  client.on('error', () => undefined);
  try {
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, `waited too long for ${what}`);
    await sleep(50);
  }
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function inSeconds(ttl: number): number {
  return Math.floor(Date.now() / 1000) + ttl;
}

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* stringsIn(one);
}
