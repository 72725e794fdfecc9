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

interface Listed {
  readonly keys: readonly { readonly kid: string; readonly algorithm: string; readonly state: string }[];
}

/** Instead of waiting: every moment of the keys was so many seconds earlier. */
async function pass(seconds: number): Promise<void> {
  const moments = ['created_at', 'active_at', 'replaced_at', 'retire_at'];
  const earlier = moments.map((one) => `${one} = ${one} - make_interval(secs => ${seconds})`).join(', ');
  await line.app.database.sql.query({ name: '', text: `update signing_key set ${earlier}` });
}

async function kidsIn(state: string): Promise<readonly string[]> {
  const { keys } = await line.json<Listed>(['keys', 'list']);
  return keys.filter((key) => key.state === state).map((key) => key.kid);
}

describe('keys rotate and retire', () => {
  let line2: CommandLine;
  before(async () => {
    line2 = line;
    line = await openCommandLine();
  });
  after(async () => {
    await line.close();
    line = line2;
  });

  it('publish the next keys before they sign, once, and say when', async () => {
    const before = await kidsIn('signing');
    const { exitCode, stdout } = await line.run(['keys', 'rotate']);
    assert.equal(exitCode, 0);
    assert.match(
      stdout,
      /^The next keys are published\. They sign from \S+ on\. Those that sign now stay published until \S+\.$/m,
    );
    assert.deepEqual(await kidsIn('signing'), before);
    assert.equal((await kidsIn('next')).length, 3);
    const again = await line.run(['keys', 'rotate']);
    assert.deepEqual([again.exitCode, again.stdout], [1, '']);
    assert.equal(again.stderr, 'latchkey: The next keys are published already and not yet in use.\n');
  });

  it('never take away a key that signs, or the only one of its algorithm, not even by force', async () => {
    for (const kid of [...(await kidsIn('signing')), ...(await kidsIn('next'))]) {
      const refused = await line.run(['keys', 'retire', '--force', '--json', '--', kid]);
      assert.equal(refused.exitCode, 1);
      assert.equal((JSON.parse(refused.stdout) as { error: string }).error, 'key-in-use');
    }
  });

  it('take away a key whose tokens may live only by force, and say what that means', async () => {
    await pass(line.app.keyTimes.ahead + 1);
    const [kid = ''] = await kidsIn('published');
    const refused = await line.run(['keys', 'retire', '--', kid]);
    assert.equal(refused.exitCode, 1);
    assert.match(
      refused.stderr,
      /^latchkey: Tokens that this key signed may live until \S+, when it goes by itself; --force ends them now\.\n$/,
    );
    assert.equal((await kidsIn('published')).length, 3);
    const done = await line.run(['keys', 'retire', '--force', '--', kid]);
    assert.equal(done.exitCode, 0, done.stderr);
    assert.match(done.stdout, /is no longer published\. Tokens that it signed are not believed any more\./);
    assert.equal((await kidsIn('published')).length, 2);
    assert.deepEqual(await kidsIn('retired'), [kid]);
  });

  it('leave each change and each refusal in the audit trail', async () => {
    const { rows } = await line.app.database.sql.query<{ line: string }>({
      name: '',
      text: `select distinct concat_ws(' ', actor_kind, action, result, reason) as line from audit_event
        where action like 'key.%' order by line`,
    });
    assert.deepEqual(
      rows.map((row) => row.line),
      [
        'cli key.retire failure key-in-use',
        'cli key.retire failure key-tokens-live',
        'cli key.retire success',
        'cli key.rotate failure rotation-under-way',
        'cli key.rotate success',
      ],
    );
  });

  it('need the name of a key', async () => {
    assert.equal((await line.run(['keys', 'retire'])).exitCode, 2);
    assert.match((await line.run(['keys', 'retire', 'nosuch'])).stderr, /There is no such key/);
  });
});

describe('keys reseal', () => {
  it('says that nothing is to be done where there was one secret only', async () => {
    const { exitCode, stdout } = await line.run(['keys', 'reseal']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^Nothing was sealed with an older secret\.$/m);
    assert.doesNotMatch(stdout, /PREVIOUS/);
    assert.ok((await line.audit()).includes('cli secret.reseal all'));
  });

  it('moves everything to the present secret, says what cannot be moved, and the old one can go', async () => {
    const [old, next] = ['q7Wv0mYt3xZr9uKpL2sNbF8hJd5gTc1E', 'KpL2sNbF8hJd5gTc1Eq7Wv0mYt3xZr9u'];
    const folder = await openCommandLine({ LATCHKEY_SECRET: old });
    try {
      await folder.json(['keys', 'list']);
      const url = folder.app.loaded.secrets.databaseUrl;
      const env = {
        LATCHKEY_DATA_DIR: folder.app.loaded.settings.dataDir,
        ...(url ? { LATCHKEY_DATABASE_URL: url } : {}),
      };
      if (!url) await folder.app.close();
      const rotating = await openCommandLine({ ...env, LATCHKEY_SECRET: next, LATCHKEY_SECRET_PREVIOUS: old });
      const { stores, expiring } = await rotating.json<{
        stores: { store: string; resealed: number; unreadable: number }[];
        expiring: { seconds: number }[];
      }>(['keys', 'reseal']);
      assert.deepEqual(
        stores.filter((one) => one.resealed + one.unreadable > 0),
        [
          { store: 'signing_key', resealed: 3, unreadable: 0 },
          { store: 'sealed_secret', resealed: 2, unreadable: 0 },
        ],
      );
      assert.ok(expiring.length > 0);
      assert.match((await rotating.run(['keys', 'reseal'])).stdout, /LATCHKEY_SECRET_PREVIOUS can go/);
      await rotating.close();
      const moved = await openCommandLine({ ...env, LATCHKEY_SECRET: next });
      assert.equal((await moved.app.keys.listSigningKeys()).length, 3);
      await moved.close();
    } finally {
      await folder.close();
    }
  });
});
