// Two servers behind a proxy are restarted one after the other while people and apps are at work: no request fails, nobody is signed out,
// no chain of refresh tokens breaks.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser-client.ts';
import { freePort } from '../support/free-port.ts';
import { createTestDatabase, postgresMissing, type TestDatabase } from '../support/postgres.ts';
import { type RunningProcess, runForJson, startLatchkey, until } from '../support/process.ts';
import { deleteKeys, newKeyPrefix, redisMissing, TEST_REDIS_URL } from '../support/redis.ts';
import { authorizationRequest, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts';
import { TEST_PASSWORD, TEST_SECRET, type TestClient } from '../support/server.ts';

const skip = (await postgresMissing()) ?? (await redisMissing()) ?? false;
/** No load test: as many rounds as fit into two restarts, and never more than this. */
const MOST_ROUNDS = 2000;

describe('a rolling restart', { skip }, () => {
  const keyPrefix = newKeyPrefix();
  let database: TestDatabase;
  let proxy: RoundRobin | undefined;
  const servers: RunningProcess[] = [];
  before(async () => {
    database = await createTestDatabase();
  });
  after(async () => {
    proxy?.close();
    await Promise.all(servers.map((server) => server.kill()));
    await database.drop();
    await deleteKeys(keyPrefix);
  });

  it('is noticed by nobody', async () => {
    const publicPort = await freePort();
    const latchkey = { issuer: `http://localhost:${publicPort}` };
    const env = {
      LATCHKEY_ISSUER: latchkey.issuer,
      LATCHKEY_DATABASE_URL: database.url,
      LATCHKEY_REDIS_URL: TEST_REDIS_URL,
      LATCHKEY_REDIS_KEY_PREFIX: keyPrefix,
      LATCHKEY_REDIS_ALLOW_VOLATILE: 'true',
      LATCHKEY_SECRET: TEST_SECRET,
      LATCHKEY_TRUSTED_PROXIES: '1',
      LATCHKEY_STOP_DELAY: '1',
      LATCHKEY_INTERNAL_PORT: '0',
    };
    const ports = [await freePort(), await freePort()];
    const start = (index: number) => startLatchkey({ ...env, LATCHKEY_PORT: String(ports[index]) });
    servers.push(...(await Promise.all([start(0), start(1)])));
    const front = await startRoundRobin(publicPort, ports);
    proxy = front;
    await until(() => front.readyCount() === 2, 'both servers to be ready');

    const made = await runForJson<{ client_id: string; client_secret: string }>(['client', 'create', '--file', '-'], {
      env,
      input: JSON.stringify({
        client_name: 'Test app',
        redirect_uris: ['https://app.example.com/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
      }),
    });
    const client: TestClient = {
      clientId: made.client_id,
      clientSecret: made.client_secret,
      redirectUri: 'https://app.example.com/callback',
      metadata: {},
    };
    await runForJson(['account', 'create', '--email', 'ann@example.com', '--password-stdin', '--verified'], {
      env,
      input: TEST_PASSWORD,
    });
    const account = { email: 'ann@example.com', username: null };
    const offline = { scope: 'openid offline_access', prompt: 'consent' };

    const work = { isOver: false };
    let rounds = 0;
    const workers = Array.from({ length: 3 }, async (_, worker) => {
      const browser = new Browser(latchkey.issuer);
      const first = await redeem(
        latchkey,
        client,
        await signIn(latchkey, browser, client, { account, params: offline }),
      );
      assert.equal(first.status, 200, JSON.stringify(first.body));
      let refreshToken = first.body['refresh_token'];
      while (!work.isOver && rounds < MOST_ROUNDS) {
        // The session is still there, whoever answers.
        const silent = authorizationRequest(latchkey.issuer, client, { prompt: 'none' });
        const page = await browser.get(silent.url);
        assert.notEqual(page.params['code'], undefined, page.describe() + page.text.slice(0, 200));
        const tokens = await redeem(latchkey, client, { code: page.params['code'] ?? '', verifier: silent.verifier });
        assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
        const info = await userinfo(latchkey, tokens.body['access_token']);
        assert.equal(info.status, 200);
        const refreshed = await refresh(latchkey, client, refreshToken);
        assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
        refreshToken = refreshed.body['refresh_token'];
        // Now and then somebody comes anew, in steps that different servers answer.
        if (worker === 0) await signIn(latchkey, new Browser(latchkey.issuer), client, { account });
        rounds += 1;
      }
    });
    const failure = Promise.all(workers);
    failure.catch(() => {
      work.isOver = true;
    });
    const settle = async () => {
      const goal = rounds + 20;
      await until(() => rounds >= goal || work.isOver, 'some more rounds');
    };

    for (const index of [0, 1]) {
      await settle();
      const ended = await servers[index]?.stop();
      assert.equal(ended?.code, 0, ended?.stderr);
      await settle();
      servers[index] = await start(index);
      await until(() => front.readyCount() === 2 || work.isOver, 'both servers to be ready again');
    }
    await settle();
    work.isOver = true;
    await failure;
    for (const count of front.counts()) assert.ok(count > 50, `both servers have worked: ${front.counts().join(', ')}`);
    for (const server of servers) assert.doesNotMatch(server.stderr(), /"level":"(error|fatal)"/);
  });
});
