// Sign-out by the app (OpenID Connect RP-Initiated Logout 1.0). Where the person is asked, the suite's person agrees.
import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import type { Browser, Page } from '../../support/browser-client.ts';
import { describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';
import { GOODBYE, planOptions, Suite } from './relying-party.ts';

const PLAN = 'oidcc-rp-initiated-logout-certification-test-plan';

describeOnEachBackend(
  PLAN,
  (latchkey) => {
    let suite: Suite;
    before(async () => {
      suite = await Suite.open(latchkey(), { responseType: 'code', responseMode: undefined });
    });

    /** Signs in. @returns the browser and the ID token of the client */
    const signIn = async () => {
      const authorized = await suite.authorize();
      const { idToken } = await suite.tokens(authorized);
      assert.ok(idToken);
      return { browser: authorized.browser, hint: idToken };
    };
    /** Opens the address for signing out and agrees to what is asked. */
    const signOut = async (browser: Browser, params: Record<string, string>): Promise<Page> => {
      const page = await browser.get(`/session/end?${new URLSearchParams(params)}`);
      return page.id === 'logout' ? browser.submit(page, {}, { button: ['decision', 'allow'] }) : page;
    };
    const isSignedOut = async (browser: Browser): Promise<boolean> =>
      suite.read(await browser.get(suite.url({ prompt: 'none' })))['error'] === 'login_required';

    it('oidcc-rp-initiated-logout-discovery-endpoint-verification', async () => {
      const { text } = await send(`${latchkey().issuer}/.well-known/openid-configuration`);
      const { end_session_endpoint: address } = JSON.parse(text) as Record<string, unknown>;
      assert.equal(address, `${latchkey().issuer}/session/end`);
    });

    it('oidcc-rp-initiated-logout', async () => {
      const { browser, hint } = await signIn();
      const params = { id_token_hint: hint, post_logout_redirect_uri: GOODBYE, state: 'a "state" <of> & mine' };
      const page = await signOut(browser, params);
      assert.equal(`${page.location?.origin}${page.location?.pathname}`, GOODBYE, page.describe());
      assert.deepEqual(page.params, { state: 'a "state" <of> & mine' });
      assert.equal(await isSignedOut(browser), true);
    });

    it('oidcc-rp-initiated-logout-no-state', async () => {
      const { browser, hint } = await signIn();
      const page = await signOut(browser, { id_token_hint: hint, post_logout_redirect_uri: GOODBYE });
      assert.equal(page.location?.href, GOODBYE, page.describe());
      assert.equal(await isSignedOut(browser), true);
    });

    for (const [name, uri] of [
      ['oidcc-rp-initiated-logout-bad-post-logout-redirect-uri', 'https://suite.example.com/other'],
      ['oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri', `${GOODBYE}?added=1`],
    ] as const) {
      it(name, async () => {
        const { browser, hint } = await signIn();
        const page = await signOut(browser, { id_token_hint: hint, post_logout_redirect_uri: uri });
        assert.equal(page.id, 'error', page.describe());
        assert.equal(page.location, null);
      });
    }

    it('oidcc-rp-initiated-logout-modified-id-token-hint', async () => {
      const { browser, hint } = await signIn();
      const [, payload = ''] = hint.split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      const modified = new UnsecuredJWT(claims).encode();
      const page = await signOut(browser, { id_token_hint: modified, post_logout_redirect_uri: GOODBYE });
      assert.equal(page.id, 'error', page.describe());
      assert.equal(await isSignedOut(browser), false);
    });

    it('oidcc-rp-initiated-logout-bad-id-token-hint', async () => {
      const { browser, hint } = await signIn();
      const [, payload = ''] = hint.split('.');
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
      const { privateKey } = await generateKeyPair('RS256');
      const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
      const page = await signOut(browser, { id_token_hint: forged, post_logout_redirect_uri: GOODBYE });
      assert.equal(page.id, 'error', page.describe());
      assert.equal(await isSignedOut(browser), false);
    });

    it('oidcc-rp-initiated-logout-no-id-token-hint', async () => {
      const { browser } = await signIn();
      const page = await signOut(browser, { post_logout_redirect_uri: GOODBYE });
      assert.ok(page.location === null || !page.location.href.startsWith(GOODBYE), page.describe());
    });

    for (const [name, params] of [
      ['oidcc-rp-initiated-logout-no-params', {}],
      ['oidcc-rp-initiated-logout-only-state', { state: 'state' }],
    ] as const) {
      it(name, async () => {
        const { browser } = await signIn();
        const page = await signOut(browser, params);
        assert.equal(page.id, 'logged-out', page.describe());
        assert.equal(await isSignedOut(browser), true);
      });
    }

    it('oidcc-rp-initiated-logout-no-post-logout-redirect-uri', async () => {
      const { browser, hint } = await signIn();
      const page = await signOut(browser, { id_token_hint: hint });
      assert.equal(page.id, 'logged-out', page.describe());
      assert.equal(await isSignedOut(browser), true);
    });
  },
  planOptions(false),
);
