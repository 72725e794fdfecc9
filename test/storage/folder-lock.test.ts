import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { takeFolderLock } from '../../src/storage/folder-lock.ts';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'latchkey-lock-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A process that takes the lock, says so, and holds it until it is killed, without keeping a reference to it. */
async function holder(context: TestContext, dataDir: string): Promise<{ says: string; kill(): Promise<void> }> {
  const source = join(import.meta.dirname, '..', '..', 'src', 'storage', 'folder-lock.ts');
  const program = `
    import { takeFolderLock } from ${JSON.stringify(source)};
    console.log(takeFolderLock(${JSON.stringify(dataDir)}) === null ? 'refused' : 'held');
    setInterval(() => undefined, 1000);`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  const says = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.once('exit', () => reject(new Error('ended before it said anything')));
  });
  return {
    says,
    kill: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
}

describe('the lock on a data folder', () => {
  it('is held by one and refused to others until it is released', (context) => {
    const path = folder(context);
    const first = takeFolderLock(path);
    assert.notEqual(first, null);
    assert.equal(takeFolderLock(path), null);
    first?.release();
    const second = takeFolderLock(path);
    assert.notEqual(second, null);
    second?.release();
  });

  it('creates the folder for its owner alone', (context) => {
    const path = join(folder(context), 'deep', 'data');
    takeFolderLock(path)?.release();
    assert.equal(statSync(path).mode & 0o077, 0);
  });

  it('of two folders is two locks', (context) => {
    const [first, second] = [takeFolderLock(folder(context)), takeFolderLock(folder(context))];
    assert.notEqual(first, null);
    assert.notEqual(second, null);
    first?.release();
    second?.release();
  });

  it('holds between processes, and is free at once when its holder is killed', async (context) => {
    const path = folder(context);
    const first = await holder(context, path);
    assert.equal(first.says, 'held');
    assert.equal(takeFolderLock(path), null);
    const second = await holder(context, path);
    assert.equal(second.says, 'refused');
    await Promise.all([first.kill(), second.kill()]);
    const lock = takeFolderLock(path);
    assert.notEqual(lock, null);
    lock?.release();
  });

  it('says what is wrong when it is not somebody else who is in the way', (context) => {
    const path = folder(context);
    mkdirSync(join(path, 'latchkey.lock'));
    assert.throws(
      () => takeFolderLock(path),
      (error) => error instanceof AppError && error.code === 'data-folder' && error.message.includes(path),
    );
    const broken = folder(context);
    writeFileSync(join(broken, 'latchkey.lock'), 'this is no lock file of ours, and long enough to be looked at');
    assert.throws(
      () => takeFolderLock(broken),
      (error) => error instanceof AppError && error.code === 'data-folder',
    );
  });
});
