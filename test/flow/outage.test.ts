// PostgreSQL or Redis goes away and comes back: 503 with a time to come back meanwhile, quickly, and afterwards everything goes on as if
// nothing had happened, without a restart and with nothing lost.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Page } from '../support/browser-client.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMissing } from '../support/postgres.ts';
import { type PrivatePostgres, privatePostgresMissing, startPrivatePostgres } from '../support/private-postgres.ts';
import { redisMissing } from '../support/redis.ts';
import { type RedisServer, redisServerMissing, startRedisServer } from '../support/redis-cluster.ts';
import {
  answerPrompts,
  authorizationRequest,
  redeem,
  refresh,
  signIn,
  tokenRequest,
  userinfo,
} from '../support/relying-party.ts';
import { type Latchkey, startLatchkey, TEST_PASSWORD } from '../support/server.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { send } from '../support/web.ts';

/**
 * Two seconds are promised. The rest is for a machine that does ten other things: without a limit of ours, drivers wait for ten seconds,
 * a minute, or for ever.
 */
const MOST_MS = 5000;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

async function assertUnavailable(what: string, ask: () => Promise<Answer>): Promise<void> {
  const startedAt = performance.now();
  const answer = await ask();
  const took = performance.now() - startedAt;
  assert.equal(answer.status, 503, what);
  assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d?$/, what);
  assert.ok(took < MOST_MS, `${what} took ${Math.round(took)} ms`);
}

/** A person and an app in the middle of things. */
async function start(latchkey: Latchkey) {
  const client = await latchkey.createClient();
  const account = await latchkey.createAccount();
  const browser = latchkey.browser();
  const signedIn = await signIn(latchkey, browser, client, {
    account,
    params: { scope: 'openid offline_access', prompt: 'consent' },
  });
  const tokens = await redeem(latchkey, client, signedIn);
  assert.equal(tokens.status, 200);
  const unused = await signIn(latchkey, browser, client, { account });
  const newcomer = latchkey.browser();
  const login = await newcomer.get(authorizationRequest(latchkey.issuer, client).url);
  assert.equal(login.id, 'login');
  return { client, account, browser, tokens: tokens.body, unused, newcomer, login };
}

type Started = Awaited<ReturnType<typeof start>>;

async function assertAway(latchkey: Latchkey, started: Started): Promise<void> {
  const { client, account, browser, tokens, unused, newcomer, login } = started;
  // Clients and accounts are remembered for a second.
  await wait(1100);
  assert.equal((await send(`${latchkey.issuer}/livez`)).status, 200);
  await assertUnavailable('readiness', () => send(`${latchkey.issuer}/readyz`));
  const credentials = { login: account.email ?? '', password: TEST_PASSWORD };
  const page = (open: () => Promise<Page>) => async () => {
    const opened = await open();
    assert.equal(opened.id, 'error', opened.describe());
    assert.match(opened.error ?? '', /unavailable$/, opened.describe());
    assert.doesNotMatch(opened.text, /ECONN|ioredis|pg-pool|127\.0\.0\.1:\d/);
    return opened;
  };
  const questions: Record<string, () => Promise<Answer>> = {
    'an authorization request': page(() => browser.get(authorizationRequest(latchkey.issuer, client).url)),
    'the login page': page(() => newcomer.get(login.url)),
    'the password': page(() => newcomer.submitOnce(login, credentials)),
    'the start page': page(() => browser.get('/')),
    'a refresh': () => refresh(latchkey, client, tokens['refresh_token']),
    'a code': () => redeem(latchkey, client, unused),
    userinfo: () => userinfo(latchkey, tokens['access_token']),
    introspection: () =>
      tokenRequest(latchkey, '/token/introspection', client, { token: String(tokens['access_token']) }),
  };
  await Promise.all(Object.entries(questions).map(([what, ask]) => assertUnavailable(what, ask)));
  await assertUnavailable('many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => userinfo(latchkey, tokens['access_token'])));
    for (const answer of answers) assert.equal(answer.status, 503);
    return answers[0] ?? assert.fail();
  });
}

async function assertBack(latchkey: Latchkey, started: Started): Promise<void> {
  const { client, account, browser, tokens, newcomer, login } = started;
  await eventually(async () => assert.equal((await send(`${latchkey.issuer}/readyz`)).status, 200));
  // The page that was open all the time, and everything that was issued before.
  const page = await answerPrompts(
    newcomer,
    await newcomer.submit(login, { login: account.email ?? '', password: TEST_PASSWORD }),
    {},
  );
  assert.notEqual(page.params['code'], undefined, page.describe());
  assert.equal((await userinfo(latchkey, tokens['access_token'])).status, 200);
  const refreshed = await refresh(latchkey, client, tokens['refresh_token']);
  assert.equal(refreshed.status, 200, `a refused refresh spends nothing: ${JSON.stringify(refreshed.body)}`);
  const silent = await browser.get(authorizationRequest(latchkey.issuer, client, { prompt: 'none' }).url);
  assert.notEqual(silent.params['code'], undefined, silent.describe());
}

const proxied = (await postgresMissing()) ?? (await redisMissing());

