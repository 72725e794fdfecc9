import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InvalidRequest } from '../../src/errors.ts';
import { checkRecipient, isRecipient, maskAddress, parseSender } from '../../src/notification/recipient.ts';

describe('isRecipient', () => {
  for (const good of [
    'ada@example.com',
    "o'neil+tag@mail.example.co.uk",
    'a.b@xn--bcher-kva.example',
    'A_Z@example.com',
  ]) {
    it(`takes ${good}`, () => assert.equal(isRecipient(good), true));
  }

  const hostile = [
    '',
    'ada',
    '@example.com',
    'ada@',
    'ada@example',
    'ada@example.com,eve@evil.example',
    'ada@example.com;eve@evil.example',
    'ada@example.com eve@evil.example',
    'ada@example.com\r\nBcc: eve@evil.example',
    'ada@example.com\n',
    ' ada@example.com',
    '"ada@evil.example"@example.com',
    '"ada b"@example.com',
    'ada(eve@evil.example)@example.com',
    'Ada <ada@example.com>',
    '<ada@example.com>',
    'ada@evil.example@example.com',
    'ada@[127.0.0.1]',
    'ada@127.0.0.1',
    'ada@bücher.example',
    'ada@EXAMPLE.com',
    'а@example.com',
    'ada..b@example.com',
    '.ada@example.com',
    'ada@-example.com',
    'ada@example..com',
    'ada@example.com.',
    'ada\u0000@example.com',
    'group:ada@example.com;',
    `${'a'.repeat(65)}@example.com`,
    `ada@${'a'.repeat(64)}.com`,
    `ada@${'a.'.repeat(125)}com`,
  ];
  for (const bad of hostile) {
    it(`refuses ${JSON.stringify(bad.slice(0, 50))}`, () => assert.equal(isRecipient(bad), false));
  }
});

describe('checkRecipient', () => {
  it('throws an error that names the field and not the address', () => {
    assert.throws(
      () => checkRecipient('eve@evil.example, ada@example.com'),
      (error: unknown) =>
        error instanceof InvalidRequest &&
        error.code === 'invalid-recipient' &&
        error.field === 'email' &&
        !error.message.includes('evil'),
    );
  });
});

describe('parseSender', () => {
  it('reads an address alone', () => {
    assert.deepEqual(parseSender('no-reply@example.com'), { name: '', address: 'no-reply@example.com' });
  });

  it('reads a name, quoted or not', () => {
    assert.deepEqual(parseSender('Latchkey <no-reply@example.com>'), {
      name: 'Latchkey',
      address: 'no-reply@example.com',
    });
    assert.deepEqual(parseSender('"Keys, Inc." <no-reply@example.com>'), {
      name: 'Keys, Inc.',
      address: 'no-reply@example.com',
    });
  });
});

describe('maskAddress', () => {
  it('leaves nothing that can be written to or clicked', () => {
    assert.equal(maskAddress('maria@example.com'), 'm•••@e•••.com');
    assert.equal(maskAddress('x@www.evil.example'), 'x•••@w•••.example');
  });
});
