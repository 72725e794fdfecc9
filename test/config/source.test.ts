import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { definitions, settingNames, variableName } from '../../config/definitions.ts';
import { readSources } from '../../config/source.ts';
import { folder } from './loading.ts';

const NOWHERE = '/nonexistent/latchkey';

function problems(env: NodeJS.ProcessEnv, cwd = NOWHERE): string[] {
  return readSources(env, cwd).problems.map((one) => `${one.name}${one.place ? ` ${one.place}` : ''}: ${one.wrong}`);
}

describe('where a value comes from', () => {
  test('every setting can be a variable, a file, a YAML key and a file named in YAML', (context) => {
    const names = settingNames.filter((name) => !definitions[name].isEnvironmentOnly);
    const cwd = folder(context, {
      value: 'from a file\n',
      'direct.yaml': names.map((name) => `${name}: from yaml`).join('\n'),
      'files.yaml': names.map((name) => `${name}File: value`).join('\n'),
    });
    const all = (env: NodeJS.ProcessEnv) => {
      const given = readSources(env, cwd);
      assert.deepEqual(given.problems, []);
      return names.map((name) => [given.settings.get(name)?.raw, given.settings.get(name)?.source].join('|'));
    };
    const variables = Object.fromEntries(names.map((name) => [variableName(name), 'from a variable']));
    const files = Object.fromEntries(names.map((name) => [`${variableName(name)}_FILE`, 'value']));
    const each = (text: string) => names.map(() => text);
    assert.deepEqual(all(variables), each('from a variable|environment'));
    assert.deepEqual(all(files), each('from a file|file'));
    assert.deepEqual(all({ LATCHKEY_CONFIG: 'direct.yaml' }), each('from yaml|yaml'));
    assert.deepEqual(all({ LATCHKEY_CONFIG: 'files.yaml' }), each('from a file|file'));
    assert.deepEqual(all({ ...variables, LATCHKEY_CONFIG: 'direct.yaml' }), each('from a variable|environment'));
    assert.deepEqual(all({ ...files, LATCHKEY_CONFIG: 'direct.yaml' }), each('from a file|file'));
  });

  test('config/latchkey.yaml is read when it is there, and another file when that is named', (context) => {
    const cwd = folder(context, { 'config/latchkey.yaml': 'port: 4000', 'other/my.yaml': 'port: 5000' });
    assert.equal(readSources({}, cwd).settings.get('port')?.raw, 4000);
    assert.equal(readSources({}, cwd).configPath, join(cwd, 'config/latchkey.yaml'));
    assert.equal(readSources({ LATCHKEY_CONFIG: 'other/my.yaml' }, cwd).settings.get('port')?.raw, 5000);
    assert.equal(readSources({}, NOWHERE).settings.size, 0);
    assert.equal(readSources({}, NOWHERE).configPath, undefined);
  });

  test('an empty variable and an empty YAML key count as not given', (context) => {
    const cwd = folder(context, { 'config/latchkey.yaml': 'port: 4000\nhost:\nclients:\n' });
    const given = readSources(
      { LATCHKEY_PORT: '', LATCHKEY_SECRET: '', LATCHKEY_SECRET_FILE: '', LATCHKEY_CONFIG: '' },
      cwd,
    );
    assert.deepEqual(given.problems, []);
    assert.deepEqual([...given.settings.keys()], ['port']);
    assert.equal(given.declarations.size, 0);
  });
});

describe('what is refused', () => {
  test('a setting given both directly and as a file, in the environment and in YAML', (context) => {
    const cwd = folder(context, { value: 'x', 'config/latchkey.yaml': 'port: 4000\nportFile: value\n' });
    assert.deepEqual(problems({ LATCHKEY_SECRET: 'a', LATCHKEY_SECRET_FILE: 'value' }, cwd), [
      'LATCHKEY_PORT: is given twice, as port and as portFile in config/latchkey.yaml; keep one',
      'LATCHKEY_SECRET: is given twice, as LATCHKEY_SECRET and as LATCHKEY_SECRET_FILE; keep one',
    ]);
    assert.deepEqual([...readSources({}, cwd).unreadable], ['port']);
  });

  test('a variable nobody knows, with the name that was probably meant', () => {
    assert.deepEqual(
      problems({ LATCHKEY_ISUER: 'x', LATCHKEY_SECRETFILE: 'x', LATCHKEY_QQQQQQQQ: 'x', PATH: 'x', latchkey: 'x' }),
      [
        'LATCHKEY_ISUER: is not a setting; did you mean LATCHKEY_ISSUER?',
        'LATCHKEY_SECRETFILE: is not a setting; did you mean LATCHKEY_SECRET_FILE?',
        'LATCHKEY_QQQQQQQQ: is not a setting; docs/settings.md lists them all',
      ],
    );
  });

  test('an unknown variable even when it is empty: a misspelt guard must not pass', () => {
    assert.equal(problems({ LATCHKEY_TRUSTED_PROXYS: '' }).length, 1);
  });

  test('a YAML name nobody knows, with the name that was probably meant', (context) => {
    const yaml =
      'isuer: x\nLATCHKEY_PORT: 1\naccess_token_ttl: 1\nconfig: x\nclientsFile: x\nqqqqqqqq: 1\n__proto__: { port: 1 }\n';
    const found = problems({}, folder(context, { 'config/latchkey.yaml': yaml }));
    assert.deepEqual(
      found.map((text) => text.replace(' in config/latchkey.yaml: is not a setting; ', ' ')),
      [
        'isuer did you mean issuer?',
        'LATCHKEY_PORT did you mean port?',
        'access_token_ttl did you mean accessTokenTtl?',
        'config docs/settings.md lists them all',
        'clientsFile docs/settings.md lists them all',
        'qqqqqqqq docs/settings.md lists them all',
        '__proto__ docs/settings.md lists them all',
      ],
    );
  });

  test('a list of YAML as a variable, the settings file as a file, and what Kubernetes adds by itself', () => {
    assert.deepEqual(
      problems({ LATCHKEY_CLIENTS: '[]', LATCHKEY_CONFIG_FILE: 'x', LATCHKEY_PORT_3000_TCP_ADDR: '10.0.0.1' }),
      [
        'LATCHKEY_CLIENTS: is a list that only YAML can declare',
        'LATCHKEY_CONFIG_FILE: is not a setting; did you mean LATCHKEY_CONFIG?',
        'LATCHKEY_PORT_3000_TCP_ADDR: is not a setting; Kubernetes sets it in every pod beside a service named latchkey',
      ],
    );
  });

  test('a named file that is not there, in place of the default', () => {
    const given = readSources({ LATCHKEY_SECRET_FILE: 'gone', LATCHKEY_CONFIG: 'gone.yaml' }, NOWHERE);
    assert.deepEqual(
      given.problems.map(({ name, wrong }) => [name, wrong]),
      [
        ['LATCHKEY_CONFIG', 'names a file that does not exist'],
        ['LATCHKEY_SECRET', 'names a file that does not exist'],
      ],
    );
    assert.ok(given.unreadable.has('secret'));
  });

  test('a name with control characters is shown without them', () => {
    assert.match(problems({ 'LATCHKEY_\u001b[31mX': 'x' })[0] ?? '', /^LATCHKEY_\?\[31mX: /);
  });
});
