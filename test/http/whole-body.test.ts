import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { WholeBodyRequest } from '../../src/http/whole-body.ts';
import { eventually } from '../support/eventually.ts';

/** Answers with what it has read, piece by piece; notes what went wrong. */
async function site(context: TestContext) {
  const problems: string[] = [];
  const server = createServer({ IncomingMessage: WholeBodyRequest }, async (req, res) => {
    try {
      const pieces: string[] = [];
      for await (const piece of req.iterator({ destroyOnReturn: false })) {
        pieces.push(String(piece));
        if (pieces.join('').length > 128 * 1024) break;
      }
      res.end(JSON.stringify(pieces.map((piece) => piece.length)));
    } catch (error) {
      problems.push((error as Error).message);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, problems };
}

describe('the body of a request', () => {
  it('comes as one piece, however it was sent', async (context) => {
    const { url } = await site(context);
    const headers = { 'content-length': 'grant_type=refresh_token'.length };
    const answer = await new Promise<string>((resolve, reject) => {
      const sending = request(url, { method: 'POST', headers }, (res) => {
        res.setEncoding('utf8').once('data', resolve);
      });
      sending.once('error', reject);
      sending.write('grant_type=');
      setTimeout(() => sending.end('refresh_token'), 20);
    });
    assert.deepEqual(JSON.parse(answer), ['grant_type=refresh_token'.length]);
  });

  it('may be empty', async (context) => {
    const { url } = await site(context);
    assert.deepEqual(await (await fetch(url, { method: 'POST' })).json(), [0]);
  });

  for (const [what, body] of [
    ['larger than any form', () => 'x'.repeat(5_000_000)],
    ['of no length beforehand', () => new Blob(['x'.repeat(5_000_000)]).stream()],
  ] as const) {
    it(`${what} comes in pieces, for its reader to stop`, async (context) => {
      const { url } = await site(context);
      const init = { method: 'POST', body: body(), duplex: 'half' } as const;
      const answer = await fetch(url, init);
      const lengths = (await answer.json()) as number[];
      const length = lengths.reduce((one, other) => one + other, 0);
      assert.ok(lengths.length > 1 && length > 128 * 1024 && length < 1_000_000, String(lengths));
    });
  }

  it('is whole for a reader who takes more', async (context) => {
    const server = createServer({ IncomingMessage: WholeBodyRequest }, async (req, res) => {
      let length = 0;
      for await (const piece of req) length += (piece as Buffer).length;
      res.end(String(length));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const size of [1, 128 * 1024, 128 * 1024 + 1, 1_000_000]) {
      const headers = { connection: 'close' };
      assert.equal(await (await fetch(url, { method: 'POST', headers, body: 'x'.repeat(size) })).text(), String(size));
    }
  });

  it('that breaks off throws', async (context) => {
    const { url, problems } = await site(context);
    const sending = request(url, { method: 'POST', headers: { 'content-length': '100' } });
    sending.on('error', () => undefined);
    await new Promise<void>((resolve) => sending.write('half', () => resolve()));
    setTimeout(() => sending.destroy(), 20);
    await eventually(() => assert.equal(problems.length, 1));
  });
});
