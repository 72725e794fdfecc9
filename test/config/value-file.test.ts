import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTextFile, readValueFile } from '../../config/value-file.ts';
import { folder } from './loading.ts';

test('a value is the text of its file without one line break at the end', (context) => {
  const cwd = folder(context);
  const path = join(cwd, 'value');
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.constantFrom('', '\n', '\r\n'), (text, end) => {
      fc.pre(
        !text.endsWith('\n') &&
          !(text.endsWith('\r') && end === '\n') &&
          text.isWellFormed() &&
          !text.startsWith('\uFEFF'),
      );
      writeFileSync(path, text + end);
      assert.deepEqual(readValueFile('value', cwd), { text });
    }),
  );
  writeFileSync(path, 'two\n\n');
  assert.deepEqual(readValueFile(path, '/elsewhere'), { text: 'two\n' });
});

test('a file that cannot hold a value is refused with its path and without its content', (context) => {
  const cwd = folder(context, { empty: '\n', large: 'topsecret'.repeat(8000) });
  writeFileSync(join(cwd, 'binary'), Buffer.from([0x74, 0x6f, 0xff, 0xfe]));
  const wrongs = ['empty', 'large', 'binary', 'missing', '.', '/dev/null'].map((path) => {
    const file = readValueFile(path, cwd);
    assert.ok('wrong' in file, path);
    assert.ok(!file.wrong.includes('topsecret'));
    return file.wrong;
  });
  assert.match(
    wrongs.join('\n'),
    /empty file[\s\S]*more than[\s\S]*not UTF-8[\s\S]*does not exist[\s\S]*not a file[\s\S]*not a file/,
  );
  for (const path of [7, null, ['x'], 'a\0b']) assert.ok('wrong' in readValueFile(path, cwd));
});

test('a secret given where its file was expected is not repeated, a path is', () => {
  const said = (path: string) => JSON.stringify(readValueFile(path, '/nonexistent'));
  for (const path of ['hunter2', 'hunter2/x==', 'a hunter2']) assert.ok(!said(path).includes('hunter2'), path);
  for (const path of ['/run/secrets/gone', './gone', '../gone']) assert.ok(said(path).includes(path), path);
});

test('a text file is read up to its limit and not beyond', (context) => {
  const cwd = folder(context, { four: 'four' });
  assert.deepEqual(readTextFile(join(cwd, 'four'), 4), { text: 'four' });
  assert.ok('wrong' in readTextFile(join(cwd, 'four'), 3));
});
