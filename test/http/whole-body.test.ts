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
    const answer = await new Promise<string>((resolve, reject) => {
      const sending = request(url, { method: 'POST' }, (res) => {
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

  it('is not collected beyond what anybody takes', async (context) => {
    const { url } = await site(context);
    const answer = await fetch(url, { method: 'POST', body: 'x'.repeat(5_000_000) });
    const [length = 0] = (await answer.json()) as number[];
    assert.ok(length > 128 * 1024 && length < 1_000_000, String(length));
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
