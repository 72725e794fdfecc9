// Which pages of other origins may talk to us with a script: those of the client's own redirect URIs, and only where tokens are handled.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { redeem, signIn, tokenRequest } from '../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../support/server.ts';
import { send } from '../support/web.ts';

const OWN = 'https://app.example.com';
const EXTRA = 'https://other.example.com';
const FOREIGN = 'https://evil.example';

describeOnEachBackend('a script of another origin', (latchkey) => {
  const newClient = () =>
    latchkey().createClient({ token_endpoint_auth_method: 'none', latchkey_cors_origins: [EXTRA] });
  async function tokensOf(client: TestClient) {
    const account = await latchkey().createAccount();
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      params: { scope: 'openid offline_access', prompt: 'consent' },
    });
    return { signedIn, account };
  }

  it('reads discovery and keys from anywhere', async () => {
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks']) {
      const answer = await send(`${latchkey().issuer}${path}`, { headers: { origin: FOREIGN } });
      assert.equal(answer.status, 200);
      assert.ok(['*', FOREIGN].includes(answer.headers['access-control-allow-origin'] ?? ''), path);
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin');
    }
  });

  it('redeems, refreshes, reads and revokes from the origins of its client', async () => {
    for (const origin of [OWN, EXTRA]) {
      const client = await newClient();
      const { signedIn } = await tokensOf(client);
      const readable = (headers: Readonly<Record<string, string | undefined>>) => {
        assert.equal(headers['access-control-allow-origin'], origin);
        assert.match(headers['vary'] ?? '', /origin/i);
        assert.equal(headers['access-control-allow-credentials'], undefined);
        assert.equal(headers['cross-origin-resource-policy'], 'cross-origin');
      };
      const grant = { code: signedIn.code, redirect_uri: client.redirectUri, code_verifier: signedIn.verifier };
      const tokens = await tokenRequest(
        latchkey(),
        '/token',
        client,
        { grant_type: 'authorization_code', ...grant },
        { origin },
      );
      assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
      readable(tokens.headers);
      const info = await send(`${latchkey().issuer}/me`, {
        headers: { origin, authorization: `Bearer ${String(tokens.body['access_token'])}` },
      });
      assert.equal(info.status, 200);
      readable(info.headers);
      const revoked = await tokenRequest(
        ...([
          latchkey(),
          '/token/revocation',
          client,
          { token: String(tokens.body['refresh_token']) },
          { origin },
        ] as const),
      );
      assert.equal(revoked.status, 200);
      readable(revoked.headers);
    }
  });

  it('is refused by every other origin, and the code is not spent', async () => {
    const client = await newClient();
    const { signedIn } = await tokensOf(client);
    for (const origin of [
      FOREIGN,
      'null',
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://app.example.com.evil.example',
    ]) {
      const grant = { code: signedIn.code, redirect_uri: client.redirectUri, code_verifier: signedIn.verifier };
      const answer = await tokenRequest(
        latchkey(),
        '/token',
        client,
        { grant_type: 'authorization_code', ...grant },
        { origin },
      );
      assert.equal(answer.status, 400, origin);
      assert.equal(answer.body['error'], 'invalid_request');
      assert.equal('access_token' in answer.body, false);
    }
    const tokens = await redeem(latchkey(), client, signedIn);
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    const info = await send(`${latchkey().issuer}/me`, {
      headers: { origin: FOREIGN, authorization: `Bearer ${String(tokens.body['access_token'])}` },
    });
    assert.equal(info.status, 400);
    assert.doesNotMatch(info.text, /"sub"/);
  });

  it('asks before it sends, and is told the same', async () => {
    for (const [path, method, headers] of [
      ['/token', 'POST', 'content-type'],
      ['/me', 'GET', 'authorization'],
      ['/token/revocation', 'POST', 'content-type'],
    ] as const) {
      const answer = await send(`${latchkey().issuer}${path}`, {
        method: 'OPTIONS',
        headers: { origin: OWN, 'access-control-request-method': method, 'access-control-request-headers': headers },
      });
      assert.ok(answer.status < 300, `${path} ${answer.status}`);
      assert.match(answer.headers['access-control-allow-methods'] ?? '', new RegExp(method));
      assert.match(answer.headers['access-control-allow-headers'] ?? '', new RegExp(headers, 'i'));
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
    }
  });

  it('never reads pages, nor the authorization endpoint', async () => {
    const client = await newClient();
    for (const path of [
      '/',
      `/auth?client_id=${client.clientId}`,
      '/interaction/x',
      '/session/end',
      '/setup',
      '/nothing',
    ]) {
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await send(`${latchkey().issuer}${path}`, {
          method,
          headers: { origin: OWN, 'access-control-request-method': 'GET' },
        });
        assert.equal(answer.headers['access-control-allow-origin'], undefined, `${method} ${path}`);
        assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin', `${method} ${path}`);
      }
    }
  });
});
