import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

interface Listed {
  readonly events: readonly { readonly action: string; readonly actorKind: string; readonly targetId: string | null }[];
}

describe('audit', () => {
  it('lists what happened to an account, newest first', async () => {
    const { id } = await line.json<{ id: string }>(['account', 'create', '--email', 'ada@example.com']);
    await line.json(['account', 'create', '--email', 'bob@example.com']);
    await line.json(['account', 'disable', 'ada@example.com']);
    const { events } = await line.json<Listed>(['audit', 'list', '--account', 'ada@example.com']);
    assert.ok(events.some((event) => event.action === 'account.disable'));
    assert.ok(events.length >= 2);
    assert.ok(events.every((event) => event.targetId === id && event.actorKind === 'cli'));
    const text = await line.run(['audit', 'list', '--account', id, '--limit', '1']);
    assert.match(text.stdout, /^time \(UTC\) .*\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d +cli +account\.[a-z-]+ +account /);
  });

  it('exports CSV with a head and one line for each event, and JSON lines', async () => {
    const csv = (await line.run(['audit', 'export'])).stdout.trimEnd().split('\r\n');
    assert.match(csv[0] ?? '', /^at,actorKind,actorId,action,/);
    const lines = (await line.run(['audit', 'export', '--format', 'jsonl'])).stdout.trimEnd().split('\n');
    assert.equal(lines.length, csv.length - 1);
    for (const one of lines) assert.equal(typeof (JSON.parse(one) as { action: unknown }).action, 'string');
  });

  it('verifies the chain, and says which event was changed', async () => {
    const good = await line.run(['audit', 'verify']);
    assert.equal(good.exitCode, 0);
    assert.match(good.stdout, /^\d+ events, none changed or missing\. Head: \d+ [\w-]{43}$/m);
    await line.app.database.em().execute("update audit_event set reason = 'x' where seq = 2");
    const bad = await line.run(['audit', 'verify']);
    assert.equal(bad.exitCode, 1);
    assert.match(bad.stderr, /event 2 was changed/);
  });

  for (const argv of [
    ['list', '--limit', '0'],
    ['list', '--result', 'maybe'],
    ['list', '--from', 'yesterday'],
    ['export', '--format', 'xml'],
  ]) {
    it(`refuses ${argv.join(' ')} as wrong usage`, async () => {
      assert.equal((await line.run(['audit', ...argv])).exitCode, 2);
    });
  }
});
