import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isClientSecret } from '../../src/client/clients.ts';
import { type CommandLine, openCommandLine } from '../support/command-line.ts';

const METADATA = { client_name: 'Shop', redirect_uris: ['https://shop.example.com/callback'] };

let line: CommandLine;
before(async () => {
  line = await openCommandLine();
});
after(() => line.close());

interface Created {
  readonly client_id: string;
  readonly client_secret?: string;
  readonly metadata: Record<string, unknown>;
  readonly snippet: string;
}

function create(metadata: object = METADATA): Promise<Created> {
  return line.json(['client', 'create', '--file', '-'], JSON.stringify(metadata));
}

async function isSecret(id: string, secret: string | undefined): Promise<boolean> {
  const { secretHashes } = await line.app.clients.get(id);
  return isClientSecret(id, secretHashes, secret ?? '');
}

describe('client create', () => {
  it('answers with the id, once the secret, and an example with both filled in', async () => {
    const made = await create();
    assert.deepEqual(made.metadata, { ...METADATA, client_id: made.client_id, id_token_signed_response_alg: 'ES256' });
    assert.match(made.client_id, /^[A-Za-z0-9_][\w-]{21}$/);
    assert.match(made.client_secret ?? '', /^[\w-]{43}$/);
    for (const part of [
      made.client_id,
      made.client_secret ?? '',
      METADATA.redirect_uris[0] ?? '',
      'http://localhost:3000',
    ]) {
      assert.ok(made.snippet.includes(JSON.stringify(part)), part);
    }
    assert.equal(await isSecret(made.client_id, made.client_secret), true);
    assert.ok((await line.audit()).includes(`cli client.create ${made.client_id}`));
    for (const argv of [
      ['client', 'show', made.client_id],
      ['client', 'list'],
    ]) {
      const outputs = [await line.run(argv), await line.run([...argv, '--json'])];
      for (const { stdout } of outputs) {
        assert.ok(stdout.includes(made.client_id));
        assert.ok(!stdout.includes(made.client_secret ?? ''));
        assert.doesNotMatch(stdout, /hash/i);
      }
    }
  });

  it('takes a client_id of the operator’s own, once', async () => {
    assert.equal((await create({ ...METADATA, client_id: 'shop' })).client_id, 'shop');
    const { exitCode, stdout } = await line.run(
      ['client', 'create', '--file', '-', '--json'],
      JSON.stringify({ ...METADATA, client_id: 'shop' }),
    );
    assert.equal(exitCode, 1);
    assert.equal(JSON.parse(stdout).error, 'client-id-taken');
  });

  it('gives a public client no secret', async () => {
    const made = await create({ ...METADATA, token_endpoint_auth_method: 'none' });
    assert.equal('client_secret' in made, false);
    assert.match(made.snippet, /oidc\.None\(\)/);
  });

  it('shows people the secret and says that it is the only time', async () => {
    const { stdout } = await line.run(['client', 'create', '--file', '-'], JSON.stringify(METADATA));
    assert.match(stdout, /^client_id {6}\S+\nclient_secret {2}[\w-]{43}\n\nThe secret is shown this once/);
    assert.match(stdout, /import \* as oidc from 'openid-client'/);
  });

  it('refuses what is not JSON, not known or not allowed, in one line that does not repeat it', async () => {
    for (const [input, code] of [
      ['{"client_secret": "s3cret', 'invalid-json'],
      ['', 'invalid-json'],
      ['[]', 'invalid-client-metadata'],
      [JSON.stringify({ ...METADATA, clientName: 'x' }), 'invalid-client-metadata'],
      [JSON.stringify({ ...METADATA, client_secret: 's3cret' }), 'invalid-client-metadata'],
      [JSON.stringify({ redirect_uris: ['not a uri'] }), 'invalid-client-metadata'],
      [JSON.stringify({ redirect_uris: ['https://a.example/#fragment'] }), 'invalid-client-metadata'],
      [
        JSON.stringify({ ...METADATA, token_endpoint_auth_method: 'none', latchkey_pkce_optional: true }),
        'invalid-client-metadata',
      ],
    ] as const) {
      const { exitCode, stdout, stderr } = await line.run(['client', 'create', '--file', '-', '--json'], input);
      assert.equal(exitCode, 1, input);
      assert.equal(JSON.parse(stdout).error, code, input);
      assert.equal(stderr.trimEnd().split('\n').length, 1);
      assert.doesNotMatch(stderr, /s3cret/);
    }
  });
});

