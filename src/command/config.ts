// `config`: the settings as this process would start with them. Needs no storage, so it answers where nothing else would.
import type { Command } from 'commander';
import { describeSettings } from '../../config/print.ts';
import { loadSettings, SettingsError } from '../../config/settings.ts';
import { type Choose, group, leaf } from './leaf.ts';
import type { Outcome } from './task.ts';
import { table } from './text.ts';

export function configCommands(program: Command, choose: Choose): void {
  const config = group(program, 'config', 'settings');
  leaf(config, 'check', 'check the settings and list every problem').action((_options: object, command: Command) =>
    choose({ kind: 'local', run: check }, command),
  );
  leaf(config, 'print', 'show every setting with its source, secrets masked').action(
    (_options: object, command: Command) => choose({ kind: 'local', run: print }, command),
  );
}

async function check(): Promise<Outcome> {
  try {
    loadSettings();
    return { json: { ok: true, problems: [] }, text: 'The settings are fine.' };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { json: { ok: false, problems: error.problems }, text: '', failure: error.message };
  }
}

async function print(): Promise<Outcome> {
  const settings = describeSettings(loadSettings());
  const rows = settings.map(({ name, value, source }) => [name, value, source]);
  return { json: { settings }, text: table(['setting', 'value', 'from'], rows) };
}
