// Client libraries that nobody here wrote sign a person in through the real pages, refresh, ask about tokens, and sign out.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';
import type { AccountRow } from '../../src/account/accounts.ts';
import type { Browser, Page } from '../support/browser-client.ts';
import { answerPrompts } from '../support/relying-party.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../support/server.ts';

const REDIRECT_URI = 'https://app.example.com/callback';
const GOODBYE = 'https://app.example.com/goodbye';
const SCOPE = 'openid profile email offline_access';

const kinds = [
  { name: 'a confidential client with its secret in the header', method: 'client_secret_basic' },
  { name: 'a confidential client with its secret in the body', method: 'client_secret_post' },
  { name: 'a public client', method: 'none' },
] as const;

function newClient(latchkey: Latchkey, method: string): Promise<TestClient> {
  return latchkey.createClient({
    redirect_uris: [REDIRECT_URI],
    post_logout_redirect_uris: [GOODBYE],
    token_endpoint_auth_method: method,
  });
}

/** What the person does at the pages. @returns where the client gets its answer */
async function consentAsPerson(browser: Browser, url: URL, account: AccountRow): Promise<URL> {
  const login = await browser.get(url);
  assert.equal(login.id, 'login', login.describe());
  const consent = await browser.submit(login, { login: account.email ?? '', password: 'correct horse battery staple' });
  assert.equal(consent.id, 'consent', consent.describe());
  const answer = await browser.submit(consent, {}, { button: ['decision', 'allow'] });
  assert.equal(answer.status, 303);
  assert.equal(answer.location?.origin, 'https://app.example.com', answer.describe());
  return answer.location;
}

/** Confirms the question whether to sign out. @returns where that leads */
async function signOutAsPerson(browser: Browser, url: URL): Promise<Page> {
  const question = await browser.get(url);
  assert.equal(question.id, 'logout', question.describe());
  return browser.submit(question, {}, { button: ['decision', 'allow'] });
}

