import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { z } from 'zod';
import { AppError } from '../../src/errors.ts';
import { csrfField, formBody, parseForm } from '../../src/http/form.ts';
import { send, serve } from '../support/web.ts';

const SCHEMA = z.strictObject({ login: z.string().max(100), remember: z.literal('on').optional() });

async function site(context: TestContext) {
  const url = await serve(context, [
    async (ctx, next) => {
      try {
        await next();
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        ctx.status = error.status;
        ctx.body = { code: error.code, field: error.field ?? null };
      }
    },
    formBody(),
    (ctx) => void (ctx.body = { csrf: csrfField(ctx) ?? null, form: parseForm(ctx, SCHEMA) }),
  ]);
  return async (body: string | Buffer, type = 'application/x-www-form-urlencoded') => {
    const answer = await send(url, { method: 'POST', body, headers: { 'content-type': type } });
    return { status: answer.status, body: JSON.parse(answer.text) as Record<string, unknown> };
  };
}

describe('reading a form', () => {
  it('gives its fields, and the form token apart from them', async (context) => {
    const post = await site(context);
    assert.deepEqual(await post('login=ann%40example.com&remember=on&csrf=token'), {
      status: 200,
      body: { csrf: 'token', form: { login: 'ann@example.com', remember: 'on' } },
    });
    assert.deepEqual((await post('login=%D0%90%D0%BD%D0%BD%D0%B0+%F0%9F%94%91')).body['form'], { login: 'Анна 🔑' });
  });

  it('refuses unknown, missing, repeated and nested fields with the name of the field', async (context) => {
    const post = await site(context);
    const refusal = (field: string | null) => ({ status: 400, body: { code: 'unexpected-field', field } });
    assert.deepEqual(await post(''), refusal('login'));
    assert.deepEqual(await post('remember=on'), refusal('login'));
    assert.deepEqual(await post('login=a&login=b'), refusal('login'));
    assert.deepEqual(await post('login[a]=b'), refusal('login'));
    assert.deepEqual(await post('login=a&remember=yes'), refusal('remember'));
    assert.equal((await post('login=a&role=super-admin')).status, 400);
    assert.deepEqual((await post('login=a&__proto__[role]=x')).body['form'], { login: 'a' });
    assert.equal('role' in {}, false);
    assert.equal((await post(`login=${'a'.repeat(101)}`)).status, 400);
  });

  it('refuses what is too large without reading it all', async (context) => {
    const post = await site(context);
    const { status, body } = await post(`login=${'a'.repeat(40_000)}`);
    assert.equal(status, 413);
    assert.equal(body['code'], 'too-large');
  });

  it('does not take JSON, files or text for a form', async (context) => {
    const post = await site(context);
    for (const [type, body] of [
      ['application/json', '{"login":"ann"}'],
      ['text/plain', 'login=ann'],
      [
        'multipart/form-data; boundary=x',
        '--x\r\nContent-Disposition: form-data; name="login"\r\n\r\nann\r\n--x--\r\n',
      ],
    ] as const) {
      assert.deepEqual(
        await post(body, type),
        { status: 400, body: { code: 'unexpected-field', field: 'login' } },
        type,
      );
    }
  });

  it('answers 4xx to broken bytes, deep nesting and thousands of fields', async (context) => {
    const post = await site(context);
    const broken = [
      Buffer.from('login=%ff%fe%00'),
      Buffer.from([0x6c, 0x3d, 0xff, 0xfe]),
      'login=%zz',
      `login${'[a]'.repeat(5000)}=1`,
      Array.from({ length: 5000 }, (_, index) => `f${index}=1`).join('&'),
      '&&&&===&&',
    ];
    for (const body of broken) {
      const { status } = await post(body);
      // A login of broken bytes is a wrong login, not a broken form.
      assert.ok(status === 200 || (status >= 400 && status < 500), `${String(body).slice(0, 40)}: ${status}`);
    }
    // Forms are UTF-8, whatever else the request claims.
    assert.equal((await post('login=a', 'application/x-www-form-urlencoded; charset=utf-99')).status, 200);
    assert.deepEqual((await post('login=still+alive')).body['form'], { login: 'still alive' });
  });
});
