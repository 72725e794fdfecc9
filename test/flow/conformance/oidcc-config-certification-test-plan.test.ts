import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';

describeOnEachBackend('oidcc-config-certification-test-plan', (latchkey) => {
  it('oidcc-discovery-endpoint-verification', async () => {
    const { issuer } = latchkey();
    const answer = await send(`${issuer}/.well-known/openid-configuration`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
    const document = JSON.parse(answer.text) as Record<string, unknown>;
    assert.equal(document['issuer'], issuer);
    for (const name of ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri']) {
      // The suite wants https, which here is the proxy's: every address begins with the issuer, byte for byte.
      assert.ok(String(document[name]).startsWith(`${issuer}/`), name);
    }
    const includes = (name: string, value: string): void =>
      assert.ok(Array.isArray(document[name]) && document[name].includes(value), `${name} ${value}`);
    includes('id_token_signing_alg_values_supported', 'RS256');
    includes('response_types_supported', 'code');
    includes('grant_types_supported', 'authorization_code');
    includes('subject_types_supported', 'public');
    includes('scopes_supported', 'openid');
    includes('code_challenge_methods_supported', 'S256');
    assert.equal(document['claims_parameter_supported'], true);
    const jwks = JSON.parse((await send(String(document['jwks_uri']))).text) as { keys: Record<string, unknown>[] };
    assert.ok(jwks.keys.length > 0);
    for (const key of jwks.keys) {
      assert.notEqual(key['kty'], 'oct');
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) assert.ok(!(secret in key), secret);
    }
  });
});
