// No address that we hand out follows the request: not its Host, not forwarded headers, not an absolute request target (CVE-2026-27959 and
// its kind). Every answer is compared with the one to an honest request.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { it } from 'node:test';
import { describeOnEachBackend, type Latchkey } from '../support/server.ts';

const EVIL = 'evil.example';

interface Game {
  readonly name: string;
  readonly target: (path: string) => string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request as it is written on the wire: libraries would put the honest Host in. */
function raw(latchkey: Latchkey, target: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const { hostname, port } = new URL(latchkey.issuer);
  const lines = Object.entries({ connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname === 'localhost' ? '127.0.0.1' : hostname);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('end', () => resolve(text));
    socket.once('error', reject);
    socket.write(`GET ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  });
}

describeOnEachBackend('a request that lies about its address', (latchkey) => {
  const games: readonly Game[] = [
    { name: 'in Host', target: (path: string) => path, headers: { host: EVIL } },
    {
      name: 'in forwarded headers',
      target: (path: string) => path,
      headers: {
        host: EVIL,
        'x-forwarded-host': EVIL,
        'x-forwarded-proto': 'https',
        forwarded: `host=${EVIL};proto=https`,
        'x-original-host': EVIL,
      },
    },
    { name: 'in an absolute target', target: (path: string) => `http://${EVIL}${path}`, headers: { host: EVIL } },
  ];
  const paths = [
    '/.well-known/openid-configuration',
    '/.well-known/oauth-authorization-server',
    '/jwks',
    '/',
    '/nothing-here',
    '/session/end',
    '/account/security',
    '/reset',
    '/interaction/unknown',
    '/auth',
  ];
  for (const { name, target, headers } of games) {
    it(`${name} finds it nowhere in an answer`, async () => {
      for (const path of paths) {
        const answer = await raw(latchkey(), target(path), headers);
        assert.match(answer, /^HTTP\/1\.1 [2-4]\d\d/, path);
        assert.doesNotMatch(answer, /evil\.example/, path);
      }
    });

    it(`${name} is sent to the issuer's pages when it signs in`, async () => {
      const client = await latchkey().createClient();
      const query = new URLSearchParams({
        client_id: client.clientId,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        scope: 'openid',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      });
      const answer = await raw(latchkey(), target(`/auth?${query}`), headers);
      assert.match(answer, /^HTTP\/1\.1 303/);
      assert.doesNotMatch(answer, /evil\.example/);
    });
  }
});
