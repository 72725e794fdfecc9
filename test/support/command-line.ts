// The command line inside the test's own process, on a real application: what each command does and prints, without starting a process for
// each. On PostgreSQL where there is one, because it is there in no time; the flows run on the embedded database anyway.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../config/settings.ts';
import { type App, createApp } from '../../src/app.ts';
import { parseCommandLine } from '../../src/command/parse.ts';
import { present } from '../../src/command/present.ts';
import type { Printed } from '../../src/command/task.ts';
import { createLog } from '../../src/log.ts';
import { createTestDatabase, postgresMissing } from './postgres.ts';

export interface CommandLine {
  readonly app: App;
  /** @param input what the command finds in its file or on standard input */
  run(argv: readonly string[], input?: string): Promise<Printed>;
  /** With --json: the document, after checking that all went well. */
  json<T = Record<string, unknown>>(argv: readonly string[], input?: string): Promise<T>;
  /** What the audit has, oldest first, as `actor action target`. */
  audit(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function openCommandLine(env: Readonly<Record<string, string>> = {}): Promise<CommandLine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-test-'));
  const postgres = (await postgresMissing()) === undefined ? await createTestDatabase() : undefined;
  const secret = randomBytes(32).toString('base64');
  const database = postgres ? { LATCHKEY_DATABASE_URL: postgres.url, LATCHKEY_SECRET: secret } : {};
  const loaded = loadSettings({ env: { LATCHKEY_DATA_DIR: dataDir, ...database, ...env }, cwd: dataDir });
  const app = await createApp(loaded, createLog('silent'), { migrate: true });
  await app.prepareEngine();
  const run = async (argv: readonly string[], input = ''): Promise<Printed> => {
    const task = parseCommandLine(argv);
    if ('exitCode' in task) return task;
    if (task.kind !== 'storage') throw new Error(`${argv.join(' ')} needs no storage`);
    return present(task.isJson, undefined, () => task.run(app, input));
  };
  return {
    app,
    run,
    async json<T>(argv: readonly string[], input?: string) {
      const { exitCode, stdout, stderr } = await run([...argv, '--json'], input);
      if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exitCode}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    async audit() {
      const { rows } = await app.database.sql.query<{ line: string }>({
        name: '',
        text: `select concat_ws(' ', actor_kind, action, target_id) as line from audit_event order by id`,
      });
      return rows.map((row) => row.line);
    },
    async close() {
      await app.close();
      await postgres?.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
