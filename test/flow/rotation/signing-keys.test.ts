// What apps and people notice when signing keys and cookie keys are replaced under their hands: nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import type { Browser } from '../../support/browser-client.ts';
import {
  answerPrompts,
  authorizationRequest,
  confirmSignOut,
  isSignedIn,
  redeem,
  refresh,
  signIn,
} from '../../support/relying-party.ts';
import { kidOf, publishNextKeys, rotateKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';

const GOODBYE = 'https://app.example.com/goodbye';

async function kids({ issuer }: Latchkey): Promise<readonly string[]> {
  const answer = await fetch(`${issuer}/jwks`);
  return ((await answer.json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid);
}

/** What an app knows that has just fetched our keys. */
async function verify({ issuer }: Latchkey, token: string, audience: string): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL('/jwks', issuer)), { issuer, audience });
  return payload;
}

/** Instead of waiting until everything that the replaced keys signed has expired. */
async function letTokensExpire({ app }: Latchkey): Promise<void> {
  await app.database.em().execute(`update signing_key set retire_at = now() where replaced_at <= now()`);
  await app.followKeys();
}

async function idTokenOf(latchkey: Latchkey, browser: Browser, client: TestClient): Promise<string> {
  const { url, verifier } = authorizationRequest(latchkey.issuer, client, { prompt: 'none' });
  const page = await browser.get(url);
  assert.ok(page.params['code'], page.describe());
  const { body } = await redeem(latchkey, client, { code: page.params['code'], verifier });
  return String(body['id_token']);
}

describeOnEachBackend(
  'a rotation of the signing keys',
  (latchkey) => {
    it('publishes the next key before it signs, and the old one until the last token of it has expired', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const first = await redeem(latchkey(), client, await signIn(latchkey(), browser, client, { account }));
      const before = String(first.body['id_token']);
      const old = await kids(latchkey());

      const letThemSign = await publishNextKeys(latchkey());
      const waiting = await idTokenOf(latchkey(), browser, client);
      assert.equal(kidOf(waiting), kidOf(before), 'the next key does not sign yet');
      const both = await kids(latchkey());
      assert.equal(new Set(both).size, both.length, 'no kid twice');

      await letThemSign();
      const later = await idTokenOf(latchkey(), browser, client);
      assert.equal(old.includes(kidOf(later)), false);
      assert.equal(both.includes(kidOf(later)), true);
      for (const token of [before, waiting, later]) await verify(latchkey(), token, client.clientId);

      await letTokensExpire(latchkey());
      const left = await kids(latchkey());
      assert.equal(left.length, old.length);
      assert.deepEqual(
        old.filter((kid) => left.includes(kid)),
        [],
      );
      await verify(latchkey(), later, client.clientId);
      await assert.rejects(verify(latchkey(), before, client.clientId), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    });

    it('goes on with refresh tokens of before, and takes ID tokens of before as hints', async () => {
      const client = await latchkey().createClient({ post_logout_redirect_uris: [GOODBYE] });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const params = { scope: 'openid offline_access', prompt: 'consent' };
      const signedIn = await signIn(latchkey(), browser, client, { account, params });
      const tokens = await redeem(latchkey(), client, signedIn);
      await rotateKeys(latchkey());
      const hint = String(tokens.body['id_token']);
      const silent = authorizationRequest(latchkey().issuer, client, { prompt: 'none', id_token_hint: hint });
      const page = await browser.get(silent.url);
      assert.ok(page.params['code'], page.describe());
      const refreshed = await refresh(latchkey(), client, tokens.body['refresh_token']);
      assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
      assert.notEqual(kidOf(String(refreshed.body['id_token'])), kidOf(hint));
      const end = new URL('/session/end', latchkey().issuer);
      end.search = new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: GOODBYE }).toString();
      assert.equal((await confirmSignOut(browser, end)).location?.href, GOODBYE);
      assert.equal(await isSignedIn(latchkey(), browser), false);
    });

    it('signs nobody out, and loses nobody in the middle of a sign-in', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      const busy = latchkey().browser();
      const login = await busy.get(authorizationRequest(latchkey().issuer, client).url);
      assert.equal(login.id, 'login');
      const [before] = await latchkey().app.keys.listCookieKeys();

      const letThemSign = await publishNextKeys(latchkey());
      assert.equal(await isSignedIn(latchkey(), browser), true);
      await letThemSign();
      const [now, ...others] = await latchkey().app.keys.listCookieKeys();
      assert.ok(before !== undefined && now !== before && others.includes(before));
      assert.equal(await isSignedIn(latchkey(), browser), true);
      const back = await answerPrompts(busy, login, { account });
      assert.ok(back.params['code'], back.describe());
      // And what the new key has signed stays good when the next one comes.
      await rotateKeys(latchkey());
      assert.equal(await isSignedIn(latchkey(), busy), true);
      assert.equal(await isSignedIn(latchkey(), browser), true);
    });

    it('refuses a cookie whose signature no key has made', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      await latchkey().app.database.em().execute(`delete from sealed_secret where purpose = 'cookie-key'`);
      await latchkey().app.keys.ensure();
      await latchkey().app.followKeys();
      assert.equal(await isSignedIn(latchkey(), browser), false);
    });
  },
  { env: { LATCHKEY_LIMITS_OFF: 'true' } },
);

describeOnEachBackend(
  'a logout token after a rotation',
  (latchkey) => {
    const received: string[] = [];
    const app = createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      req.on('end', () => {
        received.push(new URLSearchParams(body).get('logout_token') ?? '');
        res.end();
        app.emit('told');
      });
    });
    before(async () => {
      app.listen(0, '127.0.0.1');
      await once(app, 'listening');
    });
    after(() => app.close());

    it('is signed by the new key, and verifies', async () => {
      const client = await latchkey().createClient({
        backchannel_logout_uri: `http://localhost:${(app.address() as AddressInfo).port}/logout`,
        backchannel_logout_session_required: true,
      });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const { body } = await redeem(latchkey(), client, await signIn(latchkey(), browser, client, { account }));
      await rotateKeys(latchkey());
      const told = once(app, 'told');
      await confirmSignOut(browser, `${latchkey().issuer}/session/end`);
      await told;
      const [token = ''] = received;
      assert.notEqual(kidOf(token), kidOf(String(body['id_token'])));
      assert.equal((await verify(latchkey(), token, client.clientId)).sub, account.subject);
    });
  },
  { env: { LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } },
);
