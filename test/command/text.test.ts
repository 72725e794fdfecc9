import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fields, jsonDocument, plain, table } from '../../src/command/text.ts';

const HOSTILE = 'Ann\u001b[2J\n\u009b1A\u202eevil\u2028';

describe('text for a terminal', () => {
  it('has nothing that steers one', () => {
    assert.equal(plain(HOSTILE), 'Ann [2J  1A evil ');
    assert.equal(plain(null), '');
    assert.equal(plain(3), '3');
  });

  it('keeps letters of every script and signs made of several', () => {
    assert.equal(plain('Зоя 👩‍🚀 نی‌خواهم'), 'Зоя 👩‍🚀 نی‌خواهم');
  });

  it('stands in columns as wide as their widest cell, one line for each row whatever a cell holds', () => {
    assert.equal(
      table(
        ['id', 'name'],
        [
          ['1', HOSTILE],
          ['long', null],
        ],
      ),
      'id    name\n1     Ann [2J  1A evil\nlong  –',
    );
    assert.equal(table(['id'], []), 'id');
  });

  it('names only values that are there', () => {
    assert.equal(fields({ id: 'a', name: null, locale: '', verified: false }), 'id        a\nverified  false');
  });
});

describe('a JSON document', () => {
  it('says the same when it is read back, and steers no terminal', () => {
    const value = { name: HOSTILE, list: [1, null] };
    const text = jsonDocument(value);
    assert.deepEqual(JSON.parse(text), value);
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u2028\u202e]/u);
  });
});
