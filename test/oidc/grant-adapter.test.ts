// How sparing the grant storage is with its server: what one request has read it does not read again, and what did not change it does not
// write. That all of it is right is the contract's part (test/contract/grant-adapter.test.ts).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { createLog } from '../../src/log.ts';
import type { Artifacts } from '../../src/oidc/artifact.ts';
import { GrantStorage } from '../../src/oidc/grant-adapter.ts';
import { SqlArtifacts } from '../../src/oidc/sql-grants.ts';
import { databaseKinds, type OpenDatabase } from '../support/database.ts';
import { type GrantEngine, startGrantEngine } from '../support/grant-engine.ts';

describe('the grant storage under oidc-provider', () => {
  let opened: OpenDatabase;
  let engine: GrantEngine;
  let calls: string[] = [];

  before(async () => {
    const embedded = databaseKinds.find((kind) => kind.name === 'PGlite');
    assert.ok(embedded);
    opened = await embedded.open();
    const { database } = opened;
    const artifacts = new SqlArtifacts({ sql: database.sql, isHealthy: () => database.isHealthy() });
    const counted = new Proxy<Artifacts>(artifacts, {
      get:
        (_target, name: keyof Artifacts) =>
        (first: unknown, ...rest: unknown[]) => {
          calls.push(
            `${name} ${typeof first === 'string' ? first : ((first as { model?: string })?.model ?? '')}`.trim(),
          );
          return (artifacts[name] as (...args: unknown[]) => unknown).call(artifacts, first, ...rest);
        },
    });
    const grants = new GrantStorage({
      artifacts: counted,
      seal: new Seal(randomToken()),
      refreshGrace: 0,
      log: createLog('silent'),
    });
    engine = await startGrantEngine(grants);
  });
  after(async () => {
    await engine.close();
    await opened.close();
  });

  const callsOf = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
    calls = [];
    await work();
    return calls.map((call) =>
      call.replace(/^(consume|exchange) .*/, '$1').replace(/^find(Session|ByUserCode) .*/, 'find$1'),
    );
  };

  it('exchanges a code and refreshes with one look and one write', async () => {
    const code = await engine.browser(randomToken()).authorize();
    let refreshToken = '';
    const exchanging = await callsOf(async () => {
      refreshToken = (await engine.exchange(code)).refresh_token ?? '';
    });
    assert.deepEqual(exchanging, ['find AuthorizationCode', 'exchange']);
    assert.deepEqual(await callsOf(() => engine.refresh(refreshToken)), ['find RefreshToken', 'exchange']);
  });

  it('introspects with one look for each kind of token', async () => {
    const tokens = await engine.exchange(await engine.browser(randomToken()).authorize());
    assert.deepEqual((await callsOf(() => engine.isActive(tokens.access_token ?? ''))).toSorted(), [
      'find AccessToken',
      'find RefreshToken',
    ]);
  });

  it('does not write a session in which nothing changed', async () => {
    const browser = engine.browser(randomToken());
    await browser.authorize();
    await browser.isSignedIn();
    assert.deepEqual(await callsOf(() => browser.isSignedIn()), [
      'find Session',
      'find Grant',
      'put AuthorizationCode',
    ]);
  });

  it('writes a session that is new to an app', async () => {
    const browser = engine.browser(randomToken());
    await browser.authorize();
    assert.ok((await callsOf(() => browser.authorize('other'))).includes('put Session'));
  });

  it('ends a replayed family in one call', async () => {
    const tokens = await engine.exchange(await engine.browser(randomToken()).authorize());
    await engine.refresh(tokens.refresh_token ?? '');
    const made = await callsOf(() => engine.refresh(tokens.refresh_token ?? ''));
    assert.equal(made.filter((call) => call.startsWith('revokeGrants')).length, 1);
  });
});
