import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InvalidRequest } from '../../../src/errors.ts';
import { describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';

describeOnEachBackend('a well-known address', (latchkey) => {
  it('leads password managers to the page where a password is changed', async () => {
    const answer = await send(`${latchkey().issuer}/.well-known/change-password`);
    assert.equal(answer.status, 302);
    assert.equal(answer.headers['location'], '/account/security');
  });

  it('of OAuth says the same as that of OpenID Connect', async () => {
    const [oauth, oidc] = await Promise.all(
      ['oauth-authorization-server', 'openid-configuration'].map((name) =>
        send(`${latchkey().issuer}/.well-known/${name}`),
      ),
    );
    assert.equal(oauth?.status, 200);
    assert.equal(oauth.text, oidc?.text);
    assert.match(oauth.headers['content-type'] ?? '', /^application\/json/);
  });

  it('may be read by browser code of any origin, and by none with credentials', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const { headers } = await send(`${latchkey().issuer}/.well-known/${name}`, {
        headers: { origin: 'https://any.example' },
      });
      assert.equal(headers['access-control-allow-origin'], 'https://any.example');
      assert.equal(headers['access-control-allow-credentials'], undefined);
    }
  });

  it('for starting a sign-in elsewhere is https or refused', async () => {
    const good = await latchkey().createClient({ initiate_login_uri: 'https://app.example.com/login' });
    assert.equal(good.metadata.initiate_login_uri, 'https://app.example.com/login');
    for (const uri of ['http://app.example.com/login', 'http://localhost/login', 'app:login', 'javascript:alert(1)']) {
      await assert.rejects(latchkey().createClient({ initiate_login_uri: uri }), InvalidRequest, uri);
    }
  });
});
