import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Clients, isClientSecret, needsSecret } from '../../src/client/clients.ts';
import { AppError } from '../../src/errors.ts';
import { describeOnEachBackend } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const CALLBACK = 'https://app.example.com/callback';

function refusal(code: string, text?: RegExp) {
  return (error: unknown) =>
    error instanceof AppError && error.code === code && (text === undefined || text.test(error.message));
}

describeOnEachBackend('clients', (latchkey) => {
  const clients = (): Clients => latchkey().app.clients;
  const create = (metadata: object = {}) => clients().create({ redirect_uris: [CALLBACK], ...metadata }, CLI);
  const presents = async (clientId: string, secret: string) =>
    isClientSecret(clientId, (await clients().get(clientId)).secretHashes, secret);
  const audit = async (clientId: string) =>
    (
      await latchkey()
        .app.database.em()
        .execute<{ action: string }[]>('select action from audit_event where target_id = ? order by id', [clientId])
    ).map((row) => row.action);

  it('get an id, a secret that is shown once, and ES256', async () => {
    const { client, secret } = await create({ client_name: '  My app ' });
    assert.match(client.clientId, /^[\w-]{22}$/);
    assert.match(secret ?? '', /^[\w-]{43}$/);
    assert.equal(client.metadata.client_name, 'My app');
    assert.equal(client.metadata.id_token_signed_response_alg, 'ES256');
    assert.equal(client.metadata.client_id, client.clientId);
    assert.equal(await presents(client.clientId, secret ?? ''), true);
    assert.equal(await presents(client.clientId, `${secret}x`), false);
    assert.equal(JSON.stringify(await clients().get(client.clientId)).includes(secret ?? '?'), false);
    assert.deepEqual(await audit(client.clientId), ['client.create']);
  });

  it('that are public, or sign with a key, get no secret', async () => {
    for (const method of ['none', 'private_key_jwt']) {
      const { secret, client } = await create({
        token_endpoint_auth_method: method,
        ...(method === 'none' ? {} : { jwks_uri: 'https://app.example.com/jwks' }),
      });
      assert.equal(secret, undefined);
      assert.equal(needsSecret(client.metadata), false);
    }
  });

  it('keep a chosen id, once, also when two race for it', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => create({ client_id: 'chosen-id' })));
    assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
    for (const one of outcomes) {
      if (one.status === 'rejected') assert.ok(refusal('client-id-taken')(one.reason), String(one.reason));
    }
  });

  it('are refused with the name of the member that is wrong, and nothing is stored', async () => {
    const before = (await clients().list()).length;
    for (const [metadata, text] of [
      [{ redirect_uri: [CALLBACK] }, /redirect_uri/],
      [{ redirect_uris: 'https://app.example.com' }, /redirect_uris/],
      [{ redirect_uris: [] }, /redirect_uris/],
      [{ redirect_uris: ['x'] }, /redirect_uris/],
      [{ client_secret: 'mine' }, /client_secret/],
      [{ client_id: 'with space' }, /client_id/],
      [{ client_id: 'https://app.example.com/' }, /client_id/],
      [{ client_name: '' }, /client_name/],
      [{ client_name: 'x'.repeat(201) }, /client_name/],
      [{ response_types: ['token'] }, /response_types/],
      [{ grant_types: ['authorization_code', 'password'] }, /grant_types/],
      [{ token_endpoint_auth_method: 'client_secret_jwt' }, /token_endpoint_auth_method/],
      [{ id_token_signed_response_alg: 'HS256' }, /id_token_signed_response_alg/],
      [{ logo_uri: 'javascript:alert(1)' }, /logo_uri/],
      [{ latchkey_cors_origins: ['https://app.example.com/path'] }, /latchkey_cors_origins/],
      [{ latchkey_cors_origins: ['*'] }, /latchkey_cors_origins/],
      [{ latchkey_pkce_optional: true, token_endpoint_auth_method: 'none' }, /latchkey_pkce_optional/],
    ] as const) {
      await assert.rejects(create(metadata), refusal('invalid-client-metadata', text), JSON.stringify(metadata));
    }
    for (const input of [null, 'text', [], 1])
      await assert.rejects(clients().create(input, CLI), refusal('invalid-client-metadata'));
    assert.equal((await clients().list()).length, before);
  });

  it('change by the members that are named, and lose those that are null', async () => {
    const { client } = await create({ client_name: 'Before', policy_uri: 'https://app.example.com/privacy' });
    const changed = await clients().update(client.clientId, { client_name: 'After', policy_uri: null }, CLI);
    assert.equal(changed.metadata.client_name, 'After');
    assert.equal('policy_uri' in changed.metadata, false);
    assert.deepEqual(changed.metadata.redirect_uris, [CALLBACK]);
    await assert.rejects(
      clients().update(client.clientId, { client_id: 'another' }, CLI),
      refusal('invalid-client-metadata'),
    );
    await assert.rejects(
      clients().update(client.clientId, { unknown: 1 }, CLI),
      refusal('invalid-client-metadata', /unknown/i),
    );
    await assert.rejects(clients().update(client.clientId, [], CLI), refusal('invalid-client-metadata'));
    await assert.rejects(clients().update('nobody', {}, CLI), refusal('client-not-found'));
    assert.equal((await clients().get(client.clientId)).metadata.client_name, 'After');
    assert.deepEqual(await audit(client.clientId), ['client.create', 'client.update']);
  });

  it('get a new secret while the old one works as long as is said', async () => {
    const { client, secret: first = '' } = await create();
    const second = await clients().rotateSecret(client.clientId, 3600, CLI);
    assert.deepEqual([await presents(client.clientId, first), await presents(client.clientId, second)], [true, true]);
    const third = await clients().rotateSecret(client.clientId, 0, CLI);
    assert.deepEqual(
      [
        await presents(client.clientId, first),
        await presents(client.clientId, second),
        await presents(client.clientId, third),
      ],
      [false, false, true],
    );
    const { client: open } = await create({ token_endpoint_auth_method: 'none' });
    await assert.rejects(clients().rotateSecret(open.clientId, 0, CLI), refusal('client-without-secret'));
  });

  it('are gone at once when they are deleted, with their secrets', async () => {
    const { client } = await create();
    await clients().delete(client.clientId, CLI);
    assert.equal(await clients().find(client.clientId), null);
    await assert.rejects(clients().get(client.clientId), refusal('client-not-found'));
    await assert.rejects(clients().delete(client.clientId, CLI), refusal('client-not-found'));
    const rows = await latchkey()
      .app.database.em()
      .execute('select 1 from client_secret where client_id = ?', [client.clientId]);
    assert.deepEqual(rows, []);
  });

  it('are not looked for under what cannot be an id', async () => {
    for (const id of ['', ' ', 'a b', 'a\0', 'ä', 'x'.repeat(201), '\n']) assert.equal(await clients().find(id), null);
  });

  it('that are declared in the settings are brought in line at each start and change nowhere else', async () => {
    const declaration = { client_id: 'declared', client_name: 'First', redirect_uris: [CALLBACK] };
    const secret = 'a secret of the settings, long enough';
    await clients().declare([declaration], { declared: secret });
    await clients().declare([declaration], { declared: secret });
    const first = await clients().get('declared');
    assert.equal(first.source, 'yaml');
    assert.equal(first.secretHashes.length, 1);
    assert.equal(await presents('declared', secret), true);
    for (const work of [
      () => clients().update('declared', { client_name: 'Other' }, CLI),
      () => clients().rotateSecret('declared', 0, CLI),
      () => clients().delete('declared', CLI),
    ]) {
      await assert.rejects(work(), refusal('client-declared'));
    }
    const other = 'another secret of the settings, as long';
    const changed = { ...declaration, client_name: 'Second' };
    await clients().declare([changed], { declared: other });
    assert.equal((await clients().get('declared')).metadata.client_name, 'Second');
    assert.deepEqual([await presents('declared', secret), await presents('declared', other)], [false, true]);
    // No longer declared: it stays, and may be edited.
    await clients().declare([], {});
    assert.equal((await clients().update('declared', { client_name: 'Third' }, CLI)).source, 'database');
    await clients().delete('declared', CLI);
  });

  it('that are declared wrongly stop the start with the name of the client', async () => {
    const declaration = { client_id: 'broken', redirect_uris: [CALLBACK] };
    await assert.rejects(
      clients().declare([declaration], {}),
      refusal('invalid-request', /client broken: .*client_secret_file/),
    );
    await assert.rejects(
      clients().declare([declaration], { broken: 'short' }),
      refusal('invalid-request', /client broken: .*16/),
    );
    const wrong = { ...declaration, redirect_uris: ['x'] };
    await assert.rejects(
      clients().declare([wrong], { broken: 'a secret of the settings, long enough' }),
      refusal('invalid-client-metadata', /client broken: .*redirect_uris/),
    );
    assert.equal(await clients().find('broken'), null);
  });

  it('that were deleted are not declared again, nor in the moment in which they are deleted', async () => {
    const secret = 'a secret of the settings, long enough';
    const declare = (clientId: string) =>
      clients().declare([{ client_id: clientId, redirect_uris: [CALLBACK] } as { client_id: string }], {
        [clientId]: secret,
      });
    const { client } = await create({ client_id: 'gone' });
    await clients().delete(client.clientId, CLI);
    await assert.rejects(declare('gone'), refusal('client-id-taken', /client gone: .*deleted/));
    assert.equal(await clients().find('gone'), null);
    for (let round = 0; round < 5; round += 1) {
      const clientId = `racing-${round}`;
      await create({ client_id: clientId });
      const [deleted, declared] = await Promise.allSettled([clients().delete(clientId, CLI), declare(clientId)]);
      const row = await clients().find(clientId);
      // Whoever was first: a deleted id is not there, and one that is there was not deleted.
      const { database } = latchkey().app;
      const gone = await database
        .em()
        .execute<object[]>('select 1 from deleted_client where client_id = ?', [clientId]);
      assert.equal(row === null, gone.length === 1, `${deleted.status} ${declared.status}`);
      assert.equal(row === null, deleted.status === 'fulfilled', `${deleted.status} ${declared.status}`);
    }
  });
});
