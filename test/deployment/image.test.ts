// The image without an engine: the Dockerfile is read, and what it copies, installs, starts and asks is done by hand in a folder.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder, until, watch } from '../support/process.ts';
import { execForm, followBuild, instructions, isSent } from './dockerfile.ts';

const ROOT = join(import.meta.dirname, '../..');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
const dockerignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8');
const steps = instructions(dockerfile);
const textsOf = (name: string) => steps.filter((one) => one.name === name).map(({ text }) => text);
const textOf = (name: string) => {
  const [text = '', ...more] = textsOf(name);
  assert.deepEqual(more, [], `${name} stands there more than once`);
  return text;
};

/** What an engine would put into the environment, with the folders of the image in a folder of this test. */
const folder = temporaryFolder();
const app = join(folder, 'app');
const env: Record<string, string | undefined> = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
for (const [, name = '', value = ''] of textsOf('ENV')
  .join(' ')
  .matchAll(/(\w+)=(\S+)/g)) {
  env[name] = value.startsWith('/') ? join(folder, value) : value;
}
const missing = await followBuild({ dockerfile, dockerignore, root: ROOT, folder: app });

describe('the Dockerfile', () => {
  it('builds on Node 24 and installs no tools', () => {
    assert.match(textOf('FROM'), /^node:24-/);
    for (const text of textsOf('RUN')) assert.doesNotMatch(text, /apt-get|apk |curl|wget/);
  });

  it('ends as an account that is not root, after everything that needs root', () => {
    assert.equal(textOf('USER'), 'node');
    const afterwards = steps.slice(steps.findIndex(({ name }) => name === 'USER'));
    for (const { name, text } of afterwards) assert.ok(name !== 'COPY' && !/chown|npm ci/.test(text), text);
  });

  it('installs without development packages, and leaves its scripts to package.json', () => {
    assert.match(textsOf('RUN').join('\n'), /npm ci --omit=dev(?! --ignore-scripts)/);
  });

  it('keeps what is written in folders of that account', () => {
    assert.equal(textOf('VOLUME'), '/var/lib/latchkey');
    assert.match(textsOf('RUN').join('\n'), /chown node:node \/var\/lib\/latchkey \/var\/cache\/latchkey/);
    assert.match(textsOf('ENV').join('\n'), /LATCHKEY_DATA_DIR=\/var\/lib\/latchkey\b/);
    assert.match(textsOf('ENV').join('\n'), /NODE_COMPILE_CACHE=\/var\/cache\/latchkey\b/);
  });

  it('opens the port of people alone: probes and metrics stay inside', () => {
    assert.equal(textOf('EXPOSE'), '3000');
  });
});

describe('the .dockerignore', () => {
  it('keeps everything out that is not needed, secrets and data first', () => {
    for (const path of [
      '.env',
      'secrets/database_url',
      'data/secret',
      'config/latchkey.yaml',
      '.git/config',
      'test/run.ts',
    ]) {
      assert.equal(isSent(dockerignore, path), false, path);
    }
    for (const path of ['src/main.ts', 'views/pages/login.ejs', 'package-lock.json', '.npmrc', 'config/settings.ts']) {
      assert.equal(isSent(dockerignore, path), true, path);
    }
  });
});

describe('what the Dockerfile makes', { skip: missing ?? false }, () => {
  it('holds the product and what it runs on, and nothing of development', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    const tools = ['typescript', 'knip', 'oxlint', 'playwright-core', 'node'];
    for (const tool of tools) {
      assert.ok(tool in devDependencies);
      assert.equal(existsSync(join(app, 'node_modules', tool)), false, tool);
    }
    assert.deepEqual(globSync('*', { cwd: app }).toSorted(), [
      ...['LICENSE', 'config', 'migrations', 'node_modules', 'package-lock.json', 'package.json', 'src', 'views'],
    ]);
    assert.deepEqual(globSync('{config,migrations,src,views}/**/*.md', { cwd: app }), []);
  });

  it('fills its compile cache with its own command', async () => {
    const text = textsOf('RUN').find((one) => one.startsWith('node ')) ?? '';
    const [, code = ''] = /^node --input-type=module -e "(.*)"$/.exec(text) ?? [];
    assert.ok(code.includes('/opt/latchkey/'), text);
    const args = ['--input-type=module', '-e', code.replaceAll('/opt/latchkey', app)];
    const { finished } = watch(spawn(process.execPath, args, { cwd: app, env, stdio: 'pipe' }));
    assert.equal((await finished).code, 0);
    assert.ok(globSync('**', { cwd: env['NODE_COMPILE_CACHE'] ?? '' }).length > 100);
  });

  it('starts, says that it is healthy through its own command, and stops', async () => {
    const ports = { LATCHKEY_PORT: String(await freePort()), LATCHKEY_INTERNAL_PORT: String(await freePort()) };
    const start = (argv: readonly string[]) => {
      const [program, ...args] = argv;
      assert.equal(program, 'node');
      return watch(spawn(process.execPath, args, { cwd: app, env: { ...env, ...ports }, stdio: 'pipe' }));
    };
    const ask = async () => (await start(execForm(textOf('HEALTHCHECK'))).finished).code;

    const server = start([...execForm(textOf('ENTRYPOINT')), ...execForm(textOf('CMD'))]);
    let isGone = false;
    void server.finished.then(() => {
      isGone = true;
    });
    await until(() => {
      assert.equal(isGone, false, `it ended: ${server.output.stderr}`);
      return / is ready: /.test(server.output.stdout);
    });
    assert.equal(await ask(), 0);
    server.child.kill('SIGTERM');
    assert.equal((await server.finished).code, 0);
    assert.equal(await ask(), 1);
    assert.ok(
      globSync('*', { cwd: env['LATCHKEY_DATA_DIR'] ?? '' }).length > 0,
      'nothing was written to the data folder',
    );
  });
});

describe('reading a Dockerfile', () => {
  it('joins lines, leaves comments out, and takes only the exec form', () => {
    const read = instructions('# a comment\nFROM a\nENV A=1 \\\n    B=2\nCMD ["x", "y"]\n');
    assert.deepEqual(read, [
      { name: 'FROM', text: 'a' },
      { name: 'ENV', text: 'A=1 B=2' },
      { name: 'CMD', text: '["x", "y"]' },
    ]);
    assert.deepEqual(execForm('--interval=1s CMD ["x", "y"]'), ['x', 'y']);
    assert.throws(() => execForm('x y'));
  });

  it('lets the last line of a .dockerignore decide', () => {
    assert.equal(isSent('*\n!src\nsrc/secret\n', 'src/a.ts'), true);
    assert.equal(isSent('*\n!src\nsrc/secret\n', 'src/secret'), false);
    assert.equal(isSent('*\n!src\n**/*.md\n', 'src/a/README.md'), false);
    assert.equal(isSent('*\n!src\n', 'other'), false);
  });
});