async function isSignedOut(latchkey: Latchkey, browser: Browser, client: TestClient): Promise<boolean> {
  const url = new URL('/auth', latchkey.issuer);
  url.search = new URLSearchParams({
    ...{
      client_id: client.clientId,
      response_type: 'code',
      scope: 'openid',
      prompt: 'none',
      redirect_uri: REDIRECT_URI,
    },
    ...{ code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' },
  }).toString();
  return (await browser.get(url)).params['error'] === 'login_required';
}

describeOnEachBackend('openid-client', (latchkey) => {
  for (const { name, method } of kinds) {
    it(`signs in, reads, refreshes, asks, revokes and signs out as ${name}`, async () => {
      const client = await newClient(latchkey(), method);
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const authentication = {
        client_secret_basic: oidc.ClientSecretBasic(client.clientSecret),
        client_secret_post: oidc.ClientSecretPost(client.clientSecret),
        none: oidc.None(),
      }[method];
      const config = await oidc.discovery(
        new URL(latchkey().issuer),
        client.clientId,
        { id_token_signed_response_alg: 'ES256' },
        authentication,
        { execute: [oidc.allowInsecureRequests] },
      );
      const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
      const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
      const browser = latchkey().browser();
      const callback = await consentAsPerson(
        browser,
        oidc.buildAuthorizationUrl(config, {
          redirect_uri: REDIRECT_URI,
          scope: SCOPE,
          prompt: 'consent',
          code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
          code_challenge_method: 'S256',
          state: expectedState,
          nonce: expectedNonce,
        }),
        account,
      );
      assert.equal(callback.searchParams.get('iss'), latchkey().issuer);
      const tokens = await oidc.authorizationCodeGrant(config, callback, {
        pkceCodeVerifier,
        expectedState,
        expectedNonce,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      assert.equal(claims?.sub, account.subject);
      assert.deepEqual(claims?.['amr'], ['pwd']);
      assert.equal(claims?.['acr'], 'urn:latchkey:aal1');
      assert.equal(typeof claims?.auth_time, 'number');
      assert.equal(tokens.expires_in, 900);

      const info = await oidc.fetchUserInfo(config, tokens.access_token, account.subject);
      assert.equal(info.name, 'Ann Lee');
      assert.equal(info.email, account.email);
      assert.equal(info.email_verified, true);
      assert.equal(info.preferred_username, account.email);

      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
      assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
      assert.notEqual(refreshed.access_token, tokens.access_token);
      assert.equal(refreshed.claims()?.sub, account.subject);

      const seen = await oidc.tokenIntrospection(config, refreshed.access_token);
      assert.equal(seen.active, true);
      assert.equal(seen.sub, account.subject);
      assert.equal(seen.client_id, client.clientId);
      assert.doesNotMatch(JSON.stringify(seen), /example\.com.*@|@.*example\.com/);
      await oidc.tokenRevocation(config, refreshed.access_token);
      assert.equal((await oidc.tokenIntrospection(config, refreshed.access_token)).active, false);
      await assert.rejects(oidc.fetchUserInfo(config, refreshed.access_token, account.subject));
      // It takes everything along that came from the same grant (RFC 7009, 2.1).
      await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token ?? ''), { error: 'invalid_grant' });

      const goodbye = await signOutAsPerson(
        browser,
        oidc.buildEndSessionUrl(config, {
          id_token_hint: tokens.id_token ?? '',
          post_logout_redirect_uri: GOODBYE,
          state: 'bye',
        }),
      );
      assert.equal(goodbye.location?.href, `${GOODBYE}?state=bye`);
      assert.equal(await isSignedOut(latchkey(), browser, client), true);
    });
  }
});

describeOnEachBackend('oauth4webapi', (latchkey) => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  for (const { name, method } of kinds) {
    it(`signs in, reads, refreshes, asks, revokes and signs out as ${name}`, async () => {
      const registered = await newClient(latchkey(), method);
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const client: oauth.Client = { client_id: registered.clientId, id_token_signed_response_alg: 'ES256' };
      const secret = registered.clientSecret ?? '';
      const authentication = {
        client_secret_basic: () => oauth.ClientSecretBasic(secret),
        client_secret_post: () => oauth.ClientSecretPost(secret),
        none: () => oauth.None(),
      }[method]();
      const issuer = new URL(latchkey().issuer);
      const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));

      const verifier = oauth.generateRandomCodeVerifier();
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
      const url = new URL(as.authorization_endpoint ?? '');
      url.search = new URLSearchParams({
        client_id: client.client_id,
        redirect_uri: REDIRECT_URI,
        response_type: 'code',
        scope: SCOPE,
        prompt: 'consent',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...{ state, nonce },
      }).toString();
      const browser = latchkey().browser();
      const callback = await consentAsPerson(browser, url, account);

      const params = oauth.validateAuthResponse(as, client, callback, state);
      const tokenResponse = await oauth.authorizationCodeGrantRequest(
        ...([as, client, authentication, params, REDIRECT_URI, verifier, insecure] as const),
      );
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, tokenResponse, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
      await oauth.validateApplicationLevelSignature(as, tokenResponse, insecure);
      assert.equal(oauth.getValidatedIdTokenClaims(tokens)?.sub, account.subject);

      const info = await oauth.processUserInfoResponse(
        as,
        client,
        account.subject,
        await oauth.userInfoRequest(as, client, tokens.access_token, insecure),
      );
      assert.equal(info.name, 'Ann Lee');
      assert.equal(info.email, account.email);

      const refreshResponse = await oauth.refreshTokenGrantRequest(
        ...([as, client, authentication, tokens.refresh_token ?? '', insecure] as const),
      );
      const refreshed = await oauth.processRefreshTokenResponse(as, client, refreshResponse);
      assert.notEqual(refreshed.refresh_token, tokens.refresh_token);

      const introspect = async (token: string) =>
        oauth.processIntrospectionResponse(
          as,
          client,
          await oauth.introspectionRequest(as, client, authentication, token, insecure),
        );
      assert.equal((await introspect(refreshed.access_token)).active, true);
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, authentication, refreshed.refresh_token ?? '', insecure),
      );
      assert.equal((await introspect(refreshed.access_token)).active, false);
      assert.equal((await introspect(tokens.access_token)).active, false);

      const end = new URL(as.end_session_endpoint ?? '');
      end.search = new URLSearchParams({
        id_token_hint: tokens.id_token ?? '',
        post_logout_redirect_uri: GOODBYE,
      }).toString();
      const goodbye = await signOutAsPerson(browser, end);
      assert.equal(goodbye.location?.href, GOODBYE);
      assert.equal(await isSignedOut(latchkey(), browser, registered), true);
    });
  }

  it('signs a client in for itself', async () => {
    const registered = await latchkey().createClient({
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
    });
    const client: oauth.Client = { client_id: registered.clientId };
    const issuer = new URL(latchkey().issuer);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
    const authentication = oauth.ClientSecretBasic(registered.clientSecret ?? '');
    const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, {}, insecure);
    const tokens = await oauth.processClientCredentialsResponse(as, client, response);
    assert.equal(tokens.expires_in, 900);
    assert.equal(tokens.refresh_token, undefined);
  });
});

describeOnEachBackend('the ID token', (latchkey) => {
  describe('is signed with what the client asked for', () => {
    for (const alg of ['RS256', 'ES256', 'EdDSA']) {
      it(alg, async () => {
        const client = await latchkey().createClient({ id_token_signed_response_alg: alg });
        const account = await latchkey().createAccount();
        const config = await oidc.discovery(
          new URL(latchkey().issuer),
          client.clientId,
          { id_token_signed_response_alg: alg },
          oidc.ClientSecretBasic(client.clientSecret),
          { execute: [oidc.allowInsecureRequests] },
        );
        const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
        const browser = latchkey().browser();
        const page = await answerPrompts(
          browser,
          await browser.get(
            oidc.buildAuthorizationUrl(config, {
              redirect_uri: client.redirectUri,
              scope: 'openid',
              code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
              code_challenge_method: 'S256',
            }),
          ),
          { account },
        );
        assert.ok(page.location, page.describe());
        const tokens = await oidc.authorizationCodeGrant(config, page.location, { pkceCodeVerifier });
        const keys = (await (await fetch(`${latchkey().issuer}/jwks`)).json()) as {
          keys: { kid: string; alg: string }[];
        };
        const { protectedHeader, payload } = await jwtVerify(tokens.id_token ?? '', createLocalJWKSet(keys as never), {
          issuer: latchkey().issuer,
          audience: client.clientId,
          algorithms: [alg],
        });
        assert.equal(protectedHeader.alg, alg);
        assert.equal(keys.keys.find((key) => key.kid === protectedHeader.kid)?.alg, alg);
        assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 3600);
      });
    }
  });
});
