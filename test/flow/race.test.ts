// What may happen once happens once, however many ask at the same time; what was ended is dead at once, whoever still holds it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountRow } from '../../src/account/accounts.ts';
import { eventually } from '../support/eventually.ts';
import {
  answerPrompts,
  authorizationRequest,
  redeem,
  refresh,
  signIn,
  type TokenAnswer,
  tokenRequest,
  userinfo,
} from '../support/relying-party.ts';
import { describeOnEachBackend, TEST_PASSWORD, type TestClient } from '../support/server.ts';

const CLI = { actor: { kind: 'cli' } } as const;
const FIFTY = Array.from({ length: 50 });

describeOnEachBackend('at the same time', (latchkey) => {
  const offline = { scope: 'openid offline_access', prompt: 'consent' };

  async function start(method = 'client_secret_basic') {
    const client = await latchkey().createClient({ token_endpoint_auth_method: method });
    const account = await latchkey().createAccount();
    const browser = latchkey().browser();
    const signedIn = await signIn(latchkey(), browser, client, { account, params: offline });
    return { client, account, browser, signedIn };
  }

  const isAlive = async (client: TestClient, token: unknown): Promise<boolean> => {
    const answer = await tokenRequest(latchkey(), '/token/introspection', client, { token: String(token) });
    assert.equal(answer.status, 200);
    return answer.body['active'] === true;
  };

  function oneWinner(answers: readonly TokenAnswer[]): TokenAnswer {
    const [winner, ...others] = answers.filter((answer) => answer.status === 200);
    assert.ok(winner, `nobody won: ${JSON.stringify(answers[0]?.body)}`);
    assert.equal(others.length, 0, `${others.length + 1} winners`);
    for (const answer of answers) {
      if (answer === winner) continue;
      assert.equal(answer.status, 400, JSON.stringify(answer.body));
      assert.equal(answer.body['error'], 'invalid_grant');
    }
    return winner;
  }

  describe('fifty parties', () => {
    it('redeem one code: one gets tokens, and what the losers made is dead', async () => {
      for (const method of ['client_secret_basic', 'none']) {
        const { client, signedIn } = await start(method);
        const answers = await Promise.all(FIFTY.map(() => redeem(latchkey(), client, signedIn)));
        const winner = oneWinner(answers);
        // Using a code twice is an attack, so the winner's tokens end as well, now or with the next attempt (RFC 6749, 4.1.2).
        assert.equal((await redeem(latchkey(), client, signedIn)).body['error'], 'invalid_grant');
        assert.equal(await isAlive(client, winner.body['access_token']), false);
        assert.equal(await isAlive(client, winner.body['refresh_token']), false);
        assert.equal((await userinfo(latchkey(), winner.body['access_token'])).status, 401);
      }
    });

    it('refresh with one token: one gets the next, and at most one family lives', async () => {
      for (const method of ['client_secret_basic', 'none']) {
        const { client, signedIn } = await start(method);
        const first = await redeem(latchkey(), client, signedIn);
        const answers = await Promise.all(FIFTY.map(() => refresh(latchkey(), client, first.body['refresh_token'])));
        const winner = oneWinner(answers);
        const replay = await refresh(latchkey(), client, first.body['refresh_token']);
        assert.equal(replay.body['error'], 'invalid_grant');
        const late = await refresh(latchkey(), client, winner.body['refresh_token']);
        assert.equal(late.body['error'], 'invalid_grant', 'the family died with the replay');
        assert.equal(await isAlive(client, winner.body['access_token']), false);
      }
    });

    it('present one client assertion: one is believed', async () => {
      const { generateKeyPair, exportJWK, SignJWT } = await import('jose');
      const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
      const client = await latchkey().createClient({
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig', kid: 'k1' }] },
      });
      const assertion = await new SignJWT({ jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(client.clientId)
        .setSubject(client.clientId)
        .setAudience(latchkey().issuer)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey);
      const asPublic = { ...client, metadata: { ...client.metadata, token_endpoint_auth_method: 'none' as const } };
      const answers = await Promise.all(
        FIFTY.map(() =>
          tokenRequest(latchkey(), '/token', asPublic, {
            grant_type: 'client_credentials',
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: assertion,
          }),
        ),
      );
      assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
      for (const answer of answers) assert.ok(answer.status < 500, JSON.stringify(answer.body));
    });

    it('send one consent: it leads one way, nothing breaks, and a code comes of it', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
      const consent = await browser.submit(login, { login: account.email ?? '', password: TEST_PASSWORD });
      assert.equal(consent.id, 'consent');
      const posts = await Promise.all(
        FIFTY.slice(0, 10).map(() => browser.submitOnce(consent, {}, { button: ['decision', 'allow'] })),
      );
      const ways = new Set(posts.map((page) => page.location?.href));
      assert.equal(ways.size, 1);
      const [way] = ways;
      const answers = await Promise.all(FIFTY.slice(0, 10).map(() => browser.request(way ?? '')));
      for (const page of answers) assert.ok(page.status < 500, page.describe());
      const codes = answers.map((page) => page.params['code']).filter((code) => code !== undefined);
      assert.ok(codes.length >= 1);
    });
  });

  describe('reuse', () => {
    it('of a code later on ends the tokens that came from it', async () => {
      const { client, signedIn } = await start();
      const tokens = await redeem(latchkey(), client, signedIn);
      assert.equal(await isAlive(client, tokens.body['access_token']), true);
      assert.equal((await redeem(latchkey(), client, signedIn)).body['error'], 'invalid_grant');
      assert.equal(await isAlive(client, tokens.body['access_token']), false);
      assert.equal((await refresh(latchkey(), client, tokens.body['refresh_token'])).body['error'], 'invalid_grant');
    });

    it('of a refresh token ends its family and is an alarm in the audit', async () => {
      const { client, signedIn } = await start();
      const first = await redeem(latchkey(), client, signedIn);
      const second = await refresh(latchkey(), client, first.body['refresh_token']);
      const third = await refresh(latchkey(), client, second.body['refresh_token']);
      assert.equal(third.status, 200, JSON.stringify(third.body));
      assert.equal((await refresh(latchkey(), client, first.body['refresh_token'])).body['error'], 'invalid_grant');
      assert.equal((await refresh(latchkey(), client, third.body['refresh_token'])).body['error'], 'invalid_grant');
      assert.equal(await isAlive(client, third.body['access_token']), false);
      await eventually(async () => {
        const rows = await latchkey()
          .app.database.em()
          .execute<{ reason: string }[]>(
            "select reason from audit_event where action = 'token.replay' and client_id = ?",
            [client.clientId],
          );
        assert.deepEqual(rows, [{ reason: 'refresh-token' }]);
      });
    });

    it('by another client is nothing, and harms nobody', async () => {
      const { client, signedIn } = await start();
      const other = await latchkey().createClient();
      const tokens = await redeem(latchkey(), client, signedIn);
      assert.equal((await refresh(latchkey(), other, tokens.body['refresh_token'])).body['error'], 'invalid_grant');
      await tokenRequest(latchkey(), '/token/revocation', other, { token: String(tokens.body['access_token']) });
      assert.equal(await isAlive(other, tokens.body['access_token']), false, 'tokens of others are nobody’s business');
      assert.equal(await isAlive(client, tokens.body['access_token']), true);
      assert.equal((await refresh(latchkey(), client, tokens.body['refresh_token'])).status, 200);
    });
  });

  describe('an account that is disabled', () => {
    const disable = (account: AccountRow) => latchkey().app.sessionsAndGrants.disable(account, CLI);
    const enable = (account: AccountRow) =>
      latchkey().app.accounts.setStatus(
        account.id,
        { from: ['disabled'], to: 'active', action: 'account.enable' },
        CLI,
      );

    it('loses tokens, codes and sessions at once, and enabling it brings none of them back', async () => {
      const { client, account, browser, signedIn } = await start();
      const tokens = await redeem(latchkey(), client, signedIn);
      const unused = await signIn(latchkey(), browser, client, { account });
      assert.equal((await userinfo(latchkey(), tokens.body['access_token'])).status, 200);
      await disable(account);
      const isDead = async () => {
        assert.equal((await userinfo(latchkey(), tokens.body['access_token'])).status, 401);
        assert.equal((await refresh(latchkey(), client, tokens.body['refresh_token'])).body['error'], 'invalid_grant');
        assert.equal(await isAlive(client, tokens.body['access_token']), false);
        assert.equal((await redeem(latchkey(), client, unused)).body['error'], 'invalid_grant');
        const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
        assert.equal(silent.params['error'], 'login_required', silent.describe());
      };
      await isDead();
      await enable(account);
      await isDead();
      const again = await signIn(latchkey(), browser, client, { account });
      assert.equal((await redeem(latchkey(), client, again)).status, 200);
    });

    it('cannot finish what it had begun, at any step', async () => {
      const client = await latchkey().createClient();
      for (const step of ['password', 'resume', 'consent', 'code'] as const) {
        const account = await latchkey().createAccount();
        const browser = latchkey().browser();
        const request = authorizationRequest(latchkey().issuer, client);
        let page = await browser.get(request.url);
        if (step === 'password') await disable(account);
        page = await browser.submitOnce(page, { login: account.email ?? '', password: TEST_PASSWORD });
        if (step === 'password') {
          assert.equal(page.status, 422);
          continue;
        }
        if (step === 'resume') await disable(account);
        page = await browser.get(page.location ?? '');
        if (step === 'consent') await disable(account);
        if (page.id === 'consent') page = await browser.submitOnce(page, {}, { button: ['decision', 'allow'] });
        if (step === 'code') await disable(account);
        if (page.location?.origin === latchkey().issuer) page = await browser.get(page.location);
        assert.equal(page.params['code'], undefined, `${step}: ${page.describe()}`);
        assert.ok(page.id === 'login' || page.id === 'error', `${step}: ${page.describe()}`);
        await enable(account);
        // The page that is still open leads nowhere either.
        const silent = await browser.get(authorizationRequest(latchkey().issuer, client, { prompt: 'none' }).url);
        assert.equal(silent.params['error'], 'login_required', `${step}: ${silent.describe()}`);
      }
    });

    it('is not left with tokens by requests that were under way', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { client, account, browser, signedIn } = await start();
        const first = await redeem(latchkey(), client, signedIn);
        const more = await signIn(latchkey(), browser, client, { account, params: offline });
        const [, refreshed, redeemed] = await Promise.all([
          disable(account),
          refresh(latchkey(), client, first.body['refresh_token']),
          redeem(latchkey(), client, more),
        ]);
        for (const answer of [refreshed, redeemed]) {
          assert.ok(answer.status < 500, JSON.stringify(answer.body));
          if (answer.status !== 200) continue;
          assert.equal((await userinfo(latchkey(), answer.body['access_token'])).status, 401);
        }
        await enable(account);
        for (const answer of [refreshed, redeemed]) {
          if (answer.status !== 200) continue;
          assert.equal(await isAlive(client, answer.body['access_token']), false);
          assert.equal(
            (await refresh(latchkey(), client, answer.body['refresh_token'])).body['error'],
            'invalid_grant',
          );
        }
      }
    });

    it('signed out everywhere keeps what it allowed, and signs in anew', async () => {
      const { client, account, browser, signedIn } = await start();
      const tokens = await redeem(latchkey(), client, signedIn);
      await latchkey().app.sessionsAndGrants.endAll(account, CLI);
      assert.equal(await isAlive(client, tokens.body['access_token']), false);
      const login = await browser.get(authorizationRequest(latchkey().issuer, client).url);
      assert.equal(login.id, 'login', login.describe());
      const page = await answerPrompts(browser, login, { account, decision: 'deny' });
      assert.notEqual(page.params['code'], undefined, 'consent is remembered');
    });
  });
});

describeOnEachBackend(
  'with a grace for clients that refresh twice',
  (latchkey) => {
    it('a repeat gets no token and harms nothing, and a code has no grace', async () => {
      const client = await latchkey().createClient();
      const account = await latchkey().createAccount();
      const params = { scope: 'openid offline_access', prompt: 'consent' };
      const signedIn = await signIn(latchkey(), latchkey().browser(), client, { account, params });
      const first = await redeem(latchkey(), client, signedIn);
      const answers = await Promise.all(FIFTY.map(() => refresh(latchkey(), client, first.body['refresh_token'])));
      const winners = answers.filter((answer) => answer.status === 200);
      assert.equal(winners.length, 1);
      assert.equal((await refresh(latchkey(), client, first.body['refresh_token'])).body['error'], 'invalid_grant');
      const next = await refresh(latchkey(), client, winners[0]?.body['refresh_token']);
      assert.equal(next.status, 200, 'the family lives');
      assert.equal((await redeem(latchkey(), client, signedIn)).body['error'], 'invalid_grant');
      assert.equal((await refresh(latchkey(), client, next.body['refresh_token'])).body['error'], 'invalid_grant');
    });
  },
  { env: { LATCHKEY_REFRESH_GRACE: '60' } },
);
