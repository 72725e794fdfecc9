// AppAuth for JavaScript with its own support for Node: a native app that listens on a loopback port, opens the system's browser and waits.
import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { it } from 'node:test';
import type { AuthorizationRequestHandler } from '@openid/appauth/built/src/authorization_request_handler.js';
import * as appAuth from '../../../examples/native-app/app-auth.ts';
import { freePort } from '../../support/free-port.ts';
import { answerPrompts } from '../../support/relying-party.ts';
import { kidOf, rotateKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey } from '../../support/server.ts';
import { send } from '../../support/web.ts';

// What opens the system's browser opens ours.
const opened = new EventTarget();
Object.assign(globalThis, { openedByAppAuth: opened });
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'opener'
      ? {
          url: `data:text/javascript,export default (url) =>
            globalThis.openedByAppAuth.dispatchEvent(new MessageEvent('open', { data: url }));`,
          shortCircuit: true,
        }
      : next(specifier, context),
});
const { AuthorizationNotifier } = await import('@openid/appauth/built/src/authorization_request_handler.js');
const { NodeBasedHandler } = await import('@openid/appauth/built/src/node_support/node_request_handler.js');
const { NodeRequestor } = await import('@openid/appauth/built/src/node_support/node_requestor.js');

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly idToken: string;
  isValid(): boolean;
}

const requestor = new NodeRequestor();
const handler = new appAuth.TokenRequestHandler(requestor);

function register(latchkey: Latchkey) {
  return latchkey.createClient({
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: ['http://127.0.0.1/callback'],
  });
}

/** The person's part: what the browser that AppAuth opened does. */
function answerAsPerson(latchkey: Latchkey, answers: Parameters<typeof answerPrompts>[2]): Promise<void> {
  return new Promise((resolve, reject) => {
    const answer = async (url: string): Promise<void> => {
      const browser = latchkey.browser();
      const { location } = await answerPrompts(browser, await browser.get(new URL(url)), answers);
      assert.match((await send(location?.href ?? '')).text, /Close your browser/);
    };
    const listen = (event: Event): void => {
      answer((event as MessageEvent<string>).data).then(resolve, reject);
    };
    opened.addEventListener('open', listen, { once: true });
  });
}

async function authorize(latchkey: Latchkey, clientId: string, answers: Parameters<typeof answerPrompts>[2]) {
  const configuration = await appAuth.ServerConfiguration.fetchFromIssuer(latchkey.issuer, requestor);
  const port = await freePort();
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const request = new appAuth.AuthorizationRequest(
    {
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'openid profile offline_access',
      response_type: 'code',
      extras: { prompt: 'consent' },
    },
    new appAuth.NodeCrypto(),
  );
  const notifier = new AuthorizationNotifier();
  const completed = new Promise<{ readonly code: string | undefined; readonly error: string | undefined }>((resolve) =>
    notifier.setAuthorizationListener((sent, response, error) => {
      if (response) assert.equal(response.state, sent.state);
      resolve({ code: response?.code, error: error?.error });
    }),
  );
  // The types of the package do not resolve outside of a bundler: it does extend this.
  const own = new NodeBasedHandler(port) as unknown as AuthorizationRequestHandler;
  own.setAuthorizationNotifier(notifier);
  const answered = answerAsPerson(latchkey, answers);
  own.performAuthorizationRequest(configuration, request);
  await answered;
  return { ...(await completed), configuration, redirectUri, verifier: request.internal?.['code_verifier'] };
}

async function signIn(latchkey: Latchkey, clientId: string, answers: Parameters<typeof answerPrompts>[2]) {
  const { code, configuration, redirectUri, verifier } = await authorize(latchkey, clientId, answers);
  const request = new appAuth.TokenRequest({
    ...{ client_id: clientId, redirect_uri: redirectUri, grant_type: 'authorization_code', code: code ?? '' },
    extras: { code_verifier: verifier },
  });
  const tokens: Tokens = await handler.performTokenRequest(configuration, request);
  return { tokens, configuration, redirectUri };
}

describeOnEachBackend('AppAuth', (latchkey) => {
  it('signs in at a free port, refreshes across a rotation, and revokes', async () => {
    const { clientId } = await register(latchkey());
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const { tokens, configuration, redirectUri } = await signIn(latchkey(), clientId, { account });
    assert.equal(tokens.isValid(), true);
    const info = await send(configuration.userInfoEndpoint ?? '', {
      headers: { authorization: `Bearer ${tokens.accessToken}` },
    });
    assert.equal((JSON.parse(info.text) as { readonly name: string }).name, 'Ann Lee');

    await rotateKeys(latchkey());
    const request = new appAuth.TokenRequest({
      ...{ client_id: clientId, redirect_uri: redirectUri, grant_type: 'refresh_token' },
      refresh_token: tokens.refreshToken,
    });
    const refreshed: Tokens = await handler.performTokenRequest(configuration, request);
    assert.notEqual(refreshed.refreshToken, tokens.refreshToken);
    assert.notEqual(kidOf(refreshed.idToken), kidOf(tokens.idToken));
    const later = await signIn(latchkey(), clientId, { account });
    assert.equal(kidOf(later.tokens.idToken), kidOf(refreshed.idToken));

    const revoke = new appAuth.RevokeTokenRequest({ token: refreshed.refreshToken, client_id: clientId });
    assert.equal(await handler.performRevokeTokenRequest(configuration, revoke), true);
    const dead = new appAuth.TokenRequest({
      ...{ client_id: clientId, redirect_uri: redirectUri, grant_type: 'refresh_token' },
      refresh_token: refreshed.refreshToken,
    });
    await assert.rejects(handler.performTokenRequest(configuration, dead));
  });

  it('is told when the person says no', async () => {
    const { clientId } = await register(latchkey());
    const account = await latchkey().createAccount();
    const { code, error } = await authorize(latchkey(), clientId, { account, decision: 'deny' });
    assert.deepEqual([code, error], [undefined, 'access_denied']);
  });
});
