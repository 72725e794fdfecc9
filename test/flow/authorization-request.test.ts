// Requests that must not get through: other redirect URIs, no PKCE, stolen verifiers. What an error may do and where it may go.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../src/errors.ts';
import type { Page } from '../support/browser-client.ts';
import {
  answerPrompts,
  authorizationRequest,
  challengeOf,
  newVerifier,
  redeem,
  signIn,
} from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../support/server.ts';

describeOnEachBackend('an authorization request', (latchkey) => {
  const open = (client: TestClient, params: Record<string, string | undefined>) =>
    latchkey()
      .browser()
      .get(authorizationRequest(latchkey().issuer, client, params).url);

  /** An error page of ours that leads nowhere by itself. */
  function assertStays(page: Page, code: string): void {
    assert.equal(page.location, null, page.describe());
    assert.equal(page.id, 'error', page.describe());
    assert.equal(page.error, code);
    assert.equal(page.status, 400);
  }

  describe('with a redirect URI', () => {
    it('that differs in anything from the registered one goes nowhere', async () => {
      const client = await latchkey().createClient({
        redirect_uris: ['https://app.example.com/callback', 'https://app.example.com/with?query=1'],
      });
      for (const uri of [
        'https://app.example.com/callback/',
        'https://app.example.com/callback?added=1',
        'https://app.example.com/Callback',
        'https://APP.example.com/callback',
        'https://app.example.com:443/callback',
        'https://app.example.com/x/../callback',
        'https://app.example.com/callback#fragment',
        'https://app.example.com/%63allback',
        'https://user@app.example.com/callback',
        'https://app.example.com.evil.example/callback',
        'https://evil.example/?https://app.example.com/callback',
        'http://app.example.com/callback',
        'https://app.example.com/with?query=2',
        'https://app.example.com/with?query=1&more=1',
        'https://app.example.com/with',
        'javascript:alert(1)',
        'data:text/html,x',
        '//app.example.com/callback',
        'https://app.example.com\\@evil.example/callback',
        ' https://app.example.com/callback',
        'https://app.example.com/callback\n',
        'not a uri',
      ]) {
        assertStays(await open(client, { redirect_uri: uri }), 'redirect-uri-mismatch');
      }
      assert.equal((await open(client, { redirect_uri: 'https://app.example.com/with?query=1' })).id, 'login');
    });

    it('tells the administrator what was seen, as text', async () => {
      const client = await latchkey().createClient();
      const seen = 'https://evil.example/<script>alert(1)</script>';
      const page = await open(client, { redirect_uri: seen });
      assertStays(page, 'redirect-uri-mismatch');
      assert.match(page.text, /https:\/\/evil\.example\/&lt;script&gt;/);
      assert.ok(page.text.includes(client.clientId));
    });

    it('left out is fine where there is one, and an error where there are two', async () => {
      const one = await latchkey().createClient();
      assert.equal((await open(one, { redirect_uri: undefined })).id, 'login');
      const two = await latchkey().createClient({ redirect_uris: ['https://a.example/cb', 'https://b.example/cb'] });
      const page = await open(two, { redirect_uri: undefined });
      assert.equal(page.location, null, page.describe());
      assert.equal(page.id, 'error');
    });

    it('of a native app may have any port on the loopback address, and nothing else may differ', async () => {
      const client = await latchkey().createClient({
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', 'http://localhost/callback'],
      });
      for (const uri of [
        'http://127.0.0.1:49152/callback',
        'http://[::1]:61023/callback',
        'http://localhost:5/callback',
      ]) {
        assert.equal((await open(client, { redirect_uri: uri })).id, 'login', uri);
      }
      for (const uri of [
        'http://127.0.0.1:49152/other',
        'http://127.0.0.2:49152/callback',
        'https://127.0.0.1:49152/callback',
        'http://127.0.0.1.evil.example:49152/callback',
        'http://evil.example:49152/callback',
        'http://127.0.0.1:49152/callback?x=1',
      ]) {
        assertStays(await open(client, { redirect_uri: uri }), 'redirect-uri-mismatch');
      }
    });

    it('of a web app on the own machine keeps its port', async () => {
      const client = await latchkey().createClient({ redirect_uris: ['http://localhost:3002/callback'] });
      assert.equal((await open(client, { redirect_uri: 'http://localhost:3002/callback' })).id, 'login');
      assertStays(await open(client, { redirect_uri: 'http://localhost:3003/callback' }), 'redirect-uri-mismatch');
    });

    it('that could never be safe cannot be registered', async () => {
      for (const [type, uri] of [
        ['web', 'javascript:alert(1)'],
        ['web', 'https://app.example.com/callback#fragment'],
        ['web', 'https://*.example.com/callback'],
        ['web', 'com.example.app:/callback'],
        ['web', '/callback'],
        ['native', 'javascript:alert(1)'],
        ['native', 'data:text/html,x'],
        ['native', 'file:///etc/passwd'],
        ['native', 'http://app.example.com/callback'],
        ['native', 'com.example.app:/callback#fragment'],
      ]) {
        await assert.rejects(
          latchkey().createClient({ application_type: type, redirect_uris: [uri] }),
          (error) => error instanceof AppError && error.code === 'invalid-client-metadata',
          `${type} ${uri}`,
        );
      }
    });
  });

  describe('of a client', () => {
    it('that does not exist gets a page that names it as text and leads nowhere', async () => {
      const client = await latchkey().createClient();
      for (const id of ['nobody', '<script>', '%00', 'x'.repeat(300), 'https://evil.example']) {
        const page = await open(client, { client_id: id });
        assert.equal(page.location, null);
        assert.equal(page.id, 'error', page.describe());
        assert.equal(page.error, 'invalid-client');
        assert.doesNotMatch(page.text, /<script>/);
      }
    });

    it('that was deleted is refused within a second, also with a code in hand', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
      await latchkey().app.clients.delete(client.clientId, { actor: { kind: 'cli' } });
      assert.equal((await open(client, {})).error, 'invalid-client');
      assert.equal((await redeem(latchkey(), client, signedIn)).body['error'], 'invalid_client');
    });
  });

  describe('that asks for what is not there', () => {
    it('tells the client by redirect with state and issuer', async () => {
      const client = await latchkey().createClient();
      for (const [change, error] of [
        [{ response_type: 'token' }, 'unsupported_response_type'],
        [{ response_type: 'id_token' }, 'unsupported_response_type'],
        [{ response_type: undefined }, 'invalid_request'],
        [{ scope: 'openid', response_mode: 'unknown' }, 'unsupported_response_mode'],
        [{ claims: '{' }, 'invalid_request'],
        [{ max_age: '-1' }, 'invalid_request'],
        [{ request: 'x.y.z' }, 'request_not_supported'],
        [{ request_uri: 'https://evil.example/' }, 'request_uri_not_supported'],
        [{ registration: '{}' }, 'registration_not_supported'],
      ] as const) {
        const request = authorizationRequest(latchkey().issuer, client, change);
        const page = await latchkey().browser().get(request.url);
        const what = `${JSON.stringify(change)} ${page.describe()}`;
        assert.equal(page.location?.origin, 'https://app.example.com', what);
        const params = { ...Object.fromEntries(new URLSearchParams(page.location.hash.slice(1))), ...page.params };
        assert.equal(params['error'], error, what);
        assert.equal(params['state'], request.state, what);
        assert.equal(params['iss'], latchkey().issuer, what);
      }
    });

    it('sent by POST is not understood', async () => {
      const client = await latchkey().createClient();
      const { url } = authorizationRequest(latchkey().issuer, client);
      const page = await latchkey().browser().post('/auth', url.searchParams.toString());
      assert.ok(page.status === 404 || page.status === 405, page.describe());
    });
  });
});

