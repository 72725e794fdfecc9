import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { readYamlFile } from '../../config/yaml-file.ts';
import { folder } from './loading.ts';

function read(context: TestContext, text: string): ReturnType<typeof readYamlFile> {
  return readYamlFile(join(folder(context, { 'a.yaml': text }), 'a.yaml'));
}

function wrongs(context: TestContext, text: string): string {
  const file = read(context, text);
  assert.ok('wrongs' in file, text);
  return file.wrongs.join('\n');
}

test('keys with values come out, keys without one do not', (context) => {
  const file = read(context, 'port: 3000\nsecret:\nhost: "::1"\nclients: [{ client_id: a }]\n');
  assert.ok('keys' in file);
  assert.deepEqual(
    [...file.keys],
    [
      ['port', 3000],
      ['host', '::1'],
      ['clients', [{ client_id: 'a' }]],
    ],
  );
});

test('a file with nothing but comments holds nothing', (context) => {
  for (const text of ['', '# nothing\n', '---\n', '~']) {
    const file = read(context, text);
    assert.ok('keys' in file);
    assert.equal(file.keys.size, 0);
  }
});

test('a name that is given twice is refused with its line', (context) => {
  assert.equal(wrongs(context, 'port: 3000\nhost: a\nport: 3001\n'), 'gives the same name twice at line 3');
  assert.match(wrongs(context, 'clients:\n  - client_id: a\n    client_id: b\n'), /twice at line 3/);
});

test('what is not a map of names, or not YAML, is refused', (context) => {
  for (const text of ['- a\n', 'text', '7']) assert.match(wrongs(context, text), /must hold names with values/);
  assert.match(wrongs(context, 'a: 1\n---\nb: 2\n'), /second document/);
  assert.match(wrongs(context, 'a:\n\tb: 1\n'), /tab/);
  assert.match(wrongs(context, 'a: [1\nb: {\n'), /not valid YAML/);
});

test('no refusal quotes the file: a broken line may be a secret', (context) => {
  const broken = [
    'secret: !hunter2\n',
    'secret: *hunter2\n',
    'secret: "\\hunter2"\n',
    'secret: |hunter2\n  x\n',
    'secret: hunter2: hunter2\n',
    'secret: "hunter2\n',
    'secret: hunter2\nsecret: hunter2\n',
    'secret: @hunter2\n',
    'secret: %hunter2\n',
    'secret: [hunter2\n',
    'secret: }hunter2\n',
  ];
  for (const text of broken) assert.ok(!wrongs(context, text).includes('hunter2'), text);
});

test('a bomb of aliases is refused', (context) => {
  let text = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
  for (let level = 1; level < 9; level += 1) {
    text += `a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(', ')}]\n`;
  }
  assert.match(wrongs(context, text), /alias/);
});

test('whatever the file holds, reading it ends in keys or in sentences', (context) => {
  const cwd = folder(context);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => stringify(JSON.parse(json))),
      ),
      (text) => {
        writeFileSync(join(cwd, 'any.yaml'), text);
        const file = readYamlFile(join(cwd, 'any.yaml'));
        if ('wrongs' in file) assert.ok(file.wrongs.length > 0 && file.wrongs.every((wrong) => wrong !== ''));
        else for (const value of file.keys.values()) assert.notEqual(value, null);
      },
    ),
  );
});
