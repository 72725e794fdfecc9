import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPhone, maskPhone, parsePhone } from '../../src/account/phone-number.ts';

describe('phone numbers', () => {
  for (const typed of ['+79161234567', '+7 (916) 123-45-67', ' 007 916 123 45 67 ', '+7.916.123.45.67']) {
    it(`reads ${typed}`, () => assert.equal(parsePhone(typed), '+79161234567'));
  }

  for (const typed of [
    '',
    '+',
    '9161234567',
    '89161234567',
    '+7 916',
    '+0123456789',
    '+79161234567 ext. 5',
    'call +79161234567',
    '+7916123456789012345',
    'ada@example.com',
    `+7916123${' '.repeat(100)}4567`,
    '+999999999999',
  ]) {
    it(`refuses ${JSON.stringify(typed.slice(0, 30))}`, () => assert.equal(parsePhone(typed), null));
  }

  it('is the same number in every script', () => assert.equal(parsePhone('+٧٩١٦١٢٣٤٥٦٧'), '+79161234567'));

  it('hides the middle', () => {
    assert.equal(maskPhone('+79161234567'), '+7 ••• 45 67');
    assert.equal(maskPhone('+12025550123'), '+1 ••• 01 23');
  });

  it('is written as people write it', () => assert.equal(formatPhone('+79161234567'), '+7 916 123 45 67'));
});
