// Telling apps that a session has ended (OpenID Connect Back-Channel Logout 1.0).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { createClient, describeOnEachBackend } from '../../support/server.ts';
import { send } from '../../support/web.ts';
import { planOptions, Suite } from './relying-party.ts';

const PLAN = 'oidcc-backchannel-rp-initiated-logout-certification-test-plan';
const REDIRECT = 'https://suite.example.com/callback';
const GOODBYE = 'https://suite.example.com/goodbye';

interface Received {
  readonly method: string;
  readonly contentType: string;
  readonly body: string;
}

describeOnEachBackend(
  PLAN,
  (latchkey) => {
    const received: Received[] = [];
    const app = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        received.push({
          method: req.method ?? '',
          contentType: req.headers['content-type'] ?? '',
          body: Buffer.concat(chunks).toString(),
        });
        res.end();
        app.emit('told');
      });
    });
    before(async () => {
      app.listen(0, '127.0.0.1');
      await once(app, 'listening');
    });
    after(() => app.close());

    it('oidcc-backchannel-logout-discovery-endpoint-verification', async () => {
      const { text } = await send(`${latchkey().issuer}/.well-known/openid-configuration`);
      const document = JSON.parse(text) as Record<string, unknown>;
      assert.equal(document['backchannel_logout_supported'], true);
      assert.equal(document['backchannel_logout_session_supported'], true);
      assert.equal(typeof document['end_session_endpoint'], 'string');
    });

    it('oidcc-backchannel-rp-initiated-logout', async () => {
      const { port } = app.address() as AddressInfo;
      const client = await createClient(latchkey().app, {
        redirect_uris: [REDIRECT],
        post_logout_redirect_uris: [GOODBYE],
        backchannel_logout_uri: `http://localhost:${port}/logout`,
        backchannel_logout_session_required: true,
        latchkey_pkce_optional: true,
      });
      const suite = await Suite.open(latchkey(), { responseType: 'code', responseMode: undefined });
      const authorized = await suite.authorize({}, { client });
      const { idToken = '' } = await suite.tokens(authorized);
      const { sid } = decodeJwt(idToken);
      assert.equal(typeof sid, 'string');

      const { browser } = authorized;
      const told = once(app, 'told');
      const params = { id_token_hint: idToken, post_logout_redirect_uri: GOODBYE, state: 'state' };
      const question = await browser.get(`/session/end?${new URLSearchParams(params)}`);
      const page =
        question.id === 'logout' ? await browser.submit(question, {}, { button: ['decision', 'allow'] }) : question;
      assert.equal(page.location?.href, `${GOODBYE}?state=state`, page.describe());
      await told;

      assert.equal(received.length, 1);
      const [request] = received;
      assert.equal(request?.method, 'POST');
      assert.match(request.contentType, /^application\/x-www-form-urlencoded/);
      const form = [...new URLSearchParams(request.body)];
      assert.deepEqual(
        form.map(([name]) => name),
        ['logout_token'],
      );
      const { issuer } = latchkey();
      const { payload, protectedHeader } = await jwtVerify(
        form[0]?.[1] ?? '',
        createRemoteJWKSet(new URL('/jwks', issuer)),
        { issuer, audience: client.clientId, typ: 'logout+jwt' },
      );
      assert.equal(protectedHeader.alg, client.metadata.id_token_signed_response_alg);
      assert.deepEqual(payload['events'], { 'http://schemas.openid.net/event/backchannel-logout': {} });
      assert.equal(payload.sub, suite.account.subject);
      assert.equal(payload['sid'], sid);
      assert.equal(typeof payload.jti, 'string');
      assert.equal(typeof payload.iat, 'number');
      assert.equal('nonce' in payload, false);

      const silent = await browser.get(suite.url({ prompt: 'none' }, client));
      assert.equal(suite.read(silent)['error'], 'login_required');
    });
  },
  planOptions(false),
);
