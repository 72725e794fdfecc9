import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

describe('keys list', () => {
  it('names every key with what it does now, and nothing secret', async () => {
    const { keys } = await line.json<{ keys: Record<string, unknown>[] }>(['keys', 'list']);
    assert.deepEqual(keys.map((key) => key['algorithm']).toSorted(), ['ES256', 'EdDSA', 'RS256']);
    for (const key of keys) {
      assert.deepEqual(Object.keys(key).toSorted(), ['activeAt', 'algorithm', 'createdAt', 'kid', 'retireAt', 'state']);
      assert.equal(key['state'], 'signing');
    }
    const { stdout } = await line.run(['keys', 'list']);
    for (const key of keys)
      assert.match(stdout, new RegExp(`^${String(key['kid'])}  ${String(key['algorithm'])} `, 'm'));
  });

  it('shows the next keys beside those that sign', async () => {
    await line.app.keys.rotate(line.app.keyTimes, { actor: { kind: 'cli' } });
    const { keys } = await line.json<{ keys: { state: string }[] }>(['keys', 'list']);
    assert.deepEqual(keys.map((key) => key.state).toSorted(), [
      'next',
      'next',
      'next',
      'signing',
      'signing',
      'signing',
    ]);
  });
});
