// The modules of the OpenID Connect plans for providers, under the suite's names. Each works for every response type and mode that its plans
// run it with.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader, UnsecuredJWT } from 'jose';
import { InvalidRequest } from '../../../src/errors.ts';
import { challengeOf, newVerifier, tokenRequest } from '../../support/relying-party.ts';
import { send } from '../../support/web.ts';
import { ADDRESS, type Authorized, PHONE, PROFILE, REDIRECT, type Suite } from './relying-party.ts';

export type Module = (suite: Suite) => Promise<void>;

/** Half of the left-most hash of a front-channel value (OIDC Core 3.3.2.11), for RS256. */
function halfHash(value: string): string {
  return createHash('sha256').update(value).digest().subarray(0, 16).toString('base64url');
}

const userinfo = (suite: Suite, options: Parameters<typeof send>[1]) => send(`${suite.latchkey.issuer}/me`, options);

const accessTokenOf = async (suite: Suite, authorized: Authorized): Promise<string> => {
  const { accessToken } = await suite.tokens(authorized);
  assert.ok(accessToken);
  return accessToken;
};

const subjectAndTime = (idToken: string | undefined) => {
  assert.ok(idToken);
  const { sub, auth_time: authTime } = decodeJwt(idToken);
  return { sub, authTime: Number(authTime) };
};

/** The two ways in which a request may fail: told to the client, or to the person. */
function assertFailed(suite: Suite, { page, answer }: Authorized, ...codes: readonly string[]): void {
  if (answer['error'] === undefined) {
    assert.equal(page.id, 'error', page.describe());
    assert.ok(codes.includes(page.error?.replaceAll('-', '_') ?? ''), `${page.error}`);
  } else {
    assert.ok(codes.includes(answer['error']), answer['error']);
    assert.equal(answer['iss'], suite.latchkey.issuer);
  }
  assert.equal(answer['code'], undefined);
  assert.equal(answer['id_token'], undefined);
}

