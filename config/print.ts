// The settings as `config print` shows them: every name with its value and where it came from, secrets masked.
import { declarations } from './declarations.ts';
import { definitions, sections, settingNames, variableName } from './definitions.ts';
import { asText, type Setting } from './setting.ts';
import type { LoadedSettings } from './settings.ts';
import type { Source } from './source.ts';

export interface DescribedSetting {
  readonly name: string;
  readonly value: string;
  readonly source: Source;
}

export interface ExplainedSetting extends DescribedSetting {
  /** As the settings page of the guides has it, in English. */
  readonly meaning: string;
}

export interface SettingsSection {
  readonly title: string;
  readonly settings: readonly ExplainedSetting[];
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

/** The same by section, with what each is for. Lists that are not declared are left out. */
export function explainSettings(loaded: LoadedSettings): readonly SettingsSection[] {
  const described = new Map(describeSettings(loaded).map((one) => [one.name, one]));
  const explain = (name: string, meaning: string): readonly ExplainedSetting[] => {
    const one = described.get(name);
    return one === undefined ? [] : [{ ...one, meaning }];
  };
  const lists = Object.entries(declarations).flatMap(([name, { meaning }]) => explain(name, meaning));
  return [
    ...sections.map(({ title, settings }) => ({
      title,
      settings: Object.entries<Setting<unknown>>(settings).flatMap(([name, { meaning }]) =>
        explain(variableName(name as keyof typeof definitions), meaning),
      ),
    })),
    ...(lists.length === 0 ? [] : [{ title: 'Lists in YAML', settings: lists }]),
  ];
}
