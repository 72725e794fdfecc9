// A TCP proxy on loopback that counts what goes through: bytes, and how often the client side sends after having waited for an answer, which
// is what a round trip is.

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server } from 'node:net';

export interface Traffic {
  readonly roundTrips: number;
  readonly bytes: number;
}

export class CountingProxy {
  readonly #server: Server;
  #roundTrips = 0;
  #bytes = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(host: string, port: number): Promise<CountingProxy> {
    const server = createServer();
    const proxy = new CountingProxy(server);
    server.on('connection', (client) => {
      const upstream = connect(port, host);
      let isWaiting = false;
      client.on('data', (chunk) => {
        if (!isWaiting) proxy.#roundTrips += 1;
        isWaiting = true;
        proxy.#bytes += chunk.length;
      });
      upstream.on('data', (chunk) => {
        isWaiting = false;
        proxy.#bytes += chunk.length;
      });
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) {
        socket.setNoDelay(true);
        socket.on('error', () => {
          client.destroy();
          upstream.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get traffic(): Traffic {
    return { roundTrips: this.#roundTrips, bytes: this.#bytes };
  }

  close(): void {
    this.#server.close();
  }
}
