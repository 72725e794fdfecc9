import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { typedText } from '../../src/notification/typed-text.ts';

describe('typedText', () => {
  it('leaves ordinary names alone', () => {
    for (const name of [
      'Ada Lovelace',
      'J. R. R. Tolkien',
      "O'Neil & Sons",
      'Мой ключ',
      '鍵',
      'Firefox 141.0',
      'St. Petersburg',
    ]) {
      assert.equal(typedText(name), name);
    }
  });

  it('answers null for what is missing or empty', () => {
    assert.equal(typedText(null), null);
    assert.equal(typedText(undefined), null);
    assert.equal(typedText(' \u200b\r\n '), null);
  });

  it('drops what a mail program would make a link of', () => {
    const links = [
      'Pay at https://evil.example',
      'evil.example',
      'call www.evil',
      'eve@evil.example',
      'evil。example',
      'evil．example',
      'evil․example',
      'xn--vil-9la',
      '10.0.0.1',
      '//evil',
      'ev\u200bil.example',
    ];
    for (const text of links) assert.equal(typedText(text), null, text);
  });

  it('makes one line of it, without control and direction characters', () => {
    assert.equal(typedText('Ada\r\nBcc: eve'), 'Ada Bcc: eve');
    assert.equal(typedText('a\u202Eb\u2066c\u0000d\u2028e'), 'a b c d e');
  });

  it('cuts to sixty characters and never through one', () => {
    const cut = typedText('🔑'.repeat(100));
    assert.equal([...(cut ?? '')].length, 60);
    assert.match(cut ?? '', /^(?:🔑){59}…$/u);
  });

  it('never answers more than one short line, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
        const out = typedText(text) ?? '';
        assert.ok([...out].length <= 60);
        assert.doesNotMatch(out, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|:\/\/|@/u);
      }),
    );
  });
});
