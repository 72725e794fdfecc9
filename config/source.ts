// Where values come from: the environment, files named by `…_FILE`, and the YAML file. It knows names and precedence
// (the environment wins over YAML) and refuses unknown names; whether a value is any good is not decided here.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type DeclarationName, declarations, isDeclarationName } from './declarations.ts';
import { definitions, type SettingName, settingNames, variableName } from './definitions.ts';
import type { Problem } from './setting.ts';
import { findNearest } from './suggestion.ts';
import { readValueFile } from './value-file.ts';
import { readYamlFile } from './yaml-file.ts';

/** `file`: a file that the environment or YAML names. */
export type Source = 'default' | 'environment' | 'file' | 'yaml' | 'generated';

interface GivenValue {
  readonly raw: unknown;
  readonly source: Source;
  /** Where it stands, when that is not the variable itself. */
  readonly place?: string;
}

export interface Given {
  readonly settings: ReadonlyMap<SettingName, GivenValue>;
  readonly declarations: ReadonlyMap<DeclarationName, unknown>;
  /** Settings that were or may have been given but could not be read; no default may take their place. */
  readonly unreadable: ReadonlySet<SettingName>;
  readonly problems: readonly Problem[];
  /** The YAML file that was read. */
  readonly configPath: string | undefined;
}

const PREFIX = 'LATCHKEY_';
const DEFAULT_CONFIG = 'config/latchkey.yaml';
const SECRET_PATH = '/run/secrets/latchkey';
const CONFIG_EXAMPLE = 'config/latchkey.example.yaml shows every name';

/** Reads every place once. An empty variable counts as not given: that is how compose files pass on what nobody set. */
export function readSources(env: NodeJS.ProcessEnv, cwd: string): Given {
  const yaml = readYaml(env, cwd);
  const problems: Problem[] = [
    ...Object.keys(env).flatMap((name) => findUnknownVariable(name) ?? []),
    ...yaml.problems,
    ...[...yaml.keys.keys()].flatMap((key) => findUnknownKey(key, yaml.path) ?? []),
  ];
  const settings = new Map<SettingName, GivenValue>();
  const unreadable = new Set<SettingName>();
  for (const name of settingNames) {
    const variable = variableName(name);
    const direct = env[variable] || undefined;
    const outcome = definitions[name].isEnvironmentOnly
      ? readSpot(name, direct, undefined, cwd)
      : (readSpot(name, direct, env[`${variable}_FILE`] || undefined, cwd) ??
        readSpot(name, yaml.keys.get(name), yaml.keys.get(`${name}File`), cwd, yaml.path));
    if (outcome === undefined) {
      // It may stand in the YAML file that could not be read.
      if (yaml.problems.length > 0) unreadable.add(name);
      continue;
    }
    if ('raw' in outcome) settings.set(name, outcome);
    else {
      problems.push(outcome);
      unreadable.add(name);
    }
  }
  const declared = [...yaml.keys].filter((entry): entry is [DeclarationName, unknown] => isDeclarationName(entry[0]));
  return { settings, declarations: new Map(declared), unreadable, problems, configPath: yaml.fullPath };
}

/** What one place says about a setting, directly or by naming a file. */
function readSpot(
  name: SettingName,
  direct: unknown,
  file: unknown,
  cwd: string,
  yamlPath?: string,
): GivenValue | Problem | undefined {
  if (direct === undefined && file === undefined) return undefined;
  const variable = variableName(name);
  const isYaml = yamlPath !== undefined;
  const fileName = isYaml ? `${name}File` : `${variable}_FILE`;
  const where = isYaml ? ` in ${yamlPath}` : '';
  if (direct !== undefined && file !== undefined) {
    const wrong = `is given twice, as ${isYaml ? name : variable} and as ${fileName}${where}; keep one`;
    return { name: variable, wrong, example: `${fileName}${isYaml ? ': ' : '='}${SECRET_PATH}` };
  }
  if (direct !== undefined) {
    return isYaml ? { raw: direct, source: 'yaml', place: `${name}${where}` } : { raw: direct, source: 'environment' };
  }
  const place = `${fileName}${where}`;
  const content = readValueFile(file, cwd);
  return 'text' in content
    ? { raw: content.text, source: 'file', place }
    : { name: variable, place, wrong: content.wrong, example: SECRET_PATH };
}

interface YamlReading {
  /** As written, for messages. */
  readonly path: string;
  readonly fullPath: string | undefined;
  readonly keys: ReadonlyMap<string, unknown>;
  readonly problems: readonly Problem[];
}

function readYaml(env: NodeJS.ProcessEnv, cwd: string): YamlReading {
  const variable = variableName('config');
  const named = env[variable] || undefined;
  const path = named ?? DEFAULT_CONFIG;
  const fullPath = resolve(cwd, path);
  if (named === undefined && !existsSync(fullPath)) return { path, fullPath: undefined, keys: new Map(), problems: [] };
  const file = readYamlFile(fullPath);
  if ('keys' in file) return { path, fullPath, keys: file.keys, problems: [] };
  const problems = file.wrongs.map((wrong) => ({ name: variable, place: path, wrong, example: CONFIG_EXAMPLE }));
  return { path, fullPath, keys: new Map(), problems };
}

const yamlNames = settingNames.filter((name) => !definitions[name].isEnvironmentOnly);
const knownKeys = [...yamlNames.flatMap((name) => [name, `${name}File`]), ...Object.keys(declarations)];
const knownVariables = settingNames.flatMap((name) => {
  const variable = variableName(name);
  return definitions[name].isEnvironmentOnly ? [variable] : [variable, `${variable}_FILE`];
});

function findUnknownVariable(written: string): Problem | undefined {
  if (!written.startsWith(PREFIX) || knownVariables.includes(written)) return undefined;
  const name = printable(written);
  if (/^LATCHKEY_(?:SERVICE_(?:HOST|PORT)|PORT_\d+_)/.test(written)) {
    const wrong = 'is not a setting; Kubernetes sets it in every pod beside a service named latchkey';
    return { name, wrong, example: 'enableServiceLinks: false in the pod' };
  }
  const declaration = Object.keys(declarations).find((one) => variableName(one) === written);
  if (declaration !== undefined) {
    return { name, wrong: 'is a list that only YAML can declare', example: `${declaration}: in ${DEFAULT_CONFIG}` };
  }
  const nearest = findNearest(written, knownVariables);
  const setting = settingNames.find((one) => variableName(one) === nearest);
  if (nearest === undefined) {
    return {
      name,
      wrong: 'is not a setting; docs/settings.md lists them all',
      example: `${variableName('port')}=3000`,
    };
  }
  const example = setting === undefined ? SECRET_PATH : definitions[setting].example;
  return { name, wrong: `is not a setting; did you mean ${nearest}?`, example: `${nearest}=${example}` };
}

function findUnknownKey(written: string, path: string): Problem | undefined {
  if (knownKeys.includes(written)) return undefined;
  const nearest = findNearest(written.replace(/^LATCHKEY_/i, ''), knownKeys);
  const hint = nearest === undefined ? 'docs/settings.md lists them all' : `did you mean ${nearest}?`;
  return { name: printable(written), place: `in ${path}`, wrong: `is not a setting; ${hint}`, example: CONFIG_EXAMPLE };
}

/** Names come from outside and go to a terminal. */
function printable(text: string): string {
  return text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
