// A web app with a server: signs people in with code and PKCE, keeps the tokens to itself, signs out here and at the provider, and is told by the
// back channel when a session ended there. README.md says what to register and how to run it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet } from 'jose';
import * as oidc from 'openid-client';
import { LogoutTokens } from './logout-token.ts';
import { type Session, Sessions } from './sessions.ts';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', CLIENT_SECRET = '', PORT = '3004' } = process.env;
const ORIGIN = process.env['ORIGIN'] ?? `http://localhost:${PORT}`;
const COOKIE = 'web_app_session';
const MOST_BYTES = 20_000;

const config = await oidc.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  { id_token_signed_response_alg: 'ES256' },
  oidc.ClientSecretBasic(CLIENT_SECRET),
  // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident: only for an issuer on this machine
  { execute: ISSUER.startsWith('http://localhost') ? [oidc.allowInsecureRequests] : [] },
);
const sessions = new Sessions();
const logoutTokens = new LogoutTokens(createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri ?? '')), {
  issuer: config.serverMetadata().issuer,
  clientId: CLIENT_ID,
});

interface Visit {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: string | undefined;
  readonly session: Session | undefined;
}

const routes: Readonly<Record<string, (visit: Visit) => Promise<void> | void>> = {
  'GET /': ({ res, session }) => {
    const body = session?.person
      ? `<p>Signed in as ${escape(session.person.name)}</p><form method="post" action="/sign-out"><button>Sign out</button></form>`
      : '<p>You are not signed in.</p><p><a href="/sign-in">Sign in</a></p>';
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end(`<!doctype html><html lang="en"><title>A web app</title><main><h1>A web app</h1>${body}</main></html>`);
  },

  async 'GET /sign-in'({ res, id }) {
    const pending = {
      verifier: oidc.randomPKCECodeVerifier(),
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
    };
    sessions.end(id);
    setCookie(res, sessions.start({ pending }));
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${ORIGIN}/callback`,
      scope: 'openid profile email',
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      state: pending.state,
      nonce: pending.nonce,
    });
    redirect(res, url.href);
  },

  async 'GET /callback'({ req, res, id, session }) {
    const { pending } = session ?? {};
    if (!pending) return redirect(res, '/');
    sessions.end(id);
    const tokens = await oidc.authorizationCodeGrant(config, new URL(req.url ?? '/', ORIGIN), {
      pkceCodeVerifier: pending.verifier,
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    const sid = claims?.['sid'];
    if (claims === undefined || typeof sid !== 'string') throw new Error('The ID token names no session.');
    const { sub } = claims;
    const { name = sub } = await oidc.fetchUserInfo(config, tokens.access_token, sub);
    setCookie(res, sessions.start({ person: { sub, sid, name, idToken: tokens.id_token ?? '' } }));
    redirect(res, '/');
  },

  'POST /sign-out'({ req, res, id, session }) {
    // A form on another site could sign somebody out.
    if (req.headers.origin !== ORIGIN) return void res.writeHead(403).end();
    sessions.end(id);
    const hint = session?.person?.idToken;
    const url = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: `${ORIGIN}/`,
      ...(hint === undefined ? {} : { id_token_hint: hint }),
    });
    redirect(res, url.href);
  },

  async 'POST /backchannel-logout'({ req, res }) {
    const isGood = await endFromProvider(req).catch(() => false);
    res.writeHead(isGood ? 200 : 400, { 'Cache-Control': 'no-store' }).end();
  },
};

async function endFromProvider(req: IncomingMessage): Promise<boolean> {
  if (Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY) > MOST_BYTES) return false;
  const token = new URLSearchParams(await text(req)).get('logout_token');
  sessions.endFromProvider(await logoutTokens.verify(token ?? ''));
  return true;
}

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const id = new RegExp(`(?:^|; )${COOKIE}=([\\w-]{43})`).exec(req.headers.cookie ?? '')?.[1];
  const { pathname } = new URL(req.url ?? '/', ORIGIN);
  const route = routes[`${req.method} ${pathname}`];
  if (!route) return void res.writeHead(404).end();
  await route({ req, res, id, session: sessions.find(id) });
}

function redirect(res: ServerResponse, location: string): void {
  res.writeHead(303, { Location: location, 'Cache-Control': 'no-store' }).end();
}

function setCookie(res: ServerResponse, id: string): void {
  const secure = ORIGIN.startsWith('https:') ? '; Secure' : '';
  res.setHeader('Set-Cookie', `${COOKIE}=${id}; HttpOnly; SameSite=Lax; Path=/${secure}`);
}

function escape(name: string): string {
  return name.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

const server = createServer((req, res) => {
  answer(req, res).catch((error: unknown) => {
    // What the provider or the library says went wrong, never the answer with its code.
    const { error: code = 'failed' } = error as { readonly error?: string };
    res.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`Signing in did not work: ${code}\n`);
  });
});
server.listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`The app is ready: ${ORIGIN}/\n`));
