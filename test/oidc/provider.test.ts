import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { authorizationRequest, redeem, refresh, signIn, userinfo } from '../support/relying-party.ts';
import { describeOnEachBackend } from '../support/server.ts';
import { send } from '../support/web.ts';

const CLI = { actor: { kind: 'cli' } } as const;

describeOnEachBackend(
  'an engine that gets new keys',
  (latchkey) => {
    const published = async () => {
      const answer = await send(`${latchkey().issuer}/jwks`);
      return JSON.parse(answer.text) as { keys: { kid: string; alg: string }[] };
    };
    /** Instead of waiting: every moment of the keys was so many seconds earlier. */
    const pass = (seconds: number) =>
      latchkey()
        .app.database.em()
        .execute(
          `update signing_key set created_at = created_at - make_interval(secs => ?), active_at = active_at - make_interval(secs => ?),
           replaced_at = replaced_at - make_interval(secs => ?), retire_at = retire_at - make_interval(secs => ?)`,
          [seconds, seconds, seconds, seconds],
        );

    it('goes on where it was: sessions, tokens and hints of before are good, and no client meets an unknown key', async () => {
      const { app } = latchkey();
      const client = await latchkey().createClient({ id_token_signed_response_alg: 'RS256' });
      const account = await latchkey().createAccount();
      const browser = latchkey().browser();
      const params = { scope: 'openid offline_access', prompt: 'consent' };
      const before = await redeem(latchkey(), client, await signIn(latchkey(), browser, client, { account, params }));
      const oldToken = String(before.body['id_token']);
      const oldKid = decodeProtectedHeader(oldToken).kid;
      const openForm = await latchkey().browser().get(authorizationRequest(latchkey().issuer, client).url);
      assert.equal(openForm.id, 'login');

      const silently = async () => {
        const request = authorizationRequest(latchkey().issuer, client, { prompt: 'none', id_token_hint: oldToken });
        const page = await browser.get(request.url);
        assert.notEqual(page.params['code'], undefined, page.describe());
        const tokens = await redeem(latchkey(), client, {
          code: page.params['code'] ?? '',
          verifier: request.verifier,
        });
        const token = String(tokens.body['id_token']);
        await jwtVerify(token, createLocalJWKSet(await published()), { issuer: latchkey().issuer });
        return decodeProtectedHeader(token).kid;
      };

      await app.keys.rotate(app.keyTimes, CLI);
      await app.followKeys();
      assert.equal((await published()).keys.length, 6, 'published before they sign');
      assert.equal(await silently(), oldKid);

      await pass(app.keyTimes.ahead + 1);
      await app.followKeys();
      const newKid = await silently();
      assert.notEqual(newKid, oldKid);
      assert.ok(
        (await published()).keys.some((key) => key.kid === oldKid),
        'the old one is still believed',
      );
      await jwtVerify(oldToken, createLocalJWKSet(await published()));
      assert.equal((await userinfo(latchkey(), before.body['access_token'])).status, 200);
      assert.equal((await refresh(latchkey(), client, before.body['refresh_token'])).status, 200);

      // Long after the token's own end it is still a hint that names the session it began.
      const week = 7 * 24 * 3600;
      await pass(week);
      await app.followKeys();
      assert.notEqual(await silently(), undefined);

      await pass(app.keyTimes.keep - week + 1);
      await app.followKeys();
      const kids = (await published()).keys.map((key) => key.kid);
      assert.equal(kids.length, 3);
      assert.equal(kids.includes(oldKid ?? ''), false, 'gone when nothing that it signed can be alive');
      const request = authorizationRequest(latchkey().issuer, client, { prompt: 'none' });
      const page = await browser.get(request.url);
      assert.notEqual(page.params['code'], undefined, 'cookies of before are still read');
    });

    it('is not built anew when nothing changed', async () => {
      const { app } = latchkey();
      const { provider } = app.engine;
      await app.followKeys();
      assert.equal(app.engine.provider, provider);
    });
  },
  { env: { LATCHKEY_KEY_ROTATION_PERIOD: '0' } },
);
