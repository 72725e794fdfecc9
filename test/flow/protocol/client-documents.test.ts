// Clients that are described by a document at their own address (client ID metadata documents, a draft): only from hosts that the operator
// names, and never more than a stranger may be.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { InvalidRequest } from '../../../src/errors.ts';
import { type JsonHost, startJsonHost } from '../../support/json-host.ts';
import { authorizationRequest, redeem, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const REDIRECT = 'https://new.example.com/callback';

function clientAt(clientId: string): TestClient {
  return { clientId, clientSecret: undefined, redirectUri: REDIRECT, metadata: { token_endpoint_auth_method: 'none' } };
}

const supported = async (issuer: string): Promise<unknown> => {
  const { text } = await send(`${issuer}/.well-known/openid-configuration`);
  return (JSON.parse(text) as Record<string, unknown>)['client_id_metadata_document_supported'];
};

describeOnEachBackend('a client’s document, unless its host is named', (latchkey) => {
  it('is not looked at', async () => {
    const host = await startJsonHost({ isSecure: true });
    try {
      assert.equal(await supported(latchkey().issuer), undefined);
      const { url } = authorizationRequest(latchkey().issuer, clientAt(`${host.url}/app.json`));
      assert.equal((await latchkey().browser().get(url)).error, 'invalid-client');
      assert.deepEqual(host.asked, []);
    } finally {
      await host.close();
    }
  });
});

describeOnEachBackend(
  'a client’s document',
  (latchkey) => {
    let host: JsonHost;
    before(async () => {
      host = await startJsonHost({ isSecure: true });
    });
    after(() => host.close());

    const publish = (path: string, change: Record<string, unknown> = {}): TestClient => {
      const clientId = `${host.url}${path}`;
      host.documents.set(path, {
        client_id: clientId,
        client_name: 'Described App',
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: 'none',
        ...change,
      });
      return clientAt(clientId);
    };
    const errorOf = async (client: TestClient) => {
      const { url } = authorizationRequest(latchkey().issuer, client);
      const page = await latchkey().browser().get(url);
      return page.error ?? page.params['error'] ?? page.id;
    };

    it('makes a client that people sign in to, with their consent and its name', async () => {
      assert.equal(await supported(latchkey().issuer), true);
      const client = publish('/good.json');
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const signedIn = await signIn(latchkey(), browser, client, { account });
      assert.ok(browser.visited.some((page) => page.id === 'consent' && page.text.includes('Described App')));
      assert.equal((await redeem(latchkey(), client, signedIn)).status, 200);
      assert.equal(await latchkey().app.clients.find(client.clientId), null);
    });

    it('takes nothing that only an administrator gives', async () => {
      const client = publish('/greedy.json', {
        latchkey_first_party: true,
        latchkey_pkce_optional: true,
        latchkey_test_client: true,
      });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      assert.ok(browser.visited.some((page) => page.id === 'consent'));
      const { url } = authorizationRequest(latchkey().issuer, client, {
        code_challenge: undefined,
        code_challenge_method: undefined,
      });
      assert.equal((await latchkey().browser().get(url)).params['error'], 'invalid_request');
    });

    it('is read once for many requests', async () => {
      const client = publish('/quiet.json');
      for (let count = 0; count < 4; count += 1) assert.equal(await errorOf(client), 'login');
      assert.equal(host.asked.filter((path) => path === '/quiet.json').length, 1);
    });

    it('is refused when it is away, no JSON, too large, or of another client', async () => {
      for (const [path, document] of [
        ['/missing.json', undefined],
        ['/broken.json', '{'],
        ['/list.json', []],
        ['/large.json', JSON.stringify({ x: 'x'.repeat(2_000_000) })],
        ['/other.json', { client_id: 'https://other.example/', redirect_uris: [REDIRECT] }],
      ] as const) {
        if (document !== undefined) host.documents.set(path, document);
        assert.match((await errorOf(clientAt(`${host.url}${path}`))) ?? '', /^invalid-client/, path);
      }
    });

    it('is refused with a secret, an http address, a sector, or the device grant', async () => {
      for (const [path, change] of [
        ['/secret.json', { client_secret: 'x', token_endpoint_auth_method: 'client_secret_basic' }],
        ['/http.json', { redirect_uris: ['http://new.example.com/callback'] }],
        ['/sector.json', { subject_type: 'pairwise', sector_identifier_uri: `${host.url}/sector` }],
        ['/implicit.json', { response_types: ['id_token'], grant_types: ['implicit'] }],
      ] as const) {
        assert.match((await errorOf(publish(path, change))) ?? '', /^invalid-/, path);
      }
      assert.ok(!host.asked.includes('/sector'));
    });

    it('is not fetched from a host that is not named, nor by another scheme', async () => {
      const { port } = new URL(host.url);
      const asked = host.asked.length;
      for (const id of [`https://127.0.0.1:${port}/good.json`, `https://user@localhost:${port}/good.json`]) {
        assert.equal(await errorOf(clientAt(id)), 'invalid-client', id);
      }
      assert.equal(host.asked.length, asked);
    });

    it('cannot be pre-empted by a registered client with its address as id', async () => {
      await assert.rejects(latchkey().createClient({ client_id: `${host.url}/good.json` }), InvalidRequest);
    });
  },
  { env: { LATCHKEY_CLIENT_DOCUMENT_HOSTS: 'localhost', LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } },
);
