// Loads settings in a folder of their own, with nothing of the machine's environment.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LoadedSettings, loadSettings, SettingsError } from '../../config/settings.ts';

/** 32 random bytes, made once for these tests. */
export const SECRET = 'q0JYl7h3B5m9RzXvT2dWcE8uKfN4sGyPaLbHiQ6oMnU=';
export const OTHER_SECRET = 'Zx81kTgVbn5wQeYu0RmJpFs7cDhL2aGi9oNvXtKlE4M=';

/** As little as a public deployment needs. */
export const PRODUCTION: NodeJS.ProcessEnv = {
  LATCHKEY_ISSUER: 'https://id.example.com',
  LATCHKEY_DATABASE_URL: 'postgres://latchkey:pw@db.internal/latchkey',
  LATCHKEY_SECRET: SECRET,
  LATCHKEY_SMTP_URL: 'smtps://mail.example.com',
  LATCHKEY_MAIL_FROM: 'no-reply@example.com',
};

/** A folder with these files, gone after the test. */
export function folder(context: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'settings-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

const NOWHERE = '/nonexistent/latchkey';

export function load(env: NodeJS.ProcessEnv, cwd: string = NOWHERE): LoadedSettings {
  return loadSettings({ env, cwd });
}

/** Loads what must be refused. */
export function refusal(env: NodeJS.ProcessEnv, cwd: string = NOWHERE): SettingsError {
  try {
    load(env, cwd);
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error;
  }
  return assert.fail('these settings should have been refused');
}

/** The names of the settings that a refusal complains about, in order. */
export function refusedNames(env: NodeJS.ProcessEnv, cwd?: string): string[] {
  return refusal(env, cwd)
    .problems.map((problem) => problem.name)
    .toSorted();
}
