// What one run of the command line comes to. Parsing answers a task and never does anything itself, so that the same task can run in this
// process or, while the embedded database belongs to a server, inside that server.
import type { App } from '../app.ts';
import type { Cause } from '../audit/audit.ts';

/** What a command has to say. */
export interface Outcome {
  /** What `--json` prints. */
  readonly json: unknown;
  /** The same for people, without a line break at the end. */
  readonly text: string;
  /** The command did its work and the answer is no: one line for standard error, and exit code 1. */
  readonly failure?: string;
}

interface AnyTask {
  readonly isJson: boolean;
}

export interface ServeTask extends AnyTask {
  readonly kind: 'serve';
}

/** Needs no storage. */
export interface LocalTask extends AnyTask {
  readonly kind: 'local';
  run(): Promise<Outcome>;
}

export interface StorageTask extends AnyTask {
  readonly kind: 'storage';
  /** The file to read before it runs, `-` for standard input. Only the process that a person has called can read it. */
  readonly input: string | undefined;
  /** Whether the schema is brought up to date and keys and engine are built first, as a server does. */
  readonly isPrepared: boolean;
  /** @param input the text of the file it asked for; empty when it asked for none */
  run(app: App, input: string): Promise<Outcome>;
}

export type Task = ServeTask | LocalTask | StorageTask;

/** What a process writes and how it ends: 0 done, 1 failed, 2 wrong usage. */
export interface Printed {
  readonly exitCode: 0 | 1 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

/** Who does what the command line does. */
export const CLI: Cause = { actor: { kind: 'cli' } };
