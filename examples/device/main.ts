// Signs a person in at a terminal without a browser: it shows an address and a code, the person opens the address elsewhere, and the terminal asks
// at the given pace whether it is done (RFC 8628).
import * as oidc from 'openid-client';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '' } = process.env;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const config = await oidc.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  { id_token_signed_response_alg: 'ES256' },
  oidc.None(),
  // oxlint-disable-next-line typescript/no-deprecated -- marked so that nobody uses it by accident: only for an issuer on this machine
  { execute: ISSUER.startsWith('http://localhost') ? [oidc.allowInsecureRequests] : [] },
);

const device = await oidc.initiateDeviceAuthorization(config, { scope: 'openid profile email offline_access' });
say(`Open ${device.verification_uri} and enter ${device.user_code}`);
// For a QR code, or for people who can click; the page shows the code again, to be compared with the one here.
say(`or open ${device.verification_uri_complete ?? device.verification_uri}`);

try {
  const tokens = await oidc.pollDeviceAuthorizationGrant(config, device);
  const { sub = '' } = tokens.claims() ?? {};
  const { name = sub } = await oidc.fetchUserInfo(config, tokens.access_token, sub);
  say(`Signed in as ${name}`);
  // A real tool keeps this one, readable for the person alone, and refreshes with it at its next start.
  const { refresh_token: refreshToken } = tokens;
  if (refreshToken !== undefined) {
    const next = await oidc.refreshTokenGrant(config, refreshToken);
    say(`New tokens for ${next.expires_in} seconds`);
    await oidc.tokenRevocation(config, next.refresh_token ?? '');
    say('Signed out');
  }
} catch (error) {
  const reasons: Readonly<Record<string, string>> = {
    access_denied: 'You said no.',
    expired_token: 'That took too long. Start again.',
  };
  const { error: code = '' } = error as { readonly error?: string };
  say(reasons[code] ?? 'That did not work.');
  process.exitCode = 1;
}
