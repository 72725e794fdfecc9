// Several servers on one PostgreSQL database, as real processes: they start together, share what must be one, and are replaced one by one
// without a failed request.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { migrations } from '../../migrations/list.ts';
import { freePort } from '../support/free-port.ts';
import { type Ended, isAccepted, signInDevice, USES, untilRefused } from '../support/other-process.ts';
import { createTestDatabase, postgresMissing, type TestDatabase } from '../support/postgres.ts';
import {
  type Environment,
  type RunningProcess,
  runForJson,
  runLatchkey,
  startLatchkey,
  temporaryFolder,
  until,
} from '../support/process.ts';
import { deleteKeys, newKeyPrefix, redisMissing, TEST_REDIS_URL } from '../support/redis.ts';
import { TEST_PASSWORD } from '../support/server.ts';

const missing = await postgresMissing();
const redisGone = await redisMissing();

interface Jwks {
  readonly keys: readonly { readonly kid: string }[];
}

async function kidsOf(server: RunningProcess): Promise<readonly string[]> {
  const { keys } = (await (await fetch(`http://127.0.0.1:${server.port}/jwks`)).json()) as Jwks;
  return keys.map((key) => key.kid).toSorted();
}

/** One installation on a database of its own; every server of it gets ports of its own. */
function installation(database: TestDatabase): Environment {
  return {
    LATCHKEY_DATABASE_URL: database.url,
    LATCHKEY_DATABASE_POOL_SIZE: '3',
    LATCHKEY_SECRET: 'q7Wv0mYt3xZr9uKpL2sNbF8hJd5gTc1E',
    LATCHKEY_ISSUER: 'http://localhost:3000',
    LATCHKEY_DATA_DIR: temporaryFolder(),
  };
}

