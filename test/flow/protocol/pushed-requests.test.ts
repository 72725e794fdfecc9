// Authorization requests that are pushed first (RFC 9126): once, in time, by their own client, and as they were pushed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  answerPrompts,
  challengeOf,
  newVerifier,
  type Parameters,
  redeem,
  tokenRequest,
} from '../../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { send } from '../../support/web.ts';

interface Pushed {
  readonly uri: string;
  readonly verifier: string;
}

const frontUrl = (
  latchkey: Latchkey,
  client: Pick<TestClient, 'clientId'>,
  uri: string,
  extra: Record<string, string> = {},
) => `${latchkey.issuer}/auth?${new URLSearchParams({ client_id: client.clientId, request_uri: uri, ...extra })}`;

async function push(latchkey: Latchkey, client: TestClient, change: Parameters = {}) {
  const verifier = newVerifier();
  const answer = await tokenRequest(latchkey, '/request', client, {
    client_id: client.clientId,
    response_type: 'code',
    redirect_uri: client.redirectUri,
    scope: 'openid',
    state: 'pushed',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...change,
  });
  return { ...answer, verifier };
}

async function pushGood(latchkey: Latchkey, client: TestClient, change: Parameters = {}): Promise<Pushed> {
  const { status, body, verifier } = await push(latchkey, client, change);
  assert.equal(status, 201, JSON.stringify(body));
  return { uri: String(body['request_uri']), verifier };
}

describeOnEachBackend('a pushed request', (latchkey) => {
  it('leads through the pages to a code, and says for how long it holds', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const { status, body, verifier } = await push(latchkey(), client);
    assert.equal(status, 201);
    assert.equal(body['expires_in'], 60);
    assert.match(String(body['request_uri']), /^urn:ietf:params:oauth:request_uri:[\w-]{20,}$/);
    const browser = latchkey().browser();
    const page = await answerPrompts(
      browser,
      await browser.get(frontUrl(latchkey(), client, String(body['request_uri']))),
      { account },
    );
    assert.equal(page.params['state'], 'pushed', page.describe());
    const answer = await redeem(latchkey(), client, { code: page.params['code'] ?? '', verifier });
    assert.equal(answer.status, 200);
  });

  it('counts, and nothing beside it at the front does', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const { uri } = await pushGood(latchkey(), client);
    const browser = latchkey().browser();
    const url = frontUrl(latchkey(), client, uri, { state: 'outside', scope: 'openid email', prompt: 'none' });
    const page = await answerPrompts(browser, await browser.get(url), { account });
    assert.equal(page.params['state'], 'pushed', page.describe());
  });

  it('is used once: opened again after it was completed it leads nowhere', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const { uri } = await pushGood(latchkey(), client);
    const browser = latchkey().browser();
    const url = frontUrl(latchkey(), client, uri);
    // Opening it before is harmless: people reload.
    await browser.get(url);
    const page = await answerPrompts(browser, await browser.get(url), { account });
    assert.ok(page.params['code'], page.describe());
    assert.equal((await browser.get(url)).params['error'], 'invalid_request_uri');
  });

  it('completed by many browsers at the same moment gives one code', async () => {
    const client = await latchkey().createClient({ latchkey_first_party: true });
    const account = await latchkey().createAccount();
    const browsers = Array.from({ length: 5 }, () => latchkey().browser());
    for (const browser of browsers) {
      const { uri } = await pushGood(latchkey(), client);
      await answerPrompts(browser, await browser.get(frontUrl(latchkey(), client, uri)), { account });
    }
    const { uri } = await pushGood(latchkey(), client);
    const pages = await Promise.all(browsers.map((browser) => browser.get(frontUrl(latchkey(), client, uri))));
    assert.equal(pages.filter((page) => page.params['code'] !== undefined).length, 1);
  });

  describe('is refused', () => {
    it('for another client than the one that pushed it', async () => {
      const [client, other] = [await latchkey().createClient(), await latchkey().createClient()];
      const { uri } = await pushGood(latchkey(), client);
      const page = await latchkey()
        .browser()
        .get(frontUrl(latchkey(), other, uri));
      assert.equal(page.params['error'], 'invalid_request_object', page.describe());
    });

    it('when nobody pushed it', async () => {
      const client = await latchkey().createClient();
      for (const uri of [
        'urn:ietf:params:oauth:request_uri:made-up',
        'urn:ietf:params:oauth:request_uri:',
        'https://app.example.com/request.jwt',
      ]) {
        const page = await latchkey()
          .browser()
          .get(frontUrl(latchkey(), client, uri));
        assert.match(
          page.params['error'] ?? '',
          /^(?:invalid_request_uri|request_uri_not_supported)$/,
          page.describe(),
        );
        assert.equal(page.params['iss'], latchkey().issuer);
      }
    });

    it('at once where the request is wrong, by JSON and never by a redirect', async () => {
      const client = await latchkey().createClient();
      for (const [change, error] of [
        [{ redirect_uri: 'https://evil.example/' }, 'invalid_request'],
        [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
        [{ code_challenge_method: 'plain' }, 'invalid_request'],
        [{ response_type: 'token' }, 'unsupported_response_type'],
        [{ response_type: undefined }, 'invalid_request'],
        [{ request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 'request_uri_not_supported'],
        [{ request: 'x.y.z' }, 'request_not_supported'],
        [{ client_id: 'somebody-else' }, 'invalid_request'],
      ] as const) {
        const { status, body } = await push(latchkey(), client, change);
        assert.deepEqual([status, body['error']], [400, error], JSON.stringify(change));
      }
    });

    it('from a client that does not prove itself, and by GET', async () => {
      const client = await latchkey().createClient();
      assert.equal((await push(latchkey(), { ...client, clientSecret: 'x'.repeat(43) })).status, 401);
      assert.equal((await send(`${latchkey().issuer}/request`)).status, 404);
    });
  });

  it('is demanded of clients that have registered it', async () => {
    const client = await latchkey().createClient({ require_pushed_authorization_requests: true });
    const url = `${latchkey().issuer}/auth?${new URLSearchParams({
      ...{ client_id: client.clientId, response_type: 'code', scope: 'openid', redirect_uri: client.redirectUri },
      ...{ code_challenge: challengeOf(newVerifier()), code_challenge_method: 'S256' },
    })}`;
    const page = await latchkey().browser().get(url);
    assert.equal(page.params['error'], 'invalid_request', page.describe());
    const { uri } = await pushGood(latchkey(), client);
    assert.equal(
      (
        await latchkey()
          .browser()
          .get(frontUrl(latchkey(), client, uri))
      ).id,
      'login',
    );
  });
});

describeOnEachBackend(
  'a pushed request that is too old',
  (latchkey) => {
    it('is refused, and the answer said for how long it holds', async () => {
      const client = await latchkey().createClient();
      const { body } = await push(latchkey(), client);
      assert.equal(body['expires_in'], 1);
      const url = frontUrl(latchkey(), client, String(body['request_uri']));
      const until = Date.now() + 3000;
      let page = await latchkey().browser().get(url);
      while (page.params['error'] === undefined && Date.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        page = await latchkey().browser().get(url);
      }
      assert.equal(page.params['error'], 'invalid_request_uri', page.describe());
    });
  },
  { env: { LATCHKEY_PUSHED_REQUEST_TTL: '1' } },
);
