// How clients prove who they are: exactly as they registered, with keys that may rotate and secrets that may overlap (OIDC Core 9, RFC 7523).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type JsonHost, startJsonHost } from '../../support/json-host.ts';
import { type ClientKey, clientAssertion, newKey } from '../../support/proofs.ts';
import { type Parameters, tokenRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';

const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const CLI = { actor: { kind: 'cli' } } as const;

describeOnEachBackend(
  'client authentication',
  (latchkey) => {
    const ask = async (client: TestClient, params: Parameters = {}, headers: Readonly<Record<string, string>> = {}) => {
      const answer = await tokenRequest(
        latchkey(),
        '/token',
        client,
        { grant_type: 'client_credentials', ...params },
        headers,
      );
      return answer.status === 200 ? 'good' : String(answer.body['error']);
    };

    describe('with a secret', () => {
      it('is taken in exactly the way that was registered', async () => {
        const as = (client: TestClient, method: 'client_secret_basic' | 'client_secret_post' | 'none'): TestClient => ({
          ...client,
          metadata: { ...client.metadata, token_endpoint_auth_method: method },
        });
        const methods = ['client_secret_basic', 'client_secret_post', 'none'] as const;
        for (const registered of ['client_secret_basic', 'client_secret_post'] as const) {
          const client = await latchkey().createClient({ ...MACHINE, token_endpoint_auth_method: registered });
          for (const used of methods) {
            assert.equal(await ask(as(client, used)), used === registered ? 'good' : 'invalid_client');
          }
        }
      });

      it('is refused when the secret is wrong, empty, or given twice', async () => {
        const client = await latchkey().createClient(MACHINE);
        assert.equal(await ask({ ...client, clientSecret: `${client.clientSecret}x` }), 'invalid_client');
        assert.equal(await ask({ ...client, clientSecret: '' }), 'invalid_request');
        assert.equal(await ask(client, { client_secret: client.clientSecret }), 'invalid_request');
      });

      it('is refused for a public client that suddenly has a secret, and the other way round', async () => {
        const open = await latchkey().createClient({ token_endpoint_auth_method: 'none' });
        const withSecret = { ...open, clientSecret: 'x'.repeat(40), metadata: {} };
        assert.equal(await ask(withSecret), 'invalid_client');
      });

      it('works with the old and the new one for as long as they overlap, and then with the new one alone', async () => {
        const client = await latchkey().createClient(MACHINE);
        const { clients } = latchkey().app;
        const second = await clients.rotateSecret(client.clientId, 3600, CLI);
        assert.notEqual(second, client.clientSecret);
        assert.equal(await ask(client), 'good');
        assert.equal(await ask({ ...client, clientSecret: second }), 'good');
        const third = await clients.rotateSecret(client.clientId, 0, CLI);
        assert.equal(await ask(client), 'invalid_client');
        assert.equal(await ask({ ...client, clientSecret: second }), 'invalid_client');
        assert.equal(await ask({ ...client, clientSecret: third }), 'good');
      });
    });

    describe('with a signed assertion', () => {
      const newClient = async (key: ClientKey, metadata: Record<string, unknown> = {}) =>
        latchkey().createClient({
          ...MACHINE,
          token_endpoint_auth_method: 'private_key_jwt',
          jwks: { keys: [key.publicJwk] },
          ...metadata,
        });

      for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']) {
        it(`is taken when it is signed with ${alg}`, async () => {
          const key = await newKey(alg);
          const client = await newClient(key);
          assert.equal(await ask(client, await clientAssertion(key, client.clientId, latchkey().issuer)), 'good');
        });
      }

      it('is taken with the issuer or an endpoint of ours as its audience, and with no other', async () => {
        const key = await newKey();
        const client = await newClient(key);
        const { issuer } = latchkey();
        for (const audience of [issuer, `${issuer}/token`, [issuer, 'https://other.example']]) {
          assert.equal(await ask(client, await clientAssertion(key, client.clientId, audience)), 'good');
        }
        for (const audience of [
          'https://other.example',
          `${issuer}/`,
          `${issuer}/token/`,
          'https://other.example/token',
        ]) {
          const assertion = await clientAssertion(key, client.clientId, audience);
          assert.equal(await ask(client, assertion), 'invalid_client', audience);
        }
      });

      it('does not take its audience from the Host of the request', async () => {
        const key = await newKey();
        const client = await newClient(key);
        const assertion = await clientAssertion(key, client.clientId, 'http://evil.example/token');
        assert.equal(await ask(client, assertion, { host: 'evil.example' }), 'invalid_client');
      });

      it('is refused with claims that are missing, of somebody else, or out of time', async () => {
        const key = await newKey();
        const client = await newClient(key);
        const now = Math.floor(Date.now() / 1000);
        for (const claims of [
          { iss: undefined },
          { iss: 'somebody-else' },
          { sub: undefined },
          { jti: undefined },
          { exp: undefined },
          { exp: now - 60 },
          { nbf: now + 120 },
        ]) {
          const assertion = await clientAssertion(key, client.clientId, latchkey().issuer, { claims });
          assert.equal(await ask(client, assertion), 'invalid_client', JSON.stringify(claims));
        }
      });

      it('is refused with another key, another algorithm than registered, or none', async () => {
        const [key, other, rsa] = [await newKey(), await newKey(), await newKey('RS256')];
        const client = await newClient(key, {
          token_endpoint_auth_signing_alg: 'ES256',
          jwks: { keys: [key.publicJwk, rsa.publicJwk] },
        });
        const { issuer } = latchkey();
        const { kid } = key.publicJwk;
        assert.equal(
          await ask(client, await clientAssertion(other, client.clientId, issuer, { header: { kid } })),
          'invalid_client',
        );
        assert.equal(await ask(client, await clientAssertion(rsa, client.clientId, issuer)), 'invalid_client');
        const good = await clientAssertion(key, client.clientId, issuer);
        const [, payload] = good.client_assertion.split('.');
        const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
        assert.equal(await ask(client, { ...good, client_assertion: none }), 'invalid_client');
        assert.equal(await ask(client, good), 'good');
      });

      it('works once, also when it is sent many times at the same moment', async () => {
        const key = await newKey();
        const client = await newClient(key);
        const assertion = await clientAssertion(key, client.clientId, latchkey().issuer);
        const answers = await Promise.all(Array.from({ length: 20 }, () => ask(client, assertion)));
        assert.equal(answers.filter((one) => one === 'good').length, 1, answers.join(' '));
        assert.notEqual(await ask(client, assertion), 'good');
      });

      it('of one client is none of another', async () => {
        const key = await newKey();
        const [client, other] = [await newClient(key), await newClient(key)];
        const assertion = await clientAssertion(key, client.clientId, latchkey().issuer);
        assert.equal(await ask(other, assertion), 'invalid_request');
      });
    });

    describe('with keys at an address', () => {
      let host: JsonHost;
      before(async () => {
        host = await startJsonHost();
      });
      after(() => host.close());

      const newClient = (path: string) =>
        latchkey().createClient({
          ...MACHINE,
          token_endpoint_auth_method: 'private_key_jwt',
          jwks_uri: `${host.url}${path}`,
        });
      const prove = async (client: TestClient, key: ClientKey) =>
        ask(client, await clientAssertion(key, client.clientId, latchkey().issuer));
      /** As if a minute had gone by since the keys were read. */
      const age = async (client: TestClient): Promise<void> => {
        const found = await latchkey().app.engine.provider.Client.find(client.clientId);
        const keys = (found as unknown as { asymmetricKeyStore: { freshUntil: number } }).asymmetricKeyStore;
        const now = Math.floor(Date.now() / 1000);
        assert.ok(keys.freshUntil <= now + 60, 'a minute is the most');
        keys.freshUntil = now;
      };

      it('follows a rotation within a minute, whatever the document says about its age', async () => {
        const [first, second] = [await newKey(), await newKey()];
        host.headers['cache-control'] = 'max-age=86400';
        host.documents.set('/rotating', { keys: [first.publicJwk] });
        const client = await newClient('/rotating');
        assert.equal(await prove(client, first), 'good');
        host.documents.set('/rotating', { keys: [second.publicJwk] });
        await age(client);
        assert.equal(await prove(client, second), 'good');
        assert.equal(await prove(client, first), 'invalid_client');
      });

      it('stops believing a key that was taken back, also when nothing else has changed', async () => {
        const [kept, lost] = [await newKey(), await newKey()];
        host.documents.set('/taken-back', { keys: [kept.publicJwk, lost.publicJwk] });
        const client = await newClient('/taken-back');
        assert.equal(await prove(client, lost), 'good');
        host.documents.set('/taken-back', { keys: [kept.publicJwk] });
        await age(client);
        assert.equal(await prove(client, lost), 'invalid_client');
        assert.equal(await prove(client, kept), 'good');
      });

      it('goes on with the keys it has while the document cannot be read', async () => {
        const key = await newKey();
        host.documents.set('/away', { keys: [key.publicJwk] });
        const client = await newClient('/away');
        assert.equal(await prove(client, key), 'good');
        host.documents.delete('/away');
        await age(client);
        assert.equal(await prove(client, key), 'good');
      });

      it('does not read the document at every request', async () => {
        const key = await newKey();
        host.documents.set('/quiet', { keys: [key.publicJwk] });
        const client = await newClient('/quiet');
        for (let count = 0; count < 5; count += 1) assert.equal(await prove(client, key), 'good');
        assert.equal(host.asked.filter((path) => path === '/quiet').length, 1);
      });

      it('refuses private and shared keys in the document', async () => {
        const key = await newKey();
        host.documents.set('/private', { keys: [{ ...key.publicJwk, d: 'AAAA' }] });
        const client = await newClient('/private');
        assert.notEqual(await prove(client, key), 'good');
        host.documents.set('/shared', { keys: [{ kty: 'oct', k: 'AAAA', kid: 'x' }] });
        assert.notEqual(await prove(await newClient('/shared'), key), 'good');
      });
    });
  },
  { env: { LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } },
);

describeOnEachBackend('keys at an address of the machine itself', (latchkey) => {
  it('are not read unless the operator allows that host', async () => {
    const host = await startJsonHost();
    try {
      const key = await newKey();
      host.documents.set('/keys', { keys: [key.publicJwk] });
      const client = await latchkey().createClient({
        ...MACHINE,
        token_endpoint_auth_method: 'private_key_jwt',
        jwks_uri: `${host.url}/keys`,
      });
      const assertion = await clientAssertion(key, client.clientId, latchkey().issuer);
      const answer = await tokenRequest(latchkey(), '/token', client, {
        grant_type: 'client_credentials',
        ...assertion,
      });
      assert.equal(answer.body['error'], 'invalid_client');
      assert.deepEqual(host.asked, []);
    } finally {
      await host.close();
    }
  });
});
