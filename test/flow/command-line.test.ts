// The command line and the server as operators meet them, on real processes and the embedded database: with a server running and without.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { copyEmbeddedDatabase } from '../support/embedded-template.ts';
import { freePort } from '../support/free-port.ts';
import {
  type Environment,
  type RunningProcess,
  runForJson,
  runLatchkey,
  startLatchkey,
  temporaryFolder,
  until,
  watch,
} from '../support/process.ts';

const PASSWORD = 'correct horse battery staple';
const METADATA = { client_name: 'Shop', redirect_uris: ['https://shop.example.com/callback'] };

/** Settings of an installation of its own, with fixed ports so that it can be started again. Its data folder does not exist yet. */
async function newInstallation(): Promise<Environment> {
  return {
    LATCHKEY_DATA_DIR: join(temporaryFolder(), 'data'),
    LATCHKEY_PORT: String(await freePort()),
    LATCHKEY_INTERNAL_PORT: String(await freePort()),
  };
}

/** The same with a database that is there already, which is faster. */
async function usedInstallation(): Promise<Environment> {
  const env = await newInstallation();
  mkdirSync(dataDirOf(env), { mode: 0o700 });
  await copyEmbeddedDatabase(dataDirOf(env));
  return env;
}

function dataDirOf(env: Environment): string {
  return env['LATCHKEY_DATA_DIR'] ?? '';
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url, { redirect: 'manual' });
  await response.arrayBuffer();
  return response.status;
}

