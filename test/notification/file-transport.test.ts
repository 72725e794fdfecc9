import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import PostalMime from 'postal-mime';
import { createLog } from '../../src/log.ts';
import { FileTransport } from '../../src/notification/file-transport.ts';
import { type OutgoingMail, SendError } from '../../src/notification/mail-transport.ts';

function mail(): OutgoingMail {
  return {
    id: randomUUID(),
    from: { name: 'Latchkey', address: 'no-reply@localhost' },
    to: 'ada@example.com',
    subject: 'Sign in: 493817',
    loggedSubject: 'Sign in',
    text: 'Your code: 493817\n',
    html: '<p>Your code: 493817</p>',
    locale: 'en',
    otp: { code: '493817', origin: 'http://localhost:3000' },
  };
}

describe('the file transport', () => {
  let dataDir = '';
  let lines: string[] = [];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'latchkey-mail-'));
    lines = [];
  });
  afterEach(() => rm(dataDir, { recursive: true }));
  const open = () => new FileTransport({ dataDir, log: createLog('info', { write: (line) => void lines.push(line) }) });

  it('writes a mail that a mail program can read, for the owner of the process alone', async () => {
    const transport = open();
    const name = await transport.send(mail());
    transport.close();
    const folder = join(dataDir, 'mail');
    assert.deepEqual(await readdir(folder), [name]);
    assert.match(name ?? '', /^\d{8}T\d{6}\.\d{3}Z-[\w-]{8}\.eml$/);
    const file = join(folder, name ?? '');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    const email = await PostalMime.parse(await readFile(file));
    assert.equal(email.subject, 'Sign in: 493817');
    assert.deepEqual(email.to, [{ address: 'ada@example.com', name: '' }]);
    assert.match(email.text ?? '', /493817/);
    assert.match(email.html ?? '', /493817/);
  });

  it('names file and subject in the log, and no code', async () => {
    await open().send(mail());
    const said = lines.join('');
    assert.match(said, /"subject":"Sign in"/);
    assert.match(said, /\.eml"/);
    assert.equal(said.includes('493817'), false);
  });

  it('gives each mail a file of its own', async () => {
    const transport = open();
    await Promise.all(Array.from({ length: 20 }, () => transport.send(mail())));
    assert.equal((await readdir(join(dataDir, 'mail'))).length, 20);
  });

  it('says so when the folder cannot be used', async () => {
    await writeFile(join(dataDir, 'mail'), 'in the way');
    await assert.rejects(
      open().send(mail()),
      (error: unknown) => error instanceof SendError && error.failure === 'unreachable' && error.code.startsWith('E'),
    );
    assert.deepEqual(lines, []);
  });
});
