// Every command of the README is run: here, in another test, or by .ci/run. A command that nobody runs is a command that stops working one day.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { createTestDatabase, postgresMissing, type TestDatabase } from '../support/postgres.ts';
import { temporaryFolder, until, watch } from '../support/process.ts';
import { type RedisServer, redisServerMissing, startRedisServer } from '../support/redis-cluster.ts';
import { codeBlocks, inlineCode } from './markdown.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const readme = read('README.md');
const blocks = codeBlocks(readme).filter(({ language }) => language === 'sh');
const block = (start: string): string => {
  const found = blocks.find(({ text }) => text.startsWith(start));
  assert.ok(found, `the README has no block that starts with "${start}"`);
  return found.text;
};
/** Blocks that a case below took from the README in order to run them. */
const used = new Set<string>();
const use = (start: string): string => {
  used.add(block(start));
  return block(start);
};
/** The same without the install, which .ci/run does before the tests. */
const withoutInstall = (command: string): readonly string[] => {
  assert.ok(command.startsWith('npm ci && npm '), command);
  return command.replace('npm ci && npm ', '').split(' ');
};

const START = 'npm ci && npm start';
const TEST = 'npm ci && npm test';
const DEMO = 'npm run demo';
const CLIENT = 'npm run latchkey -- client create';
const PRODUCTION = 'npm ci --omit=dev';

/** What a process needs to find programs, and nothing that this run was started with. */
const surroundings = {
  PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
  HOME: process.env['HOME'] ?? '',
};
const ports = async () => ({
  LATCHKEY_PORT: String(await freePort()),
  LATCHKEY_INTERNAL_PORT: String(await freePort()),
});

async function ready(started: ReturnType<typeof watch>): Promise<string> {
  let isGone = false;
  void started.finished.then(() => {
    isGone = true;
  });
  await until(() => {
    assert.equal(isGone, false, `it ended: ${started.output.stdout}${started.output.stderr}`);
    return / is ready: \S+\n/.test(started.output.stdout);
  }, 'the server to be ready');
  return started.output.stdout;
}

describe('the commands of the README', () => {
  it('stand in blocks, where they are found', () => {
    const inText = inlineCode(readme).filter((code) => /^(?:npm|npx|node|docker|bash|sh|git|curl|psql) /.test(code));
    assert.deepEqual(inText, []);
  });

  it('start with an install that .ci/run does, and that the image does without development packages', () => {
    assert.ok(read('.ci/run').includes("section 'npm ci' npm ci\n"));
    assert.ok(read('Dockerfile').includes(PRODUCTION));
  });
});

describe('npm start, and the command line beside it', () => {
  let server: ReturnType<typeof watch>;
  let env: Record<string, string>;
  let printed: string;

  before(async () => {
    env = { ...surroundings, ...(await ports()), LATCHKEY_DATA_DIR: join(temporaryFolder(), 'data') };
    // A group of its own, to be signalled as a terminal does it: npm and its shell may be gone before they hand a signal on.
    server = watch(spawn('npm', withoutInstall(use(START)), { cwd: ROOT, env, stdio: 'pipe', detached: true }));
    printed = await ready(server);
  });

  after(async () => {
    process.kill(-(server.child.pid ?? Number.NaN), 'SIGINT');
    await server.finished;
  });

  it('says where it is, and prints a link that opens the set-up of the first administrator', async () => {
    const issuer = `http://localhost:${env['LATCHKEY_PORT'] ?? ''}`;
    assert.ok(printed.includes(`is ready: ${issuer}\n`), printed);
    const [link = ''] = /http:\S+\/setup\/\S+/.exec(printed) ?? [];
    const page = await fetch(link);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /data-page="setup"/);
  });

  it('needs no settings and no service, and keeps its secret to the owner', () => {
    const settings = Object.keys(env).filter((name) => name.startsWith('LATCHKEY_'));
    assert.deepEqual(settings.toSorted(), ['LATCHKEY_DATA_DIR', 'LATCHKEY_INTERNAL_PORT', 'LATCHKEY_PORT']);
    assert.ok(existsSync(join(env['LATCHKEY_DATA_DIR'] ?? '', 'secret')));
  });

  it('registers the app of the README, with an example for openid-client', async () => {
    const command = watch(spawn('bash', ['-c', use(CLIENT)], { cwd: ROOT, env, stdio: 'pipe' }));
    const { code, stdout, stderr } = await command.finished;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /client_id +\S+\n/);
    assert.match(stdout, /client_secret +\S+\n/);
    assert.match(stdout, /oidc\.discovery\(/);
    assert.match(stdout, /http:\/\/localhost:8080\/callback/);
  });
});

