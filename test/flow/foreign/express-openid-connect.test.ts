// express-openid-connect signs people in by form post and by redirect, refreshes, and is told by the back channel when a session ended elsewhere;
// its own sign-out leads through ours. The app runs on while our signing keys change.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import express, { type NextFunction, type Request, type Response } from 'express';
import oidc from 'express-openid-connect';
import session from 'express-session';
import { eventually } from '../../support/eventually.ts';
import { answerPrompts, confirmSignOut, isSignedIn } from '../../support/relying-party.ts';
import { kidOf, publishNextKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type TestClient } from '../../support/server.ts';
import { AppServer, AppVisit } from './app-visit.ts';

const SCOPE = 'openid profile email offline_access';
const SECRET = 'a long secret for the cookies of the app';

/** The app: who is signed in, what userinfo says, and a refresh. */
function createApp(issuer: string, origin: string, client: TestClient, responseMode: 'form_post' | 'query') {
  const store = new session.MemoryStore();
  const app = express();
  app.use(
    oidc.auth({
      issuerBaseURL: issuer,
      baseURL: origin,
      clientID: client.clientId,
      clientSecret: client.clientSecret ?? '',
      clientAuthMethod: 'client_secret_basic',
      // Without it RS256 is expected.
      idTokenSigningAlg: 'ES256',
      secret: SECRET,
      authRequired: false,
      idpLogout: true,
      session: { store: store as never },
      backchannelLogout: { store: store as never },
      // Without it `id_token` by form post is asked for.
      authorizationParams: { response_type: 'code', response_mode: responseMode, scope: SCOPE, prompt: 'consent' },
    }),
  );
  app.get('/', async (req, res) => {
    if (!req.oidc.isAuthenticated()) {
      res.json({ isSignedIn: false });
      return;
    }
    const { name, email } = await req.oidc.fetchUserInfo();
    res.json({ isSignedIn: true, sub: req.oidc.user?.['sub'], name, email, idToken: req.oidc.idToken });
  });
  app.get('/refresh', async (req, res) => {
    const before = req.oidc.accessToken?.access_token;
    const refreshed = await req.oidc.accessToken?.refresh();
    res.json({ isNew: refreshed !== undefined && refreshed.access_token !== before, idToken: req.oidc.idToken });
  });
  app.use((error: Error & { readonly error?: string }, _req: Request, res: Response, _next: NextFunction) => {
    res.status(400).json({ error: error.error ?? error.message });
  });
  return app;
}

describeOnEachBackend(
  'express-openid-connect',
  (latchkey) => {
    for (const responseMode of ['form_post', 'query'] as const) {
      const server = new AppServer();
      let client: TestClient;
      before(async () => {
        await server.start();
        client = await latchkey().createClient({
          redirect_uris: [`${server.origin}/callback`],
          post_logout_redirect_uris: [server.origin],
          backchannel_logout_uri: `${server.origin}/backchannel-logout`,
          backchannel_logout_session_required: true,
        });
        server.use(createApp(latchkey().issuer, server.origin, client, responseMode));
      });
      after(() => server.stop());
      const state = async (visit: AppVisit) => JSON.parse((await visit.app.get('/')).text) as Record<string, string>;

      it(`signs in by ${responseMode}, refreshes, and is signed out by the back channel, across a rotation`, async () => {
        const account = await latchkey().createAccount({ name: 'Ann Lee' });
        const visit = new AppVisit(latchkey(), server.origin);
        const letThemSign = await publishNextKeys(latchkey());
        await visit.signIn('/login', { account });
        const seen = await state(visit);
        assert.equal(seen['sub'], account.subject);
        assert.deepEqual([seen['name'], seen['email']], ['Ann Lee', account.email]);

        await letThemSign();
        const refreshed = JSON.parse((await visit.app.get('/refresh')).text) as Record<string, string>;
        assert.equal(refreshed['isNew'], true);
        assert.notEqual(kidOf(refreshed['idToken']), kidOf(seen['idToken']));
        const later = new AppVisit(latchkey(), server.origin);
        await later.signIn('/login', { account });
        assert.equal(kidOf((await state(later))['idToken']), kidOf(refreshed['idToken']));

        // Somewhere else the person signs out of everything; the token that says so is signed with the new key.
        await confirmSignOut(visit.person, `${latchkey().issuer}/session/end`);
        await eventually(async () => assert.equal((await state(visit))['isSignedIn'], false));
      });

      it(`signs out of itself and of us, after ${responseMode}`, async () => {
        const account = await latchkey().createAccount();
        const visit = new AppVisit(latchkey(), server.origin);
        await visit.signIn('/login', { account });
        assert.equal((await state(visit))['isSignedIn'], true);
        const leaving = await visit.app.get('/logout');
        assert.equal(leaving.location?.origin, latchkey().issuer, leaving.describe());
        assert.equal(await isSignedIn(latchkey(), visit.person), true);
        const goodbye = await confirmSignOut(visit.person, leaving.location);
        assert.equal(goodbye.location?.origin, server.origin, goodbye.describe());
        assert.equal(await isSignedIn(latchkey(), visit.person), false);
        assert.equal((await state(visit))['isSignedIn'], false);
      });

      it(`takes a no for an answer by ${responseMode}`, async () => {
        const account = await latchkey().createAccount();
        const visit = new AppVisit(latchkey(), server.origin);
        const { location } = await visit.app.get('/login');
        assert.ok(location);
        const answer = await answerPrompts(visit.person, await visit.person.get(location), {
          account,
          decision: 'deny',
        });
        assert.deepEqual(JSON.parse((await visit.deliver(answer)).text), { error: 'access_denied' });
        assert.equal((await state(visit))['isSignedIn'], false);
      });
    }
  },
  { env: { LATCHKEY_PRIVATE_NETWORK_HOSTS: 'localhost' } },
);
