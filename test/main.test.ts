import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');

it('an older Node is told what is needed, in one sentence, and does nothing', async () => {
  const older = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '22.20.0' } })`;
  const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, ['--import', older, MAIN, '--version'], (error, out, err) => {
      resolve({ code: error?.code ?? 0, stdout: out, stderr: err });
    });
  });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^latchkey: this is Node 22\.20\.0, and Latchkey needs Node 24 or later\..*npm start.*\n$/);
});
