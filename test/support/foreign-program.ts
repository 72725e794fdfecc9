// Clients of other people's making in other languages, from Debian's packages: small programs in test/support/foreign/ that are built, started on
// free ports of the loopback address and ended with their test.
import { spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Environment, until, watch } from './process.ts';

const FOLDER = join(import.meta.dirname, 'foreign');
/** The runner of the tests knows this beginning: not every machine can have them. */
const MISSING = "Debian's packages are not installed: ";

/** The file of a program. */
export function foreignFile(name: string): string {
  return join(FOLDER, name);
}

/** Which of these packages are not installed; undefined when all are. */
export function packagesMissing(...packages: readonly string[]): string | undefined {
  const absent = packages.filter((name) => {
    const { status, stdout } = spawnSync('dpkg-query', ['--show', '--showformat=${db:Status-Abbrev}', name]);
    return status !== 0 || !String(stdout).startsWith('ii');
  });
  return absent.length === 0 ? undefined : MISSING + absent.join(', ');
}

export interface ForeignProgram {
  readonly origin: string;
  readonly port: number;
  /** What it has written so far, for messages of failed tests. */
  output(): string;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Where it listens; also given to it as PORT and ORIGIN. */
  readonly port: number;
}

/** @throws when it ends instead of listening */
export async function startProgram({ command, args, env, port }: ProgramOptions): Promise<ForeignProgram> {
  const origin = `http://localhost:${port}`;
  const { PATH = '', HOME = '/tmp' } = process.env;
  const child = spawn(command, args, {
    env: { PATH, HOME, PORT: String(port), ORIGIN: origin, ...env },
    stdio: 'pipe',
  });
  const { output, finished } = watch(child);
  const text = (): string => output.stdout + output.stderr;
  let hasEnded = false;
  finished.then(
    () => {
      hasEnded = true;
    },
    () => {
      hasEnded = true;
    },
  );
  await until(() => {
    if (hasEnded) throw new Error(`${command} ended: ${text()}`);
    return isListening(port);
  }, `${command} to listen`);
  return {
    ...{ origin, port, output: text },
    async stop() {
      child.kill('SIGTERM');
      await finished;
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