describe('an installation, from the first command on', () => {
  let env: Environment;
  let server: RunningProcess | undefined;
  before(async () => {
    env = await newInstallation();
  });
  after(async () => {
    await server?.kill();
  });

  it('the first command makes the database, and says where', async () => {
    const done = await runLatchkey(['account', 'create', '--email', 'ann@example.com', '--password-stdin', '--json'], {
      env,
      input: PASSWORD,
    });
    assert.equal(done.code, 0, done.stderr);
    assert.equal((JSON.parse(done.stdout) as { hasPassword: boolean }).hasPassword, true);
    assert.equal(done.stderr, `latchkey: made a new database in ${dataDirOf(env)}\n`);
    assert.equal(statSync(join(dataDirOf(env), 'secret')).mode & 0o777, 0o600);
    assert.equal(statSync(dataDirOf(env)).mode & 0o777, 0o700);
  });

  it('the next command finds what the one before has done, and says nothing else', async () => {
    const done = await runLatchkey(['account', 'list', '--json'], { env });
    assert.equal(done.stderr, '');
    const { accounts } = JSON.parse(done.stdout) as { accounts: { email: string }[] };
    assert.deepEqual(
      accounts.map((one) => one.email),
      ['ann@example.com'],
    );
  });

  it('the server prints issuer and a setup link that opens, and keeps the link out of its log', async () => {
    server = await startLatchkey({ ...env, LATCHKEY_LOG_LEVEL: 'trace' });
    assert.equal(server.issuer, `http://localhost:${server.port}`);
    const link = /^ {2}(http\S+\/setup\/\S+)$/m.exec(server.stdout())?.[1] ?? '';
    assert.ok(link.startsWith(`${server.issuer}/setup/`), server.stdout());
    assert.equal(await statusOf(link), 200);
    assert.equal(server.stderr().includes(link.split('/').at(-1) ?? link), false);
    const lines = server
      .stderr()
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as { msg: string });
    assert.ok(lines.some((one) => one.msg === 'listening'));
  });

  it('commands work while the server runs, on what the server has', async () => {
    const { accounts } = await runForJson<{ accounts: { email: string }[] }>(['account', 'list'], { env });
    assert.deepEqual(
      accounts.map((one) => one.email),
      ['ann@example.com'],
    );
    const bob = await runLatchkey(['account', 'create', '--email', 'bob@example.com', '--password-stdin'], {
      env,
      input: PASSWORD,
    });
    assert.deepEqual([bob.code, bob.stderr], [0, '']);
    assert.match(bob.stdout, /^email +bob@example\.com$/m);
    assert.equal(server?.stderr().includes(PASSWORD), false);
    const { keys } = await runForJson<{ keys: { kid: string }[] }>(['keys', 'list'], { env });
    const published = (await (await fetch(`${server?.issuer}/jwks`)).json()) as { keys: { kid: string }[] };
    assert.deepEqual(keys.map((key) => key.kid).toSorted(), published.keys.map((key) => key.kid).toSorted());
    assert.deepEqual(await runForJson(['migrate', '--check'], { env }), { pending: [] });
  });

  it('a file is read where the command is typed, not where the server runs', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'shop.json'), JSON.stringify(METADATA));
    const made = await runForJson<{ client_id: string; client_secret: string; snippet: string }>(
      ['client', 'create', '--file', 'shop.json'],
      { env, cwd },
    );
    assert.ok(made.snippet.includes(made.client_secret));
    const shown = await runForJson<{ metadata: object }>(['client', 'show', made.client_id], { env });
    assert.deepEqual(shown.metadata, { ...METADATA, client_id: made.client_id, id_token_signed_response_alg: 'ES256' });
    const missing = await runLatchkey(['client', 'create', '--file', 'nowhere.json'], { env, cwd });
    assert.deepEqual([missing.code, missing.stderr], [1, 'latchkey: nowhere.json cannot be read (ENOENT).\n']);
    const broken = await runLatchkey(['client', 'create', '--file', '-'], { env, input: '\ufffd{'.slice(1) });
    assert.deepEqual([broken.code, broken.stderr], [1, 'latchkey: The metadata is not JSON.\n']);
  });

  it('exit codes and error documents are those of a command without a server', async () => {
    const missing = await runLatchkey(['account', 'show', 'nobody@example.com', '--json'], { env });
    assert.equal(missing.code, 1);
    assert.equal((JSON.parse(missing.stdout) as { error: string }).error, 'account-not-found');
    assert.equal(missing.stderr, 'latchkey: There is no such account.\n');
    const wrong = await runLatchkey(['account', 'show'], { env });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /missing required argument/);
  });

  it('several commands at once all do their work', async () => {
    const names = ['one', 'two', 'three', 'four'];
    const made = await Promise.all(
      names.map((name) => runForJson<{ username: string }>(['account', 'create', '--username', `p_${name}`], { env })),
    );
    assert.deepEqual(
      made.map((one) => one.username),
      names.map((name) => `p_${name}`),
    );
  });

  it('the health check is content, also with a listener that has no internal port', async () => {
    assert.deepEqual(await runForJson(['healthcheck'], { env }), { status: 'ok' });
    assert.deepEqual(await runForJson(['healthcheck'], { env: { ...env, LATCHKEY_INTERNAL_PORT: '0' } }), {
      status: 'ok',
    });
    assert.equal(await statusOf(`http://127.0.0.1:${server?.internalPort}/readyz`), 200);
  });

  it('a second server on the folder is refused, and the first goes on', async () => {
    const other = { LATCHKEY_PORT: String(await freePort()), LATCHKEY_INTERNAL_PORT: '0' };
    const second = await runLatchkey(['serve'], { env: { ...env, ...other } });
    assert.equal(second.code, 1);
    assert.equal(second.stdout, '');
    const expected = `is in use by another Latchkey server (process ${server?.pid})`;
    assert.ok(
      second.stderr.startsWith('latchkey: The data folder ') && second.stderr.includes(expected),
      second.stderr,
    );
    assert.equal(second.stderr.trimEnd().split('\n').length, 1);
    assert.equal(await statusOf(`${server?.issuer}/readyz`), 200);
    assert.equal((await runForJson<{ accounts: unknown[] }>(['account', 'list'], { env })).accounts.length, 6);
  });

  it('a killed server leaves a folder that commands and servers use at once, with all that was answered', async () => {
    await runForJson(['account', 'create', '--username', 'last_words'], { env });
    assert.equal((await server?.kill())?.signal, 'SIGKILL');
    assert.equal(existsSync(join(dataDirOf(env), 'control.json')), true);
    assert.equal((await runForJson<{ status: string }>(['account', 'show', 'last_words'], { env })).status, 'active');
    const unhealthy = await runLatchkey(['healthcheck'], { env });
    assert.equal(unhealthy.code, 1);
    assert.match(unhealthy.stderr, /^latchkey: The server does not answer\..*\n$/);
    server = await startLatchkey(env);
    assert.equal((await runForJson<{ accounts: unknown[] }>(['account', 'list'], { env })).accounts.length, 7);
  });

  it('an administrator from the command line closes the set-up for good', async () => {
    const { url } = await runForJson<{ url: string }>(['setup-link'], { env });
    assert.equal(await statusOf(url), 200);
    await runForJson(['account', 'create', '--username', 'boss', '--role', 'super-admin'], { env });
    assert.equal(await statusOf(url), 404);
    assert.equal((await server?.stop())?.code, 0);
    server = await startLatchkey(env);
    assert.doesNotMatch(server.stdout(), /setup/);
    const refused = await runLatchkey(['setup-link', '--json'], { env });
    assert.equal(refused.code, 1);
    assert.equal((JSON.parse(refused.stdout) as { error: string }).error, 'already-set-up');
  });

  it('a stop ends with 0 and takes the address of the server away', async () => {
    server?.signal('SIGINT');
    const ended = await server?.finished;
    assert.equal(ended?.code, 0);
    assert.match(ended?.stderr ?? '', /"msg":"stopped"/);
    assert.equal(existsSync(join(dataDirOf(env), 'control.json')), false);
  });

  it('npm run prints the document and nothing else', async () => {
    const npm = spawn('npm', ['run', '-s', 'latchkey', '--', 'account', 'list', '--json'], {
      cwd: join(import.meta.dirname, '..', '..'),
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
      stdio: 'pipe',
    });
    const { code, stdout, stderr } = await watch(npm).finished;
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { accounts: unknown[] }).accounts.length, 8);
  });
});

