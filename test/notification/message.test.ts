import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkMessage, type Message } from '../../src/notification/message.ts';

const asked = { browser: null, system: null, network: null };

function signIn(model: { readonly path?: string; readonly code?: string; readonly notMePath?: string }): Message {
  return {
    kind: 'sign-in',
    to: 'ada@example.com',
    locale: 'en',
    model: { path: '/link/abc', code: '123456', asked, ...model },
    expiresAt: new Date(Date.now() + 600_000),
  };
}

describe('checkMessage', () => {
  it('takes paths of ours and codes of 6 to 8 digits', () => {
    checkMessage(signIn({}));
    checkMessage(signIn({ path: '/reset/AZaz09_-~.?a=b&c=%20', code: '12345678', notMePath: '/not-me/x' }));
  });

  for (const path of [
    '//evil.example',
    'https://evil.example',
    '/\\evil',
    '',
    'x',
    '/a b',
    '/a\r\nb',
    '@evil.example',
    '/<b>',
    '/#x',
  ]) {
    it(`refuses to link to ${JSON.stringify(path)}`, () => {
      assert.throws(() => checkMessage(signIn({ path })), TypeError);
      assert.throws(() => checkMessage(signIn({ notMePath: path })), TypeError);
    });
  }

  for (const code of ['', '12345', '123456789', '12345a', '123456\r\nBcc: x', '１２３４５６', '123 456']) {
    it(`refuses ${JSON.stringify(code)} as a code and does not repeat it`, () => {
      assert.throws(
        () => checkMessage(signIn({ code })),
        (error: unknown) => error instanceof TypeError && (code === '' || !error.message.includes(code)),
      );
    });
  }
});
