import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { Csrf } from '../../src/http/csrf.ts';
import { send, serve } from '../support/web.ts';

const ISSUER = 'http://id.example.test:3000/path';
const ORIGIN = 'http://id.example.test:3000';
const NAMING = { isSecure: false };
const BROWSER = 'b'.repeat(43);

function csrf(key = 1, ...older: readonly number[]): Csrf {
  const keys = [Buffer.alloc(32, key), ...older.map((one) => Buffer.alloc(32, one))] as const;
  return new Csrf({ keys, issuer: ISSUER, naming: NAMING });
}

/** GET answers with a token, POST says whether token and origin were accepted. */
async function site(context: TestContext, forms = csrf()) {
  const url = await serve(context, [
    (ctx) => {
      if (ctx.method === 'GET') {
        ctx.body = forms.token(ctx);
        return;
      }
      try {
        forms.check(ctx, ctx.get('x-token') || undefined);
        ctx.body = 'accepted';
      } catch (error) {
        ctx.body = error instanceof AppError ? `${error.status} ${error.code}` : 'broken';
      }
    },
  ]);
  const cookie = `latchkey_browser=${BROWSER}`;
  return {
    url,
    token: async (browser = BROWSER) => (await send(url, { headers: { cookie: `latchkey_browser=${browser}` } })).text,
    post: async (headers: Record<string, string>) =>
      (await send(url, { method: 'POST', headers: { cookie, ...headers } })).text,
  };
}

const REFUSED = '403 foreign-form';

describe('a form', () => {
  it('is accepted from our own page in the same browser', async (context) => {
    const { token, post } = await site(context);
    const good = { 'x-token': await token() };
    assert.equal(await post({ ...good, 'sec-fetch-site': 'same-origin', origin: ORIGIN }), 'accepted');
    assert.equal(await post({ ...good, 'sec-fetch-site': 'none' }), 'accepted');
    assert.equal(await post({ ...good, origin: ORIGIN }), 'accepted');
    assert.equal(await post(good), 'accepted');
  });

  it('is refused from elsewhere even with the right token', async (context) => {
    const { token, post } = await site(context);
    const good = { 'x-token': await token() };
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: ORIGIN },
      { 'sec-fetch-site': 'anything-new', origin: ORIGIN },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://id.example.test' },
      { origin: 'https://id.example.test:3000' },
      { origin: `${ORIGIN}.evil.example` },
    ]) {
      assert.equal(await post({ ...good, ...headers } as Record<string, string>), REFUSED, JSON.stringify(headers));
    }
  });

  it('is refused without a token, with a wrong one, and with one of another browser', async (context) => {
    const { token, post } = await site(context);
    const origin = { 'sec-fetch-site': 'same-origin' };
    assert.equal(await post(origin), REFUSED);
    assert.equal(await post({ ...origin, 'x-token': 'wrong' }), REFUSED);
    assert.equal(await post({ ...origin, 'x-token': await token('c'.repeat(43)) }), REFUSED);
  });

  it('is refused from a browser without our cookie', async (context) => {
    const { url, token } = await site(context);
    const headers = { 'x-token': await token(), 'sec-fetch-site': 'same-origin' };
    assert.equal((await send(url, { method: 'POST', headers })).text, REFUSED);
  });

  it('is refused when its token was made with another key', async (context) => {
    const { token } = await site(context, csrf(2));
    const stale = await token();
    const { post } = await site(context, csrf(1));
    assert.equal(await post({ 'x-token': stale, 'sec-fetch-site': 'same-origin' }), REFUSED);
  });

  it('that was opened before the key was changed is accepted, and new ones get the new key', async (context) => {
    const opened = await (await site(context, csrf(2))).token();
    const rotated = await site(context, csrf(1, 2));
    assert.equal(await rotated.post({ 'x-token': opened, 'sec-fetch-site': 'same-origin' }), 'accepted');
    assert.equal(await rotated.token(), await (await site(context, csrf(1))).token());
  });
});