describe('a graceful stop', () => {
  /** A request whose body is under way: the server has begun with it and cannot answer yet. */
  function beginRequest(server: RunningProcess) {
    const req = request({ port: server.port, host: '127.0.0.1', method: 'POST', path: '/token', agent: false });
    const answer = new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      req.once('error', reject);
      req.once('response', (res) => {
        res.resume();
        resolve({ status: res.statusCode, connection: res.headers.connection });
      });
    });
    answer.catch(() => undefined);
    req.setHeader('content-type', 'application/x-www-form-urlencoded');
    req.setHeader('content-length', '30');
    req.write('grant_type=');
    return { req, answer };
  }

  function isListening(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
  }

  it('lets a request that has begun come to its end, takes no new one, and ends with 0', async () => {
    const server = await startLatchkey(await usedInstallation());
    const { req, answer } = beginRequest(server);
    // The listener has it for certain once a later connection was answered.
    assert.equal(await statusOf(`${server.issuer}/livez`), 200);
    server.signal('SIGTERM');
    await until(async () => !(await isListening(server.port)), 'the door to close');
    req.end('authorization_code'.padEnd(19, 'x'));
    assert.equal((await answer).status, 400);
    const ended = await server.finished;
    assert.equal(ended.code, 0, ended.stderr);
    assert.doesNotMatch(ended.stderr, /cutting off/);
  });

  it('says first that it is no longer ready, while it still answers', async () => {
    const server = await startLatchkey({ ...(await usedInstallation()), LATCHKEY_STOP_DELAY: '60' });
    server.signal('SIGTERM');
    await until(async () => (await statusOf(`${server.issuer}/readyz`)) === 503, 'readiness to drop');
    assert.equal(await statusOf(`http://127.0.0.1:${server.internalPort}/readyz`), 503);
    assert.equal(await statusOf(`http://127.0.0.1:${server.internalPort}/livez`), 200);
    assert.equal(await statusOf(`${server.issuer}/.well-known/openid-configuration`), 200);
    // One key press may signal twice; only a later one means impatience.
    await wait(600);
    server.signal('SIGTERM');
    assert.equal((await server.finished).code, 1);
  });

  it('counts a signal that arrives twice at once as one', async () => {
    const server = await startLatchkey(await usedInstallation());
    server.signal('SIGINT');
    server.signal('SIGINT');
    assert.equal((await server.finished).code, 0);
  });
});

