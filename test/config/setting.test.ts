import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  asText,
  choice,
  type Kind,
  line,
  list,
  parseValue,
  seconds,
  secretText,
  wholeNumber,
  yesNo,
} from '../../config/setting.ts';

function accept<T>(kind: Kind<T>, raw: unknown): T {
  const result = parseValue(kind, raw);
  assert.ok('value' in result, `${JSON.stringify(raw)}: ${'wrong' in result ? result.wrong : ''}`);
  return result.value;
}

function refuse(kind: Kind<unknown>, raw: unknown): string {
  const result = parseValue(kind, raw);
  assert.ok('wrong' in result, `${JSON.stringify(raw)} was taken`);
  return result.wrong;
}

describe('a whole number', () => {
  test('is the same from a variable and from YAML', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_535 }), (value) => {
        assert.equal(accept(wholeNumber(1, 65_535), String(value)), value);
        assert.equal(accept(wholeNumber(1, 65_535), value), value);
      }),
    );
  });

  test('is refused outside its bounds, from a variable and from YAML', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 11 }), fc.integer({ max: 4 })), (value) => {
        refuse(wholeNumber(5, 10), value);
        refuse(wholeNumber(5, 10), String(value));
      }),
    );
  });

  test('is nothing but decimal digits: no text that is not becomes a number', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/^\s*\d+\s*$/.test(text)),
        (text) => void refuse(wholeNumber(0, Number.MAX_SAFE_INTEGER), text),
      ),
    );
    for (const raw of [
      '',
      ' ',
      '1e3',
      '0x10',
      '1.0',
      '+1',
      '-0',
      'Infinity',
      '１',
      null,
      true,
      [],
      {},
      1.5,
      Number.NaN,
    ]) {
      refuse(wholeNumber(0, 1000), raw);
    }
  });

  test('says its bounds when it is refused', () => {
    assert.equal(refuse(wholeNumber(1, 9), 'ten'), 'must be a whole number from 1 to 9');
  });
});

describe('a length of time', () => {
  test('counts seconds, and with a unit what the unit says', () => {
    const units = { s: 1, m: 60, h: 3600, d: 86_400 };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom(...Object.entries(units)),
        (count, [unit, size]) => {
          assert.equal(accept(seconds(1, 1000 * 86_400), `${count}${unit}`), count * size);
          assert.equal(accept(seconds(1, 1000 * 86_400), String(count)), count);
        },
      ),
    );
  });

  test('is refused beyond its bounds in every unit, and with a unit nobody knows', () => {
    for (const raw of ['2d', '25h', '86401', 0, '0s', '5 m', '5w', 'm', '1.5h', '-1m', '1h30m'])
      refuse(seconds(1, 86_400), raw);
  });

  test('names its bounds in the largest unit that fits', () => {
    assert.match(refuse(seconds(60, 86_400), 'x'), /from 1m to 1d/);
    assert.match(refuse(seconds(0, 90), 'x'), /from 0s to 90s/);
  });
});

test('yes and no come from words and from YAML, and "false" is never true', () => {
  for (const raw of ['true', 'TRUE', 'yes', 'on', '1', true]) assert.equal(accept(yesNo(), raw), true);
  for (const raw of ['false', 'False', 'no', 'off', '0', false]) assert.equal(accept(yesNo(), raw), false);
  for (const raw of ['', 'maybe', 'nope', 1, 0, null, []]) refuse(yesNo(), raw);
});

test('a choice takes its words only, and lists them', () => {
  assert.equal(accept(choice('open', 'closed'), ' open '), 'open');
  assert.equal(refuse(choice('open', 'closed'), 'Open'), 'must be one of open, closed');
});

describe('a list', () => {
  const words = list(line(10), 3);

  test('is the same from text with commas and from YAML', () => {
    const word = fc.string({ minLength: 1, maxLength: 10, unit: fc.constantFrom(...'abcxyz09._-') });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 3 }), (items) => {
        assert.deepEqual(accept(words, items.join(' , ')), items);
        assert.deepEqual(accept(words, items), items);
      }),
    );
  });

  test('is refused when it is too long or an item is wrong', () => {
    refuse(words, 'a,b,c,d');
    refuse(words, [1]);
    refuse(words, 'a,thisistoolong');
    refuse(words, { a: 1 });
  });
});

test('a line is trimmed, and has no control characters', () => {
  assert.equal(accept(line(5), '  ab  '), 'ab');
  for (const raw of ['', '   ', 'a\nb', 'a\u0000', 'abcdef', 7]) refuse(line(5), raw);
});

test('a secret is kept byte for byte, and a refusal never repeats it', () => {
  assert.equal(accept(secretText(), '  space around  '), '  space around  ');
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]{12,40}$/), (text) => {
      assert.ok(!refuse(secretText(), `${text}\n`).includes(text));
      assert.ok(!refuse(wholeNumber(1, 2), text).includes(text));
    }),
  );
});

test('a value is shown as one would write it', () => {
  assert.equal(asText(undefined), '');
  assert.equal(asText(['a', 'b']), 'a, b');
  assert.equal(asText(false), 'false');
});