const withoutWaiting: Record<string, Module> = {
  async 'oidcc-server'(suite) {
    const authorized = await suite.authorize();
    assert.equal(authorized.answer['state'], 'a "state" <of> & mine');
    if (!suite.hasIdToken) assert.equal(authorized.answer['iss'], suite.latchkey.issuer);
    const { idToken } = await suite.tokens(authorized);
    const front = authorized.answer['id_token'];
    if (front !== undefined) {
      const { payload } = await suite.verifyIdToken(front);
      assert.equal(payload['nonce'], 'a-nonce');
      const { code, access_token: token } = authorized.answer;
      assert.equal(payload['c_hash'], code === undefined ? undefined : halfHash(code));
      assert.equal(payload['at_hash'], token === undefined ? undefined : halfHash(token));
    }
    const { payload } = await suite.verifyIdToken(idToken);
    assert.equal(payload['nonce'], 'a-nonce');
    assert.ok(payload.exp !== undefined && payload.iat !== undefined && payload.exp > payload.iat);
    assert.equal(payload.sub, suite.account.subject);
    assert.equal((await suite.claims(await suite.authorize()))['sub'], payload.sub);
  },

  async 'oidcc-server-client-secret-post'(suite) {
    const authorized = await suite.authorize({}, { client: suite.post });
    const { idToken } = await suite.tokens(authorized);
    assert.equal((await suite.verifyIdToken(idToken, suite.post)).payload.sub, suite.account.subject);
  },

  async 'oidcc-response-type-missing'(suite) {
    assertFailed(suite, await suite.authorize({ response_type: undefined }), 'invalid_request');
  },

  async 'oidcc-idtoken-signature'(suite) {
    const { idToken } = await suite.tokens(await suite.authorize());
    const { protectedHeader } = await suite.verifyIdToken(idToken);
    assert.equal(protectedHeader.alg, 'RS256');
    assert.equal(typeof protectedHeader.kid, 'string');
  },

  async 'oidcc-idtoken-unsigned'(suite) {
    const { text } = await send(`${suite.latchkey.issuer}/.well-known/openid-configuration`);
    const { id_token_signing_alg_values_supported: algorithms } = JSON.parse(text) as Record<string, string[]>;
    assert.ok(algorithms && !algorithms.includes('none'));
    await assert.rejects(suite.latchkey.createClient({ id_token_signed_response_alg: 'none' }), InvalidRequest);
  },

  async 'oidcc-userinfo-get'(suite) {
    const token = await accessTokenOf(suite, await suite.authorize());
    const answer = await userinfo(suite, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((JSON.parse(answer.text) as { sub: string }).sub, suite.account.subject);
  },

  async 'oidcc-userinfo-post-header'(suite) {
    const token = await accessTokenOf(suite, await suite.authorize());
    const answer = await userinfo(suite, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    assert.equal((JSON.parse(answer.text) as { sub: string }).sub, suite.account.subject);
  },

  async 'oidcc-userinfo-post-body'(suite) {
    const token = await accessTokenOf(suite, await suite.authorize());
    const answer = await userinfo(suite, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ access_token: token }).toString(),
    });
    assert.equal((JSON.parse(answer.text) as { sub: string }).sub, suite.account.subject);
  },

  async 'oidcc-ensure-request-without-nonce-succeeds-for-code-flow'(suite) {
    const { idToken } = await suite.tokens(await suite.authorize({ nonce: undefined }));
    assert.equal((await suite.verifyIdToken(idToken)).payload['nonce'], undefined);
  },

  async 'oidcc-ensure-request-without-nonce-fails'(suite) {
    assertFailed(suite, await suite.authorize({ nonce: undefined }), 'invalid_request');
  },

  async 'oidcc-scope-profile'(suite) {
    const claims = await suite.claims(await suite.authorize({ scope: 'openid profile' }));
    for (const [name, value] of Object.entries(PROFILE)) assert.equal(claims[name], value, name);
    assert.equal(typeof claims['updated_at'], 'number');
    for (const name of ['email', 'phone_number', 'address']) assert.equal(claims[name], undefined);
  },

  async 'oidcc-scope-email'(suite) {
    const claims = await suite.claims(await suite.authorize({ scope: 'openid email' }));
    assert.equal(claims['email'], 'ann@example.com');
    assert.equal(claims['email_verified'], true);
    assert.equal(claims['name'], undefined);
  },

  async 'oidcc-scope-address'(suite) {
    const claims = await suite.claims(await suite.authorize({ scope: 'openid address' }));
    assert.deepEqual(claims['address'], ADDRESS);
  },

  async 'oidcc-scope-phone'(suite) {
    const claims = await suite.claims(await suite.authorize({ scope: 'openid phone' }));
    assert.equal(claims['phone_number'], PHONE);
    assert.equal(claims['phone_number_verified'], true);
  },

  async 'oidcc-scope-all'(suite) {
    const claims = await suite.claims(await suite.authorize({ scope: 'openid profile email address phone' }));
    for (const [name, value] of Object.entries(PROFILE)) assert.equal(claims[name], value, name);
    assert.equal(claims['email'], 'ann@example.com');
    assert.deepEqual(claims['address'], ADDRESS);
    assert.equal(claims['phone_number'], PHONE);
  },

  async 'oidcc-alternate-happy-flow'(suite) {
    const url = suite.url({ scope: 'phone email openid profile address' });
    const turned = new URL(url);
    turned.search = new URLSearchParams([...url.searchParams].toReversed()).toString();
    const browser = suite.latchkey.browser();
    const first = await browser.get(turned);
    assert.equal(first.id, 'login');
    const authorized = await suite.authorize({ scope: 'phone email openid profile address' }, { browser });
    assert.equal((await suite.claims(authorized))['email'], 'ann@example.com');
  },

  async 'oidcc-display-page'(suite) {
    await assertDisplay(suite, 'page');
  },

  async 'oidcc-display-popup'(suite) {
    await assertDisplay(suite, 'popup');
  },

  async 'oidcc-prompt-none-not-logged-in'(suite) {
    const { answer } = await suite.authorize({ prompt: 'none' });
    assert.equal(answer['error'], 'login_required');
    assert.equal(answer['state'], 'a "state" <of> & mine');
  },

  async 'oidcc-prompt-none-logged-in'(suite) {
    const first = await suite.authorize();
    const second = await suite.authorize({ prompt: 'none' }, { browser: first.browser });
    const [before, after] = [await suite.tokens(first), await suite.tokens(second)];
    assert.deepEqual(subjectAndTime(after.idToken), subjectAndTime(before.idToken));
  },

  async 'oidcc-max-age-10000'(suite) {
    const first = await suite.authorize();
    const page = await first.browser.get(suite.url({ max_age: '10000' }));
    const second = { ...first, page, answer: suite.read(page) };
    const [before, after] = [await suite.tokens(first), await suite.tokens(second)];
    assert.deepEqual(subjectAndTime(after.idToken), subjectAndTime(before.idToken));
  },

  async 'oidcc-ensure-request-with-unknown-parameter-succeeds'(suite) {
    await suite.tokens(await suite.authorize({ extra: 'foobar' }));
  },

  async 'oidcc-id-token-hint'(suite) {
    const first = await suite.authorize();
    const { idToken = '' } = await suite.tokens(first);
    const second = await suite.authorize({ prompt: 'none', id_token_hint: idToken }, { browser: first.browser });
    const again = await suite.tokens(second);
    assert.equal(subjectAndTime(again.idToken).sub, subjectAndTime(idToken).sub);
  },

  async 'oidcc-login-hint'(suite) {
    const page = await suite.latchkey.browser().get(suite.url({ login_hint: 'ann@example.com' }));
    assert.equal(page.element('#login').getAttribute('value'), 'ann@example.com');
    await suite.tokens(await suite.authorize({ login_hint: 'ann@example.com' }));
  },

  async 'oidcc-ui-locales'(suite) {
    const page = await suite.latchkey.browser().get(suite.url({ ui_locales: 'xx-bad- ru en' }));
    assert.equal(page.element('html').getAttribute('lang'), 'ru');
    await suite.tokens(await suite.authorize({ ui_locales: 'se' }));
  },

  async 'oidcc-claims-locales'(suite) {
    await suite.tokens(await suite.authorize({ claims_locales: 'se' }));
  },

  async 'oidcc-ensure-request-with-acr-values-succeeds'(suite) {
    const { text } = await send(`${suite.latchkey.issuer}/.well-known/openid-configuration`);
    const { acr_values_supported: supported = [] } = JSON.parse(text) as { acr_values_supported?: string[] };
    const { idToken } = await suite.tokens(await suite.authorize({ acr_values: supported.join(' ') }));
    assert.ok(supported.includes(String((await suite.verifyIdToken(idToken)).payload['acr'])));
  },

  async 'oidcc-codereuse'(suite) {
    const authorized = await suite.authorize();
    assert.equal((await suite.exchange(authorized)).status, 200);
    const again = await suite.exchange(authorized);
    assert.deepEqual([again.status, again.body['error']], [400, 'invalid_grant']);
  },

  // The suite waits half a minute; what is asserted does not depend on how long.
  async 'oidcc-codereuse-30seconds'(suite) {
    const authorized = await suite.authorize();
    const { body } = await suite.exchange(authorized);
    assert.equal((await suite.exchange(authorized)).body['error'], 'invalid_grant');
    const answer = await userinfo(suite, { headers: { authorization: `Bearer ${String(body['access_token'])}` } });
    assert.equal(answer.status, 401);
  },

  async 'oidcc-ensure-registered-redirect-uri'(suite) {
    const { page } = await suite.authorize({ redirect_uri: 'https://suite.example.com/other' });
    assert.deepEqual([page.id, page.error, page.location], ['error', 'redirect-uri-mismatch', null]);
  },

  // A warning in the suite: requests by POST would need cookies that other sites can send.
  async 'oidcc-ensure-post-request-succeeds'(suite) {
    const url = suite.url();
    const answer = await send(`${url.origin}${url.pathname}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' },
      body: url.searchParams.toString(),
    });
    assert.equal(answer.status, 404);
  },

  async 'oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported'(suite) {
    const authorized = await suite.authorize({ request_uri: 'https://suite.example.com/request' });
    assertFailed(suite, authorized, 'request_uri_not_supported');
  },

  async 'oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported'(suite) {
    const request = new UnsecuredJWT({ scope: 'openid', state: 'inside' }).encode();
    assertFailed(suite, await suite.authorize({ request }), 'request_not_supported');
  },

  async 'oidcc-claims-essential'(suite) {
    const place = suite.hasCode || suite.hasToken ? 'userinfo' : 'id_token';
    const claims = JSON.stringify({ [place]: { name: { essential: true } } });
    const found = await suite.claims(await suite.authorize({ claims }));
    assert.equal(found['name'], PROFILE.name);
    assert.equal(found['email'], undefined);
  },

  async 'oidcc-ensure-request-object-with-redirect-uri'(suite) {
    const request = new UnsecuredJWT({ redirect_uri: REDIRECT, scope: 'openid' }).encode();
    assertFailed(
      suite,
      await suite.authorize({ request, redirect_uri: undefined }),
      'request_not_supported',
      'invalid_request',
    );
  },

  async 'oidcc-refresh-token'(suite) {
    const scope = 'openid offline_access';
    const { refreshToken, idToken } = await suite.tokens(await suite.authorize({ scope, prompt: 'consent' }));
    assert.ok(refreshToken);
    const refresh = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const stranger = await tokenRequest(suite.latchkey, '/token', suite.second, refresh);
    assert.equal(stranger.body['error'], 'invalid_grant');
    const good = await tokenRequest(suite.latchkey, '/token', suite.first, refresh);
    assert.equal(good.status, 200, JSON.stringify(good.body));
    const { sub, authTime } = subjectAndTime(String(good.body['id_token']));
    assert.deepEqual({ sub, authTime }, subjectAndTime(idToken));
  },

  async 'oidcc-ensure-request-with-valid-pkce-succeeds'(suite) {
    const verifier = newVerifier();
    const authorized = await suite.authorize({ code_challenge: challengeOf(verifier), code_challenge_method: 'S256' });
    assert.equal((await suite.exchange(authorized, { code_verifier: verifier })).status, 200);
  },
};

/** These need the clock to move. */
const withWaiting: Record<string, Module> = {
  async 'oidcc-prompt-login'(suite) {
    const first = await suite.authorize();
    await wait(1100);
    const asked = await first.browser.get(suite.url({ prompt: 'login' }));
    assert.equal(asked.id, 'reauthenticate', asked.describe());
    const second = await suite.authorize({ prompt: 'login' }, { browser: first.browser });
    const [before, after] = [await suite.tokens(first), await suite.tokens(second)];
    assert.equal(subjectAndTime(after.idToken).sub, subjectAndTime(before.idToken).sub);
    assert.ok(subjectAndTime(after.idToken).authTime > subjectAndTime(before.idToken).authTime);
  },

  async 'oidcc-max-age-1'(suite) {
    const first = await suite.authorize();
    await wait(2100);
    const asked = await first.browser.get(suite.url({ max_age: '1' }));
    assert.equal(asked.id, 'reauthenticate', asked.describe());
    const second = await suite.authorize({ max_age: '1' }, { browser: first.browser });
    const [before, after] = [await suite.tokens(first), await suite.tokens(second)];
    assert.ok(subjectAndTime(after.idToken).authTime > subjectAndTime(before.idToken).authTime);
  },
};

export const oidccModules: Readonly<Record<string, Module>> = { ...withoutWaiting, ...withWaiting };

/** `display` is tolerated; the page is the same (OIDC Core 3.1.2.1). */
async function assertDisplay(suite: Suite, display: string): Promise<void> {
  const page = await suite.latchkey.browser().get(suite.url({ display }));
  assert.equal(page.id, 'login');
  const { idToken } = await suite.tokens(await suite.authorize({ display }));
  assert.equal(decodeProtectedHeader(idToken ?? '').alg, 'RS256');
}
