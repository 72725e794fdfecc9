// The examples that run on a server or in a terminal, each as its README tells, to a finished sign-in.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { SignJWT } from 'jose';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { newKey } from '../../support/proofs.ts';
import { answerPrompts, confirmSignOut, isSignedIn } from '../../support/relying-party.ts';
import { publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend } from '../../support/server.ts';
import { settingsFile } from '../../support/settings-file.ts';
import { send } from '../../support/web.ts';
import { AppVisit } from '../foreign/app-visit.ts';
import { registerExample, runExample } from './example.ts';

const yaml = readFileSync(join(import.meta.dirname, '../../../examples/machine/latchkey.yaml'), 'utf8');
const options = {
  env: {
    ...settingsFile(yaml),
    LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost',
    LATCHKEY_DEVICE_POLL_INTERVAL: '1',
  },
};

describeOnEachBackend(
  'the example of',
  (latchkey) => {
    const startWebApp = async () => {
      const port = await freePort();
      const origin = `http://localhost:${port}`;
      const client = await registerExample(latchkey(), 'web-app', {
        redirect_uris: [`${origin}/callback`],
        post_logout_redirect_uris: [`${origin}/`],
        backchannel_logout_uri: `${origin}/backchannel-logout`,
      });
      const app = runExample('web-app', {
        ISSUER: latchkey().issuer,
        CLIENT_ID: client.clientId,
        CLIENT_SECRET: client.clientSecret ?? '',
        PORT: String(port),
      });
      await app.untilWritten(/is ready/);
      return { app, origin, client };
    };

    it('a web app signs in and out, and ends a session that ended at the provider, across a rotation', async () => {
      // The app looks at our keys when it gets its first logout token, and not again for a while.
      const letThemSign = await publishNextKeys(latchkey());
      const { app, origin, client } = await startWebApp();
      const account = await latchkey().createAccount({ name: 'Ann & Lee' });
      const visit = new AppVisit(latchkey(), origin);
      const home = async (one: AppVisit) => (await one.app.get('/')).text;
      await visit.signIn('/sign-in', { account });
      assert.match(await home(visit), /Signed in as Ann &#38; Lee/);

      const page = await visit.app.get('/');
      const foreign = await visit.app.submitOnce(
        page,
        {},
        { form: 'form', headers: { origin: 'https://evil.example' } },
      );
      assert.equal(foreign.status, 403);
      const leaving = await visit.app.submitOnce(page, {}, { form: 'form' });
      const goodbye = await confirmSignOut(visit.person, leaving.location?.href ?? '');
      assert.equal(goodbye.location?.href, `${origin}/`);
      assert.equal(await isSignedIn(latchkey(), visit.person), false);
      assert.match(await home(visit), /not signed in/);

      await visit.signIn('/sign-in', { account });
      const other = new AppVisit(latchkey(), origin);
      await other.signIn('/sign-in', { account });
      await letThemSign();
      await confirmSignOut(visit.person, `${latchkey().issuer}/session/end`);
      await eventually(async () => assert.match(await home(visit), /not signed in/));
      assert.match(await home(other), /Signed in as/, 'a session of another browser goes on');

      // Whoever can reach the address can post there.
      const key = await newKey('ES256');
      const forged = await new SignJWT({
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        sub: account.subject,
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'logout+jwt', kid: key.publicJwk.kid ?? '' })
        .setIssuer(latchkey().issuer)
        .setAudience(client.clientId)
        .setIssuedAt()
        .setJti('forged')
        .sign(key.privateKey);
      for (const token of [forged, '', 'a.b.c']) {
        const answer = await send(`${origin}/backchannel-logout`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(13 + token.length) },
          body: `logout_token=${token}`,
        });
        assert.equal(answer.status, 400);
      }
      assert.match(await home(other), /Signed in as/);
      await app.stop();
    });

    it('a service gets a token, and its API takes what the scope allows', async () => {
      const port = String(await freePort());
      const { issuer } = latchkey();
      const client = await registerExample(latchkey(), 'machine');
      const api = runExample('machine', { ISSUER: issuer, PORT: port }, 'api.ts');
      await api.untilWritten(/is ready/);
      const job = { ISSUER: issuer, CLIENT_SECRET: client.clientSecret ?? '', API: `http://localhost:${port}` };
      const done = await runExample('machine', job, 'job.ts').ended;
      assert.equal(done.stderr, '');
      assert.equal(
        done.stdout,
        `GET 200 {"orders":[1,2,3],"askedBy":"night-job"}\n` +
          `DELETE 403 Bearer error="insufficient_scope", scope="orders:write"\n`,
      );
      const anonymous = await send(`http://localhost:${port}/orders`);
      assert.deepEqual([anonymous.status, anonymous.headers['www-authenticate']], [401, 'Bearer']);
      await api.stop();
    });

    it('a terminal shows a code, and is signed in when the person has said yes', async () => {
      const { clientId } = await registerExample(latchkey(), 'device');
      const account = await latchkey().createAccount({ name: 'Ann Lee' });
      const start = () => runExample('device', { ISSUER: latchkey().issuer, CLIENT_ID: clientId });
      const tool = start();
      const browser = latchkey().browser();
      const confirm = await browser.submit(await browser.get(new URL(await tool.untilWritten(/or open (\S+)/))));
      assert.equal(confirm.id, 'device-confirm', confirm.describe());
      await answerPrompts(browser, await browser.submit(confirm, {}, { button: ['decision', 'allow'] }), { account });
      const done = await tool.ended;
      assert.match(done.stdout, /Signed in as Ann Lee\nNew tokens for 900 seconds\nSigned out\n$/);
      assert.deepEqual([done.code, done.stderr], [0, '']);

      const refused = start();
      const again = await browser.submit(await browser.get(new URL(await refused.untilWritten(/or open (\S+)/))));
      await browser.submit(again, {}, { button: ['decision', 'deny'] });
      const end = await refused.ended;
      assert.deepEqual([end.code, end.stdout.endsWith('You said no.\n')], [1, true]);
    });
  },
  options,
);
