// mod_auth_openidc in a real Apache, as the gate in front of an app that knows nothing of OpenID Connect: code with PKCE, session refresh, sign-out
// from the app and by the back channel, and our keys replaced under it.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomToken } from '../../../../src/crypto/random.ts';
import { eventually } from '../../../support/eventually.ts';
import { foreignFile, packagesMissing, startProgram } from '../../../support/foreign-program.ts';
import { freePort } from '../../../support/free-port.ts';
import { temporaryFolder } from '../../../support/process.ts';
import { confirmSignOut, isSignedIn } from '../../../support/relying-party.ts';
import { rotateKeys } from '../../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../../support/server.ts';
import { AppVisit } from '../app-visit.ts';

const missing = packagesMissing('apache2-bin', 'libapache2-mod-auth-openidc');

async function startApache(latchkey: Latchkey, client: TestClient, port: number) {
  const folder = temporaryFolder();
  // Started by root it works as somebody else, who has to read the pages and write its locks.
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, 'public', 'app'), { recursive: true });
  writeFileSync(join(folder, 'public', 'goodbye.html'), 'goodbye');
  writeFileSync(
    join(folder, 'public', 'app', 'index.shtml'),
    '<p id="sub"><!--#echo var="OIDC_CLAIM_sub" --></p><p id="name"><!--#echo var="OIDC_CLAIM_name" --></p>',
  );
  const apache = await startProgram({
    command: '/usr/sbin/apache2',
    // In one process, so that nothing of it can be left over.
    args: ['-X', '-f', foreignFile('apache.conf')],
    port,
    env: {
      FOLDER: folder,
      MODULES: '/usr/lib/apache2/modules',
      CRYPTO: randomToken(),
      ISSUER: latchkey.issuer,
      CLIENT_ID: client.clientId,
      CLIENT_SECRET: client.clientSecret ?? '',
    },
  });
  return { ...apache, output: () => readFileSync(join(folder, 'error.log'), 'utf8') };
}

interface Info {
  readonly access_token: string;
  readonly id_token: { readonly sub: string };
}

describe('mod_auth_openidc', { skip: missing ?? false }, () => {
  describeOnEachBackend(
    'Apache',
    (latchkey) => {
      it('signs in, refreshes and signs out both ways, across a rotation', async () => {
        const port = await freePort();
        const origin = `http://localhost:${port}`;
        const client = await latchkey().createClient({
          redirect_uris: [`${origin}/app/redirect`],
          post_logout_redirect_uris: [`${origin}/goodbye.html`],
          backchannel_logout_uri: `${origin}/app/redirect?logout=backchannel`,
          backchannel_logout_session_required: true,
        });
        const apache = await startApache(latchkey(), client, port);
        try {
          const account = await latchkey().createAccount({ name: 'Ann Lee' });
          const visit = new AppVisit(latchkey(), origin);
          const signIn = async (): Promise<void> => {
            const page = await visit.signIn('/app/index.shtml', { account });
            assert.equal(page.status, 200, `${page.describe()} ${page.text} ${apache.output()}`);
            assert.equal(page.element('#sub').textContent, account.subject);
            assert.equal(page.element('#name').textContent, 'Ann Lee');
          };
          const info = async (): Promise<Info> => {
            const page = await visit.app.get('/app/redirect?info=json');
            assert.equal(page.status, 200, page.text + apache.output());
            return JSON.parse(page.text) as Info;
          };
          const refresh = async (): Promise<string> => {
            const before = await info();
            const back = `${origin}/app/index.shtml`;
            const query = new URLSearchParams({ refresh: back, access_token: before.access_token });
            const page = await visit.app.get(`/app/redirect?${query}`);
            assert.equal(page.status, 200, page.describe() + apache.output());
            const after = await info();
            assert.notEqual(after.access_token, before.access_token, apache.output());
            return after.access_token;
          };
          await signIn();
          await refresh();
          await rotateKeys(latchkey());
          await refresh();

          const leaving = await visit.app.get(`/app/redirect?logout=${encodeURIComponent(`${origin}/goodbye.html`)}`);
          assert.ok(leaving.location, leaving.describe() + apache.output());
          const end = await confirmSignOut(visit.person, leaving.location);
          assert.equal(end.location?.href, `${origin}/goodbye.html`);
          assert.equal(await isSignedIn(latchkey(), visit.person), false);

          // Anew, with keys that nobody knew when Apache was started; and this time it is told by the provider.
          await signIn();
          assert.equal((await info()).id_token.sub, account.subject);
          await confirmSignOut(visit.person, `${latchkey().issuer}/session/end`);
          await eventually(async () => {
            const page = await visit.app.get('/app/index.shtml');
            assert.equal(page.location?.origin, latchkey().issuer, page.describe() + apache.output());
          });
        } finally {
          await apache.stop();
        }
      });
    },
    { env: { LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } },
  );
});
