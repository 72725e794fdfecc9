// Implicit and hybrid response types: only where the deployment allows them, and only for clients that are marked as test clients.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeJwt } from 'jose';
import { InvalidRequest } from '../../../src/errors.ts';
import { answerPrompts, authorizationRequest } from '../../support/relying-party.ts';
import { describeOnEachBackend } from '../../support/server.ts';

const TYPES = ['id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token'];
const METADATA = {
  response_types: ['code', ...TYPES],
  grant_types: ['authorization_code', 'implicit', 'refresh_token'],
  latchkey_pkce_optional: true,
};
const ON = { env: { LATCHKEY_TEST_RESPONSE_TYPES: 'true' } };

describeOnEachBackend('implicit and hybrid response types, unless they are asked for', (latchkey) => {
  it('can be neither registered nor used, by test clients neither', async () => {
    await assert.rejects(latchkey().createClient({ ...METADATA, latchkey_test_client: true }), InvalidRequest);
    const client = await latchkey().createClient({ latchkey_test_client: true });
    for (const type of [...TYPES, 'token', 'none']) {
      const { url } = authorizationRequest(latchkey().issuer, client, { response_type: type, nonce: 'n' });
      const page = await latchkey().browser().get(url);
      const { location } = page;
      const params = new URLSearchParams(location?.hash.slice(1) || location?.search);
      assert.equal(params.get('error'), 'unsupported_response_type', type);
    }
  });
});

describeOnEachBackend(
  'implicit and hybrid response types',
  (latchkey) => {
    it('are refused for every client without the mark', async () => {
      for (const type of TYPES) {
        await assert.rejects(latchkey().createClient({ ...METADATA, response_types: [type] }), InvalidRequest, type);
      }
      const client = await latchkey().createClient();
      const { url } = authorizationRequest(latchkey().issuer, client, { response_type: 'code id_token', nonce: 'n' });
      const page = await latchkey().browser().get(url);
      assert.equal(new URLSearchParams(page.location?.hash.slice(1)).get('error'), 'invalid_request');
    });

    it('need https and a host of their own', async () => {
      for (const uri of ['http://app.example.com/cb', 'https://localhost/cb']) {
        const metadata = { ...METADATA, latchkey_test_client: true, redirect_uris: [uri] };
        await assert.rejects(latchkey().createClient(metadata), InvalidRequest, uri);
      }
    });

    for (const type of TYPES) {
      it(`${type} answers a test client with what it asked for, in the fragment`, async () => {
        const client = await latchkey().createClient({ ...METADATA, latchkey_test_client: true });
        const account = await latchkey().createAccount();
        const browser = latchkey().browser();
        const request = authorizationRequest(latchkey().issuer, client, {
          response_type: type,
          nonce: 'nonce',
          ...(type.includes('code') ? {} : { code_challenge: undefined, code_challenge_method: undefined }),
        });
        const page = await answerPrompts(browser, await browser.get(request.url), { account });
        const params = new URLSearchParams(page.location?.hash.slice(1));
        assert.equal(page.location?.search, '', page.describe());
        assert.equal(params.get('state'), request.state);
        assert.equal(params.has('code'), type.includes('code'));
        assert.equal(params.has('access_token'), type.split(' ').includes('token'));
        const idToken = params.get('id_token');
        assert.equal(idToken !== null, type.includes('id_token'));
        if (idToken === null) return;
        const claims = decodeJwt(idToken);
        assert.equal(claims['nonce'], 'nonce');
        assert.equal('c_hash' in claims, type.includes('code'));
        assert.equal('at_hash' in claims, type.split(' ').includes('token'));
      });
    }

    it('with an ID token need a nonce', async () => {
      const client = await latchkey().createClient({ ...METADATA, latchkey_test_client: true });
      for (const type of TYPES.filter((one) => one.includes('id_token'))) {
        const { url } = authorizationRequest(latchkey().issuer, client, { response_type: type });
        const page = await latchkey().browser().get(url);
        assert.equal(new URLSearchParams(page.location?.hash.slice(1)).get('error'), 'invalid_request', type);
      }
    });
  },
  ON,
);
