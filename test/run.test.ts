// The runner of `npm test` itself, on folders made for it: what it counts, says and exits with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { packagesMissing } from './support/foreign-program.ts';

const RUNNER = join(import.meta.dirname, 'run.ts');
const folders: string[] = [];

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-run-'));
  folders.push(folder);
  const imports = `import { describe, it, before } from 'node:test';\n`;
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), imports + text);
  return folder;
}

function runTests(paths: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const { NODE_TEST_CONTEXT: _, TEST_SKIPS: __, ...env } = process.env;
  const result = spawnSync(process.execPath, [RUNNER, ...paths], { env: { ...env, ...settings }, encoding: 'utf8' });
  return {
    code: result.status,
    output: result.stdout,
    lastLine: result.stdout.trimEnd().split('\n').at(-1),
    errors: result.stderr,
  };
}

const PASSES = `it('passes', () => {});`;

describe('the test runner', () => {
  it('counts what passed and exits with 0', () => {
    const folder = folderWith({ 'a.test.ts': `${PASSES} describe('more', () => { it('passes too', () => {}); });` });
    const { code, lastLine } = runTests([folder]);
    assert.equal(lastLine, '2 passed, 0 failed, 0 skipped');
    assert.equal(code, 0);
  });

  it('runs only the files it is given', () => {
    const folder = folderWith({ 'a.test.ts': PASSES, 'b.test.ts': `it('fails', () => { throw new Error('b'); });` });
    assert.equal(runTests([join(folder, 'a.test.ts')]).code, 0);
    assert.equal(runTests([folder]).lastLine, '1 passed, 1 failed, 0 skipped');
  });

  it('names a failed case with everything above it, and shows why and what was printed', () => {
    const text = `describe('outer', () => { it('inner', () => { console.log('a hint'); throw new Error('the reason'); }); });`;
    const { code, output, lastLine } = runTests([folderWith({ 'a.test.ts': text })]);
    assert.match(output, /outer › inner/);
    assert.match(output, /the reason/);
    assert.match(output, /a hint/);
    assert.equal(lastLine, '0 passed, 1 failed, 0 skipped');
    assert.equal(code, 1);
  });

  it('lists what was skipped under its reason, cases and whole suites', () => {
    const text = `${PASSES} it('one', { skip: 'no server' }, () => {}); it('two', (t) => t.skip('no server'));
      describe('all', { skip: 'no browser' }, () => { it('three', () => {}); });
      it('four', { todo: 'next month' }, () => { throw new Error('not yet'); });`;
    const { code, output, lastLine } = runTests([folderWith({ 'a.test.ts': text })]);
    assert.match(output, /no server\n.*: one\n.*: two\n/);
    assert.match(output, /no browser\n.*: all\n/);
    assert.match(output, /to do: next month\n.*: four\n/);
    assert.equal(lastLine, '1 passed, 0 failed, 4 skipped');
    assert.equal(code, 0);
  });

  it('fails for a skipped case where nothing may be skipped', () => {
    const folder = folderWith({ 'a.test.ts': `${PASSES} it('one', { skip: 'no server' }, () => {});` });
    const { code, lastLine } = runTests([folder], { TEST_SKIPS: 'refuse' });
    assert.equal(lastLine, '1 passed, 0 failed, 1 skipped');
    assert.equal(code, 1);
  });

  it("forgives there that a client of Debian's is missing, where none can be had, and nothing else", () => {
    const reason = packagesMissing('latchkey-no-such-package') ?? '';
    const skipped = `it('one', { skip: ${JSON.stringify(reason)} }, () => {});`;
    const settings = { TEST_SKIPS: 'refuse', TEST_DEBIAN: 'absent' };
    const folder = folderWith({ 'a.test.ts': `${PASSES} ${skipped}` });
    assert.equal(runTests([folder], { TEST_SKIPS: 'refuse', TEST_DEBIAN: '' }).code, 1);
    const { code, output } = runTests([folder], settings);
    assert.equal(code, 0);
    assert.match(output, /latchkey-no-such-package\n.*: one\n/);
    const other = folderWith({ 'a.test.ts': `${PASSES} ${skipped} it('two', { skip: 'no server' }, () => {});` });
    assert.equal(runTests([other], settings).code, 1);
  });

  const failing: Readonly<Record<string, string>> = {
    'a hook that fails': `describe('suite', () => { before(() => { throw new Error('hook'); }); it('one', () => {}); });`,
    'a file that cannot be loaded': `throw new Error('load');`,
    'a file without a test': 'export {};',
    'an exit in the middle': `it('one', () => { process.exit(0); }); it('two', () => {});`,
    'an exit code that was set': `it('one', () => { process.exitCode = 4; });`,
    'an error after the last case': `it('one', () => { setTimeout(() => { throw new Error('late'); }, 20); });`,
    'a rejection after the last case': `it('one', () => { setTimeout(() => Promise.reject(new Error('late')), 20); });`,
    'a process that is killed': `it('one', () => { process.kill(process.pid, 'SIGKILL'); });`,
  };
  for (const [why, text] of Object.entries(failing)) {
    it(`fails for ${why}`, () => {
      const { code, lastLine } = runTests([folderWith({ 'a.test.ts': text, 'b.test.ts': PASSES })]);
      assert.match(lastLine ?? '', /^[12] passed, [1-9]\d* failed, 0 skipped$/);
      assert.equal(code, 1);
    });
  }

  it('fails when no test ran, because all were skipped', () => {
    const { code, output } = runTests([folderWith({ 'a.test.ts': `it('one', { skip: 'no server' }, () => {});` })]);
    assert.match(output, /No test ran/);
    assert.equal(code, 1);
  });

  it('fails for a path that does not exist, and for a folder without tests', () => {
    assert.equal(runTests([join(tmpdir(), 'latchkey-nothing-here')]).code, 2);
    assert.match(runTests([folderWith({})]).errors, /no test file/);
  });

  it('keeps the settings of the shell away from the tests', () => {
    const folder = folderWith({
      'a.test.ts': `it('sees none', () => { if (process.env.LATCHKEY_PORT) throw new Error('seen'); });`,
    });
    assert.equal(runTests([folder], { LATCHKEY_PORT: '1' }).code, 0);
  });
});
