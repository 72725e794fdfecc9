// Sign-in that begins elsewhere (OpenID Connect Core 4), with dynamic registration switched on.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';

const LOGIN = 'https://suite.example.com/login';

describeOnEachBackend(
  'oidcc-3rdparty-init-login-certification-test-plan',
  (latchkey) => {
    const register = async (initiateLoginUri: string) => {
      const answer = await send(`${latchkey().issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({
          redirect_uris: ['https://suite.example.com/callback'],
          initiate_login_uri: initiateLoginUri,
        }),
      });
      return { status: answer.status, body: JSON.parse(answer.text) as Record<string, unknown> };
    };

    it('oidcc-3rd_party-init-login', async () => {
      const { status, body } = await register(LOGIN);
      assert.equal(status, 201);
      assert.equal(body['initiate_login_uri'], LOGIN);
      const again = await send(String(body['registration_client_uri']), {
        headers: { authorization: `Bearer ${String(body['registration_access_token'])}` },
      });
      assert.equal((JSON.parse(again.text) as Record<string, unknown>)['initiate_login_uri'], LOGIN);
    });

    it('oidcc-3rd_party-init-login-nohttps', async () => {
      const { status, body } = await register('http://suite.example.com/login');
      assert.equal(status, 400);
      assert.equal(body['error'], 'invalid_client_metadata');
    });
  },
  { env: { LATCHKEY_CLIENT_REGISTRATION: 'open' } },
);
