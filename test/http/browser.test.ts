import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  clearCookie,
  cookieName,
  ensureBrowserId,
  findBrowserId,
  readCookie,
  setCookie,
} from '../../src/http/browser.ts';
import { send, serve } from '../support/web.ts';

const PLAIN = { isSecure: false };
const SECURE = { isSecure: true };

describe('the name of a cookie', () => {
  it('has the __Host- prefix with an https issuer and none without', () => {
    assert.equal(cookieName('latchkey_x', SECURE), '__Host-latchkey_x');
    assert.equal(cookieName('latchkey_x', PLAIN), 'latchkey_x');
  });
});

describe('a cookie of ours', () => {
  it('is HttpOnly, Lax, for the whole origin, and ends with the browser unless told otherwise', async (context) => {
    const url = await serve(context, [
      (ctx) => {
        setCookie(ctx, 'short', 'a', PLAIN);
        setCookie(ctx, 'long', 'b', PLAIN, 60);
        clearCookie(ctx, 'gone', PLAIN);
        ctx.body = 'ok';
      },
    ]);
    const [short, long, gone] = (await send(url)).cookies;
    assert.equal(short, 'short=a; path=/; samesite=lax; httponly');
    assert.match(long ?? '', /^long=b; path=\/; expires=.+ GMT; samesite=lax; httponly$/);
    assert.match(gone ?? '', /^gone=; path=\/; expires=Thu, 01 Jan 1970/);
  });

  it('is Secure and carries the prefix when the issuer is https', async (context) => {
    const url = await serve(
      context,
      [
        (ctx) => {
          setCookie(ctx, 'x', 'a', SECURE);
          ctx.body = 'ok';
        },
      ],
      1,
    );
    const [cookie] = (await send(url, { headers: { 'x-forwarded-proto': 'https' } })).cookies;
    assert.equal(cookie, '__Host-x=a; path=/; samesite=lax; secure; httponly');
  });

  it('is not read under the other name, so that a sibling host cannot plant it', async (context) => {
    const url = await serve(context, [(ctx) => void (ctx.body = { value: readCookie(ctx, 'x', SECURE) ?? null })]);
    assert.deepEqual(JSON.parse((await send(url, { headers: { cookie: 'x=planted' } })).text), { value: null });
    assert.deepEqual(JSON.parse((await send(url, { headers: { cookie: '__Host-x=ours' } })).text), { value: 'ours' });
  });
});

describe('the browser’s id', () => {
  const answer = [
    (ctx: Parameters<typeof ensureBrowserId>[0]) =>
      void (ctx.body = { found: findBrowserId(ctx, PLAIN) ?? null, id: ensureBrowserId(ctx, PLAIN) }),
  ];

  it('is made once and kept for a year', async (context) => {
    const url = await serve(context, answer);
    const first = await send(url);
    const { found, id } = JSON.parse(first.text) as { found: null; id: string };
    assert.equal(found, null);
    assert.match(id, /^[A-Za-z0-9_-]{43}$/);
    assert.match(first.cookies[0] ?? '', new RegExp(`^latchkey_browser=${id}; path=/; expires=`));
    const second = await send(url, { headers: { cookie: `latchkey_browser=${id}` } });
    assert.deepEqual(JSON.parse(second.text), { found: id, id });
    assert.deepEqual(second.cookies, []);
  });

  it('is made anew when the cookie is not one of ours', async (context) => {
    const url = await serve(context, answer);
    for (const wrong of ['', 'short', 'a'.repeat(44), `${'a'.repeat(42)}%`]) {
      const { found, id } = JSON.parse(
        (await send(url, { headers: { cookie: `latchkey_browser=${wrong}` } })).text,
      ) as {
        found: string | null;
        id: string;
      };
      assert.equal(found, null);
      assert.notEqual(id, wrong);
    }
  });
});
