// A job without a person: gets a token for one API in its own name, keeps it until it is about to end, and calls.
import * as oidc from 'openid-client';

const { ISSUER = 'http://localhost:3000', RESOURCE = 'https://api.example.com' } = process.env;
const { CLIENT_ID = 'night-job', CLIENT_SECRET = '', API = 'http://localhost:3005' } = process.env;
const AHEAD_MS = 60_000;
const TIME_OUT_MS = 10_000;

const config = await oidc.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  undefined,
  oidc.ClientSecretBasic(CLIENT_SECRET),
  // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident: only for an issuer on this machine
  { execute: ISSUER.startsWith('http://localhost') ? [oidc.allowInsecureRequests] : [] },
);

let current: { readonly token: string; readonly until: number } | undefined;

/** There is no refresh token: whoever holds the secret asks again. */
async function accessToken(): Promise<string> {
  if (current && current.until - Date.now() > AHEAD_MS) return current.token;
  const answer = await oidc.clientCredentialsGrant(config, { resource: RESOURCE, scope: 'orders:read' });
  current = { token: answer.access_token, until: Date.now() + (answer.expires_in ?? 0) * 1000 };
  return current.token;
}

for (const method of ['GET', 'DELETE']) {
  const answer = await fetch(`${API}/orders`, {
    method,
    headers: { Authorization: `Bearer ${await accessToken()}` },
    signal: AbortSignal.timeout(TIME_OUT_MS),
  });
  const said = answer.ok ? await answer.text() : answer.headers.get('www-authenticate');
  process.stdout.write(`${method} ${answer.status} ${said}\n`);
}
