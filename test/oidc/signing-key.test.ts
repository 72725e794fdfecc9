// Signatures made on the main thread: what the published keys verify, and nothing private is published.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CompactSign, compactVerify, importJWK } from 'jose';
import { makeSigningKeys } from '../../src/oidc/keys.ts';
import { MainThreadKey } from '../../src/oidc/signing-key.ts';

describe('a key that signs on the main thread', async () => {
  for (const jwk of await makeSigningKeys()) {
    it(`signs with ${jwk.alg} what its public key verifies`, async () => {
      const key = new MainThreadKey(jwk);
      const head = Buffer.from(JSON.stringify({ alg: jwk.alg })).toString('base64url');
      const data = `${head}.${Buffer.from('{"sub":"a"}').toString('base64url')}`;
      const signature = Buffer.from(await key.sign(Buffer.from(data))).toString('base64url');
      const verified = await compactVerify(`${data}.${signature}`, key.keyObject());
      assert.equal(Buffer.from(verified.payload).toString(), '{"sub":"a"}');
      const other = `${data.slice(0, -1)}${data.endsWith('A') ? 'B' : 'A'}`;
      await assert.rejects(compactVerify(`${other}.${signature}`, key.keyObject()));
    });

    it(`is the same key as the one of ${jwk.alg} that was stored`, async () => {
      const key = new MainThreadKey(jwk);
      assert.deepEqual([key.kid, key.alg, key.use, key.kty], [jwk.kid, jwk.alg, 'sig', jwk.kty]);
      const signed = await new CompactSign(Buffer.from('x'))
        .setProtectedHeader({ alg: jwk.alg })
        .sign(await importJWK(jwk, jwk.alg));
      await compactVerify(signed, key.keyObject());
      assert.equal(key.keyObject().type, 'public');
    });
  }
});
