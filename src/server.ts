// Listening and stopping. A stop drops readiness first, so that a proxy sends nothing new, then closes the listener, lets requests finish and
// closes what is idle; whoever is still there after the grace is cut off.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { App } from './app.ts';
import { randomToken } from './crypto/random.ts';
import { AppError } from './errors.ts';
import { WholeBodyRequest } from './http/whole-body.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What a listener needs of the application. */
type Served = Pick<App, 'handle' | 'isHealthy'> & { readonly metrics?: Pick<Metrics, 'print' | 'contentType'> };

interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** On the loopback address: metrics, and probes without a proxy in between; 0 is off. */
  readonly internalPort: number;
  /** Seconds between "not ready" and the closed door, so that health checks can notice. */
  readonly stopDelay: number;
}

export interface RunningServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Seconds that requests under way have left once the door is closed. */
const STOP_GRACE = 10;
/** 431 beyond it; the engine's longest legal requests are far smaller (bytes). */
const MOST_HEADER_BYTES = 32 * 1024;

/** Longer than proxies keep an idle connection (60 seconds at most, as they come): the one that sends must be the one that closes. */
const KEEP_ALIVE_MS = 65_000;
/** Milliseconds that a client whose request was refused has to read why. */
const REFUSED_FOR_MS = 1000;

/** @throws AppError `port-taken`, and what else keeps a listener from opening */
export async function startServer(app: Served, log: Log, options: ListenOptions): Promise<RunningServer> {
  let isStopping = false;
  const isReady = async (): Promise<boolean> => !isStopping && (await app.isHealthy());

  const server = createServer({
    IncomingMessage: WholeBodyRequest,
    maxHeaderSize: MOST_HEADER_BYTES,
    requestTimeout: 30_000,
    headersTimeout: 15_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  /** Requests under way on each connection; an entry for each connection and not for each request, which would be far more work. */
  const answering = new WeakMap<Duplex, { count: number }>();
  const refused = new WeakSet<Duplex>();
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    const underWay = answering.get(req.socket) ?? { count: 0 };
    if (!answering.has(req.socket)) answering.set(req.socket, underWay);
    underWay.count += 1;
    res.once('close', () => {
      underWay.count -= 1;
    });
    // A kept-alive connection would otherwise bring the next request to a door that is closing.
    if (isStopping) res.setHeader('Connection', 'close');
    if (isStopping && req.url === '/readyz') return answerProbe(res, false);
    return void app.handle(req, res);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // The rest of a request that was refused is read and thrown away, each piece an error again.
    if (refused.has(socket) && error.code !== 'ECONNRESET') return;
    refused.add(socket);
    // In the middle of an answer another one would be read as part of it.
    if (error.code === 'ECONNRESET' || !socket.writable || (answering.get(socket)?.count ?? 0) > 0) socket.destroy();
    else refuseUnread(socket, error.code, log);
  });

  const internal = createServer((req, res) => {
    if (req.url === '/livez') return answerProbe(res, true);
    if (req.url === '/readyz') return void isReady().then((isGood) => answerProbe(res, isGood));
    if (req.url === '/metrics' && app.metrics) return void answerMetrics(res, app.metrics);
    res.writeHead(404).end();
  });

  const port = await listen(server, options.port, options.host);
  if (options.internalPort !== 0) {
    try {
      await listen(internal, options.internalPort, '127.0.0.1');
    } catch (error) {
      server.close();
      throw error;
    }
  }
  log.info({ host: options.host, port, internalPort: options.internalPort }, 'listening');

  return {
    port,
    async stop() {
      if (isStopping) return;
      isStopping = true;
      log.info({ delay: options.stopDelay }, 'stopping: no longer ready');
      await wait(options.stopDelay * 1000);
      const closed = Promise.all([close(server), options.internalPort === 0 ? undefined : close(internal)]);
      server.closeIdleConnections();
      internal.closeAllConnections();
      const idle = setInterval(() => server.closeIdleConnections(), 100);
      const cutOff = setTimeout(() => {
        log.warn('cutting off requests that did not finish');
        server.closeAllConnections();
      }, STOP_GRACE * 1000);
      await closed;
      clearInterval(idle);
      clearTimeout(cutOff);
      log.info('stopped');
    },
  };
}

async function answerMetrics(res: ServerResponse, metrics: Pick<Metrics, 'print' | 'contentType'>): Promise<void> {
  try {
    const text = await metrics.print();
    res.writeHead(200, { 'Content-Type': metrics.contentType, 'Cache-Control': 'no-store' }).end(text);
  } catch {
    res.writeHead(500).end();
  }
}

/** What the parser of HTTP refuses never reaches the application; it is answered here in the same form. */
const REFUSALS: Readonly<Record<string, { readonly line: string; readonly error: string; readonly text: string }>> = {
  HPE_HEADER_OVERFLOW: {
    line: '431 Request Header Fields Too Large',
    error: 'headers-too-large',
    text: 'The address or the headers of this request are too long.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    line: '408 Request Timeout',
    error: 'request-timeout',
    text: 'The request did not arrive in time.',
  },
};
const MALFORMED = { line: '400 Bad Request', error: 'malformed-request', text: 'The request could not be understood.' };

function refuseUnread(socket: Duplex, code: string | undefined, log: Log): void {
  const { line, error, text } = REFUSALS[code ?? ''] ?? MALFORMED;
  const requestId = randomToken(9);
  log.debug({ requestId, code }, 'refused a request unread');
  const body = JSON.stringify({ error, error_description: text, request_id: requestId });
  const head = [
    `HTTP/1.1 ${line}`,
    'Connection: close',
    'Cache-Control: no-store',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
  ];
  // Closed at once, with bytes of the request unread, the connection would be reset before the answer is read.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => setTimeout(() => socket.destroy(), REFUSED_FOR_MS).unref());
}

function answerProbe(res: ServerResponse, isGood: boolean): void {
  res.writeHead(isGood ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  res.end(JSON.stringify({ status: isGood ? 'ok' : 'unavailable' }));
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void => {
      const isTaken = cause.code === 'EADDRINUSE';
      const wrong = isTaken ? 'is taken by another process' : 'cannot be opened';
      const code = isTaken ? 'port-taken' : 'port-refused';
      reject(new AppError(code, 500, `Port ${port} on ${host} ${wrong}.`, { cause }));
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.removeListener('error', refuse);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
