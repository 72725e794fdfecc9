import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly email: string;
  readonly roles: readonly string[];
}

describe('invitation', () => {
  it('is created, listed, revoked and not sent again, and its link is printed nowhere', async () => {
    const made = await line.json<Shown>(['invitation', 'create', '--email', 'Eve@Example.com', '--role', 'viewer']);
    assert.equal(made.state, 'open');
    assert.equal(made.email, 'Eve@example.com');
    assert.deepEqual(made.roles, ['viewer']);
    assert.ok(!JSON.stringify(made).includes('token'));
    const { invitations } = await line.json<{ invitations: Shown[] }>(['invitation', 'list']);
    assert.deepEqual(
      invitations.map(({ id }) => id),
      [made.id],
    );
    const early = await line.run(['invitation', 'resend', made.id]);
    assert.equal(early.exitCode, 1);
    assert.equal((await line.json<Shown>(['invitation', 'revoke', made.id])).state, 'revoked');
    assert.equal((await line.run(['invitation', 'revoke', made.id])).exitCode, 1);
    assert.equal((await line.run(['invitation', 'resend', made.id])).exitCode, 1);
    const audit = await line.audit();
    for (const action of ['invitation.create', 'invitation.revoke']) {
      assert.ok(
        audit.some((entry) => entry.startsWith(`cli ${action}`)),
        action,
      );
    }
  });

  it('is refused for what is no address, for an address with an account, and for roles that do not exist', async () => {
    await line.json(['account', 'create', '--email', 'taken@example.com']);
    for (const argv of [
      ['--email', 'nonsense'],
      ['--email', 'TAKEN@example.com'],
      ['--email', 'new@example.com', '--role', 'emperor'],
    ]) {
      const { exitCode, stderr } = await line.run(['invitation', 'create', ...argv]);
      assert.equal(exitCode, 1, stderr);
    }
    assert.equal((await line.run(['invitation', 'create'])).exitCode, 2);
    assert.equal((await line.run(['invitation', 'revoke', 'nonsense'])).exitCode, 1);
  });
});
