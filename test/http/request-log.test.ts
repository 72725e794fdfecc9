import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { requestLog } from '../../src/http/request-log.ts';
import { createLog } from '../../src/log.ts';
import { eventually } from '../support/eventually.ts';
import { send, serve } from '../support/web.ts';

type Line = Readonly<Record<string, unknown>>;

async function site(context: TestContext, status = 200) {
  const lines: Line[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  const url = await serve(context, [
    requestLog(log),
    async (ctx) => {
      if (ctx.path === '/never') await new Promise(() => undefined);
      ctx.status = status;
      ctx.body = 'x';
    },
  ]);
  return { url, lines, last: () => eventually(() => lines.at(-1) ?? assert.fail('no line yet')) };
}

describe('the log of requests', () => {
  it('has one line for each, with chosen fields and the id that the answer carries', async (context) => {
    const { url, lines, last } = await site(context);
    const answer = await send(`${url}/token`, { method: 'POST', body: 'code=secret' });
    const { ms, time, ...line } = await last();
    assert.deepEqual(line, {
      level: 'debug',
      requestId: answer.headers['x-request-id'],
      method: 'POST',
      path: '/token',
      status: 200,
      network: '127.0.0.1',
      msg: 'request',
    });
    assert.equal(typeof ms, 'number');
    assert.equal(typeof time, 'string');
    assert.equal(lines.length, 1);
  });

  it('leaves out queries, and of paths what could be a secret or somebody’s name', async (context) => {
    const { url, last, lines } = await site(context);
    for (const [path, logged] of [
      ['/auth?client_id=x&state=secret', '/auth'],
      [`/setup/${'s'.repeat(43)}`, '/setup/…'],
      [`/interaction/${'i'.repeat(43)}/login`, '/interaction/…/login'],
      ['/link/ann%40example.com', '/link/…'],
      ['/.well-known/openid-configuration', '/.well-known/…'],
      [`/${'a/'.repeat(2000)}`, `/${'a/'.repeat(250)}`.slice(0, 500)],
    ] as const) {
      lines.length = 0;
      await send(url + path);
      assert.equal((await last())['path'], logged, path);
    }
  });

  it('makes failures stand out', async (context) => {
    const { url, last } = await site(context, 503);
    await send(url);
    assert.equal((await last())['level'], 'warn');
  });

  it('says when somebody hung up', async (context) => {
    const { url, last } = await site(context);
    const outgoing = request(`${url}/never`, { agent: false });
    outgoing.on('error', () => undefined);
    outgoing.end();
    await new Promise((resolve) => outgoing.once('socket', (socket) => socket.once('connect', resolve)));
    setTimeout(() => outgoing.destroy(), 50);
    assert.equal((await last())['aborted'], true);
  });

  it('never takes the id from the request', async (context) => {
    const { url } = await site(context);
    const answer = await send(url, { headers: { 'x-request-id': 'chosen-by-me' } });
    assert.notEqual(answer.headers['x-request-id'], 'chosen-by-me');
  });
});
