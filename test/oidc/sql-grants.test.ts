// What is particular to the artifacts in SQL: races staged step by step on a real PostgreSQL, and the sweeper.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomToken } from '../../src/crypto/random.ts';
import { SqlArtifacts } from '../../src/oidc/sql-grants.ts';
import type { Database, EntityManager } from '../../src/storage/database.ts';
import { databaseKinds, describeOnEachDatabase, type OpenDatabase } from '../support/database.ts';

const sealed = Buffer.from('sealed');
const postgres = databaseKinds.find((kind) => kind.name === 'PostgreSQL');

function artifactsOn(database: Database): SqlArtifacts {
  return new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
}

describe('races of SQL artifacts, staged on PostgreSQL', { skip: postgres?.missing ?? false }, () => {
  let opened: OpenDatabase;
  before(async () => {
    assert.ok(postgres);
    opened = await postgres.open();
  });
  after(() => opened.close());

  const waiting = async () => {
    const text =
      'select count(*)::int as count from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0';
    const { rows } = await opened.database.sql.query<{ count: number }>({ name: 'waiting', text });
    return rows[0]?.count ?? 0;
  };
  const untilWaiting = async (count: number, isDone: () => boolean = () => false) => {
    for (let attempt = 0; (await waiting()) < count && !isDone(); attempt += 1) {
      assert.ok(attempt < 150, 'nobody waits');
      await sleep(10);
    }
  };
  /** Holds back whoever inserts a row with this key, until `release`. */
  const holdBack = async (key: string): Promise<() => Promise<void>> => {
    const em: EntityManager = opened.database.em();
    await em.begin();
    await em.execute(`insert into oidc_artifact (key, model, expires_at) values (?, 'RefreshToken', now())`, [key]);
    return () => em.rollback();
  };
  const saveFamily = async () => {
    const artifacts = artifactsOn(opened.database);
    const [grantKey, parentKey, key, sessionKey] = [randomToken(), randomToken(), randomToken(), randomToken()];
    const token = { model: 'RefreshToken', sealed, ttl: 600, grantKey, sessionKey };
    await artifacts.put({ model: 'Grant', key: grantKey, sealed, ttl: 600 });
    await artifacts.put({ ...token, key: parentKey });
    return { artifacts, token, grantKey, parentKey, key, sessionKey };
  };

  for (const way of ['saved', 'exchanged'] as const)
    it(`a session that ends waits for the token that is being ${way}, and ends it too`, async () => {
      const { artifacts, token, grantKey, parentKey, key, sessionKey } = await saveFamily();
      const release = await holdBack(key);
      const child = { ...token, key, parentKey };
      const saving = way === 'saved' ? artifacts.put(child) : artifacts.exchange(parentKey, [child]);
      await untilWaiting(1);
      let isDone = false;
      const ending = artifacts.revokeGrants([grantKey], { keepsGrants: true, sessionKey }).finally(() => {
        isDone = true;
      });
      await untilWaiting(2, () => isDone);
      await release();
      await Promise.all([saving, ending]);
      assert.equal(await artifacts.find('RefreshToken', key), undefined);
    });

  it('a token that is saved while its grant loses its tokens is dead, although the revocation could not see it', async () => {
    const { artifacts, token, grantKey, key } = await saveFamily();
    const release = await holdBack(key);
    const saving = artifacts.put({ ...token, key });
    await untilWaiting(1);
    await artifacts.revokeGrants([grantKey], { keepsGrants: true });
    await release();
    assert.equal(await saving, 'saved');
    assert.equal(await artifacts.find('RefreshToken', key), undefined);
    const later = randomToken();
    await artifacts.put({ ...token, key: later });
    assert.ok(await artifacts.find('RefreshToken', later));
  });

  it('a token that is exchanged while its grant loses its tokens leaves none alive', async () => {
    const { artifacts, token, grantKey, parentKey, key } = await saveFamily();
    const release = await holdBack(key);
    const exchanging = artifacts.exchange(parentKey, [{ ...token, key, parentKey }]);
    await untilWaiting(1);
    const revoking = artifacts.revokeGrants([grantKey], { keepsGrants: true });
    await untilWaiting(2);
    await release();
    await Promise.all([exchanging, revoking]);
    assert.equal(await artifacts.find('RefreshToken', key), undefined);
    assert.equal(await artifacts.find('RefreshToken', parentKey), undefined);
  });

  it('a token that is saved while its grant ends is dead', async () => {
    const { artifacts, token, grantKey, key } = await saveFamily();
    const release = await holdBack(key);
    const saving = artifacts.put({ ...token, key });
    await untilWaiting(1);
    await artifacts.revokeGrants([grantKey], { keepsGrants: false });
    await release();
    await saving;
    assert.equal(await artifacts.find('RefreshToken', key), undefined);
  });
});

describeOnEachDatabase('the sweeper of SQL artifacts', (database) => {
  it('deletes what has expired, however much it is, and nothing else', async () => {
    const artifacts = artifactsOn(database());
    await database().sql.query({
      name: 'many',
      text: `insert into oidc_artifact (key, model, expires_at)
        select 'old' || n, 'AccessToken', now() - interval '1 second' from generate_series(1, 2500) n`,
    });
    const kept = randomToken();
    await artifacts.put({ model: 'Session', key: kept, sealed, ttl: 600, sessionKey: kept });
    await artifacts.endSession(kept);
    await artifacts.sweep();
    const { rows } = await database().sql.query<{ key: string }>({
      name: 'left',
      text: 'select key from oidc_artifact',
    });
    assert.deepEqual(rows, [{ key: kept }], 'what was ended is remembered for a while');
  });
});