describe('an outage', { skip: proxied ?? false }, () => {
  const wires = new Map<'database' | 'redis', TcpProxy>();
  let running: Latchkey | undefined;
  const latchkey = (): Latchkey => running ?? assert.fail('not started');

  before(async () => {
    const through = (name: 'database' | 'redis') => async (url: string) => {
      const proxy = await startTcpProxy(url);
      wires.set(name, proxy);
      return proxy.through(url);
    };
    running = await startLatchkey({
      backend: 'postgres+redis',
      env: { LATCHKEY_STORAGE_TIMEOUT_MS: undefined },
      reroute: { database: through('database'), redis: through('redis') },
    });
  });
  afterEach(async () => {
    for (const wire of wires.values()) await wire.restore();
    await eventually(async () => assert.equal((await send(`${latchkey().issuer}/readyz`)).status, 200));
  });
  after(async () => {
    await running?.stop();
    for (const wire of wires.values()) await wire.close();
  });

  for (const name of ['database', 'redis'] as const) {
    const wire = () => wires.get(name) ?? assert.fail('no such wire');

    it(`of the ${name}, gone: 503 everywhere, and all is well when it is back`, async () => {
      const started = await start(latchkey());
      await wire().cut();
      await assertAway(latchkey(), started);
      await wire().restore();
      await assertBack(latchkey(), started);
    });

    it(`of the ${name}, silent: 503 everywhere, and all is well when it answers again`, async () => {
      const started = await start(latchkey());
      wire().freeze();
      await assertAway(latchkey(), started);
      await wire().restore();
      await assertBack(latchkey(), started);
    });

    it(`of the ${name}, again and again: nothing is used up by it`, async () => {
      const started = await start(latchkey());
      for (let round = 0; round < 5; round += 1) {
        const { client, account } = started;
        const busy = Array.from({ length: 20 }, async () => {
          const browser = latchkey().browser();
          const page = await browser.get(authorizationRequest(latchkey().issuer, client).url);
          return page.id === 'login'
            ? browser.submit(page, { login: account.email ?? '', password: TEST_PASSWORD })
            : page;
        });
        await wire().cut();
        for (const page of await Promise.all(busy)) {
          assert.ok([200, 303, 429, 503].includes(page.status), page.describe());
        }
        await wire().restore();
        await eventually(async () => assert.equal((await send(`${latchkey().issuer}/readyz`)).status, 200));
      }
      await latchkey().app.lockout.clear(started.account.id);
      await latchkey().app.database.em().execute('delete from guess_counter');
      await assertBack(latchkey(), started);
    });
  }

  it('was told of in the log once for each time, without secrets', () => {
    const lines = latchkey().logLines.map((line) => JSON.parse(line) as { msg: string });
    assert.ok(lines.some((line) => line.msg === 'redis is away'));
    assert.ok(lines.some((line) => line.msg === 'redis is back'));
    assert.equal(latchkey().logLines.join('\n').includes(TEST_PASSWORD), false);
  });
});

describe('a restart of the real thing', () => {
  const skip = proxied ?? redisServerMissing() ?? privatePostgresMissing();
  let redis: RedisServer | undefined;
  let postgres: PrivatePostgres | undefined;
  let running: Latchkey | undefined;

  before(async () => {
    if (skip !== undefined) return;
    redis = await startRedisServer(['--appendonly', 'yes', '--appendfsync', 'always']);
    postgres = await startPrivatePostgres();
    running = await startLatchkey({
      env: {
        LATCHKEY_DATABASE_URL: postgres.url,
        LATCHKEY_REDIS_URL: redis.url,
        LATCHKEY_REDIS_ALLOW_VOLATILE: 'false',
        LATCHKEY_STORAGE_TIMEOUT_MS: undefined,
      },
    });
  });
  after(async () => {
    await running?.stop();
    await redis?.stop();
    postgres?.remove();
  });

  it('of Redis, killed: sessions and tokens are there again', { skip: skip ?? false }, async () => {
    const latchkey = running ?? assert.fail();
    const started = await start(latchkey);
    await redis?.kill();
    await assertAway(latchkey, started);
    await redis?.restart();
    await assertBack(latchkey, started);
  });

  it('of PostgreSQL, crashed: everything that was told to be done is done', { skip: skip ?? false }, async () => {
    const latchkey = running ?? assert.fail();
    const started = await start(latchkey);
    postgres?.crash();
    await assertAway(latchkey, started);
    postgres?.start();
    await assertBack(latchkey, started);
  });

  it('of both at once', { skip: skip ?? false }, async () => {
    const latchkey = running ?? assert.fail();
    const started = await start(latchkey);
    postgres?.crash();
    await redis?.kill();
    await assertAway(latchkey, started);
    postgres?.start();
    await redis?.restart();
    await assertBack(latchkey, started);
  });

  it('starts nowhere where storage is away, and says which', { skip: skip ?? false }, async () => {
    await assert.rejects(startLatchkey({ env: { LATCHKEY_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' } }), {
      code: 'database-unavailable',
    });
    await assert.rejects(startLatchkey({ env: { LATCHKEY_REDIS_URL: 'redis://127.0.0.1:1' } }), {
      code: 'redis-unavailable',
    });
  });
});
