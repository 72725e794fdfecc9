import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseDigits, withoutBetween } from '../../src/credential/typed-code.ts';

describe('a typed code', () => {
  it('may have spaces, dashes and invisible characters between its digits', () => {
    for (const typed of [
      '123456',
      '123 456',
      '123-456',
      ' 12 34 56 ',
      '123–456',
      '123\u00a0456\n',
      '\u2068123456\u2069',
      '1.2.3.4.5.6',
    ]) {
      assert.equal(parseDigits(typed, 6), '123456', JSON.stringify(typed));
    }
  });

  it('may be in the digits of any script', () => {
    // Arabic, Persian, Devanagari, Bengali, Thai, full width, mathematical bold, mathematical double-struck.
    for (const typed of ['١٢٣٤٥٦', '۱۲۳۴۵۶', '१२३४५६', '১২৩৪৫৬', '๑๒๓๔๕๖', '１２３４５６', '𝟏𝟐𝟑𝟒𝟓𝟔', '𝟙𝟚𝟛𝟜𝟝𝟞']) {
      assert.equal(parseDigits(typed, 6), '123456', typed);
    }
    assert.equal(parseDigits('٠٩٠٩٠٩', 6), '090909');
  });

  it('means the number that Unicode gives each of its digits', () => {
    const values = new Map<string, string>();
    for (const [script, zero] of Object.entries({
      latin: 0x30,
      nko: 0x07c0,
      khmer: 0x17e0,
      fullwidth: 0xff10,
      adlam: 0x1e950,
      bold: 0x1d7ce,
    })) {
      for (let value = 0; value < 10; value += 1) values.set(`${script} ${value}`, String.fromCodePoint(zero + value));
    }
    for (const [name, char] of values) assert.equal(parseDigits(char.repeat(6), 6), name.slice(-1).repeat(6), name);
  });

  it('is none with too many or too few digits, letters, or other numbers', () => {
    for (const typed of [
      '',
      '12345',
      '1234567',
      '12345a',
      'abcdef',
      '½½½½½½',
      '①②③④⑤⑥',
      '+12345',
      '12e456',
      '1'.repeat(10_000),
    ]) {
      assert.equal(parseDigits(typed, 6), null, typed.slice(0, 20));
    }
  });

  it('never makes anything but null or that many ASCII digits out of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (typed) => {
        const code = parseDigits(typed, 6);
        assert.ok(code === null || /^[0-9]{6}$/.test(code));
      }),
    );
  });

  it('is not looked at when it is too long to be one', () => {
    assert.equal(withoutBetween('A B'), 'AB');
    assert.equal(withoutBetween(' '.repeat(101)), null);
  });
});
