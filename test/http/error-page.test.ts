import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Middleware } from 'koa';
import {
  AppError,
  Conflict,
  Forbidden,
  InvalidRequest,
  NotFound,
  TooManyRequests,
  Unavailable,
} from '../../src/errors.ts';
import { createAssets } from '../../src/http/asset.ts';
import { Csrf } from '../../src/http/csrf.ts';
import { errorPages } from '../../src/http/error-page.ts';
import { createLocales } from '../../src/http/locale.ts';
import { Pages } from '../../src/http/page.ts';
import { createView } from '../../src/http/view.ts';
import { createLog } from '../../src/log.ts';
import { asUnavailable } from '../../src/storage/database.ts';
import { send, serve } from '../support/web.ts';

const VIEWS = join(import.meta.dirname, '..', '..', 'views');
const SECRET = 'the secret detail';
const JSON_ONLY = { accept: 'application/json' };

/** A site with the real pages where `work` decides what goes wrong. */
async function site(context: TestContext, work: Middleware, isSecure = false) {
  const lines: string[] = [];
  const log = createLog('debug', { write: (line: string) => void lines.push(line) });
  const naming = { isSecure };
  const issuer = isSecure ? 'https://id.example.com' : 'http://localhost:3000';
  const locales = createLocales(join(VIEWS, 'locales'));
  const assets = createAssets(join(VIEWS, 'assets'));
  const view = createView({ locales, assets, productName: 'Latchkey', issuer });
  const csrf = new Csrf({ keys: [Buffer.alloc(32, 1)], issuer, naming });
  const pages = new Pages({ view, locales, csrf, naming });
  const url = await serve(context, [errorPages({ pages, log, asUnavailable, trustedProxies: 0 }), work]);
  return { url, lines };
}

const throwing =
  (error: unknown): Middleware =>
  () => {
    throw error;
  };

describe('an error', () => {
  it('becomes a page with its stable code, its status and the request id', async (context) => {
    for (const [error, status, code] of [
      [new InvalidRequest('Say it otherwise.'), 400, 'invalid-request'],
      [new Forbidden('Not you.', { code: 'foreign-form' }), 403, 'foreign-form'],
      [new NotFound(), 404, 'not-found'],
      [new Conflict('Taken.'), 409, 'conflict'],
      [new TooManyRequests(90), 429, 'too-many-requests'],
      [new Unavailable(), 503, 'unavailable'],
      [new AppError('special', 418, 'A special one.'), 418, 'special'],
    ] as const) {
      const { url } = await site(context, throwing(error));
      const answer = await send(url, { headers: { accept: 'text/html' } });
      assert.equal(answer.status, status);
      assert.match(answer.text, new RegExp(`data-page="error" data-error="${code}"`));
      assert.match(answer.text, /<code[^>]*>[\w-]{12}<\/code>/);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(
        answer.headers['retry-after'],
        error.retryAfter === undefined ? undefined : String(error.retryAfter),
      );
    }
  });

  it('becomes JSON for programs', async (context) => {
    const { url } = await site(context, throwing(new InvalidRequest('Say it otherwise.', { field: 'email' })));
    const answer = await send(url, { headers: JSON_ONLY });
    const { request_id: requestId, ...body } = JSON.parse(answer.text) as Record<string, unknown>;
    assert.deepEqual(body, { error: 'invalid-request', error_description: 'Say it otherwise.', field: 'email' });
    assert.match(String(requestId), /^[\w-]{12}$/);
    const api = await send(`${url}/api/v1/x`, { headers: { accept: 'text/html' } });
    assert.match(api.headers['content-type'] ?? '', /^application\/json/);
  });

  it('that nobody expected tells nothing of itself, and everything to the log under the same id', async (context) => {
    for (const error of [
      new Error(SECRET),
      new AppError('broken', 500, SECRET),
      SECRET,
      { message: SECRET },
      undefined,
      null,
    ]) {
      const { url, lines } = await site(context, throwing(error));
      for (const headers of [{ accept: 'text/html' }, JSON_ONLY]) {
        const answer = await send(url, { headers });
        assert.equal(answer.status, 500);
        assert.equal(answer.text.includes(SECRET), false);
        assert.doesNotMatch(answer.text, /\.ts:\d|node:internal/);
        const [, id] = /([\w-]{12})(?:<\/code>|"})/.exec(answer.text) ?? [];
        assert.ok(
          lines.some((line) => line.includes(String(id)) && line.includes('request failed')),
          String(error),
        );
      }
    }
  });

  it('of a driver that is away is 503 with a time to come back', async (context) => {
    const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const { url } = await site(context, throwing(error));
    const answer = await send(url, { headers: JSON_ONLY });
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['retry-after'], '5');
    assert.doesNotMatch(answer.text, /ECONN/);
  });

  it('of Koa and of parsers keeps its status below 500 and loses its text', async (context) => {
    for (const [status, code] of [
      [400, 'invalid-request'],
      [413, 'too-large'],
      [415, 'unsupported-media-type'],
    ] as const) {
      const { url } = await site(context, throwing(Object.assign(new Error(SECRET), { status })));
      const answer = await send(url, { headers: JSON_ONLY });
      assert.equal(answer.status, status);
      assert.match(answer.text, new RegExp(`"error":"${code}"`));
      assert.equal(answer.text.includes(SECRET), false);
    }
  });

  it('shows what somebody typed as text only', async (context) => {
    const { url } = await site(context, throwing(new InvalidRequest('<script>alert(1)</script>')));
    const answer = await send(url, { headers: { accept: 'text/html' } });
    assert.doesNotMatch(answer.text, /<script>alert/);
    assert.match(answer.text, /&lt;script&gt;/);
  });
});

describe('a path that nobody knows', () => {
  it('is a page as well, and an empty answer that somebody meant is left alone', async (context) => {
    const { url } = await site(context, (ctx) => {
      if (ctx.path === '/empty') ctx.status = 204;
    });
    const answer = await send(`${url}/nothing`, { headers: { accept: 'text/html' } });
    assert.equal(answer.status, 404);
    assert.match(answer.text, /data-error="page-not-found"/);
    assert.equal((await send(`${url}/empty`)).status, 204);
  });
});

describe('a proxy that does not say that it speaks https', () => {
  it('is named as the reason, with what to change', async (context) => {
    const { url } = await site(context, (ctx) => void ctx.cookies.set('x', 'y', { secure: true }), true);
    const answer = await send(url, { headers: { accept: 'text/html' } });
    assert.equal(answer.status, 500);
    assert.match(answer.text, /data-error="missing-forwarded-proto"/);
    assert.match(answer.text, /X-Forwarded-Proto: https/);
    assert.match(answer.text, /LATCHKEY_TRUSTED_PROXIES: 0/);
    assert.deepEqual(answer.cookies, []);
  });
});
