// The commands about keys and the master secret on the embedded database, which one process has to itself: while a server has it, the command runs
// inside of it and its keys are followed at once; the generated secret is changed as the operator's guide says.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { randomToken } from '../../../src/crypto/random.ts';
import {
  type Environment,
  type RunningProcess,
  runForJson,
  runLatchkey,
  startLatchkey,
  temporaryFolder,
} from '../../support/process.ts';

interface Keys {
  readonly keys: readonly { readonly kid: string; readonly state: string }[];
}

async function publishedBy({ port }: RunningProcess): Promise<readonly string[]> {
  const { keys } = (await (await fetch(`http://127.0.0.1:${port}/jwks`)).json()) as Keys;
  return keys.map((key) => key.kid).toSorted();
}

function kids({ keys }: Keys): readonly string[] {
  return keys.map((key) => key.kid).toSorted();
}

describe('keys on the embedded database', () => {
  let server: RunningProcess | undefined;
  after(() => server?.kill());

  it('are rotated inside of the server that has it, and are published when the command is done', async () => {
    const folder = join(temporaryFolder(), 'data');
    const env: Environment = { LATCHKEY_DATA_DIR: folder };
    server = await startLatchkey(env);
    const commandEnv = server.env;
    const before = await publishedBy(server);
    const rotated = await runForJson<Keys>(['keys', 'rotate'], { env: commandEnv });
    assert.equal(rotated.keys.length, 2 * before.length);
    assert.deepEqual(await publishedBy(server), kids(rotated));
    const refused = await runLatchkey(['keys', 'retire', '--force', '--', before[0] ?? ''], { env: commandEnv });
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^latchkey: This key signs\. .*\n$/);
    assert.equal((await server.stop()).code, 0);

    // Nobody runs: the same commands, and a new secret beside the old one.
    assert.deepEqual(kids(await runForJson<Keys>(['keys', 'list'], { env: commandEnv })), kids(rotated));
    const [generated, next] = [join(folder, 'secret'), join(folder, 'secret.new')];
    writeFileSync(next, `${randomToken()}\n`, { mode: 0o600 });
    const rotating = { ...commandEnv, LATCHKEY_SECRET_FILE: next, LATCHKEY_SECRET_PREVIOUS_FILE: generated };
    server = await startLatchkey(rotating);
    assert.deepEqual(await publishedBy(server), kids(rotated));
    const { stores } = await runForJson<{ stores: { store: string; resealed: number; unreadable: number }[] }>(
      ['keys', 'reseal'],
      { env: rotating },
    );
    assert.equal(stores.find((one) => one.store === 'signing_key')?.resealed, rotated.keys.length);
    for (const one of stores) assert.equal(one.unreadable, 0, JSON.stringify(one));
    assert.equal((await server.stop()).code, 0);

    renameSync(next, generated);
    server = await startLatchkey(commandEnv);
    assert.deepEqual(await publishedBy(server), kids(rotated));
    assert.equal((await server.stop()).code, 0);
  });
});
