import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { BreachedPasswords } from '../../src/credential/breached-password.ts';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { createLog } from '../../src/log.ts';

const PASSWORD = 'correct horse battery staple';
const HASH = createHash('sha1').update(PASSWORD).digest('hex').toUpperCase();
const fetch = createGuardedFetch({ privateNetworkHosts: ['127.0.0.1'] });
const servers: Server[] = [];

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A look-up of somebody else's on a real port, and what we log about it. */
async function lookUp(listener: RequestListener) {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/`;
  return { breached: new BreachedPasswords({ url, fetch, log }), lines };
}

function answering(body: string): RequestListener {
  return (_, response) => response.end(body);
}

describe('the look-up of leaked passwords', () => {
  it('sends five characters of a hash, asks for padding and finds the rest in the answer', async () => {
    const seen: (string | undefined)[] = [];
    const { breached, lines } = await lookUp((request, response) => {
      seen.push(request.url, String(request.headers['add-padding']));
      response.end(`${'0'.repeat(35)}:3\r\n${HASH.slice(5)}:12\r\n${'F'.repeat(35)}:1`);
    });
    assert.equal(await breached.has(PASSWORD), true);
    assert.deepEqual(seen, [`/range/${HASH.slice(0, 5)}`, 'true']);
    assert.deepEqual(lines, []);
  });

  it('is right whatever the case and the line ends', async () => {
    const { breached } = await lookUp(answering(`${HASH.slice(5).toLowerCase()}:1\n`));
    assert.equal(await breached.has(PASSWORD), true);
  });

  it('finds nothing in padding, in other hashes and in nonsense', async () => {
    for (const body of [`${HASH.slice(5)}:0`, `${'A'.repeat(35)}:9`, '', HASH, '<html>', `${HASH.slice(5)}:`]) {
      const { breached } = await lookUp(answering(body));
      assert.equal(await breached.has(PASSWORD), false, body);
    }
  });

  it('stops nobody when it fails, and says so without a word of the password', async () => {
    const failures: readonly RequestListener[] = [
      (_, response) => response.writeHead(503).end(),
      (_, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end(),
      (request) => request.socket.destroy(),
    ];
    for (const failure of failures) {
      const { breached, lines } = await lookUp(failure);
      assert.equal(await breached.has(PASSWORD), false);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', /could not be looked up/);
      assert.equal(lines.join().includes(HASH.slice(0, 5)), false);
      assert.equal(lines.join().includes(PASSWORD), false);
    }
  });

  it('waits three seconds at most', async () => {
    const { breached, lines } = await lookUp(() => undefined);
    const started = performance.now();
    assert.equal(await breached.has(PASSWORD), false);
    const taken = performance.now() - started;
    assert.ok(taken > 2900 && taken < 9000, `${taken} ms`);
    assert.equal(lines.length, 1);
  });
});