describeOnEachBackend('PKCE', (latchkey) => {
  const kinds = ['client_secret_basic', 'client_secret_post', 'none'] as const;

  it('is required of every kind of client', async () => {
    for (const method of kinds) {
      const client = await latchkey().createClient({ token_endpoint_auth_method: method });
      const url = authorizationRequest(latchkey().issuer, client, {
        code_challenge: undefined,
        code_challenge_method: undefined,
      }).url;
      const page = await latchkey().browser().get(url);
      assert.equal(page.params['error'], 'invalid_request', `${method} ${page.describe()}`);
    }
  });

  it('knows S256 alone', async () => {
    const client = await latchkey().createClient();
    const verifier = newVerifier();
    for (const change of [
      { code_challenge: verifier, code_challenge_method: 'plain' },
      { code_challenge: verifier, code_challenge_method: undefined },
      { code_challenge: 'short', code_challenge_method: 'S256' },
      { code_challenge: undefined, code_challenge_method: 'S256' },
      { code_challenge: `${challengeOf(verifier)}=`, code_challenge_method: 'S256' },
    ]) {
      const page = await latchkey()
        .browser()
        .get(authorizationRequest(latchkey().issuer, client, change).url);
      assert.equal(page.params['error'], 'invalid_request', `${JSON.stringify(change)} ${page.describe()}`);
    }
  });

  it('refuses a code without its verifier and kills nothing else with it', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    for (const code_verifier of [undefined, newVerifier(), '', 'x', 'x'.repeat(200)]) {
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
      const answer = await redeem(latchkey(), client, signedIn, { code_verifier });
      assert.equal(answer.status, 400);
      assert.ok(
        ['invalid_grant', 'invalid_request'].includes(String(answer.body['error'])),
        JSON.stringify(answer.body),
      );
      assert.equal('access_token' in answer.body, false);
    }
  });

  it('can be left out only by a client that is excepted by name, and a verifier without a challenge is an error', async () => {
    const client = await latchkey().createClient({ latchkey_pkce_optional: true });
    const account = await latchkey().createAccount();
    const without = { code_challenge: undefined, code_challenge_method: undefined };
    const plain = await signIn(latchkey(), latchkey().browser(), client, { account, params: without });
    assert.equal((await redeem(latchkey(), client, plain, { code_verifier: undefined })).status, 200);
    // Somebody took the challenge out of the request on its way (RFC 9700, 4.8.2).
    const downgraded = await signIn(latchkey(), latchkey().browser(), client, { account, params: without });
    const answer = await redeem(latchkey(), client, downgraded);
    assert.equal(answer.body['error'], 'invalid_grant');
    const used = await signIn(latchkey(), latchkey().browser(), client, { account });
    assert.equal((await redeem(latchkey(), client, used, { code_verifier: undefined })).status, 400);
  });

  it('is never an option for public clients', async () => {
    await assert.rejects(
      latchkey().createClient({ latchkey_pkce_optional: true, token_endpoint_auth_method: 'none' }),
      (error) => error instanceof AppError && error.code === 'invalid-client-metadata',
    );
  });
});

