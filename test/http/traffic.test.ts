import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Middleware } from 'koa';
import { AppError } from '../../src/errors.ts';
import { type TrafficRule, trafficLimits } from '../../src/http/traffic.ts';
import { send, serve } from '../support/web.ts';

const RULE: TrafficRule = {
  name: 'test',
  isFor: ({ path }) => path === '/costly',
  counts: 'every',
  limit: 5,
  answersWith: 'json',
};

/** Answers with the status that the query asks for. */
const answer: Middleware = (ctx) => {
  ctx.status = Number(ctx.query['status'] ?? 200);
  ctx.body = { error: ctx.query['error'] ?? null };
};
const pageErrors: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    ctx.status = error.status;
    ctx.body = `wait ${error.retryAfter}`;
  }
};

async function server(context: TestContext, rule: Partial<TrafficRule> = {}) {
  const limits = trafficLimits([{ ...RULE, ...rule }], { siteFactor: 10 });
  const url = await serve(context, [pageErrors, limits, answer], 1);
  return async (path: string, from = '192.0.2.1') => send(`${url}${path}`, { headers: { 'x-forwarded-for': from } });
}

describe('how much one network may send', () => {
  it('ends at the number, also for many at once, with the time to wait and an error that programs understand', async (context) => {
    const ask = await server(context);
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/costly')));
    assert.equal(answers.filter((one) => one.status === 200).length, 5);
    const refused = await ask('/costly');
    assert.equal(refused.status, 429);
    assert.equal((JSON.parse(refused.text) as { error: string }).error, 'too_many_requests');
    const wait = Number(refused.headers['retry-after']);
    assert.ok(wait >= 1 && wait <= 60, String(wait));
    assert.equal(refused.headers['cache-control'], 'no-store');
    assert.equal((await ask('/costly', '192.0.2.2')).status, 200, 'another network');
    assert.equal((await ask('/cheap')).status, 200, 'another address of ours');
  });

  it('counts what was refused, and nothing that went well or asks to come again', async (context) => {
    const ask = await server(context, { counts: 'refused' });
    for (let count = 0; count < 10; count += 1) {
      assert.equal((await ask('/costly')).status, 200);
      assert.equal((await ask('/costly?status=400&error=authorization_pending')).status, 400);
      assert.equal((await ask('/costly?status=503')).status, 503);
    }
    for (let count = 0; count < 5; count += 1) assert.equal((await ask('/costly?status=400')).status, 400);
    assert.equal((await ask('/costly')).status, 429);
  });

  it('is the error of a page for people', async (context) => {
    const ask = await server(context, { answersWith: 'page', limit: 1 });
    await ask('/costly');
    const refused = await ask('/costly');
    assert.equal(refused.status, 429);
    assert.match(refused.text, /^wait \d+$/);
  });

  it('is counted by the /64 of IPv6, and ten times the number by the /48', async (context) => {
    const ask = await server(context);
    for (let count = 0; count < 5; count += 1) await ask('/costly', `2001:db8:1:1::${count + 1}`);
    assert.equal((await ask('/costly', '2001:db8:1:1::ffff')).status, 429);
    for (let count = 0; count < 45; count += 1) {
      assert.equal((await ask('/costly', `2001:db8:1:${(count + 2).toString(16)}::1`)).status, 200);
    }
    assert.equal((await ask('/costly', '2001:db8:1:ffff::1')).status, 429);
    assert.equal((await ask('/costly', '2001:db8:2::1')).status, 200);
  });
});
