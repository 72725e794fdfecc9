// oauth4webapi, which refuses any field out of line, through the whole FAPI 2.0 security profile: pushed requests, assertions with the issuer as
// audience, DPoP from the first request to userinfo, ES256 ID tokens whose signatures are checked, refresh, and a rotation of our keys.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as oauth from 'oauth4webapi';
import { newKey } from '../../support/proofs.ts';
import { answerPrompts, confirmSignOut, isSignedIn } from '../../support/relying-party.ts';
import { kidOf, publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../support/server.ts';

const GOODBYE = 'https://app.example.com/goodbye';
const insecure = { [oauth.allowInsecureRequests]: true };

describeOnEachBackend('oauth4webapi, by the FAPI 2.0 security profile', (latchkey) => {
  it('signs in, reads, refreshes and signs out, across a rotation', async () => {
    const key = await newKey('ES256');
    const registered = await latchkey().createClient({
      latchkey_profile: 'fapi2',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [key.publicJwk] },
      post_logout_redirect_uris: [GOODBYE],
    });
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const client: oauth.Client = { client_id: registered.clientId, id_token_signed_response_alg: 'ES256' };
    const issuer = new URL(latchkey().issuer);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
    const authentication = oauth.PrivateKeyJwt({ key: key.privateKey, kid: key.publicJwk.kid ?? '' });
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const options = { DPoP, ...insecure };
    const browser = latchkey().browser();

    const signIn = async () => {
      const verifier = oauth.generateRandomCodeVerifier();
      const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
      const pushed = await oauth.processPushedAuthorizationResponse(
        as,
        client,
        await oauth.pushedAuthorizationRequest(
          ...([as, client, authentication] as const),
          {
            redirect_uri: registered.redirectUri,
            response_type: 'code',
            scope: 'openid profile offline_access',
            prompt: 'consent',
            code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
            code_challenge_method: 'S256',
            ...{ state, nonce },
          },
          options,
        ),
      );
      const url = new URL(as.authorization_endpoint ?? '');
      url.search = new URLSearchParams({
        client_id: client.client_id,
        request_uri: pushed.request_uri,
      }).toString();
      const { location } = await answerPrompts(browser, await browser.get(url), { account });
      assert.ok(location);
      const params = oauth.validateAuthResponse(as, client, location, state);
      const response = await oauth.authorizationCodeGrantRequest(
        ...([as, client, authentication, params, registered.redirectUri, verifier, options] as const),
      );
      const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
      await oauth.validateApplicationLevelSignature(as, response, insecure);
      return tokens;
    };

    // It looks at our keys once, in here, and would not look again for minutes.
    const letThemSign = await publishNextKeys(latchkey());
    const tokens = await signIn();
    assert.equal(tokens.token_type, 'dpop');
    const info = await oauth.processUserInfoResponse(
      as,
      client,
      account.subject,
      await oauth.userInfoRequest(as, client, tokens.access_token, options),
    );
    assert.equal(info.name, 'Ann Lee');

    await letThemSign();
    const refreshResponse = await oauth.refreshTokenGrantRequest(
      ...([as, client, authentication, tokens.refresh_token ?? '', options] as const),
    );
    const refreshed = await oauth.processRefreshTokenResponse(as, client, refreshResponse);
    await oauth.validateApplicationLevelSignature(as, refreshResponse, insecure);
    assert.notEqual(kidOf(refreshed.id_token), kidOf(tokens.id_token));
    // FAPI 2.0 wants no rotation of tokens that are bound to a key.
    assert.equal(refreshed.refresh_token, tokens.refresh_token);
    const later = await signIn();
    assert.equal(kidOf(later.id_token), kidOf(refreshed.id_token));

    const end = new URL(as.end_session_endpoint ?? '');
    end.search = new URLSearchParams({
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: GOODBYE,
    }).toString();
    assert.equal(await isSignedIn(latchkey(), browser), true);
    const goodbye = await confirmSignOut(browser, end);
    assert.equal(goodbye.location?.href, GOODBYE);
    assert.equal(await isSignedIn(latchkey(), browser), false);
  });
});