describe('a server that cannot start', () => {
  async function refusal(env: Environment, argv: readonly string[] = ['serve']) {
    const done = await runLatchkey(argv, { env });
    assert.equal(done.code, 1, done.stderr);
    assert.equal(done.stdout, '');
    return done.stderr;
  }

  it('lists every problem of its settings', async () => {
    const env = { ...(await newInstallation()), LATCHKEY_PORT: 'x', LATCHKEY_HOTS: '::1', LATCHKEY_WORKERS: '2' };
    const stderr = await refusal(env);
    for (const name of ['LATCHKEY_PORT', 'LATCHKEY_HOTS', 'LATCHKEY_WORKERS']) assert.match(stderr, new RegExp(name));
    const checked = await runLatchkey(['config', 'check', '--json'], { env });
    assert.equal(checked.code, 1);
    const { ok, problems } = JSON.parse(checked.stdout) as { ok: boolean; problems: { name: string }[] };
    assert.equal(ok, false);
    assert.deepEqual(problems.map((one) => one.name).toSorted(), [
      'LATCHKEY_HOTS',
      'LATCHKEY_PORT',
      'LATCHKEY_WORKERS',
    ]);
    assert.equal(existsSync(dataDirOf(env)), false, 'nothing was touched');
  });

  it('names a port that is taken, and lets go of the folder', async () => {
    const env = await usedInstallation();
    const server = await startLatchkey({ ...env, LATCHKEY_DATA_DIR: join(temporaryFolder(), 'other') });
    assert.match(await refusal(env), /(?:^|\n)latchkey: Port \d+ on 127\.0\.0\.1 is taken by another process\..*\n$/);
    await server.stop();
    const free = await startLatchkey(env);
    assert.equal((await free.stop()).code, 0);
  });

  it('says in one line that PostgreSQL or Redis cannot be reached, without their passwords', async () => {
    const port = await freePort();
    const env = await usedInstallation();
    const away = {
      ...env,
      LATCHKEY_DATABASE_URL: `postgres://latchkey:hunter2secret@127.0.0.1:${port}/latchkey`,
      LATCHKEY_SECRET: 'q7Wv0mYt3xZr9uKpL2sNbF8hJd5gTc1E',
    };
    for (const stderr of [
      await refusal(away),
      await refusal(away, ['account', 'list']),
      await refusal({ ...env, LATCHKEY_REDIS_URL: `redis://:hunter2secret@127.0.0.1:${port}` }),
    ]) {
      const lines = stderr
        .trimEnd()
        .split('\n')
        .filter((text) => !text.startsWith('{'));
      assert.equal(lines.length, 1, stderr);
      assert.match(lines[0] ?? '', /^latchkey: The (database cannot be reached|session storage is not available)/);
      assert.doesNotMatch(stderr, /hunter2secret/);
    }
  });

  it('refuses a folder whose secret is another one, and says so', async () => {
    const env = await usedInstallation();
    await runForJson(['keys', 'list'], { env });
    writeFileSync(join(dataDirOf(env), 'secret'), 'q7Wv0mYt3xZr9uKpL2sNbF8hJd5gTc1EaXoIzVbCnM4');
    assert.match(await refusal(env), /sealed with another LATCHKEY_SECRET/);
  });

  it('says in one line that its folder cannot be used', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    for (const argv of [['serve'], ['account', 'list']]) {
      const stderr = await refusal({ LATCHKEY_DATA_DIR: join(file, 'data') }, argv);
      assert.match(stderr, /^latchkey: The data folder \S+ cannot be used\. \(ENOTDIR.*\)\n$/);
    }
  });
});

describe('the settings on the command line', () => {
  it('are shown with their source and without their secrets', async () => {
    const file = join(temporaryFolder(), 'secret');
    writeFileSync(file, 'q7Wv0mYt3xZr9uKpL2sNbF8hJd5gTc1E\n');
    const env = {
      LATCHKEY_PORT: '4321',
      LATCHKEY_SECRET_FILE: file,
      LATCHKEY_REDIS_URL: 'redis://:hunter2secret@127.0.0.1',
    };
    const { settings } = await runForJson<{ settings: { name: string; value: string; source: string }[] }>(
      ['config', 'print'],
      { env },
    );
    const of = (name: string) => settings.find((one) => one.name === name);
    assert.deepEqual(of('LATCHKEY_PORT'), { name: 'LATCHKEY_PORT', value: '4321', source: 'environment' });
    assert.deepEqual(of('LATCHKEY_ISSUER')?.value, 'http://localhost:4321');
    assert.equal(of('LATCHKEY_SECRET')?.source, 'file');
    const people = await runLatchkey(['config', 'print'], { env });
    assert.match(people.stdout, /^LATCHKEY_PORT +4321 +environment$/m);
    for (const text of [people.stdout, JSON.stringify(settings)]) {
      assert.doesNotMatch(text, /hunter2secret|q7Wv0mYt/);
    }
    assert.deepEqual(await runForJson(['config', 'check'], { env }), { ok: true, problems: [] });
  });
});