describe('two servers on one database', { skip: missing ?? false }, () => {
  let database: TestDatabase;
  let env: Environment;
  let servers: RunningProcess[] = [];
  before(async () => {
    database = await createTestDatabase();
    env = installation(database);
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await database.drop();
  });

  it('start together on an empty one, both come up, and publish the same keys', async () => {
    servers = await Promise.all([startLatchkey(env), startLatchkey(env)]);
    const [first, second] = await Promise.all(servers.map(kidsOf));
    assert.equal(first?.length, 3);
    assert.deepEqual(first, second);
    for (const server of servers) assert.match(server.stdout(), /\/setup\//);
  });

  it('the command line works beside them, on connections of its own', async () => {
    const made = await runForJson<{ id: string }>(['account', 'create', '--email', 'ann@example.com'], { env });
    assert.equal((await runForJson<{ id: string }>(['account', 'show', made.id], { env })).id, made.id);
    assert.deepEqual(await runForJson(['migrate', '--check'], { env }), { pending: [] });
    const { keys } = await runForJson<Jwks>(['keys', 'list'], { env });
    assert.deepEqual(keys.map((key) => key.kid).toSorted(), await kidsOf(servers[0] as RunningProcess));
  });

  it('a command with other YAML leaves the clients that the servers declare alone', async () => {
    const { client_id: id } = await runForJson<{ client_id: string }>(['client', 'create', '--file', '-'], {
      env,
      input: '{"redirect_uris":["https://app.example.com/callback"]}',
    });
    await database.run(`update client set source = 'yaml' where client_id = '${id}'`);
    await runForJson(['client', 'list'], { env });
    assert.equal((await runForJson<{ source: string }>(['client', 'show', id], { env })).source, 'yaml');
  });

  it('one is stopped and the other one goes on', async () => {
    const [first, second] = servers as [RunningProcess, RunningProcess];
    assert.equal((await first.stop()).code, 0);
    assert.equal((await fetch(`http://127.0.0.1:${second.port}/readyz`)).status, 200);
    assert.equal((await second.stop()).code, 0);
  });

  it('migrate --check names what is pending, and migrate does it', async () => {
    const fresh = await createTestDatabase();
    try {
      const freshEnv = installation(fresh);
      const names = migrations.map((one) => one.name);
      const checked = await runLatchkey(['migrate', '--check', '--json'], { env: freshEnv });
      assert.equal(checked.code, 1);
      assert.deepEqual(JSON.parse(checked.stdout), { pending: names });
      assert.deepEqual(await runForJson(['migrate'], { env: freshEnv }), { applied: names });
      assert.deepEqual(await runForJson(['migrate'], { env: freshEnv }), { applied: [] });
      assert.deepEqual(await runForJson(['migrate', '--check'], { env: freshEnv }), { pending: [] });
    } finally {
      await fresh.drop();
    }
  });

  it('a database of a newer release stops a server, and every command, before it changes anything', async () => {
    await database.run(`insert into schema_migration (name) values ('29991231-future')`);
    for (const argv of [['serve'], ['account', 'list'], ['migrate'], ['migrate', '--check']]) {
      const done = await runLatchkey(argv, { env: { ...env, LATCHKEY_PORT: String(await freePort()) } });
      assert.equal(done.code, 1, argv.join(' '));
      assert.equal(done.stdout, '');
      assert.match(done.stderr, /^latchkey: The database was changed by a newer release \(29991231-future\).*\n$/);
    }
  });
});

/** Milliseconds: what requirements A4 and S4 allow a process to learn what happened in another. */
const A_SECOND = 1000;

for (const stores of ['PostgreSQL', 'PostgreSQL + Redis'] as const) {
  const hasRedis = stores === 'PostgreSQL + Redis';
  describe(`what is ended in one of two processes, on ${stores}`, {
    skip: missing ?? (hasRedis ? redisGone : undefined) ?? false,
  }, () => {
    const keyPrefix = newKeyPrefix();
    let database: TestDatabase;
    let servers: RunningProcess[] = [];
    let env: Environment;
    before(async () => {
      database = await createTestDatabase();
      const port = String(await freePort());
      env = {
        ...installation(database),
        ...{ LATCHKEY_ISSUER: `http://localhost:${port}`, LATCHKEY_LIMITS_OFF: 'true' },
        ...(hasRedis ? { LATCHKEY_REDIS_URL: TEST_REDIS_URL, LATCHKEY_REDIS_KEY_PREFIX: keyPrefix } : {}),
        ...(hasRedis ? { LATCHKEY_REDIS_ALLOW_VOLATILE: 'true' } : {}),
      };
      servers = await Promise.all([startLatchkey({ ...env, LATCHKEY_PORT: port }), startLatchkey(env)]);
    });
    after(async () => {
      await Promise.all(servers.map((server) => server.kill()));
      await database.drop();
      if (hasRedis) await deleteKeys(keyPrefix);
    });

    async function signInTwice() {
      const email = `person-${servers.length}-${Date.now()}@example.com`;
      const create = ['account', 'create', '--email', email, '--password-stdin', '--verified'];
      await runForJson(create, { env, input: TEST_PASSWORD });
      const redirectUri = 'https://app.example.com/callback';
      const metadata = { redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] };
      const { client_id: clientId, client_secret: clientSecret } = await runForJson<Record<string, string>>(
        ['client', 'create', '--file', '-'],
        { env, input: JSON.stringify(metadata) },
      );
      const [first, second] = servers.map(({ port }) => ({ issuer: `http://localhost:${port}` }));
      assert.ok(first && second && clientId);
      const client = { clientId, clientSecret, redirectUri, metadata };
      const account = { email, username: null };
      const [here, there] = [await signInDevice(first, client, account), await signInDevice(first, client, account)];
      // Whatever the other process remembers of them, it remembers now.
      for (const use of USES) assert.ok(await isAccepted(second, there, use), `${use} before the end`);
      return { email, second, here, there };
    }

    async function assertOver({ second, there }: Awaited<ReturnType<typeof signInTwice>>): Promise<void> {
      const ended = await Promise.all(
        USES.map(async (use): Promise<[string, Ended]> => [use, await untilRefused(second, there, use)]),
      );
      for (const [use, { grantedUntil }] of ended) {
        // By when it was asked, not by when it was answered: a slow machine makes no right wrong.
        assert.ok(grantedUntil === null || grantedUntil <= A_SECOND, `${use} was granted after ${grantedUntil} ms`);
      }
    }

    it('a session: in the other its tokens and its portal are refused within a second', async () => {
      const signedIn = await signInTwice();
      const { second, here, there } = signedIn;
      const page = await here.browser.get('/account/sessions');
      const form = `form[action="/account/sessions/${there.sessionId}/end"]`;
      assert.equal((await here.browser.submitOnce(page, {}, { form })).status, 303);
      await assertOver(signedIn);
      for (const use of USES) assert.ok(await isAccepted(second, here, use), `${use} of a session that goes on`);
    });

    it('an account that is disabled on the command line: refused by both within a second', async () => {
      const signedIn = await signInTwice();
      await runForJson(['account', 'disable', signedIn.email], { env });
      await assertOver(signedIn);
      await assertOver({ ...signedIn, there: signedIn.here });
    });
  });
}

describe('a rolling restart behind a proxy', { skip: missing ?? false }, () => {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database.drop());

  it('fails no request', async () => {
    const env = { ...installation(database), LATCHKEY_STOP_DELAY: '3' };
    const ports = await Promise.all(
      [0, 1].map(async () => ({
        LATCHKEY_PORT: String(await freePort()),
        LATCHKEY_INTERNAL_PORT: String(await freePort()),
      })),
    );
    const start = (index: number) => startLatchkey({ ...env, ...ports[index] });
    const servers = await Promise.all([start(0), start(1)]);
    const proxy = await startProxy(servers.map((server) => server.port));
    await until(() => proxy.readyCount() === 2, 'the proxy to find both servers');
    const load = startLoad(proxy.port);
    try {
      for (const index of [0, 1]) {
        await until(() => proxy.readyCount() === 2, 'both servers to be ready');
        const ended = await (servers[index] as RunningProcess).stop();
        assert.equal(ended.code, 0, ended.stderr);
        servers[index] = await start(index);
      }
      await until(() => proxy.readyCount() === 2, 'both servers to be ready again');
      const before = load.count();
      await until(() => load.count() > before + 100, 'some more requests');
    } finally {
      await load.stop();
      proxy.close();
      await Promise.all(servers.map((server) => server.kill()));
    }
    assert.deepEqual(load.failures(), []);
    assert.ok(load.count() > 300, `only ${load.count()} requests`);
  });
});