describeOnEachBackend('a code', (latchkey) => {
  it('belongs to its client, its redirect URI and one use', async () => {
    const redirects = ['https://app.example.com/callback', 'https://app.example.com/other'];
    const [mine, other] = [
      await latchkey().createClient({ redirect_uris: redirects }),
      await latchkey().createClient({ redirect_uris: redirects }),
    ];
    const account = await latchkey().createAccount();
    const fresh = () => signIn(latchkey(), latchkey().browser(), mine, { account });
    assert.equal((await redeem(latchkey(), other, await fresh())).body['error'], 'invalid_grant');
    assert.equal(
      (await redeem(latchkey(), mine, await fresh(), { redirect_uri: redirects[1] })).body['error'],
      'invalid_grant',
    );
    assert.equal((await redeem(latchkey(), mine, await fresh(), { redirect_uri: undefined })).status, 400);
    assert.equal(
      (await redeem(latchkey(), mine, await fresh(), { code: 'no such code' })).body['error'],
      'invalid_grant',
    );
    assert.equal((await redeem(latchkey(), mine, await fresh())).status, 200);
  });

  it('needs the right secret by the registered method', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
    const registeredAs = (token_endpoint_auth_method: 'client_secret_post' | 'none') => ({
      metadata: { ...client.metadata, token_endpoint_auth_method },
    });
    const wrongs: [Partial<TestClient>, number, string][] = [
      [{ clientSecret: 'wrong' }, 401, 'invalid_client'],
      [{ clientSecret: undefined }, 400, 'invalid_request'],
      [{ clientId: 'nobody' }, 401, 'invalid_client'],
      [registeredAs('client_secret_post'), 401, 'invalid_client'],
      [registeredAs('none'), 401, 'invalid_client'],
    ];
    for (const [change, status, error] of wrongs) {
      const answer = await redeem(latchkey(), { ...client, ...change }, signedIn);
      assert.equal(answer.body['error'], error, JSON.stringify(change));
      assert.equal(answer.status, status, JSON.stringify(change));
    }
    assert.equal((await redeem(latchkey(), client, signedIn)).status, 200);
  });

  it('answers the two secrets of a rotation, and only the new one when the overlap is over', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const rotated = await latchkey().app.clients.rotateSecret(client.clientId, 3600, { actor: { kind: 'cli' } });
    const works = async (clientSecret: string | undefined) => {
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account });
      return (await redeem(latchkey(), { ...client, clientSecret }, signedIn)).status === 200;
    };
    assert.deepEqual([await works(client.clientSecret), await works(rotated)], [true, true]);
    const last = await latchkey().app.clients.rotateSecret(client.clientId, 0, { actor: { kind: 'cli' } });
    assert.deepEqual([await works(client.clientSecret), await works(rotated), await works(last)], [false, false, true]);
  });

  it('reaches the client by form post as well, with the state byte for byte', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const state = `"><script>alert('x')</script>& \u{1f511} ${'s'.repeat(200)}`;
    const request = authorizationRequest(latchkey().issuer, client, { response_mode: 'form_post', state });
    const page = await answerPrompts(browser, await browser.get(request.url), { account, password: TEST_PASSWORD });
    assert.equal(page.status, 200, page.describe());
    const form = page.element('form');
    assert.equal(form.getAttribute('action'), client.redirectUri);
    const field = (name: string) => page.element(`input[name=${name}]`).getAttribute('value');
    assert.equal(field('state'), state);
    assert.equal(field('iss'), latchkey().issuer);
    assert.doesNotMatch(page.text, /<script>alert/);
    assert.match(page.headers['content-security-policy'] ?? '', /script-src 'self' 'sha256-[^']+'/);
    const tokens = await redeem(latchkey(), client, { code: field('code') ?? '', verifier: request.verifier });
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  });
});
