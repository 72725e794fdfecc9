// Where the browser comes back to: a listener on the loopback address, at whatever port is free, for one answer (RFC 8252, 7.3). AppAuth's own
// handler for Node listens on every address of the machine and believes any answer; this one does neither.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Loopback {
  readonly redirectUri: string;
  /** The code of the answer to the request with this state. @throws what the provider says went wrong */
  waitForCode(expected: { readonly state: string; readonly issuer: string }): Promise<string>;
  close(): void;
}

export async function listenOnLoopback(): Promise<Loopback> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  return {
    redirectUri,
    waitForCode: ({ state, issuer }) => waitForCode(server, redirectUri, state, issuer),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function waitForCode(server: Server, redirectUri: string, state: string, issuer: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.on('request', (req, res) => {
      const url = new URL(req.url ?? '/', redirectUri);
      const params = url.searchParams;
      // Other programs of this machine can call here, too: only the answer to our own request counts (RFC 9207 for `iss`).
      if (
        `${url.origin}${url.pathname}` !== redirectUri ||
        params.get('state') !== state ||
        params.get('iss') !== issuer
      ) {
        res.writeHead(404).end();
        return;
      }
      res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
      res.end('You can close this window and go back to the app.\n');
      const code = params.get('code');
      if (code === null) reject(new Error(params.get('error') ?? 'no code'));
      else resolve(code);
    });
  });
}
