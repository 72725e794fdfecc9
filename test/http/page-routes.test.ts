// Which requests reach the page routers: all that one of their patterns can match, and nothing of the engine's.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Router from '@koa/router';
import Koa from 'koa';
import { inject } from 'light-my-request';
import { pageRoutes } from '../../src/http/page-routes.ts';

function app(...routers: readonly Router[]) {
  const koa = new Koa();
  koa.use(pageRoutes(routers));
  koa.use((ctx) => {
    if (ctx.method === 'GET') ctx.body = 'engine';
  });
  const handle = koa.callback();
  return async (url: string, method: 'GET' | 'POST' = 'GET') => {
    const { statusCode, payload } = await inject((req, res) => void handle(req, res), { method, url });
    return statusCode === 200 ? payload : statusCode;
  };
}

function pages(): Router {
  const router = new Router();
  router.get('/', (ctx) => {
    ctx.body = 'home';
  });
  router.get('/setup', (ctx) => {
    ctx.body = 'setup';
  });
  router.get('/.well-known/change-password', (ctx) => {
    ctx.body = 'change';
  });
  return router;
}

function interactions(): Router {
  const router = new Router();
  router.get('/interaction/:uid', (ctx) => {
    ctx.body = `interaction ${String(ctx['params'].uid)}`;
  });
  router.post('/interaction/:uid/login', (ctx) => {
    ctx.body = 'login';
  });
  return router;
}

describe('page routes', () => {
  it('answer their own paths, of whatever case and with or without a slash at the end', async () => {
    const get = app(pages(), interactions());
    assert.equal(await get('/'), 'home');
    assert.equal(await get('/?a=b'), 'home');
    assert.equal(await get('/setup'), 'setup');
    assert.equal(await get('/setup/'), 'setup');
    assert.equal(await get('/SETUP'), 'setup');
    assert.equal(await get('/.well-known/change-password'), 'change');
    assert.equal(await get('/interaction/abc'), 'interaction abc');
    assert.equal(await get('/Interaction/abc'), 'interaction abc');
    assert.equal(await get('/interaction/abc/login', 'POST'), 'login');
  });

  it('leave the rest to who comes after them', async () => {
    const get = app(pages(), interactions());
    for (const url of ['/token', '/.well-known/openid-configuration', '/setup/other', '/interaction', '/%73etup'])
      assert.equal(await get(url), 'engine', url);
  });

  it('refuse a method that a page does not have', async () => {
    const ask = app(pages(), interactions());
    assert.equal(await ask('/interaction/abc', 'POST'), 405);
    assert.equal(await ask('/token', 'POST'), 404);
  });

  it('ask a router about everything whose pattern can match anything', async () => {
    const router = new Router();
    router.get('/:anything', (ctx) => {
      ctx.body = 'any';
    });
    const get = app(router);
    assert.equal(await get('/token'), 'any');
  });
});