describe('client update', () => {
  it('changes the members of the file, removes those that are null and leaves the others', async () => {
    const { client_id: id } = await create({ ...METADATA, client_uri: 'https://shop.example.com' });
    const changed = await line.json<Created>(
      ['client', 'update', id, '--file', '-'],
      JSON.stringify({ client_name: 'Store', client_uri: null }),
    );
    assert.equal(changed.metadata['client_name'], 'Store');
    assert.equal('client_uri' in changed.metadata, false);
    assert.deepEqual(changed.metadata['redirect_uris'], METADATA.redirect_uris);
    assert.deepEqual(await line.json(['client', 'show', id]), changed);
    assert.ok((await line.audit()).includes(`cli client.update ${id}`));
  });

  it('refuses a change of the client_id and metadata that the engine refuses', async () => {
    const { client_id: id } = await create();
    for (const change of [{ client_id: 'other' }, { redirect_uris: ['javascript:alert(1)'] }]) {
      assert.equal((await line.run(['client', 'update', id, '--file', '-'], JSON.stringify(change))).exitCode, 1);
    }
    assert.deepEqual((await line.app.clients.get(id)).metadata.redirect_uris, METADATA.redirect_uris);
  });
});

describe('client rotate-secret', () => {
  it('ends the old secret at once', async () => {
    const made = await create();
    const turned = await line.json<Created>(['client', 'rotate-secret', made.client_id]);
    assert.equal(await isSecret(made.client_id, turned.client_secret), true);
    assert.equal(await isSecret(made.client_id, made.client_secret), false);
    assert.ok((await line.audit()).includes(`cli client.rotate-secret ${made.client_id}`));
  });

  it('leaves the old secret for as long as it is told', async () => {
    const made = await create();
    const turned = await line.json<Created>(['client', 'rotate-secret', made.client_id, '--overlap', '3600']);
    assert.equal(await isSecret(made.client_id, turned.client_secret), true);
    assert.equal(await isSecret(made.client_id, made.client_secret), true);
  });

  it('is refused for a client without one', async () => {
    const { client_id: id } = await create({ ...METADATA, token_endpoint_auth_method: 'none' });
    assert.equal((await line.run(['client', 'rotate-secret', id])).exitCode, 1);
  });
});

describe('client delete', () => {
  it('removes the client', async () => {
    const { client_id: id } = await create();
    assert.deepEqual(await line.json(['client', 'delete', id]), { client_id: id, deleted: true });
    const { exitCode, stderr } = await line.run(['client', 'show', id]);
    assert.deepEqual([exitCode, stderr], [1, 'latchkey: There is no such client.\n']);
    assert.ok((await line.audit()).includes(`cli client.delete ${id}`));
  });

  it('is refused, like every change, for a client that the settings declare', async () => {
    await line.app.clients.declare([{ client_id: 'declared', ...METADATA }], { declared: 'a secret of some length' });
    for (const argv of [['delete'], ['rotate-secret'], ['update', '--file', '-']]) {
      const [name = '', ...options] = argv;
      const { exitCode, stderr } = await line.run(['client', name, 'declared', ...options], '{"client_name":"x"}');
      assert.equal(exitCode, 1);
      assert.match(stderr, /declared in the settings/);
    }
  });
});

describe('client approve', () => {
  it('takes a client that registered itself out of its quarantine', async () => {
    const metadata = { redirect_uris: ['https://new.example.com/cb'], token_endpoint_auth_method: 'none' };
    const options = { secret: undefined, isQuarantined: true };
    await line.app.clients.saveRegistered('newcomer', metadata, options, { actor: { kind: 'client', id: 'newcomer' } });
    assert.equal((await line.app.clients.get('newcomer')).metadata.latchkey_quarantined, true);
    const approved = await line.json<{ metadata: Record<string, unknown> }>(['client', 'approve', 'newcomer']);
    assert.equal('latchkey_quarantined' in approved.metadata, false);
    assert.equal(approved.metadata['latchkey_registered'], true);
    assert.ok((await line.audit()).includes('cli client.update newcomer'));
  });
});

describe('client registration-token', () => {
  it('says that it has no use while clients do not register with a token', async () => {
    const { exitCode, stderr } = await line.run(['client', 'registration-token']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /LATCHKEY_CLIENT_REGISTRATION/);
  });

  it('makes a token that is shown once, for as long as was asked', async () => {
    const open = await openCommandLine({ LATCHKEY_CLIENT_REGISTRATION: 'token' });
    try {
      const made = await open.json<{ initial_access_token: string; ttl: number }>([
        'client',
        'registration-token',
        '--ttl',
        '120',
      ]);
      assert.equal(made.ttl, 120);
      const stored = await open.app.engine.provider.InitialAccessToken.find(made.initial_access_token);
      assert.ok(stored && stored.remainingTTL <= 120);
      assert.ok((await open.audit()).some((entry) => entry.startsWith('cli client.registration-token')));
      const { exitCode } = await open.run(['client', 'registration-token', '--ttl', '1']);
      assert.equal(exitCode, 2);
    } finally {
      await open.close();
    }
  });
});
