import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createLog } from '../src/log.ts';
import { type RunningServer, startServer } from '../src/server.ts';
import { freePort } from './support/free-port.ts';
import { until } from './support/process.ts';

const log = createLog('silent');

let server: RunningServer;
let internalPort: number;
let isHealthy: boolean;
let handle: (req: IncomingMessage, res: ServerResponse) => void;
beforeEach(async () => {
  isHealthy = true;
  handle = (_req, res) => void res.end('hello');
  internalPort = await freePort();
  const served = {
    handle: (req: IncomingMessage, res: ServerResponse) => handle(req, res),
    isHealthy: async () => isHealthy,
  };
  server = await startServer(served, log, { host: '127.0.0.1', port: 0, internalPort, stopDelay: 0 });
});
afterEach(() => server.stop());

/** Sends bytes as they are and reads until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}

function get(path: string, port = server.port): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`);
}

async function answered(response: Response): Promise<false> {
  await response.arrayBuffer();
  return false;
}

describe('a request that HTTP itself refuses', () => {
  for (const [what, bytes, status, code] of [
    [
      'with 64 KiB of headers',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65_536)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'with an address of 1 MB',
      `GET /?state=${'x'.repeat(1_000_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    ['that is no HTTP', 'hello there\r\n\r\n', 400, 'malformed-request'],
    [
      'with two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed-request',
    ],
    [
      'with a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed-request',
    ],
  ] as const) {
    it(`${what} gets ${status} with a stable code and a request id, and never reaches the application`, async () => {
      let reached = 0;
      handle = (_req, res) => {
        reached += 1;
        res.end();
      };
      const answer = await raw(bytes);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
      assert.match(answer, /\r\nConnection: close\r\n/);
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      const { error, request_id: requestId } = JSON.parse(body) as { error: string; request_id: string };
      assert.equal(error, code);
      assert.match(requestId, /^[\w-]{12}$/);
      assert.ok(head.includes(`X-Request-Id: ${requestId}`));
      assert.equal(reached, 0);
    });
  }

  it('behind one that is being answered ends the connection without a word into that answer', async () => {
    handle = (_req, res) => {
      res.writeHead(200, { 'content-length': '10' });
      res.write('first');
    };
    const answer = await raw('GET / HTTP/1.1\r\nHost: a\r\n\r\nnot a request\r\n\r\n');
    assert.doesNotMatch(answer, /malformed/);
  });
});

describe('the listener', () => {
  it('says which port is taken', async () => {
    const again = startServer({ handle: () => undefined, isHealthy: async () => true }, log, {
      host: '127.0.0.1',
      port: server.port,
      internalPort: 0,
      stopDelay: 0,
    });
    await assert.rejects(again, {
      code: 'port-taken',
      message: `Port ${server.port} on 127.0.0.1 is taken by another process.`,
    });
  });

  it('opens nothing when its internal port is taken', async () => {
    const port = await freePort();
    const half = startServer({ handle: () => undefined, isHealthy: async () => true }, log, {
      ...{ host: '127.0.0.1', port, internalPort, stopDelay: 0 },
    });
    await assert.rejects(half, { code: 'port-taken' });
    await assert.rejects(get('/', port));
  });
});

describe('the internal port', () => {
  it('tells life and readiness apart, and serves nothing else', async () => {
    assert.equal((await get('/livez', internalPort)).status, 200);
    assert.equal((await get('/readyz', internalPort)).status, 200);
    isHealthy = false;
    assert.equal((await get('/livez', internalPort)).status, 200);
    const away = await get('/readyz', internalPort);
    assert.equal(away.status, 503);
    assert.deepEqual(await away.json(), { status: 'unavailable' });
    assert.equal((await get('/', internalPort)).status, 404);
  });
});

describe('a stop', () => {
  it('waits for what is being answered and may be asked for twice', async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    handle = (req, res) => {
      if (req.url === '/slow') arrived.resolve(res);
      else res.end();
    };
    const answer = get('/slow');
    const res = await arrived.promise;
    let isStopped = false;
    const stopped = Promise.all([server.stop(), server.stop()]).then(() => {
      isStopped = true;
    });
    await until(() => get('/late').then(answered, () => true), 'the door to close');
    assert.equal(isStopped, false);
    res.end('done');
    assert.equal(await (await answer).text(), 'done');
    await stopped;
  });

  it('does not wait for connections on which nothing happens', async () => {
    const idle = connect(server.port, '127.0.0.1');
    idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => idle.once('data', resolve));
    const closed = new Promise((resolve) => idle.once('close', resolve));
    await server.stop();
    await closed;
  });
});
