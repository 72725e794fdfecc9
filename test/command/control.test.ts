import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type Control, findServer, openControl, runInServer } from '../../src/command/control.ts';
import { randomToken } from '../../src/crypto/random.ts';
import { Seal } from '../../src/crypto/seal.ts';
import { createLog } from '../../src/log.ts';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';
import { temporaryFolder } from '../support/process.ts';

const PASSWORD = 'correct horse battery staple';
const root = temporaryFolder();

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

function newFolder(): string {
  return mkdtempSync(join(root, 'data-'));
}

interface Address {
  readonly port: number;
  readonly token: string;
}

function addressIn(folder: string): Address {
  return JSON.parse(readFileSync(join(folder, 'control.json'), 'utf8')) as Address;
}

function sealed(token: string, content: unknown): Buffer {
  return new Seal(token).seal('control request', JSON.stringify(content));
}

async function send(port: number, body: Buffer | string): Promise<number> {
  const { status } = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
  });
  return status;
}

describe('the control endpoint', () => {
  let folder: string;
  let control: Control;
  let logged: string;
  beforeEach(async () => {
    folder = newFolder();
    logged = '';
    const log = createLog('trace', { write: (text: string) => void (logged += text) });
    control = await openControl(folder, line.app, log);
  });
  afterEach(() => control.close());

  it('runs a command on the server’s own application and hands back what it prints', async () => {
    const made = await runInServer(
      folder,
      ['account', 'create', '--username', 'by_control', '--password-stdin', '--json'],
      PASSWORD,
    );
    assert.equal(made?.exitCode, 0);
    assert.equal(made.stderr, '');
    const { id } = JSON.parse(made.stdout) as { id: string };
    assert.equal(await line.app.passwords.verify(id, PASSWORD), true);
    assert.doesNotMatch(logged, new RegExp(PASSWORD));
  });

  it('hands back failures and wrong usage with their exit codes', async () => {
    const failed = await runInServer(folder, ['account', 'show', 'nobody'], '');
    assert.deepEqual(failed, { exitCode: 1, stdout: '', stderr: 'latchkey: There is no such account.\n' });
    assert.equal((await runInServer(folder, ['account', 'frobnicate'], ''))?.exitCode, 2);
  });

  it('says which process it is', async () => {
    assert.equal(await findServer(folder), process.pid);
  });

  it('answers many that come at once, each with its own answer', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `parallel_${index}`);
    const answers = await Promise.all(
      names.map((name) => runInServer(folder, ['account', 'create', '--username', name, '--json'], '')),
    );
    assert.deepEqual(
      answers.map((one) => JSON.parse(one?.stdout ?? '{}').username),
      names,
    );
  });

  it('tells its address to the owner of the folder only, and takes it back at the end', async () => {
    assert.equal(statSync(join(folder, 'control.json')).mode & 0o777, 0o600);
    await control.close();
    assert.equal(existsSync(join(folder, 'control.json')), false);
    assert.equal(await runInServer(folder, ['keys', 'list'], ''), null);
  });

  it('does nothing for who does not know the token', async () => {
    const { port, token } = addressIn(folder);
    const ask = { ask: 'run', argv: ['account', 'create', '--username', 'intruder'], input: '' };
    for (const body of [
      sealed(randomToken(), ask),
      JSON.stringify(ask),
      JSON.stringify({ ...ask, token }),
      '',
      Buffer.concat([sealed(token, ask), Buffer.from([0])]),
      new Seal(token).seal('control answer', JSON.stringify(ask)),
    ]) {
      assert.equal(await send(port, body), 403);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 403);
    assert.equal((await line.run(['account', 'show', 'intruder'])).exitCode, 1);
  });

  it('refuses what is too large without reading it to its end', async () => {
    const { port } = addressIn(folder);
    assert.equal(await send(port, Buffer.alloc(3 * 1024 * 1024)), 413);
  });

  it('runs nothing but commands on storage', async () => {
    await assert.rejects(runInServer(folder, ['serve'], ''), { code: 'control-refused' });
    await assert.rejects(runInServer(folder, ['config', 'print'], ''), { code: 'control-refused' });
    const { port, token } = addressIn(folder);
    assert.equal(await send(port, sealed(token, { ask: 'eval', argv: [], input: '' })), 400);
    assert.equal(await send(port, sealed(token, { ask: 'run', argv: 'keys list', input: '' })), 400);
  });
});

describe('without a server that answers', () => {
  it('there is no answer, and nothing was done', async () => {
    const folder = newFolder();
    assert.equal(await runInServer(folder, ['keys', 'list'], ''), null);
    assert.equal(await findServer(folder), null);
  });

  it('an address that is damaged or of a dead server counts as none', async () => {
    const folder = newFolder();
    const control = await openControl(folder, line.app, createLog('silent'));
    const stale = readFileSync(join(folder, 'control.json'), 'utf8');
    await control.close();
    for (const text of [stale, '', '{}', stale.slice(0, 20)]) {
      writeFileSync(join(folder, 'control.json'), text);
      assert.equal(await runInServer(folder, ['keys', 'list'], ''), null);
    }
  });

  it('a program that took the port of a dead server learns nothing and is not believed', async () => {
    const folder = newFolder();
    let received = Buffer.alloc(0);
    const impostor = createServer((req, res) => {
      req.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
      });
      req.on('end', () => res.end(JSON.stringify({ exitCode: 0, stdout: 'done', stderr: '' })));
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const { port } = impostor.address() as AddressInfo;
    const token = randomToken();
    writeFileSync(join(folder, 'control.json'), JSON.stringify({ port, token, pid: 1 }));
    const argv = ['account', 'set-password', 'ann@example.com', '--password-stdin'];
    assert.equal(await runInServer(folder, argv, PASSWORD), null);
    assert.ok(received.length > 0);
    for (const secret of [PASSWORD, token, 'ann@example.com']) assert.equal(received.includes(secret), false);
    impostor.close();
  });

  it('a server that goes away with the command in its hands is told as such, because it may have done it', async () => {
    const folder = newFolder();
    const dying = createServer((req) => req.socket.destroy());
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve));
    const { port } = dying.address() as AddressInfo;
    writeFileSync(join(folder, 'control.json'), JSON.stringify({ port, token: randomToken(), pid: 1 }));
    await assert.rejects(runInServer(folder, ['keys', 'list'], ''), { code: 'server-gone' });
    dying.close();
  });
});
