// The token endpoint as one unit of work: what it writes leaves together and in order, nothing is answered before it is stored, what a request
// has written it can read, and requests do not see one another's.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { AdapterPayload } from 'oidc-provider';
import { randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { Unavailable } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import type { Artifacts } from '../../src/oidc/artifact.ts';
import { GrantStorage } from '../../src/oidc/grant-adapter.ts';
import { SqlArtifacts } from '../../src/oidc/sql-grants.ts';
import { databaseKinds, type OpenDatabase } from '../support/database.ts';
import { type GrantEngine, startGrantEngine } from '../support/grant-engine.ts';

describe('a request of the token endpoint', () => {
  let opened: OpenDatabase;
  let engine: GrantEngine;
  let grants: GrantStorage;
  /** Names of the calls that write, in their order. */
  let writes: string[] = [];
  /** Stands in for the storage's own exchange. */
  let exchange: Artifacts['exchange'] | undefined;

  before(async () => {
    const embedded = databaseKinds.find((kind) => kind.name === 'PGlite');
    assert.ok(embedded);
    opened = await embedded.open();
    const { database } = opened;
    const artifacts = new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
    const watched = new Proxy<Artifacts>(artifacts, {
      get:
        (_target, name: keyof Artifacts) =>
        (...args: unknown[]) => {
          if (/^(put|consume|exchange|bury|revoke)/.test(name)) writes.push(name);
          const stored = name === 'exchange' && exchange ? exchange : artifacts[name];
          return (stored as (...given: unknown[]) => unknown).apply(artifacts, args);
        },
    });
    const parts = { artifacts: watched, seal: new Seal(randomToken()), refreshGrace: 0, log: createLog('silent') };
    grants = new GrantStorage(parts);
    engine = await startGrantEngine(grants);
  });
  after(async () => {
    await engine.close();
    await opened.close();
  });
  afterEach(() => {
    exchange = undefined;
  });

  const signIn = async () => engine.exchange(await engine.browser(randomToken()).authorize());
  const saved = (since: number, model: string) =>
    engine.saved.slice(since).flatMap((one) => (one.model === model ? [one.id] : []));
  /** Refreshes, and does `work` between the use of the old token and the answer. */
  const refreshWhile = async (work: (grantId: string) => Promise<void>) => {
    const { refresh_token: token = '' } = await signIn();
    writes = [];
    engine.whileIssuing(async (ctx) => work(ctx.oidc.entities.Grant?.jti ?? ''));
    return { token, answer: await engine.refresh(token) };
  };
  const payload = (grantId: string, scope: string): AdapterPayload => ({ grantId, scope, accountId: 'a' });

  it('answers only after everything is stored', async () => {
    const { refresh_token: token = '' } = await signIn();
    const since = engine.saved.length;
    const started = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    exchange = async (key, artifacts) => {
      exchange = undefined;
      started.resolve();
      await released.promise;
      return new SqlArtifacts({ sql: opened.database.sql, isHealthy: async () => true }).exchange(key, artifacts);
    };
    let isAnswered = false;
    const answering = engine.refresh(token).finally(() => {
      isAnswered = true;
    });
    await started.promise;
    assert.equal(isAnswered, false);
    const [id = ''] = saved(since, 'RefreshToken');
    assert.equal(await grants.adapter('RefreshToken').find(id), undefined);
    released.resolve();
    assert.equal((await answering).refresh_token, id);
    assert.ok(await grants.adapter('RefreshToken').find(id));
  });

  it('hands nothing out when the storage goes away before its end, and the token can be used again', async () => {
    const { refresh_token: token = '' } = await signIn();
    exchange = async () => {
      throw new Unavailable();
    };
    const answer = await engine.refresh(token);
    assert.ok(answer.status >= 500, `status ${answer.status}`);
    assert.equal(answer.access_token ?? answer.refresh_token, undefined);
    exchange = undefined;
    assert.equal((await engine.refresh(token)).status, 200);
  });

  it('stores nothing when somebody else was first', async () => {
    const { refresh_token: token = '' } = await signIn();
    const since = engine.saved.length;
    exchange = async (key, artifacts) => {
      exchange = undefined;
      const own = new SqlArtifacts({ sql: opened.database.sql, isHealthy: async () => true });
      assert.equal(await own.exchange(key, []), 'saved');
      return own.exchange(key, artifacts);
    };
    assert.equal((await engine.refresh(token)).error, 'invalid_grant');
    for (const model of ['RefreshToken', 'AccessToken']) {
      const [id = ''] = saved(since, model);
      assert.equal(await grants.adapter(model).find(id), undefined, model);
    }
  });

  it('has used its token also when it fails afterwards, and stores nothing of what it would have handed out', async () => {
    const since = engine.saved.length;
    const { token, answer } = await refreshWhile(async () => {
      throw new Error('on the way');
    });
    assert.equal(answer.status, 500);
    assert.deepEqual(writes, ['exchange']);
    for (const id of saved(since, 'RefreshToken').slice(1)) {
      assert.equal(await grants.adapter('RefreshToken').find(id), undefined);
    }
    assert.equal((await engine.refresh(token)).error, 'invalid_grant');
  });

  it('reads what it has written, the last of several writes to one token', async () => {
    const id = randomToken();
    const { answer } = await refreshWhile(async (grantId) => {
      const adapter = grants.adapter('AccessToken');
      await adapter.upsert(id, payload(grantId, 'first'), 60);
      await adapter.upsert(id, payload(grantId, 'second'), 60);
      assert.equal((await adapter.find(id))?.scope, 'second');
    });
    assert.equal(answer.status, 200);
    assert.equal((await grants.adapter('AccessToken').find(id))?.scope, 'second');
  });

  it('knows that its token is used', async () => {
    const { refresh_token: token = '' } = await signIn();
    engine.whileIssuing(async () => {
      assert.ok((await grants.adapter('RefreshToken').find(token))?.consumed);
    });
    assert.equal((await engine.refresh(token)).status, 200);
  });

  it('keeps the order: what was used and saved is written before anything is ended', async () => {
    const { answer } = await refreshWhile((grantId) => grants.adapter('AccessToken').revokeByGrantId(grantId));
    assert.deepEqual(writes.slice(0, 2), ['exchange', 'revokeGrants']);
    assert.equal(await engine.isActive(answer.access_token ?? randomToken()), false);
    assert.equal((await engine.refresh(answer.refresh_token ?? randomToken())).error, 'invalid_grant');
  });

  it('is alone with what it writes: many at once each have their own', async () => {
    const families = await Promise.all(Array.from({ length: 8 }, signIn));
    const answers = await Promise.all(families.map(({ refresh_token: token = '' }) => engine.refresh(token)));
    assert.equal(new Set(answers.map((answer) => answer.refresh_token)).size, 8);
    // Each belongs to its own account: ending one grant leaves the others alive.
    await engine.revoke(answers[0]?.refresh_token ?? '');
    const alive = await Promise.all(answers.map((answer) => engine.isActive(answer.access_token ?? '')));
    assert.deepEqual(alive, [false, ...Array.from({ length: 7 }, () => true)]);
  });
});
