// The settings as `config print` shows them: every name with its value and where it came from, secrets masked.
import { definitions, settingNames, variableName } from './definitions.ts';
import { asText } from './setting.ts';
import type { LoadedSettings } from './settings.ts';
import type { Source } from './source.ts';

export interface DescribedSetting {
  readonly name: string;
  readonly value: string;
  readonly source: Source;
}

const MASK = '••••••••';

const secretNames: ReadonlySet<string> = new Set(
  settingNames.filter((name) => definitions[name].isSecret).map((name) => variableName(name)),
);

/** In the order of the settings page. A secret that is not set has an empty value, like everything that is not set. */
export function describeSettings(loaded: LoadedSettings): readonly DescribedSetting[] {
  return [...loaded.sources].map(([name, source]) => {
    if (!secretNames.has(name)) return { name, value: asText(loaded.values.get(name)), source };
    return { name, value: source === 'default' ? '' : MASK, source };
  });
}
