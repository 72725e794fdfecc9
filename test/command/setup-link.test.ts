import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

let line: CommandLine;
before(async () => {
  line = await openCommandLine({ LATCHKEY_PORT: '4567' });
});
after(() => line.close());

describe('setup-link', () => {
  it('prints a fresh link of this issuer each time and leaves an event', async () => {
    const first = await line.json<{ url: string; expires_in: number }>(['setup-link']);
    assert.match(first.url, /^http:\/\/localhost:4567\/setup\/[\w-]{43}$/);
    assert.equal(first.expires_in, 3600);
    const { stdout } = await line.run(['setup-link']);
    assert.match(stdout, /^http:\/\/localhost:4567\/setup\/[\w-]{43}\n$/);
    assert.notEqual(stdout.trim(), first.url);
    assert.deepEqual(await line.audit(), ['cli setup.link', 'cli setup.link']);
  });

  it('is refused once there is an administrator', async () => {
    await line.run(['account', 'create', '--email', 'root@example.com', '--role', 'super-admin']);
    const { exitCode, stdout, stderr } = await line.run(['setup-link', '--json']);
    assert.equal(exitCode, 1);
    assert.equal(JSON.parse(stdout).error, 'already-set-up');
    assert.match(stderr, /administrator already/);
  });
});
