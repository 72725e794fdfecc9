// A relying party as small as it can be: signs in with code + PKCE through openid-client, shows what it got, refreshes, asks userinfo and signs
// out. Its sessions live in memory; a real app keeps them in a store of its own.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import * as oidc from 'openid-client';

export interface RelyingPartyOptions {
  readonly issuer: string;
  readonly origin: string;
  /** Where to listen; this machine alone unless named. */
  readonly host?: string;
  readonly port: number;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface RelyingParty {
  stop(): void;
}

interface Session {
  /** Between the way there and the way back. */
  pending?: { readonly verifier: string; readonly state: string; readonly nonce: string };
  tokens?: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;
  claims?: oidc.IDToken | undefined;
  userinfo?: oidc.UserInfoResponse;
  message?: string;
}

const COOKIE = 'demo_session';
const SCOPE = 'openid profile email offline_access';

/** @throws when the issuer cannot be discovered or the port is taken */
export async function startRelyingParty(options: RelyingPartyOptions): Promise<RelyingParty> {
  const { issuer, origin, clientId, clientSecret } = options;
  const config = await oidc.discovery(
    new URL(issuer),
    clientId,
    { id_token_signed_response_alg: 'ES256' },
    oidc.ClientSecretBasic(clientSecret),
    // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident: the demo's issuer is http on this machine
    { execute: [oidc.allowInsecureRequests] },
  );
  const sessions = new Map<string, Session>();

  const routes: Record<string, (req: IncomingMessage, session: Session) => Promise<string | URL>> = {
    'GET /': async (_req, session) => page(session, issuer),
    'GET /sign-in': async (_req, session) => {
      const verifier = oidc.randomPKCECodeVerifier();
      const pending = { verifier, state: oidc.randomState(), nonce: oidc.randomNonce() };
      session.pending = pending;
      return oidc.buildAuthorizationUrl(config, {
        redirect_uri: `${origin}/callback`,
        scope: SCOPE,
        // Without it the provider leaves out offline_access (OIDC Core, 11).
        prompt: 'consent',
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state: pending.state,
        nonce: pending.nonce,
      });
    },
    'GET /callback': async (req, session) => {
      const { pending } = session;
      delete session.pending;
      if (!pending) return new URL('/', origin);
      session.tokens = await oidc.authorizationCodeGrant(config, new URL(req.url ?? '/', origin), {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
      });
      session.claims = session.tokens.claims();
      return new URL('/', origin);
    },
    'POST /refresh': async (_req, session) => {
      const refreshToken = session.tokens?.refresh_token;
      if (refreshToken !== undefined) {
        session.tokens = await oidc.refreshTokenGrant(config, refreshToken);
        session.message = 'The tokens were refreshed.';
      }
      return new URL('/', origin);
    },
    'POST /userinfo': async (_req, session) => {
      if (session.tokens && session.claims) {
        session.userinfo = await oidc.fetchUserInfo(config, session.tokens.access_token, session.claims.sub);
      }
      return new URL('/', origin);
    },
    'POST /sign-out': async (_req, session) => {
      const hint = session.tokens?.id_token;
      delete session.tokens;
      delete session.claims;
      delete session.userinfo;
      return oidc.buildEndSessionUrl(config, {
        post_logout_redirect_uri: `${origin}/`,
        ...(hint === undefined ? {} : { id_token_hint: hint }),
      });
    },
  };

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const known = new RegExp(`(?:^|; )${COOKIE}=([\\w-]{43})`).exec(req.headers.cookie ?? '')?.[1];
    const id = known !== undefined && sessions.has(known) ? known : randomBytes(32).toString('base64url');
    const session = sessions.get(id) ?? {};
    sessions.set(id, session);
    const { pathname } = new URL(req.url ?? '/', origin);
    const route = routes[`${req.method} ${pathname}`];
    // Posts from elsewhere could sign somebody out: they must come from a page of ours.
    const isForeign = req.method === 'POST' && req.headers.origin !== origin;
    res.setHeader('Set-Cookie', `${COOKIE}=${id}; HttpOnly; SameSite=Lax; Path=/`);
    res.setHeader('Cache-Control', 'no-store');
    if (!route || isForeign) {
      res.writeHead(isForeign ? 403 : 404, { 'Content-Type': 'text/plain' }).end('There is nothing here.\n');
      return;
    }
    try {
      const answer = await route(req, session);
      if (answer instanceof URL) res.writeHead(303, { Location: answer.href }).end();
      else res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(answer);
    } catch (error) {
      const { error: code, error_description: description } = error as { error?: string; error_description?: string };
      session.message = `${code ?? (error instanceof Error ? error.message : 'It failed')}${description ? `: ${description}` : ''}`;
      res.writeHead(303, { Location: '/' }).end();
    }
  };

  const server = createServer((req, res) => void handle(req, res));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', resolve);
  });
  return {
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function escape(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char);
}

function block(title: string, value: unknown): string {
  return `<h2>${title}</h2><pre>${escape(typeof value === 'string' ? value : JSON.stringify(value, null, 2))}</pre>`;
}

function page(session: Session, issuer: string): string {
  const { tokens, claims, userinfo, message } = session;
  delete session.message;
  const button = (path: string, label: string): string =>
    `<form method="post" action="${path}"><button>${label}</button></form>`;
  const body = tokens
    ? `<p>Signed in as <strong>${escape(userinfo?.name ?? claims?.sub ?? '')}</strong> by ${escape(issuer)}</p>
<div class="row">${button('/refresh', 'Refresh the tokens')}${button('/userinfo', 'Ask userinfo')}${button('/sign-out', 'Sign out')}</div>
${block('Claims of the ID token', claims)}
${userinfo ? block('Userinfo', userinfo) : ''}
${block('Token response', { ...tokens, expires_in: tokens.expires_in })}`
    : `<p>You are not signed in here.</p><p><a class="button" href="/sign-in">Sign in with Latchkey</a></p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey demo</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
pre { overflow: auto; padding: 1rem; border: 1px solid; border-radius: .5rem; font-size: .85rem; }
.row { display: flex; gap: .5rem; flex-wrap: wrap; }
button, .button { font: inherit; display: inline-block; padding: .5rem 1rem; border: 1px solid; border-radius: .5rem; color: inherit; text-decoration: none; background: none; cursor: pointer; }
.message { padding: .75rem 1rem; border: 1px solid; border-radius: .5rem; }
</style></head>
<body><main><h1>Latchkey demo</h1>
${message ? `<p class="message" role="status">${escape(message)}</p>` : ''}
${body}
</main></body></html>`;
}
