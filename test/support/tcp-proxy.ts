// A wire that can be cut: stands between Latchkey and a server of the machine, so that an outage is the test's own and nobody else notices.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** The same address with the proxy in place of the server. */
  through(url: string): string;
  /** Every connection breaks and nobody listens any more. */
  cut(): Promise<void>;
  /** Connections stay open, new ones are accepted, nothing is passed on: a server that hangs, or a network that swallows. */
  freeze(): void;
  /** Everything as it was; what was held back while frozen arrives now. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** @param target the server's address, such as `postgres://127.0.0.1:5432/x` or `redis://127.0.0.1:6379` */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isFrozen = false;
  const server = createServer((incoming) => {
    const outgoing = connect(Number(targetPort), hostname.replace(/^\[|\]$/g, ''));
    const pair = [incoming, outgoing] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
      if (isFrozen) socket.pause();
    }
    incoming.on('data', (chunk) => outgoing.write(chunk));
    outgoing.on('data', (chunk) => incoming.write(chunk));
    if (isFrozen) for (const socket of pair) socket.pause();
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const breakAll = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    breakAll();
    await closed;
  };
  return {
    port,
    through(url) {
      const address = new URL(url);
      address.hostname = '127.0.0.1';
      address.port = String(port);
      return address.href;
    },
    cut,
    freeze() {
      isFrozen = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    async restore() {
      isFrozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
      if (!server.listening) await listen(port);
    },
    close: cut,
  };
}
