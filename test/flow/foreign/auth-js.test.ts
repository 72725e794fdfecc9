// Auth.js (the core of NextAuth and of its other bindings): a provider by its well-known document, with state, nonce and PKCE in cookies. Refresh
// and our side of the sign-out are the app's own, as its manual shows them.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, it } from 'node:test';
import { Auth, type AuthConfig } from '@auth/core';
import { confirmSignOut, isSignedIn, refresh } from '../../support/relying-party.ts';
import { kidOf, rotateKeys } from '../../support/rotate-keys.ts';
import { describeOnEachBackend, type Latchkey, type TestClient } from '../../support/server.ts';
import { AppServer, AppVisit } from './app-visit.ts';

interface Session {
  readonly user?: { readonly id?: string; readonly name?: string; readonly email?: string };
  readonly idToken?: string;
  readonly refreshToken?: string;
}

function createConfig(latchkey: Latchkey, client: TestClient): AuthConfig {
  return {
    basePath: '/auth',
    secret: 'a long secret for the cookies of the app',
    trustHost: true,
    logger: { error: () => undefined, warn: () => undefined, debug: () => undefined },
    providers: [
      {
        id: 'latchkey',
        name: 'Latchkey',
        type: 'oidc',
        issuer: latchkey.issuer,
        wellKnown: `${latchkey.issuer}/.well-known/openid-configuration`,
        clientId: client.clientId,
        clientSecret: client.clientSecret ?? '',
        checks: ['pkce', 'state', 'nonce'],
        authorization: { params: { scope: 'openid profile email offline_access', prompt: 'consent' } },
        // Without it RS256 is expected.
        client: { id_token_signed_response_alg: 'ES256' },
        // Names and addresses are at userinfo, not in the ID token.
        idToken: false,
      },
    ],
    callbacks: {
      async jwt({ token, account, trigger }) {
        if (account) {
          return {
            ...token,
            sub: account.providerAccountId,
            idToken: account.id_token,
            refreshToken: account.refresh_token,
          };
        }
        if (trigger !== 'update') return token;
        const { body } = await refresh(latchkey, client, token['refreshToken']);
        return { ...token, idToken: body['id_token'], refreshToken: body['refresh_token'] };
      },
      session({ session, token }) {
        const { sub, idToken, refreshToken } = token;
        return { ...session, user: { ...session.user, id: sub }, ...{ idToken, refreshToken } };
      },
    },
  };
}

/** What the bindings to web frameworks do: a request of the web's kind in, an answer of that kind out. */
async function answer(req: IncomingMessage, res: ServerResponse, origin: string, config: AuthConfig): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const headers = new Headers(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
  const request = new Request(`${origin}${req.url}`, {
    method: req.method ?? 'GET',
    headers,
    ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
  });
  const response = await Auth(request, config);
  res.setHeader('set-cookie', response.headers.getSetCookie());
  for (const [name, value] of response.headers) if (name !== 'set-cookie') res.setHeader(name, value);
  res.writeHead(response.status).end(await response.text());
}

describeOnEachBackend('Auth.js', (latchkey) => {
  const server = new AppServer();
  before(async () => {
    await server.start();
    const client = await latchkey().createClient({
      redirect_uris: [`${server.origin}/auth/callback/latchkey`],
      post_logout_redirect_uris: [server.origin],
    });
    const config = createConfig(latchkey(), client);
    server.use((req, res) => {
      answer(req, res, server.origin, config).catch((error: unknown) => res.destroy(error as Error));
    });
  });
  after(() => server.stop());

  /** Presses one of its buttons, which carry a token of its own against foreign forms. */
  const press = async (visit: AppVisit, path: string) => {
    const { csrfToken } = JSON.parse((await visit.app.get('/auth/csrf')).text) as { readonly csrfToken: string };
    return visit.app.post(path, new URLSearchParams({ csrfToken, callbackUrl: server.origin }).toString());
  };
  const sessionOf = async (visit: AppVisit) =>
    JSON.parse((await visit.app.get('/auth/session')).text) as Session | null;

  it('signs in, refreshes and signs out, across a rotation', async () => {
    const account = await latchkey().createAccount({ name: 'Ann Lee' });
    const visit = new AppVisit(latchkey(), server.origin);
    const leaving = await press(visit, '/auth/signin/latchkey');
    const sent = leaving.location?.searchParams;
    assert.ok(sent?.has('state') && sent.has('nonce') && sent.has('code_challenge'), leaving.describe());
    const back = await visit.goOn(leaving, { account });
    assert.equal(back.location?.origin ?? back.url.origin, server.origin, back.describe());
    const seen = await sessionOf(visit);
    assert.equal(seen?.user?.id, account.subject);
    assert.deepEqual([seen.user.name, seen.user.email], ['Ann Lee', account.email]);

    await rotateKeys(latchkey());
    await press(visit, '/auth/session');
    const refreshed = await sessionOf(visit);
    assert.notEqual(refreshed?.refreshToken, seen.refreshToken);
    assert.notEqual(kidOf(refreshed?.idToken), kidOf(seen.idToken));
    const later = new AppVisit(latchkey(), server.origin);
    await later.goOn(await press(later, '/auth/signin/latchkey'), { account });
    assert.equal(kidOf((await sessionOf(later))?.idToken), kidOf(refreshed?.idToken));

    await press(visit, '/auth/signout');
    assert.equal(await sessionOf(visit), null);
    assert.equal(await isSignedIn(latchkey(), visit.person), true);
    const end = new URL('/session/end', latchkey().issuer);
    end.search = new URLSearchParams({
      id_token_hint: refreshed?.idToken ?? '',
      post_logout_redirect_uri: server.origin,
    }).toString();
    assert.equal((await confirmSignOut(visit.person, end)).location?.origin, server.origin);
    assert.equal(await isSignedIn(latchkey(), visit.person), false);
  });

  it('says on its own page that the person said no', async () => {
    const account = await latchkey().createAccount();
    const visit = new AppVisit(latchkey(), server.origin);
    const back = await visit.goOn(await press(visit, '/auth/signin/latchkey'), { account, decision: 'deny' });
    assert.equal(back.url.pathname, '/auth/signin', back.describe());
    assert.equal(back.url.searchParams.get('error'), 'OAuthCallbackError');
    assert.equal(await sessionOf(visit), null);
  });
});
