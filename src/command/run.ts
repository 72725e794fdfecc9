// Runs one command line: here, or inside the server that holds the embedded database.
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type LoadedSettings, loadSettings } from '../../config/settings.ts';
import { AppError, Conflict, InvalidRequest } from '../errors.ts';
import type { Log } from '../log.ts';
import { takeFolderLock } from '../storage/folder-lock.ts';
import { openLog } from './open-log.ts';
import { parseCommandLine } from './parse.ts';
import { present, presentError } from './present.ts';
import type { Outcome, Printed, StorageTask } from './task.ts';

/** Bytes of a file that a command reads. */
const MOST_INPUT = 1024 * 1024;
/** Milliseconds until somebody who holds the folder and does not answer is given up on: a server may just be starting or stopping. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 100;
/** Connections of a command; a server's number could be too many for one more process. */
const POOL_SIZE = 2;

/** @param argv without the program @returns the exit code, once everything is written */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const printed = await execute(argv);
  await write(process.stdout, printed.stdout);
  await write(process.stderr, printed.stderr);
  return printed.exitCode;
}

async function execute(argv: readonly string[]): Promise<Printed> {
  const task = parseCommandLine(argv);
  if ('exitCode' in task) return task;
  if (task.kind === 'local') return present(task.isJson, undefined, () => task.run());
  try {
    if (task.kind === 'serve') {
      const { serve } = await import('./serve.ts');
      await serve();
      return { exitCode: 0, stdout: '', stderr: '' };
    }
    const loaded = loadSettings();
    const input = task.input === undefined ? '' : readInput(task.input);
    return await runOnStorage(task, loaded, argv, input);
  } catch (error) {
    return presentError(error, task.isJson, openLog('error'));
  }
}

async function runOnStorage(
  task: StorageTask,
  loaded: LoadedSettings,
  argv: readonly string[],
  input: string,
): Promise<Printed> {
  // What a server has to tell at its start is no news to somebody who lists accounts.
  const isChosen = loaded.sources.get('LATCHKEY_LOG_LEVEL') !== 'default';
  const log = openLog(isChosen ? loaded.settings.logLevel : 'warn');
  const runHere = () => present(task.isJson, log, () => withApp(task, loaded, log, input));
  if (loaded.settings.database.kind === 'postgres') return runHere();

  const { dataDir } = loaded.settings;
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const lock = takeFolderLock(dataDir);
    if (lock) {
      try {
        const isNew = !existsSync(join(dataDir, 'database'));
        const printed = await runHere();
        // Whoever is in the wrong folder must notice.
        if (!isNew || printed.exitCode !== 0) return printed;
        return { ...printed, stderr: `latchkey: made a new database in ${dataDir}\n${printed.stderr}` };
      } finally {
        lock.release();
      }
    }
    const printed = await runInServer(dataDir, argv, input);
    if (printed) return printed;
    if (performance.now() > deadline) throw heldByOther(dataDir);
    await wait(RETRY_MS);
  }
}

/** Only who finds the folder taken needs the control room. */
async function runInServer(dataDir: string, argv: readonly string[], input: string): Promise<Printed | null> {
  const control = await import('./control.ts');
  return control.runInServer(dataDir, argv, input);
}

async function withApp(task: StorageTask, loaded: LoadedSettings, log: Log, input: string): Promise<Outcome> {
  const { settings } = loaded;
  const { database } = settings;
  const small =
    database.kind === 'postgres' ? { ...database, poolSize: Math.min(database.poolSize, POOL_SIZE) } : database;
  const { createApp } = await import('../app.ts');
  const app = await createApp({ ...loaded, settings: { ...settings, database: small } }, log, {
    migrate: task.isPrepared,
  });
  try {
    if (task.isPrepared) await app.prepareEngine();
    return await task.run(app, input);
  } finally {
    await app.close();
  }
}

/** The folder is in use and whoever uses it cannot be asked. */
function heldByOther(dataDir: string): Conflict {
  return new Conflict(
    `The data folder ${dataDir} is in use by another process that does not answer. ` +
      'If a server uses it from another container or machine, run the command there.',
    { code: 'folder-in-use' },
  );
}

/** @throws InvalidRequest when it cannot be read, is too large or is not UTF-8 */
function readInput(path: string): string {
  const isStandard = path === '-';
  const name = isStandard ? 'Standard input' : path;
  try {
    const file = isStandard ? 0 : openSync(path, 'r');
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(readAtMost(file, MOST_INPUT, name));
    } finally {
      if (!isStandard) closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    const wrong = cause instanceof TypeError ? 'is not UTF-8 text' : `cannot be read (${code ?? 'unknown error'})`;
    throw new InvalidRequest(`${name} ${wrong}.`, { code: 'unreadable-input', cause });
  }
}

function readAtMost(file: number, most: number, name: string): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = Buffer.alloc(64 * 1024);
    const count = readSync(file, chunk);
    if (count === 0) return Buffer.concat(chunks);
    size += count;
    if (size > most) throw new InvalidRequest(`${name} is larger than ${most} bytes.`, { code: 'unreadable-input' });
    chunks.push(chunk.subarray(0, count));
  }
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (text === '') return Promise.resolve();
  return new Promise((resolve) => {
    // Nobody listens any more (`| head`): that is their decision, not a failure.
    stream.once('error', () => resolve());
    stream.write(text, () => resolve());
  });
}