describe('npm run demo', () => {
  it('starts a provider and an app beside it, and prints who can sign in', async () => {
    const [demoPort, own] = [String(await freePort()), await ports()];
    const env = { ...surroundings, ...own, DEMO_PORT: demoPort, LATCHKEY_DATA_DIR: join(temporaryFolder(), 'data') };
    const demo = watch(spawn('npm', use(DEMO).split(' ').slice(1), { cwd: ROOT, env, stdio: 'pipe', detached: true }));
    try {
      await until(() => demo.output.stdout.includes('The demo is ready'), 'the demo to be ready');
      assert.match(demo.output.stdout, /Sign in as +\S+@\S+\n +Password +\S+/);
      const app = await fetch(`http://127.0.0.1:${demoPort}/`);
      assert.match(await app.text(), /Sign in with Latchkey/);
    } finally {
      process.kill(-(demo.child.pid ?? Number.NaN), 'SIGINT');
      await demo.finished;
    }
  });
});

const missing = (await postgresMissing()) ?? redisServerMissing();

describe('the ten lines for production', { skip: missing ?? false }, () => {
  let database: TestDatabase;
  let redis: RedisServer;

  before(async () => {
    database = await createTestDatabase();
    redis = await startRedisServer(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  });

  after(async () => {
    await database.drop();
    await redis.stop();
  });

  it('are ten', () => {
    assert.equal(block(PRODUCTION).split('\n').length, 10);
  });

  it('start a provider on PostgreSQL and Redis with a secret of its own, and start it again with the same one', async () => {
    const lines = use(PRODUCTION).split('\n');
    // The install is followed in image.test.ts; addresses of the example become those of this machine.
    const script = lines
      .slice(1)
      .map((line) => line.replace(/^export LATCHKEY_DATABASE_URL=.*$/, `export LATCHKEY_DATABASE_URL=${database.url}`))
      .map((line) => line.replace(/^export LATCHKEY_REDIS_URL=.*$/, `export LATCHKEY_REDIS_URL=${redis.url}`))
      .map((line) => line.replace(/^(?=node )/, 'exec '))
      .join('\n');
    assert.ok(script.includes(database.url) && script.includes(redis.url));
    assert.match(script, /^exec node --max-semi-space-size=16 src\/main\.ts serve$/m);
    const folder = temporaryFolder();
    for (const name of ['src', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name));

    const secrets: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const env = { ...surroundings, ...(await ports()), LATCHKEY_STOP_DELAY: '0' };
      const server = watch(spawn('bash', ['-euc', script], { cwd: folder, env, stdio: 'pipe' }));
      assert.match(await ready(server), /is ready: https:\/\/id\.example\.com\n/);
      const answer = await fetch(`http://127.0.0.1:${env.LATCHKEY_PORT}/readyz`);
      assert.equal(answer.status, 200);
      server.child.kill('SIGTERM');
      assert.equal((await server.finished).code, 0);
      secrets.push(readFileSync(join(folder, 'latchkey.secret'), 'utf8'));
    }
    assert.equal(secrets[0], secrets[1]);
    assert.equal(Buffer.from(secrets[0] ?? '', 'base64').length, 32);
  });

  it('are the same in docs/deployment.md', () => {
    assert.ok(codeBlocks(read('docs/deployment.md')).some(({ text }) => text === block(PRODUCTION)));
  });
});

describe('every block of commands in the README', () => {
  it('was run by a case above, except the tests themselves, which .ci/run runs', () => {
    assert.ok(read('.ci/run').includes("section 'npm test' npm test\n"));
    assert.deepEqual(withoutInstall(use(TEST)), ['test']);
    if (missing !== undefined) use(PRODUCTION);
    assert.deepEqual(
      blocks.map(({ text }) => text).filter((text) => !used.has(text)),
      [],
    );
  });
});
