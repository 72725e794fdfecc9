// Runs an example as its README says: the registered metadata from its file, the rest by environment, in a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, watch } from '../../support/process.ts';
import type { Latchkey, TestClient } from '../../support/server.ts';

const EXAMPLES = join(import.meta.dirname, '../../../examples');

export interface RunningExample {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until it has written something. @returns the first group, or all that matched */
  untilWritten(pattern: RegExp): Promise<string>;
  /** A line for its terminal. */
  type(line: string): void;
  /** How it ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  stop(): Promise<void>;
}

/** What the README of an example tells to register. @param change what a reader has to adapt, such as ports */
export function registerExample(
  latchkey: Latchkey,
  name: string,
  change: Readonly<Record<string, unknown>> = {},
  file = 'client.json',
): Promise<TestClient> {
  const metadata = JSON.parse(readFileSync(join(EXAMPLES, name, file), 'utf8')) as Record<string, unknown>;
  for (const key of Object.keys(change)) assert.ok(key in metadata, `${file} has no ${key}`);
  return latchkey.createClient({ ...metadata, ...change });
}

/** @param script `main.ts` unless the example has several */
export function runExample(name: string, env: Readonly<Record<string, string>>, script = 'main.ts'): RunningExample {
  const argv = [join(EXAMPLES, name, script)];
  const { child, output, finished } = watch(
    spawn(process.execPath, argv, { env: { PATH: process.env['PATH'], ...env }, stdio: 'pipe' }),
    null,
  );
  // What one waits for comes after what was waited for before.
  let seen = 0;
  return {
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async untilWritten(pattern) {
      await until(() => {
        if (pattern.test(output.stdout.slice(seen))) return true;
        assert.equal(child.exitCode, null, `it ended: ${output.stdout}${output.stderr}`);
        return false;
      }, `${name} to write ${pattern}`);
      const found = pattern.exec(output.stdout.slice(seen));
      assert.ok(found);
      seen += found.index + found[0].length;
      return found[1] ?? found[0];
    },
    type: (line) => void child.stdin?.write(`${line}\n`),
    ended: finished,
    async stop() {
      child.kill('SIGTERM');
      await finished;
    },
  };
}
