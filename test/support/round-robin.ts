// A proxy in front of several servers, as small as one can be that does it right: it asks each for its readiness, sends to the ready ones in
// turn, keeps connections to them, and repeats nothing.
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RoundRobin {
  readonly port: number;
  readyCount(): number;
  /** How many requests each server has got, in the order of the ports. */
  counts(): readonly number[];
  close(): void;
}

/** Milliseconds between two looks at a server's readiness. */
const CHECK_EVERY_MS = 50;

export async function startRoundRobin(port: number, backends: readonly number[]): Promise<RoundRobin> {
  const isReady = backends.map(() => false);
  const counts = backends.map(() => 0);
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 1000 });
  const check = (index: number): void => {
    const probe = request(
      { port: backends[index], host: '127.0.0.1', path: '/readyz', agent: false, timeout: 1000 },
      (answer) => {
        answer.resume();
        isReady[index] = answer.statusCode === 200;
      },
    );
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => {
      isReady[index] = false;
    });
    probe.end();
  };
  const timer = setInterval(() => {
    for (const index of backends.keys()) check(index);
  }, CHECK_EVERY_MS);
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const ready = backends.map((_, index) => index).filter((index) => isReady[index]);
    const chosen = ready[(turn += 1) % Math.max(1, ready.length)];
    if (chosen === undefined) {
      outgoing.writeHead(502).end('no server is ready');
      return;
    }
    counts[chosen] = (counts[chosen] ?? 0) + 1;
    const { method, url, headers } = incoming;
    const forwarded = {
      ...headers,
      'x-forwarded-for': incoming.socket.remoteAddress ?? '',
      'x-forwarded-proto': 'http',
    };
    const onward = request(
      { port: backends[chosen], host: '127.0.0.1', method, path: url, headers: forwarded, agent },
      (answer) => {
        const { connection: _, 'keep-alive': __, ...rest } = answer.headers;
        outgoing.writeHead(answer.statusCode ?? 502, rest);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', (error) => {
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end(`the server broke off: ${error.message}`);
    });
    incoming.pipe(onward);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    readyCount: () => isReady.filter(Boolean).length,
    counts: () => [...counts],
    close() {
      clearInterval(timer);
      agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}
