import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEmail, parseSignInName, parseUsername } from '../../src/account/sign-in-name.ts';

describe('an e-mail address', () => {
  it('keeps its local part as typed and gets a lower-case IDNA domain', () => {
    assert.equal(parseEmail('Ann.Lee+news@Example.COM'), 'Ann.Lee+news@example.com');
    assert.equal(parseEmail('  ann@example.com\n'), 'ann@example.com');
    assert.equal(parseEmail('ann@bücher.example'), 'ann@xn--bcher-kva.example');
    assert.equal(parseEmail("o'neill@mail.example.co.uk"), "o'neill@mail.example.co.uk");
  });

  it('is refused when it is none', () => {
    const wrong = [
      ...[
        '',
        '@',
        'ann',
        'ann@',
        '@example.com',
        'ann@localhost',
        'ann@example',
        'ann@@example.com',
        'a@b@example.com',
      ],
      ...['.ann@example.com', 'ann.@example.com', 'a..n@example.com', '"ann"@example.com', 'ann lee@example.com'],
      ...[
        'ann@example..com',
        'ann@-example.com',
        'ann@example-.com',
        'ann@127.0.0.1',
        'ann@[127.0.0.1]',
        'ann@exa mple.com',
      ],
      ...['ann@example.com, bob@example.com', 'ann@example.com\r\nBcc: bob@example.com', 'Ann <ann@example.com>'],
      ...['ann@example.com\0', 'ann\0@example.com', 'ann@example.com.'],
    ];
    for (const input of wrong) assert.equal(parseEmail(input), null, JSON.stringify(input));
  });

  it('is refused instead of folded when it only looks like one', () => {
    const lookAlikes = [
      'ann＠example.com', // full-width @
      'аnn@example.com', // Cyrillic а
      'ánn@example.com',
      'ann\u200b@example.com', // zero-width space
      'ann\u00ad@example.com', // soft hyphen
      'ａnn@example.com', // full-width a
    ];
    for (const input of lookAlikes) assert.equal(parseEmail(input), null, JSON.stringify(input));
  });

  it('has at most 64 characters before the @ and 254 in all', () => {
    assert.notEqual(parseEmail(`${'a'.repeat(64)}@example.com`), null);
    assert.equal(parseEmail(`${'a'.repeat(65)}@example.com`), null);
    const domain = `${'d'.repeat(61)}.${'d'.repeat(61)}.${'d'.repeat(61)}.com`;
    const longest = `${'a'.repeat(254 - domain.length - 1)}@${domain}`;
    assert.equal(parseEmail(longest), longest);
    assert.equal(longest.length, 254);
    assert.equal(parseEmail(`${'a'.repeat(64)}@${domain.replace('.com', '.info')}`), null);
    assert.equal(parseEmail(`ann@${'d'.repeat(64)}.com`), null);
  });

  it('in its strict form is parsed to itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.domain(), (local, domain) => {
        const parsed = parseEmail(`${local}@${domain}`);
        if (parsed !== null) assert.equal(parseEmail(parsed), parsed);
      }),
    );
  });

  it('is decided quickly whatever is typed', () => {
    const before = process.cpuUsage();
    for (const input of [
      'a.'.repeat(2_000_000),
      `${'a'.repeat(300)}@`,
      `${'.a'.repeat(150)}@a.b`,
      '@'.repeat(1_000_000),
    ]) {
      assert.equal(parseEmail(input), null);
    }
    // Processor time, not time on the wall: a pattern that backtracks would need hours.
    assert.ok(process.cpuUsage(before).user < 1_000_000, 'less than a second of processor time');
  });
});

describe('a username', () => {
  it('has 3 to 50 letters, digits and underscores after trimming', () => {
    for (const good of ['ann', 'Ann_Lee', '007', '_x_', 'a'.repeat(50)]) assert.equal(parseUsername(` ${good} `), good);
    for (const wrong of [
      '',
      'ab',
      'a'.repeat(51),
      'ann lee',
      'ann-lee',
      'ann.lee',
      'änn',
      'аnn',
      'ann\0',
      'ann\u200b',
      'a@b',
    ]) {
      assert.equal(parseUsername(wrong), null, JSON.stringify(wrong));
    }
  });
});

describe('what is typed into the sign-in field', () => {
  it('is an address when it has an @ and a username when not, never both', () => {
    assert.deepEqual(parseSignInName('ann@example.com'), { email: 'ann@example.com' });
    assert.deepEqual(parseSignInName('ann'), { username: 'ann' });
    assert.equal(parseSignInName('ann@'), null);
    assert.equal(parseSignInName('a n n'), null);
    assert.equal(parseSignInName(''), null);
  });
});
