// Request objects by value (RFC 9101): off unless asked for, signed or nothing.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SignJWT, UnsecuredJWT } from 'jose';
import { type ClientKey, newKey } from '../../support/proofs.ts';
import { answerPrompts, challengeOf, newVerifier, redeem } from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const verifier = newVerifier();

function claimsOf(latchkey: Latchkey, client: TestClient): Record<string, unknown> {
  return {
    iss: client.clientId,
    aud: latchkey.issuer,
    client_id: client.clientId,
    response_type: 'code',
    redirect_uri: client.redirectUri,
    scope: 'openid',
    state: 'inside',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
  };
}

function frontUrl(latchkey: Latchkey, client: TestClient, request: string, extra: Record<string, string> = {}): string {
  const params = {
    client_id: client.clientId,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: client.redirectUri,
  };
  return `${latchkey.issuer}/auth?${new URLSearchParams({ ...params, request, ...extra })}`;
}

describeOnEachBackend('a request object, unless it is asked for', (latchkey) => {
  it('is refused, as discovery says', async () => {
    const client = await latchkey().createClient();
    const request = new UnsecuredJWT(claimsOf(latchkey(), client)).encode();
    const page = await latchkey()
      .browser()
      .get(frontUrl(latchkey(), client, request));
    assert.equal(page.params['error'], 'request_not_supported');
    const { text } = await send(`${latchkey().issuer}/.well-known/openid-configuration`);
    const discovery = JSON.parse(text) as Record<string, unknown>;
    assert.equal(discovery['request_parameter_supported'], false);
    assert.equal(discovery['request_uri_parameter_supported'], false);
  });
});

describeOnEachBackend(
  'a request object',
  (latchkey) => {
    const newClient = (key: ClientKey, metadata: Record<string, unknown> = {}) =>
      latchkey().createClient({ jwks: { keys: [key.publicJwk] }, ...metadata });
    const sign = (key: ClientKey, claims: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: key.alg, kid: key.publicJwk.kid ?? '' }).sign(key.privateKey);

    it('that its client has signed counts, and nothing beside it does', async () => {
      const key = await newKey();
      const client = await newClient(key);
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const request = await sign(key, claimsOf(latchkey(), client));
      const url = frontUrl(latchkey(), client, request, { state: 'outside', prompt: 'none' });
      const page = await answerPrompts(browser, await browser.get(url), { account });
      assert.equal(page.params['state'], 'inside', page.describe());
      const answer = await redeem(latchkey(), client, { code: page.params['code'] ?? '', verifier });
      assert.equal(answer.status, 200);
    });

    it('is refused unsigned, signed by somebody else, or made for another provider', async () => {
      const [key, other] = [await newKey(), await newKey()];
      const client = await newClient(key);
      const claims = claimsOf(latchkey(), client);
      for (const request of [
        new UnsecuredJWT(claims).encode(),
        await sign(other, claims),
        await sign(key, { ...claims, aud: 'https://other.example' }),
        await sign(key, { ...claims, iss: 'somebody-else' }),
        await sign(key, { ...claims, client_id: 'somebody-else' }),
        await sign(key, { ...claims, exp: 1 }),
        'x.y.z',
      ]) {
        const page = await latchkey()
          .browser()
          .get(frontUrl(latchkey(), client, request));
        assert.equal(page.params['code'], undefined);
        assert.equal(page.params['error'] ?? page.error, 'invalid_request_object', page.describe());
      }
    });

    it('is demanded of clients that have registered it', async () => {
      const key = await newKey();
      const client = await newClient(key, { require_signed_request_object: true, request_object_signing_alg: 'ES256' });
      const plain = new URL(frontUrl(latchkey(), client, ''));
      plain.searchParams.delete('request');
      assert.equal((await latchkey().browser().get(plain)).params['error'], 'invalid_request');
      const good = await sign(key, claimsOf(latchkey(), client));
      assert.equal(
        (
          await latchkey()
            .browser()
            .get(frontUrl(latchkey(), client, good))
        ).id,
        'login',
      );
    });

    it('never leads to a redirect URI that is not registered', async () => {
      const key = await newKey();
      const client = await newClient(key);
      const request = await sign(key, { ...claimsOf(latchkey(), client), redirect_uri: 'https://evil.example/' });
      const page = await latchkey()
        .browser()
        .get(frontUrl(latchkey(), client, request));
      assert.deepEqual([page.id, page.error, page.location], ['error', 'redirect-uri-mismatch', null]);
    });
  },
  { env: { LATCHKEY_REQUEST_OBJECTS: 'true' } },
);
