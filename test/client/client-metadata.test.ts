import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLIENT_ID, clientMetadataSchema, EXTRA_CLIENT_METADATA } from '../../src/client/client-metadata.ts';

const accepts = (metadata: object) => clientMetadataSchema.safeParse(metadata).success;

describe('the metadata of a client', () => {
  it('has the registered names and ours, and no other', () => {
    assert.equal(accepts({}), true);
    assert.equal(
      accepts({ client_name: 'x', redirect_uris: ['https://a.example/'], latchkey_first_party: true }),
      true,
    );
    for (const name of ['clientName', 'client_secret', 'secret', 'latchkey_admin', '__proto__x', 'request_uris']) {
      assert.equal(accepts({ [name]: 'x' }), false, name);
    }
  });

  it('has a largest size for everything in it', () => {
    const long = 'x'.repeat(5000);
    for (const name of Object.keys(clientMetadataSchema.shape)) {
      assert.equal(accepts({ [name]: long }), false, name);
      assert.equal(accepts({ [name]: Array.from({ length: 101 }, () => 'x') }), false, name);
      assert.equal(accepts({ [name]: [long] }), false, name);
      assert.equal(accepts({ [name]: Number.MAX_VALUE }), false, name);
    }
    assert.equal(accepts({ jwks: { keys: Array.from({ length: 21 }, () => ({})) } }), false);
  });

  it('tells the engine which names are ours', () => {
    assert.ok(EXTRA_CLIENT_METADATA.includes('latchkey_first_party'));
    assert.ok(EXTRA_CLIENT_METADATA.every((name) => name.startsWith('latchkey_')));
  });
});

describe('the id of a client', () => {
  it('is visible ASCII without spaces, up to 200', () => {
    for (const good of ['a', 'demo', 'a:b/c?d', '~'.repeat(200)]) assert.match(good, CLIENT_ID);
    for (const wrong of ['', ' ', 'a b', 'ä', 'a\n', '\0', 'x'.repeat(201)]) assert.doesNotMatch(wrong, CLIENT_ID);
  });
});
