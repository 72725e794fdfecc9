// Tokens that only the holder of a key can use (RFC 9449): how they are bound, and every proof that must not do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { type ClientKey, dpopProof, newKey } from '../../support/proofs.ts';
import { signIn, tokenRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

describeOnEachBackend('DPoP', (latchkey) => {
  const tokenUrl = () => `${latchkey().issuer}/token`;
  const userinfoUrl = () => `${latchkey().issuer}/me`;

  const exchange = async (client: TestClient, proof: string | undefined, params: Record<string, string> = {}) => {
    const account = await latchkey().createAccount();
    const scope = 'openid offline_access';
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, {
      account,
      params: { scope, prompt: 'consent', ...params },
    });
    return tokenRequest(
      latchkey(),
      '/token',
      client,
      {
        grant_type: 'authorization_code',
        code: signedIn.code,
        redirect_uri: client.redirectUri,
        code_verifier: signedIn.verifier,
      },
      proof === undefined ? {} : { dpop: proof },
    );
  };
  const exchangeWith = async (client: TestClient, key: ClientKey) =>
    exchange(client, await dpopProof(key, 'POST', tokenUrl()));
  const readUserinfo = async (scheme: string, token: unknown, proof?: string) =>
    (
      await send(userinfoUrl(), {
        headers: { authorization: `${scheme} ${String(token)}`, ...(proof === undefined ? {} : { dpop: proof }) },
      })
    ).status;

  for (const alg of ['ES256', 'EdDSA', 'Ed25519']) {
    it(`binds tokens to a key of ${alg}, and introspection names it`, async () => {
      const key = await newKey(alg);
      const client = await latchkey().createClient();
      const { status, body } = await exchangeWith(client, key);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body['token_type'], 'DPoP');
      const accessToken = body['access_token'];
      const seen = await tokenRequest(latchkey(), '/token/introspection', client, { token: String(accessToken) });
      assert.deepEqual(seen.body['cnf'], { jkt: await calculateJwkThumbprint(key.publicJwk) });
      assert.equal(seen.body['token_type'], 'DPoP');
      const proof = () => dpopProof(key, 'GET', userinfoUrl(), { accessToken });
      assert.equal(await readUserinfo('DPoP', accessToken, await proof()), 200);
      assert.equal(await readUserinfo('dpop', accessToken, await proof()), 200);
    });
  }

  describe('a bound token', () => {
    it('is refused without a proof, as a bearer token, and with a proof of another key', async () => {
      const [key, other] = [await newKey(), await newKey()];
      const client = await latchkey().createClient();
      const { access_token: accessToken } = (await exchangeWith(client, key)).body;
      assert.equal(await readUserinfo('Bearer', accessToken), 401);
      assert.equal(await readUserinfo('DPoP', accessToken), 400);
      const foreign = await dpopProof(other, 'GET', userinfoUrl(), { accessToken });
      assert.equal(await readUserinfo('DPoP', accessToken, foreign), 401);
      const good = await dpopProof(key, 'GET', userinfoUrl(), { accessToken });
      assert.equal(await readUserinfo('Bearer', accessToken, good), 400);
      assert.equal(await readUserinfo('DPoP', accessToken, good), 200);
    });

    it('of a public client is refreshed by the same key only', async () => {
      const [key, other] = [await newKey(), await newKey()];
      const client = await latchkey().createClient({ token_endpoint_auth_method: 'none' });
      const { refresh_token: refreshToken } = (await exchangeWith(client, key)).body;
      const params = { grant_type: 'refresh_token', refresh_token: String(refreshToken) };
      const foreign = await tokenRequest(latchkey(), '/token', client, params, {
        dpop: await dpopProof(other, 'POST', tokenUrl()),
      });
      assert.equal(foreign.body['error'], 'invalid_grant');
      assert.notEqual((await tokenRequest(latchkey(), '/token', client, params)).status, 200);
      const good = await tokenRequest(latchkey(), '/token', client, params, {
        dpop: await dpopProof(key, 'POST', tokenUrl()),
      });
      assert.equal(good.status, 200, JSON.stringify(good.body));
      assert.equal(good.body['token_type'], 'DPoP');
    });
  });

  describe('a proof at the token endpoint', () => {
    const now = () => Math.floor(Date.now() / 1000);
    const wrong: readonly (readonly [string, (key: ClientKey) => Promise<string>])[] = [
      ['for another method', (key) => dpopProof(key, 'GET', tokenUrl())],
      ['for another address', (key) => dpopProof(key, 'POST', userinfoUrl())],
      ['for another host', (key) => dpopProof(key, 'POST', 'https://evil.example/token')],
      ['without a jti', (key) => dpopProof(key, 'POST', tokenUrl(), { claims: { jti: undefined } })],
      ['without a time', (key) => dpopProof(key, 'POST', tokenUrl(), { claims: { iat: undefined } })],
      ['from an hour ago', (key) => dpopProof(key, 'POST', tokenUrl(), { claims: { iat: now() - 3600 } })],
      ['from an hour ahead', (key) => dpopProof(key, 'POST', tokenUrl(), { claims: { iat: now() + 3600 } })],
      ['of another type', (key) => dpopProof(key, 'POST', tokenUrl(), { header: { typ: 'jwt' } })],
      ['without its key', (key) => dpopProof(key, 'POST', tokenUrl(), { header: { jwk: undefined } })],
      [
        'with another key than it was signed with',
        async (key) => dpopProof(key, 'POST', tokenUrl(), { header: { jwk: (await newKey()).publicJwk } }),
      ],
      ['with an unknown nonce', (key) => dpopProof(key, 'POST', tokenUrl(), { nonce: 'made-up' })],
      ['that is no JWT', async () => 'x.y.z'],
      ['that is nothing', async () => 'proof'],
    ];
    for (const [what, make] of wrong) {
      it(`${what} is refused`, async () => {
        const client = await latchkey().createClient(MACHINE);
        const answer = await tokenRequest(
          latchkey(),
          '/token',
          client,
          { grant_type: 'client_credentials' },
          { dpop: await make(await newKey()) },
        );
        assert.equal(answer.status, 400);
        assert.match(String(answer.body['error']), /^(?:invalid_dpop_proof|use_dpop_nonce)$/);
      });
    }

    it('with RSA is refused: it is not what we advertise', async () => {
      const client = await latchkey().createClient();
      const answer = await exchangeWith(client, await newKey('RS256'));
      assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_dpop_proof']);
    });

    it('works once, also when it is sent many times at the same moment', async () => {
      const key = await newKey();
      const client = await latchkey().createClient(MACHINE);
      const dpop = await dpopProof(key, 'POST', tokenUrl());
      const answers = await Promise.all(
        Array.from({ length: 20 }, () =>
          tokenRequest(latchkey(), '/token', client, { grant_type: 'client_credentials' }, { dpop }),
        ),
      );
      assert.equal(answers.filter((one) => one.status === 200).length, 1);
      assert.ok(answers.every((one) => one.status < 500));
    });

    it('may carry the nonce that we hand out, whatever its time', async () => {
      const key = await newKey();
      const client = await latchkey().createClient(MACHINE);
      const params = { grant_type: 'client_credentials' };
      const claims = { iat: now() - 3600 };
      const first = await tokenRequest(latchkey(), '/token', client, params, {
        dpop: await dpopProof(key, 'POST', tokenUrl(), { claims }),
      });
      assert.equal(first.body['error'], 'use_dpop_nonce');
      const nonce = first.headers['dpop-nonce'];
      assert.ok(nonce);
      const second = await tokenRequest(latchkey(), '/token', client, params, {
        dpop: await dpopProof(key, 'POST', tokenUrl(), { claims, nonce }),
      });
      assert.equal(second.status, 200, JSON.stringify(second.body));
    });
  });

  describe('a code', () => {
    it('that was asked for with a key is exchanged by the same key only', async () => {
      const [key, other] = [await newKey(), await newKey()];
      const client = await latchkey().createClient();
      const jkt = await calculateJwkThumbprint(key.publicJwk);
      const good = await exchange(client, await dpopProof(key, 'POST', tokenUrl()), { dpop_jkt: jkt });
      assert.equal(good.status, 200);
      const foreign = await exchange(client, await dpopProof(other, 'POST', tokenUrl()), { dpop_jkt: jkt });
      assert.equal(foreign.body['error'], 'invalid_grant');
      assert.equal((await exchange(client, undefined, { dpop_jkt: jkt })).body['error'], 'invalid_grant');
    });
  });

  it('is demanded of clients that have registered it', async () => {
    const client = await latchkey().createClient({ dpop_bound_access_tokens: true });
    const answer = await exchange(client, undefined);
    assert.equal(answer.status, 400);
    assert.equal((await exchangeWith(client, await newKey())).status, 200);
  });

  it('leaves the ID token alone', async () => {
    const client = await latchkey().createClient();
    const { body } = await exchangeWith(client, await newKey());
    assert.equal(decodeJwt(String(body['id_token']))['cnf'], undefined);
  });
});
