// Userinfo and introspection (OIDC Core 5.3, RFC 7662, RFC 9701): where the token may stand, and answers that are signed for who asks for it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { redeem, signIn, tokenRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describeOnEachBackend('userinfo', (latchkey) => {
  const address = () => `${latchkey().issuer}/me`;
  const tokenFor = async (client: TestClient, account: AccountRow, scope = 'openid profile email') => {
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params: { scope } });
    return String((await redeem(latchkey(), client, signedIn)).body['access_token']);
  };
  const verify = (jwt: string, audience: string, algorithm: string) =>
    jwtVerify(jwt, createRemoteJWKSet(new URL('/jwks', latchkey().issuer)), {
      issuer: latchkey().issuer,
      audience,
      algorithms: [algorithm],
    });

  it('takes the token in the header of GET and POST, and in the body', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const token = await tokenFor(client, account);
    const bearer = { authorization: `Bearer ${token}` };
    const answers = await Promise.all([
      send(address(), { headers: bearer }),
      send(address(), { method: 'POST', headers: bearer }),
      send(address(), { method: 'POST', headers: { ...bearer, ...FORM }, body: '' }),
      send(address(), { method: 'POST', headers: FORM, body: `access_token=${token}` }),
    ]);
    for (const answer of answers) {
      assert.equal(answer.status, 200, answer.text);
      const claims = JSON.parse(answer.text) as Record<string, unknown>;
      assert.equal(claims['sub'], account.subject);
      assert.equal(claims['name'], 'Ann Lee');
      assert.equal(claims['email'], account.email);
    }
  });

  it('never takes it in the query, nor in two places', async () => {
    const client = await latchkey().createClient();
    const token = await tokenFor(client, await latchkey().createAccount());
    assert.equal((await send(`${address()}?access_token=${token}`)).status, 400);
    const both = await send(address(), {
      method: 'POST',
      headers: { ...FORM, authorization: `Bearer ${token}` },
      body: `access_token=${token}`,
    });
    assert.equal(both.status, 400);
  });

  it('says what is wrong with a token in the header that programs read', async () => {
    const missing = await send(address());
    assert.equal(missing.status, 401);
    assert.match(missing.headers['www-authenticate'] ?? '', /^Bearer realm=/);
    const wrong = await send(address(), { headers: { authorization: 'Bearer made-up' } });
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers['www-authenticate'] ?? '', /error="invalid_token"/);
  });

  for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
    it(`is signed with ${algorithm} for a client that has registered it`, async () => {
      const client = await latchkey().createClient({ userinfo_signed_response_alg: algorithm });
      const account = await latchkey().createAccount();
      const token = await tokenFor(client, account);
      const answer = await send(address(), { headers: { authorization: `Bearer ${token}` } });
      assert.match(answer.headers['content-type'] ?? '', /^application\/jwt/);
      const { payload } = await verify(answer.text, client.clientId, algorithm);
      assert.equal(payload.sub, account.subject);
      assert.equal(payload['email'], account.email);
    });
  }

  describe('and introspection', () => {
    it('answer plain JSON, and a signed JWT to who accepts that', async () => {
      const client = await latchkey().createClient({ introspection_signed_response_alg: 'ES256' });
      const account = await latchkey().createAccount();
      const token = await tokenFor(client, account);
      const plain = await tokenRequest(latchkey(), '/token/introspection', client, { token });
      assert.equal(plain.body['active'], true);
      assert.equal(plain.body['sub'], account.subject);
      assert.equal(plain.body['acr'], 'urn:latchkey:aal1');
      assert.equal(typeof plain.body['auth_time'], 'number');
      for (const claim of ['email', 'name']) assert.equal(plain.body[claim], undefined);

      const pair = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64');
      const signed = await send(`${latchkey().issuer}/token/introspection`, {
        method: 'POST',
        headers: { ...FORM, authorization: `Basic ${pair}`, accept: 'application/token-introspection+jwt' },
        body: `token=${token}`,
      });
      assert.match(signed.headers['content-type'] ?? '', /^application\/token-introspection\+jwt/);
      const { payload, protectedHeader } = await verify(signed.text, client.clientId, 'ES256');
      assert.equal(protectedHeader.typ, 'token-introspection+jwt');
      const inner = payload['token_introspection'] as Record<string, unknown>;
      assert.equal(inner['active'], true);
      assert.equal(inner['sub'], account.subject);
      assert.equal(payload.sub, undefined);
      assert.equal(payload.exp, undefined);
    });

    it('tell other clients nothing about a token, and nothing about one that never was', async () => {
      const [client, other] = [await latchkey().createClient(), await latchkey().createClient()];
      const token = await tokenFor(client, await latchkey().createAccount());
      for (const one of [token, 'made-up']) {
        const { body, status } = await tokenRequest(latchkey(), '/token/introspection', other, { token: one });
        assert.equal(status, 200);
        assert.deepEqual(body, { active: false });
      }
      const nobody = { ...other, clientSecret: 'x'.repeat(43) };
      assert.equal((await tokenRequest(latchkey(), '/token/introspection', nobody, { token })).status, 401);
    });
  });
});
