// How strongly a client may ask people to sign in, and that tokens never say more than what happened (OIDC Core 5.5.1.1, RFC 9470).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import type { AccountRow } from '../../../src/account/accounts.ts';
import { Totp } from '../../../src/credential/totp.ts';
import { Seal } from '../../../src/crypto/seal.ts';
import type { Browser, Page } from '../../support/browser-client.ts';
import { totpCode } from '../../support/credentials.ts';
import { answerPrompts, authorizationRequest, type Parameters, redeem, signIn } from '../../support/relying-party.ts';
import { describeOnEachBackend, TEST_SECRET, type TestClient } from '../../support/server.ts';

const AAL1 = 'urn:latchkey:aal1';
const AAL2 = 'urn:latchkey:aal2';
const PHR = 'urn:latchkey:phr';
const STEP = 30;

/** What an authenticator app shows now, or so many steps later. */
function codeOf(secret: string, later: number): string {
  return totpCode(secret, Math.floor(Date.now() / 1000) + later * STEP);
}

const essential = (...values: readonly string[]): Parameters => ({
  claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }),
});

describeOnEachBackend('the strength of a sign-in', (latchkey) => {
  /** Gives an account an authenticator app. @returns its secret */
  async function addTotp(account: AccountRow): Promise<string> {
    const totp = new Totp({ database: latchkey().app.database, seal: new Seal(TEST_SECRET), issuer: 'Test' });
    const begun = await totp.begin(account.id, 'test');
    assert.equal(await totp.confirm(account.id, codeOf(begun.secret, 0)), 'confirmed');
    return begun.secret;
  }

  const idTokenOf = async (client: TestClient, page: Page, verifier: string) => {
    const { code } = page.params;
    assert.ok(code, page.describe());
    const answer = await redeem(latchkey(), client, { code, verifier });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return decodeJwt(String(answer.body['id_token']));
  };

  const request = async (browser: Browser, client: TestClient, params: Parameters) => {
    const { url, verifier } = authorizationRequest(latchkey().issuer, client, params);
    return { page: await browser.get(url), verifier };
  };

  describe('that a client would like', () => {
    it('is tried for where the account can, and answered truthfully where it cannot', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const { page, verifier } = await request(browser, client, { acr_values: `${PHR} ${AAL2}` });
      const claims = await idTokenOf(client, await answerPrompts(browser, page, { account }), verifier);
      assert.equal(claims['acr'], AAL1);
      // Nobody is asked again for what their account does not have.
      const again = await request(browser, client, { acr_values: AAL2 });
      assert.equal((await idTokenOf(client, again.page, again.verifier))['acr'], AAL1);
    });

    it('is no reason to fail, also when nothing may be asked or nobody knows the values', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      for (const params of [
        { acr_values: AAL2, prompt: 'none' },
        { acr_values: '1 2' },
        { acr_values: `${AAL1} ${AAL2} ${PHR}` },
        { claims: JSON.stringify({ id_token: { acr: { values: [PHR] } } }), prompt: 'none' },
      ]) {
        const { page, verifier } = await request(browser, client, params);
        assert.equal((await idTokenOf(client, page, verifier))['acr'], AAL1, JSON.stringify(params));
      }
    });

    it('comes by itself for clients that have registered it', async () => {
      const client = await latchkey().createClient({ default_acr_values: [AAL2] });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const { page, verifier } = await request(browser, client, {});
      assert.equal((await idTokenOf(client, await answerPrompts(browser, page, { account }), verifier))['acr'], AAL1);
    });
  });

  describe('that a client insists on', () => {
    it('is asked for by a new sign-in, and is an error where that does not reach it', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      const { page } = await request(browser, client, essential(AAL2));
      assert.equal(page.id, 'reauthenticate', page.describe());
      const answer = await answerPrompts(browser, page, { account });
      assert.equal(answer.params['error'], 'unmet_authentication_requirements', answer.describe());
      assert.equal(answer.params['code'], undefined);
      assert.equal(answer.params['iss'], latchkey().issuer);
    });

    it('is an error at once where nothing may be asked, or where nobody can ever reach it', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      const silent = await request(browser, client, { ...essential(AAL2), prompt: 'none' });
      assert.equal(silent.page.params['error'], 'login_required');
      const unknown = await request(browser, client, essential('urn:example:gold'));
      assert.equal(unknown.page.params['error'], 'unmet_authentication_requirements');
    });

    it('is not lost when acr_values ask for less in the same request', async () => {
      const client = await latchkey().createClient({ default_acr_values: [AAL1] });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      await signIn(latchkey(), browser, client, { account });
      for (const params of [essential(PHR), { ...essential(PHR), acr_values: AAL1 }]) {
        const { page } = await request(browser, client, { ...params, prompt: 'none' });
        assert.equal(page.params['error'], 'login_required');
      }
    });

    it('is given by a sign-in that reaches it, and said in the client’s own word', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const { page, verifier } = await request(browser, client, essential(AAL1));
      const claims = await idTokenOf(client, await answerPrompts(browser, page, { account }), verifier);
      assert.equal(claims['acr'], AAL1);
      assert.deepEqual(claims['amr'], ['pwd']);
    });
  });

  it('of two factors asks a session that is older than the second factor for nothing but that factor', async () => {
    const client = await latchkey().createClient();
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    await signIn(latchkey(), browser, client, { account });
    const secret = await addTotp(account);
    const first = await request(browser, client, { acr_values: AAL2 });
    assert.equal(first.page.id, 'second-factor', first.page.describe());
    const page = await browser.submit(first.page, { code: codeOf(secret, 1) });
    const claims = await idTokenOf(client, page, first.verifier);
    assert.equal(claims['acr'], AAL2);
    assert.deepEqual(new Set(claims['amr'] as string[]), new Set(['pwd', 'otp', 'mfa']));
    // From now on the session is strong, and is said to be as strong as was asked for.
    for (const [asked, said] of [
      [AAL2, AAL2],
      [AAL1, AAL1],
      [`${AAL1} ${AAL2}`, AAL2],
    ] as const) {
      const silent = await request(browser, client, { acr_values: asked, prompt: 'none' });
      assert.equal((await idTokenOf(client, silent.page, silent.verifier))['acr'], said);
    }
    const exact = await request(browser, client, { ...essential(AAL2), prompt: 'none' });
    assert.equal((await idTokenOf(client, exact.page, exact.verifier))['acr'], AAL2);
    const stronger = await request(browser, client, { ...essential(PHR), prompt: 'none' });
    assert.equal(stronger.page.params['error'], 'login_required');
  });
});
