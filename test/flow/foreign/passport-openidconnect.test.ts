// passport-openidconnect, which knows no PKCE: it works with a client that is excepted by name, and with no other.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import express, { type RequestHandler } from 'express';
import session from 'express-session';
import passport from 'passport';
import OpenIDConnectStrategy, { type Profile, type VerifyCallback } from 'passport-openidconnect';
import { confirmSignOut, isSignedIn, refresh } from '../../support/relying-party.ts';
import { kidOf, rotateKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { AppServer, AppVisit } from './app-visit.ts';

interface Person {
  readonly profile: Profile;
  readonly idToken: string;
  readonly refreshToken: string;
}

type Discovered = Readonly<Record<string, string>>;

/** A passport of its own, so that suites do not share strategies. */
async function createApp(issuer: string, origin: string, client: TestClient) {
  const found = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as Discovered;
  const own = new passport.Passport();
  own.serializeUser((person, done) => done(null, person));
  own.deserializeUser((person: Express.User, done) => done(null, person));
  own.use(
    new OpenIDConnectStrategy(
      {
        issuer,
        authorizationURL: found['authorization_endpoint'] ?? '',
        tokenURL: found['token_endpoint'] ?? '',
        userInfoURL: found['userinfo_endpoint'] ?? '',
        clientID: client.clientId,
        clientSecret: client.clientSecret ?? '',
        callbackURL: `${origin}/callback`,
        // `openid` is added by the strategy.
        scope: ['profile', 'email', 'offline_access'],
        prompt: 'consent',
        nonce: 'yes',
        // Otherwise it never asks userinfo.
        skipUserProfile: false,
      },
      (
        _issuer: string,
        profile: Profile,
        _context: object,
        idToken: string | object,
        _accessToken: string | object,
        refreshToken: string,
        done: VerifyCallback,
      ) => {
        done(null, { profile, idToken, refreshToken });
      },
    ),
  );
  const app = express();
  app.use(session({ secret: 'a secret of the app', resave: false, saveUninitialized: false }));
  app.use(own.session() as RequestHandler);
  app.get('/login', own.authenticate('openidconnect') as RequestHandler);
  app.get('/callback', own.authenticate('openidconnect', { successRedirect: '/', failureRedirect: '/failed' }));
  app.get('/', (req, res) => {
    res.json(req.user ?? null);
  });
  app.get('/failed', (_req, res) => {
    res.json('failed');
  });
  return app;
}

describeOnEachBackend('passport-openidconnect', (latchkey) => {
  const server = new AppServer();
  let client: TestClient;
  before(async () => {
    await server.start();
    client = await latchkey().createClient(metadata(server, { latchkey_pkce_optional: true }));
    server.use(await createApp(latchkey().issuer, server.origin, client));
  });
  after(() => server.stop());
  const personAt = async (visit: AppVisit) => JSON.parse((await visit.app.get('/')).text) as Person | null;

  it('signs in, reads and signs out, across a rotation; what it got can be refreshed', async () => {
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const visit = new AppVisit(latchkey(), server.origin);
    await visit.signIn('/login', { account });
    const person = await personAt(visit);
    assert.equal(person?.profile.id, account.subject);
    assert.equal(person.profile.displayName, 'Ann Lee');
    assert.equal(person.profile.emails?.[0]?.value, account.email);

    await rotateKeys(latchkey());
    const later = new AppVisit(latchkey(), server.origin);
    await later.signIn('/login', { account });
    assert.notEqual(kidOf((await personAt(later))?.idToken), kidOf(person.idToken));
    assert.equal((await refresh(latchkey(), client, person.refreshToken)).status, 200);

    const end = new URL('/session/end', latchkey().issuer);
    end.search = new URLSearchParams({
      id_token_hint: person.idToken,
      post_logout_redirect_uri: server.origin,
    }).toString();
    const goodbye = await confirmSignOut(visit.person, end);
    assert.equal(goodbye.location?.origin, server.origin);
    assert.equal(await isSignedIn(latchkey(), visit.person), false);
  });

  it('is told that PKCE is missing when its client is not excepted', async () => {
    const strict = await latchkey().createClient(metadata(server));
    const app = await createApp(latchkey().issuer, server.origin, strict);
    server.use(app);
    const visit = new AppVisit(latchkey(), server.origin);
    const { location } = await visit.app.get('/login');
    assert.ok(location);
    const answer = await visit.person.get(location);
    assert.equal(answer.params['error'], 'invalid_request', answer.describe());
    assert.match(answer.params['error_description'] ?? '', /PKCE/);
  });
});

function metadata(server: AppServer, more: Parameters<Latchkey['createClient']>[0] = {}) {
  return {
    redirect_uris: [`${server.origin}/callback`],
    post_logout_redirect_uris: [server.origin],
    token_endpoint_auth_method: 'client_secret_post',
    ...more,
  };
}
