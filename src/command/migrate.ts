// `migrate`: brings the schema up to this release, which a server does by itself at its start, or tells what is missing.
import type { Command } from 'commander';
import type { App } from '../app.ts';
import { type Choose, leaf } from './leaf.ts';
import { CLI, type Outcome } from './task.ts';

export function migrateCommand(program: Command, choose: Choose): void {
  leaf(program, 'migrate', 'bring the database up to this release')
    .option('--check', 'only tell what is pending; exit code 1 when something is')
    .action((options: { check?: boolean }, command: Command) =>
      choose({ kind: 'storage', input: undefined, isPrepared: false, run: options.check ? check : migrate }, command),
    );
}

async function migrate(app: App): Promise<Outcome> {
  const applied = await app.database.migrate();
  const last = applied.at(-1);
  if (last === undefined) return { json: { applied }, text: 'The database is up to date.' };
  await app.audit.record({ ...CLI, action: 'database.migrate', target: { kind: 'migration', id: last } });
  return { json: { applied }, text: applied.map((name) => `applied  ${name}`).join('\n') };
}

async function check(app: App): Promise<Outcome> {
  const pending = await app.database.pendingMigrations();
  if (pending.length === 0) return { json: { pending }, text: 'The database is up to date.' };
  return {
    json: { pending },
    text: pending.map((name) => `pending  ${name}`).join('\n'),
    failure: `${pending.length === 1 ? 'One migration is' : `${pending.length} migrations are`} pending.`,
  };
}