describe('a server with several processes', { skip: missing ?? false }, () => {
  let database: TestDatabase;
  let server: RunningProcess | undefined;
  before(async () => {
    database = await createTestDatabase();
  });
  after(async () => {
    await server?.kill();
    await database.drop();
  });

  it('replaces one that dies, and stops as a whole with 0', async () => {
    server = await startLatchkey({ ...installation(database), LATCHKEY_WORKERS: '2' });
    const { port, pid } = server;
    assert.equal(server.stdout().match(/is ready/g)?.length, 1);
    assert.match(server.stdout(), /\/setup\//);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    const workers = await childrenOf(pid);
    assert.equal(workers.length, 2);
    process.kill(workers[0] ?? 0, 'SIGKILL');
    await until(async () => {
      const now = await childrenOf(pid);
      return now.length === 2 && !now.includes(workers[0] ?? 0);
    }, 'the worker to be replaced');
    await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200);
    assert.match(server.stderr(), /"msg":"a worker died"/);
    const all = await childrenOf(pid);
    const ended = await server.stop();
    assert.equal(ended.code, 0, ended.stderr);
    for (const one of all) assert.throws(() => process.kill(one, 0), { code: 'ESRCH' });
  });

  it('ends with one line when its port is taken', async () => {
    const env = { ...installation(database), LATCHKEY_PORT: String(await freePort()) };
    const first = await startLatchkey(env);
    const done = await runLatchkey(['serve'], { env: { ...env, LATCHKEY_WORKERS: '2', LATCHKEY_INTERNAL_PORT: '0' } });
    assert.equal(done.code, 1);
    assert.equal(done.stdout, '');
    assert.match(done.stderr, /^latchkey: Port \d+ on 127\.0\.0\.1 is taken/m);
    await first.kill();
  });
});

/** Linux only, like the machines that run these tests with PostgreSQL. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

interface Proxy {
  readonly port: number;
  readyCount(): number;
  close(): void;
}

/** What every proxy does: asks each server for its readiness, sends requests to those that are ready on kept connections, tries none twice. */
async function startProxy(backends: readonly number[]): Promise<Proxy> {
  const ready = new Set<number>();
  const agent = new Agent({ keepAlive: true });
  let turn = 0;
  const closed = new AbortController();
  const look = async (port: number): Promise<void> => {
    while (!closed.signal.aborted) {
      const isGood = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(1000) }).then(
        async (answer) => {
          await answer.arrayBuffer();
          return answer.status === 200;
        },
        () => false,
      );
      if (isGood) ready.add(port);
      else ready.delete(port);
      await wait(50);
    }
  };
  for (const port of backends) void look(port);
  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    const choice = [...ready];
    turn += 1;
    const port = choice[turn % choice.length];
    if (port === undefined) return void res.writeHead(502).end();
    const { method, url, headers } = req;
    const onward = send({
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: { ...headers, connection: 'keep-alive' },
      agent,
    });
    onward.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
      answer.pipe(res);
    });
    onward.on('error', (error) => res.writeHead(502).end(`${port}: ${error.message}`));
    req.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    readyCount: () => ready.size,
    close() {
      closed.abort();
      agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Load {
  count(): number;
  failures(): readonly string[];
  stop(): Promise<void>;
}

/** Six callers, one request after the other, reading and posting. What a server answers wrongly is a failure, as is no answer. */
function startLoad(port: number): Load {
  const origin = `http://127.0.0.1:${port}`;
  const failures: string[] = [];
  let count = 0;
  const stopped = new AbortController();
  const kinds = [
    { path: '/.well-known/openid-configuration', init: {}, status: 200 },
    { path: '/jwks', init: {}, status: 200 },
    {
      path: '/token',
      init: { method: 'POST', body: new URLSearchParams({ grant_type: 'authorization_code' }) },
      status: 400,
    },
  ];
  const call = async (start: number): Promise<void> => {
    for (let index = start; !stopped.signal.aborted; index += 1) {
      const { path, init, status } = kinds[index % kinds.length] as (typeof kinds)[number];
      try {
        const answer = await fetch(origin + path, init);
        const text = await answer.text();
        if (answer.status !== status) failures.push(`${path}: ${answer.status} ${text.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${path}: ${String(error)}`);
      }
      count += 1;
    }
  };
  const callers = Promise.all([0, 1, 2, 3, 4, 5].map(call));
  return {
    count: () => count,
    failures: () => failures,
    async stop() {
      stopped.abort();
      await callers;
    },
  };
}
