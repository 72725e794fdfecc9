import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contentSecurityPolicy, securityHeaders } from '../../src/http/headers.ts';
import { send, serve } from '../support/web.ts';

describe('the content policy', () => {
  it('allows nothing but our own files, no inline code, no frame around us', () => {
    for (const target of ['anywhere', 'self'] as const) {
      const policy = contentSecurityPolicy(target);
      assert.match(policy, /^default-src 'none';/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.match(policy, /base-uri 'none'/);
      assert.doesNotMatch(policy, /unsafe|\*|https?:|upgrade-insecure/);
    }
  });

  it('lets forms lead away only where the answer to a form redirects to the client', () => {
    assert.doesNotMatch(contentSecurityPolicy('anywhere'), /form-action/);
    assert.match(contentSecurityPolicy('self'), /form-action 'self'/);
  });
});

describe('the headers of an answer', () => {
  it('are there before anybody writes the answer, and may be sharpened', async (context) => {
    const url = await serve(context, [
      securityHeaders(),
      (ctx) => {
        ctx.set('Cache-Control', 'public');
        ctx.body = ctx.response.get('X-Frame-Options');
      },
    ]);
    const answer = await send(url);
    assert.equal(answer.text, 'DENY');
    assert.equal(answer.headers['cache-control'], 'public');
    assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
  });

  it('open an answer to other origins only where CORS does', async (context) => {
    const url = await serve(context, [
      securityHeaders(),
      (ctx) => {
        if (ctx.path === '/open') ctx.set('Access-Control-Allow-Origin', '*');
        ctx.body = 'x';
      },
    ]);
    assert.equal((await send(`${url}/open`)).headers['cross-origin-resource-policy'], 'cross-origin');
    assert.equal((await send(`${url}/closed`)).headers['cross-origin-resource-policy'], 'same-origin');
  });
});
