// What the table of all adapters cannot say of Apple: the names in the form post, the life of the client secret, and keys that are none.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterEach, test } from 'node:test';
import { jwtVerify } from 'jose';
import { AppError } from '../../../src/errors.ts';
import { createGuardedFetch } from '../../../src/http/guarded-fetch.ts';
import type { UpstreamRequest } from '../../../src/upstream/adapter.ts';
import { createAdapter } from '../../../src/upstream/adapters/index.ts';
import { appleRow } from '../../contract/upstream-rows/apple.ts';
import { ScriptedUpstream } from '../../support/scripted-upstream.ts';

const fetch = createGuardedFetch({ privateNetworkHosts: ['localhost'] });
const row = await appleRow.open();
afterEach(() => row.reset());
test.after(() => row.close());

function newRequest(): UpstreamRequest {
  const random = (): string => randomBytes(32).toString('base64url');
  return {
    redirectUri: 'https://id.example.com/upstream/apple/callback',
    ...{ state: random(), nonce: random(), codeVerifier: random() },
  };
}

async function identify(user: string | null) {
  const adapter = row.adapter(fetch);
  const request = newRequest();
  const callback = row.signIn(await adapter.authorizationUrl(request));
  if (user === null) callback.delete('user');
  else callback.set('user', user);
  return adapter.identify(callback, request);
}

for (const [what, user] of [
  ['is not there, as at every later sign-in', null],
  ['is no JSON', '{"name":'],
  ['is JSON of another shape', '[1,2]'],
  ['is null', 'null'],
  ['has names that are no text', '{"name":{"firstName":{"$gt":""},"lastName":7}}'],
  ['is endless', JSON.stringify({ name: { firstName: 'x'.repeat(5000) } })],
] as const) {
  test(`a field "user" that ${what} names nobody and stops nothing`, async () => {
    const identity = await identify(user);
    assert.deepEqual([identity.name, identity.givenName, identity.familyName], [null, null, null]);
    assert.equal(identity.subject, '001999.0123456789abcdef.0815');
  });
}

test('what the field says about the address counts for nothing', async () => {
  const identity = await identify('{"name":{"firstName":"Ann"},"email":"victim@example.com","sub":"victim"}');
  assert.equal(identity.email, 'x7@privaterelay.appleid.com');
  assert.equal(identity.subject, '001999.0123456789abcdef.0815');
  assert.equal(identity.name, 'Ann');
});

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
for (const [what, secret] of [
  ['no key', '-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----'],
  ['a key of another kind', rsa.toString()],
  ['nothing', undefined],
] as const) {
  test(`${what} as private key stops the start and says which setting it is, without the key`, () => {
    const declaration = { id: 'apple', kind: 'apple', clientId: 'c', teamId: 'T', keyId: 'K' };
    assert.throws(
      () => createAdapter(declaration, { fetch, secret }),
      (error) =>
        error instanceof AppError && /apple: privateKey/.test(error.message) && !/BEGIN|bm90/.test(error.message),
    );
  });
}

test('the client secret is signed for Apple, used again while it is fresh, and made anew before it ends', async (context) => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const upstream = await ScriptedUpstream.start();
  context.after(() => upstream.close());
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  upstream.clientId = 'com.example.id';
  const given: string[] = [];
  upstream.isClient = async (_req, form) => {
    const secret = form.get('client_secret') ?? '';
    given.push(secret);
    // Also wrong once it has ended.
    const { payload, protectedHeader } = await jwtVerify(secret, keys.publicKey, { algorithms: ['ES256'] });
    assert.deepEqual(protectedHeader, { alg: 'ES256', kid: 'FGHIJ67890' });
    const { iat = 0, exp = 0, ...claims } = payload;
    assert.deepEqual(claims, { iss: 'ABCDE12345', sub: 'com.example.id', aud: 'https://appleid.apple.com' });
    assert.ok(exp - iat <= 300);
    return true;
  };
  const adapter = createAdapter(
    {
      ...{ id: 'apple', kind: 'apple', clientId: 'com.example.id', teamId: 'ABCDE12345', keyId: 'FGHIJ67890' },
      endpoints: { issuer: upstream.issuer },
    },
    { fetch, secret: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
  );
  assert.ok(adapter);
  const secretOfSignIn = async (): Promise<string> => {
    const request = newRequest();
    await adapter.identify(upstream.authorize(await adapter.authorizationUrl(request)), request);
    return given.at(-1) ?? '';
  };
  const first = await secretOfSignIn();
  context.mock.timers.tick(200_000);
  assert.equal(await secretOfSignIn(), first);
  context.mock.timers.tick(50_000);
  const second = await secretOfSignIn();
  assert.notEqual(second, first);
  context.mock.timers.tick(3_600_000);
  assert.notEqual(await secretOfSignIn(), second);
});
