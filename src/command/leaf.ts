// How a command is added to the grammar: what all of them have in common.
import type { Command } from 'commander';
import type { App } from '../app.ts';
import type { LocalTask, Outcome, ServeTask, StorageTask } from './task.ts';

/** A task that does not know yet whether it prints JSON. */
type Chosen = Omit<ServeTask, 'isJson'> | Omit<LocalTask, 'isJson'> | Omit<StorageTask, 'isJson'>;

/** Called once by the command that was meant. */
export type Choose = (task: Chosen, command: Command) => void;

/** A command that does something and can answer in JSON. */
export function leaf(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description).option('--json', 'print one JSON document and nothing else');
}

/** A word that only opens others: `account`, `client`, … */
export function group(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description);
}

/** A task on the schema, keys and engine of now. @param input the file it reads, `-` for standard input */
export function onStorage(
  run: (app: App, input: string) => Promise<Outcome>,
  input?: string,
): Omit<StorageTask, 'isJson'> {
  return { kind: 'storage', input, isPrepared: true, run };
}
