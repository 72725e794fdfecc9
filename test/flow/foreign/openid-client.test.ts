// openid-client beyond the plain sign-in of ../sign-in.test.ts: pushed requests, proofs of possession, assertions instead of secrets, devices and
// tokens for an API, with every signature checked and the signing keys rotated in between.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import type { Browser } from '../../support/browser-client.ts';
import { newKey } from '../../support/proofs.ts';
import { answerPrompts, confirmSignOut, isSignedIn } from '../../support/relying-party.ts';
import { kidOf, publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';

const GOODBYE = 'https://app.example.com/goodbye';
const API = 'https://api.example.com';
const SCOPE = 'openid profile email offline_access';
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const env = {
  ...settingsFile(`
clients:
  - client_id: night-job
    client_secret: a secret that only the night job knows
    grant_types: [client_credentials]
    response_types: []
    redirect_uris: []
resources:
  - { id: ${API}, name: Shop, scopes: { 'orders:read': see your orders }, clients: [night-job] }
`),
  LATCHKEY_DEVICE_POLL_INTERVAL: '1',
};

async function discover(
  { issuer }: Latchkey,
  clientId: string,
  authentication: oidc.ClientAuth,
): Promise<oidc.Configuration> {
  const config = await oidc.discovery(
    new URL(issuer),
    clientId,
    { id_token_signed_response_alg: 'ES256' },
    authentication,
    { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] },
  );
  return config;
}

async function approveDevice(browser: Browser, url: string, account: Parameters<typeof answerPrompts>[2]) {
  const confirm = await browser.submit(await browser.get(new URL(url)));
  assert.equal(confirm.id, 'device-confirm', confirm.describe());
  const done = await answerPrompts(
    browser,
    await browser.submit(confirm, {}, { button: ['decision', 'allow'] }),
    account,
  );
  assert.equal(done.id, 'device-done', done.describe());
}

describeOnEachBackend(
  'openid-client',
  (latchkey) => {
    it('pushes its requests, proves itself by a key and binds its tokens to another, across a rotation', async () => {
      const key = await newKey('ES256');
      const client = await latchkey().createClient({
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [key.publicJwk] },
        require_pushed_authorization_requests: true,
        dpop_bound_access_tokens: true,
        post_logout_redirect_uris: [GOODBYE],
      });
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const authentication = oidc.PrivateKeyJwt({ key: key.privateKey, kid: key.publicJwk.kid });
      const config = await discover(latchkey(), client.clientId, authentication);
      const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
      const browser = latchkey().browser();

      const signIn = async () => {
        const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
        const [expectedState, expectedNonce] = [oidc.randomState(), oidc.randomNonce()];
        const url = await oidc.buildAuthorizationUrlWithPAR(
          config,
          {
            redirect_uri: client.redirectUri,
            scope: SCOPE,
            prompt: 'consent',
            code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
            code_challenge_method: 'S256',
            state: expectedState,
            nonce: expectedNonce,
          },
          { DPoP },
        );
        assert.deepEqual([...url.searchParams.keys()].toSorted(), ['client_id', 'request_uri']);
        const { location } = await answerPrompts(browser, await browser.get(url), { account });
        assert.ok(location);
        const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
        return oidc.authorizationCodeGrant(config, location, checks, {}, { DPoP });
      };

      // It looks at our keys once, in here, and would not look again for minutes.
      const letThemSign = await publishNextKeys(latchkey());
      const tokens = await signIn();
      assert.equal(tokens.token_type, 'dpop');
      const info = await oidc.fetchUserInfo(config, tokens.access_token, account.subject, { DPoP });
      assert.equal(info.name, 'Ann Lee');
      await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, account.subject));

      await letThemSign();
      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '', {}, { DPoP });
      assert.equal(refreshed.claims()?.sub, account.subject);
      assert.notEqual(kidOf(refreshed.id_token), kidOf(tokens.id_token));
      const later = await signIn();
      assert.equal(kidOf(later.id_token), kidOf(refreshed.id_token));

      // The hint was signed by a key that no longer signs.
      const end = oidc.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token ?? '',
        post_logout_redirect_uri: GOODBYE,
        state: 'bye',
      });
      assert.equal(await isSignedIn(latchkey(), browser), true);
      const goodbye = await confirmSignOut(browser, end);
      assert.equal(goodbye.location?.href, `${GOODBYE}?state=bye`);
      assert.equal(await isSignedIn(latchkey(), browser), false);
    });

    it('signs a device in, refreshes and revokes, across a rotation', async () => {
      const client = await latchkey().createClient({
        client_name: 'Living Room TV',
        grant_types: [DEVICE_GRANT, 'refresh_token'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'none',
      });
      const account = await latchkey().createAccount();
      const config = await discover(latchkey(), client.clientId, oidc.None());
      const connect = async () => {
        const device = await oidc.initiateDeviceAuthorization(config, { scope: SCOPE });
        const polling = oidc.pollDeviceAuthorizationGrant(config, device);
        await approveDevice(latchkey().browser(), device.verification_uri_complete ?? '', { account });
        return polling;
      };
      const letThemSign = await publishNextKeys(latchkey());
      const tokens = await connect();
      assert.equal(tokens.claims()?.sub, account.subject);

      await letThemSign();
      const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
      assert.notEqual(kidOf(refreshed.id_token), kidOf(tokens.id_token));
      assert.equal((await oidc.fetchUserInfo(config, refreshed.access_token, account.subject)).email, account.email);
      assert.equal((await connect()).claims()?.sub, account.subject);

      await oidc.tokenRevocation(config, refreshed.refresh_token ?? '');
      await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token ?? ''), { error: 'invalid_grant' });
    });

    it('is told when a person says no at the device page', async () => {
      const client = await latchkey().createClient({
        grant_types: [DEVICE_GRANT],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'none',
      });
      const config = await discover(latchkey(), client.clientId, oidc.None());
      const device = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' });
      const polling = oidc.pollDeviceAuthorizationGrant(config, device);
      const browser = latchkey().browser();
      const confirm = await browser.submit(await browser.get(new URL(device.verification_uri_complete ?? '')));
      await Promise.all([
        assert.rejects(polling, { error: 'access_denied' }),
        browser.submit(confirm, {}, { button: ['decision', 'deny'] }),
      ]);
    });

    it('gets a service tokens that an API verifies, across a rotation', async () => {
      const config = await discover(
        latchkey(),
        'night-job',
        oidc.ClientSecretBasic('a secret that only the night job knows'),
      );
      const keys = createRemoteJWKSet(new URL(`${latchkey().issuer}/jwks`));
      const fetchVerified = async () => {
        const parameters = { resource: API, scope: 'orders:read' };
        const { access_token: token } = await oidc.clientCredentialsGrant(config, parameters);
        const { payload } = await jwtVerify(token, keys, {
          issuer: latchkey().issuer,
          audience: API,
          typ: 'at+jwt',
        });
        assert.equal(payload['scope'], 'orders:read');
        assert.equal(payload['client_id'], 'night-job');
        return kidOf(token);
      };
      const letThemSign = await publishNextKeys(latchkey());
      const before = await fetchVerified();
      await letThemSign();
      assert.notEqual(await fetchVerified(), before);
    });
  },
  { env },
);
