// An outgoing proxy on loopback that knows tunnels only (CONNECT, RFC 9110 9.3.6) and asks for a name and a password.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface ConnectProxy {
  /** With name and password. */
  readonly url: string;
  /** Where tunnels were asked for, as `host:port`. */
  readonly targets: readonly string[];
  /** Requests that came without a tunnel, or without the password. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const targets: string[] = [];
  const refused: string[] = [];
  const expected = `Basic ${Buffer.from('proxy:a password').toString('base64')}`;
  const server = createServer((req, res) => {
    refused.push(`${req.method ?? ''} ${req.url ?? ''}`);
    res.writeHead(405).end();
  });
  const sockets = new Set<{ destroy(): void }>();
  server.on('connect', (req, socket, head) => {
    const target = req.url ?? '';
    if (req.headers['proxy-authorization'] !== expected) {
      refused.push(target);
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    targets.push(target);
    const { hostname, port } = new URL(`http://${target}`);
    const outgoing = connect(Number(port || 80), hostname.replace(/^\[|\]$/g, ''), () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) outgoing.write(head);
      outgoing.pipe(socket);
      socket.pipe(outgoing);
    });
    for (const one of [socket, outgoing]) {
      sockets.add(one);
      one.on('error', () => {
        socket.destroy();
        outgoing.destroy();
      });
      one.on('close', () => sockets.delete(one));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://proxy:${encodeURIComponent('a password')}@127.0.0.1:${port}`,
    targets,
    refused,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
