// docs/limits.md against the table of settings: an operator finds every limit there, with the default that it has.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { definitions, type SettingName, sections, settingNames, variableName } from '../../config/definitions.ts';

const page = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, what = '', value = '', setting = '']) => ({ what, value, name: /^`(LATCHKEY_\w+)`$/.exec(setting)?.[1] }))
  .filter((row) => row.name !== undefined);
/** Whole sections, and what other sections have of the kind. */
const limits: readonly string[] = [
  ...sections
    .filter(({ title }) => title === 'Limits' || title === 'Mailed codes and links')
    .flatMap(({ settings }) => Object.keys(settings)),
  ...settingNames.filter((name) => /(?:Limit|Wait|PollInterval|HashQueue)$/.test(name)),
];

describe('the page of limits', () => {
  it('has a row for every setting that is one', () => {
    assert.ok(limits.length > 25);
    const named = new Set(rows.map((row) => row.name));
    assert.deepEqual(
      limits.map(variableName).filter((name) => !named.has(name)),
      [],
    );
  });

  it('names none twice', () => {
    const names = rows.map((row) => row.name);
    assert.deepEqual(names.toSorted(), [...new Set(names)].toSorted());
  });

  for (const { what, value, name } of rows) {
    it(`says the default of ${name}`, () => {
      const setting = settingNames.find((one) => variableName(one) === name) as SettingName;
      assert.ok(setting, what);
      const shown = /\((\w+)\)$/.exec(value)?.[1] ?? value;
      assert.equal(shown, String(definitions[setting].default));
    });
  }
});
