import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definitions, sections, settingNames, variableName } from '../../config/definitions.ts';
import { parseValue } from '../../config/setting.ts';

/** Promised to operators; a name may be added here and none may go. */
const PROMISED = [
  'LATCHKEY_CONFIG',
  'LATCHKEY_ISSUER',
  'LATCHKEY_HOST',
  'LATCHKEY_PORT',
  'LATCHKEY_INTERNAL_PORT',
  'LATCHKEY_DATA_DIR',
  'LATCHKEY_DATABASE_URL',
  'LATCHKEY_REDIS_URL',
  'LATCHKEY_SECRET',
  'LATCHKEY_SECRET_PREVIOUS',
  'LATCHKEY_WORKERS',
  'LATCHKEY_TRUSTED_PROXIES',
  'LATCHKEY_SMTP_URL',
  'LATCHKEY_SMTP_FALLBACK_URL',
  'LATCHKEY_MAIL_FROM',
  'LATCHKEY_REGISTRATION',
  'LATCHKEY_PRIVATE_NETWORK_HOSTS',
  'LATCHKEY_REDIS_ALLOW_VOLATILE',
  'LATCHKEY_LOG_LEVEL',
];

test('every promised variable exists', () => {
  const variables = settingNames.map(variableName);
  for (const name of PROMISED) assert.ok(variables.includes(name), name);
});

test('the variable follows from the YAML name, and no two are alike', () => {
  assert.equal(variableName('accessTokenTtl'), 'LATCHKEY_ACCESS_TOKEN_TTL');
  assert.equal(new Set(settingNames.map(variableName)).size, settingNames.length);
});

test('a name never ends in what would make it a file', () => {
  for (const name of settingNames) assert.ok(!/file$/i.test(name), name);
});

test('every setting stands in exactly one section', () => {
  const listed = sections.flatMap((section) => Object.keys(section.settings));
  assert.deepEqual(listed.toSorted(), [...settingNames].toSorted());
});

test('every setting has a meaning in one sentence and an example that it takes itself', () => {
  for (const name of settingNames) {
    const { meaning, example, isSecret, allowed } = definitions[name];
    assert.match(meaning, /^[^\n]{10,}\.$/, name);
    assert.notEqual(allowed, '', name);
    assert.notEqual(example, '', name);
    // The examples of random secrets say how to make one.
    if (!isSecret || name.endsWith('Url')) assert.ok('value' in parseValue<unknown>(definitions[name], example), name);
  }
});

test('every default is a value that the setting itself would take', () => {
  for (const name of settingNames) {
    const definition = definitions[name];
    if (definition.default === undefined) continue;
    assert.deepEqual(parseValue<unknown>(definition, definition.default), { value: definition.default }, name);
  }
});
