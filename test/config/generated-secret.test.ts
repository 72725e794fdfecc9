import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ensureSecret } from '../../config/generated-secret.ts';
import { SettingsError } from '../../config/settings.ts';
import { findWeakness } from '../../config/weak-secret.ts';
import { folder, SECRET } from './loading.ts';

const run = promisify(execFile);
const moduleUrl = new URL('../../config/generated-secret.ts', import.meta.url).href;

function mode(path: string): number {
  return statSync(path).mode & 0o777;
}

test('the first call makes folder and secret for their owner only, later calls read it', (context) => {
  const dataDir = join(folder(context), 'deep/data');
  const secret = ensureSecret(dataDir);
  assert.equal(findWeakness(secret), undefined);
  assert.equal(mode(dataDir), 0o700);
  assert.equal(mode(join(dataDir, 'secret')), 0o600);
  assert.equal(readFileSync(join(dataDir, 'secret'), 'utf8'), secret);
  assert.equal(ensureSecret(dataDir), secret);
  assert.deepEqual(readdirSync(dataDir), ['secret']);
});

test('two folders have two secrets', (context) => {
  assert.notEqual(ensureSecret(join(folder(context), 'a')), ensureSecret(join(folder(context), 'b')));
});

test('processes that start together all get the one secret', async (context) => {
  const cwd = folder(context);
  // Each process says when it is ready and then waits for its standard input to end, so that all of them go together.
  const script = `
    const { ensureSecret } = await import(${JSON.stringify(moduleUrl)});
    process.stdout.write('ready ');
    process.stdin.resume().once('end', () => process.stdout.write(ensureSecret(process.argv[1])));`;
  for (let round = 0; round < 3; round += 1) {
    const dataDir = join(cwd, `data-${round}`);
    const running = Array.from({ length: 6 }, () =>
      run(process.execPath, ['--input-type=module', '-e', script, dataDir], { timeout: 60_000 }),
    );
    await Promise.all(running.map(({ child }) => new Promise((resolve) => child.stdout?.once('data', resolve))));
    for (const { child } of running) child.stdin?.end();
    const secrets = (await Promise.all(running)).map(({ stdout }) => stdout.replace('ready ', ''));
    assert.deepEqual(new Set(secrets), new Set([readFileSync(join(dataDir, 'secret'), 'utf8')]));
    assert.deepEqual(readdirSync(dataDir), ['secret']);
  }
});

test('a secret of our own that others could read is closed to them again', (context) => {
  const dataDir = join(folder(context), 'data');
  const secret = ensureSecret(dataDir);
  for (const open of [0o644, 0o640, 0o666]) {
    chmodSync(join(dataDir, 'secret'), open);
    assert.equal(ensureSecret(dataDir), secret);
    assert.equal(mode(join(dataDir, 'secret')), 0o600);
  }
});

test("somebody else's secret that everybody can read is refused", {
  skip: process.getuid?.() !== 0 && 'needs root to give a file away',
}, (context) => {
  const dataDir = join(folder(context), 'data');
  ensureSecret(dataDir);
  chmodSync(join(dataDir, 'secret'), 0o644);
  chownSync(join(dataDir, 'secret'), 12_345, 12_345);
  assert.throws(
    () => ensureSecret(dataDir),
    (error) => {
      assert.ok(error instanceof SettingsError);
      assert.match(
        error.message,
        /LATCHKEY_DATA_DIR.*can be read by everybody and belongs to another user \(uid 12345\)/s,
      );
      return true;
    },
  );
  assert.equal(mode(join(dataDir, 'secret')), 0o644);
});

test('a damaged secret is refused and never replaced', (context) => {
  const dataDir = join(folder(context), 'data');
  mkdirSync(dataDir);
  for (const content of ['', '\n', 'changeme', SECRET.slice(0, 20)]) {
    writeFileSync(join(dataDir, 'secret'), content, { mode: 0o600 });
    assert.throws(() => ensureSecret(dataDir), /LATCHKEY_DATA_DIR.*damaged/s);
    assert.equal(readFileSync(join(dataDir, 'secret'), 'utf8'), content);
  }
});

test('a folder that cannot be made is refused with its name and reason', (context) => {
  const cwd = folder(context, { file: 'x' });
  assert.throws(
    () => ensureSecret(join(cwd, 'file')),
    (error) => {
      assert.ok(error instanceof SettingsError);
      assert.match(error.message, /LATCHKEY_DATA_DIR .*cannot be used.*(EEXIST|ENOTDIR)/s);
      return true;
    },
  );
  assert.ok(existsSync(join(cwd, 'file')));
});
