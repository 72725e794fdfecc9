import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { declarations } from '../../config/declarations.ts';
import { definitions, settingNames, variableName } from '../../config/definitions.ts';
import { renderExampleYaml, renderSettingsPage } from '../../config/settings-page.ts';
import { placeDatabase, SOME_PLACES } from '../support/place-database.ts';
import { folder, load, SECRET } from './loading.ts';

const HINT = 'run npm run docs:settings';

test('docs/settings.md says what the code does', () => {
  assert.equal(readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8'), renderSettingsPage(), HINT);
});

test('config/latchkey.example.yaml says what the code does', () => {
  assert.equal(
    readFileSync(new URL('../../config/latchkey.example.yaml', import.meta.url), 'utf8'),
    renderExampleYaml(),
    HINT,
  );
});

test('the page has one row for every setting, with as many cells as the head', () => {
  const rows = renderSettingsPage()
    .split('\n')
    .filter((row) => row.startsWith('| `LATCHKEY_'));
  assert.deepEqual(
    rows.map((row) => /`(LATCHKEY_\w+)`/.exec(row)?.[1]).toSorted(),
    settingNames.map(variableName).toSorted(),
  );
  for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 7, row);
});

test('the page describes every field of the lists', () => {
  const rows = renderSettingsPage().split('\n');
  assert.ok(rows.some((row) => row.startsWith('| `clientSecretFile` |')));
  for (const row of rows) assert.doesNotMatch(row, /\|\s*\|/);
});

test('the example is valid as it stands, and sets nothing', (context) => {
  const cwd = folder(context, { 'config/latchkey.yaml': renderExampleYaml() });
  const { settings } = load({}, cwd);
  assert.deepEqual(settings, load({}, cwd).settings);
  assert.equal(parse(renderExampleYaml()), null);
});

test('the example is valid with everything in it uncommented, and names every setting and list', (context) => {
  const yaml = renderExampleYaml()
    .replace(/^#(?! )/gm, '')
    .replace(/^#( {2,})/gm, '$1');
  const names = Object.keys(parse(yaml) as object).map((name) =>
    name in definitions ? name : name.replace(/File$/, ''),
  );
  const expected = [
    ...settingNames.filter((name) => !definitions[name].isEnvironmentOnly),
    ...Object.keys(declarations),
  ];
  assert.deepEqual(names.toSorted(), expected.toSorted());

  const files = {
    databaseUrl: 'postgres://u:p@db/x',
    redisUrl: 'redis://r',
    secret: SECRET,
    secretPrevious: 'Zx81kTgVbn5wQeYu0RmJpFs7cDhL2aGi9oNvXtKlE4M=',
    passwordPepper: 'aG7dKq2LwXz9BvNm4TyRcUe1SfHjPo8iYt6W3bQkVxE=',
    smtpUrl: 'smtp://a.example',
    smtpFallbackUrl: 'smtp://b.example',
    demo: 'Jk3',
    google: 'Jk4',
    company: 'Jk5',
    'apple.p8': generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
    'telegram-bot': '1:a',
  };
  const here = yaml.replaceAll('/run/secrets/', '').replace('/var/lib/latchkey/city.mmdb', 'city.mmdb');
  const cwd = folder(context, { ...files, 'config/latchkey.yaml': here });
  writeFileSync(join(cwd, 'city.mmdb'), placeDatabase(SOME_PLACES));
  assert.equal(load({}, cwd).settings.issuer, 'https://id.example.com');
});

test('the example holds no secret', () => {
  for (const name of settingNames.filter((one) => definitions[one].isSecret)) {
    assert.doesNotMatch(renderExampleYaml(), new RegExp(`^#?${name}:`, 'm'));
  }
});
