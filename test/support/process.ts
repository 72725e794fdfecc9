// Latchkey as operators run it: real processes with an environment of their own, a temporary data folder and free ports. Whatever a test
// leaves running ends with the test process.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
/** Milliseconds: a machine that does ten other things at once is slow. */
const PATIENCE_MS = 120_000;

export type Environment = Readonly<Record<string, string>>;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** `LATCHKEY_…`; nothing of the test's own environment comes along but the search path. */
  readonly env?: Environment;
  /** Standard input; closed and empty otherwise. */
  readonly input?: string;
  readonly cwd?: string;
}

export interface RunningProcess {
  readonly pid: number;
  readonly env: Environment;
  readonly issuer: string;
  readonly port: number;
  readonly internalPort: number;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and how it ended. */
  stop(): Promise<Finished>;
  /** As a power cut would end it. */
  kill(): Promise<Finished>;
  readonly finished: Promise<Finished>;
}

const children = new Set<ChildProcess>();
const folders: string[] = [];
const endAll = (): void => {
  for (const child of children) child.kill('SIGKILL');
};
// A test that failed may have left a server, which would keep this process waiting for ever.
after(endAll);
process.once('exit', () => {
  endAll();
  // A process that was killed a moment ago may still be writing.
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** No settings file lies there. */
const NOWHERE = temporaryFolder();

interface Spawned {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly finished: Promise<Finished>;
}

function spawnLatchkey(argv: readonly string[], options: RunOptions): Spawned {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    cwd: options.cwd ?? NOWHERE,
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: 'pipe',
  });
  return watch(child, options.input);
}

/** Collects what a process writes; ended with the test at the latest. @param input null leaves its standard input open */
export function watch(child: ChildProcess, input: string | null = ''): Spawned {
  children.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  // A process that does not read its input may be gone before it is written.
  child.stdin?.on('error', () => undefined);
  if (input !== null) child.stdin?.end(input);
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal, ...output });
    });
  });
  return { child, output, finished };
}

/** One command to its end. */
export async function runLatchkey(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { child, finished } = spawnLatchkey(argv, options);
  return orKill(child, finished, `latchkey ${argv.join(' ')}`);
}

/** The JSON document that a command prints, after checking that it went well and printed nothing else. */
export async function runForJson<T>(argv: readonly string[], options: RunOptions = {}): Promise<T> {
  const done = await runLatchkey([...argv, '--json'], options);
  if (done.code !== 0) throw new Error(`latchkey ${argv.join(' ')} ended with ${done.code}: ${done.stderr}`);
  return JSON.parse(done.stdout) as T;
}

/** A server that has said that it is ready. @param env what the test cares about; ports are chosen when it names none */
export async function startLatchkey(env: Environment): Promise<RunningProcess> {
  const ports = { LATCHKEY_PORT: String(await freePort()), LATCHKEY_INTERNAL_PORT: String(await freePort()) };
  // A machine under load may take its time with the stores.
  const whole = {
    ...{ ...ports, LATCHKEY_STORAGE_TIMEOUT_MS: '20000' },
    // All persons and apps of a test come from one network.
    ...{ LATCHKEY_REFUSED_REQUEST_LIMIT: '100000', LATCHKEY_STARTED_REQUEST_LIMIT: '100000' },
    ...env,
  };
  const { child, output, finished } = spawnLatchkey(['serve'], { env: whole });
  let end: Finished | undefined;
  finished.then(
    (done) => {
      end = done;
    },
    () => undefined,
  );
  await orKill(
    child,
    until(() => {
      if (end) throw new Error(`the server ended with ${end.code ?? end.signal}: ${end.stderr}`);
      return / is ready: \S+\n/.test(output.stdout);
    }),
    'the server to be ready',
  );
  const signal = (name: NodeJS.Signals): void => void child.kill(name);
  return {
    pid: child.pid ?? 0,
    env: whole,
    issuer: / is ready: (\S+)\n/.exec(output.stdout)?.[1] ?? '',
    port: Number(whole.LATCHKEY_PORT),
    internalPort: Number(whole.LATCHKEY_INTERNAL_PORT),
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    signal,
    stop() {
      signal('SIGTERM');
      return orKill(child, finished, 'the server to stop');
    },
    kill() {
      signal('SIGKILL');
      return finished;
    },
    finished,
  };
}

/** A folder that is removed with the test process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  folders.push(folder);
  return folder;
}

/** Looks again and again until it is true. @throws what `isTrue` throws, and after two minutes */
export async function until(isTrue: () => boolean | Promise<boolean>, what = 'something'): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await sleep(20);
  }
}

async function orKill<T>(child: ChildProcess, work: Promise<T>, what: string): Promise<T> {
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  try {
    return await work;
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`waited for ${what}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
