// The master secret of an installation on one machine: generated at the first start into the data folder, and read from
// there afterwards. Losing it means losing everything that was sealed with it, so it is on the disk for certain before
// anybody uses it.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { variableName } from './definitions.ts';
import { SettingsError } from './settings.ts';
import { findWeakness } from './weak-secret.ts';

/** Bits of the file mode that let the group or everybody in. */
const OTHERS = 0o077;
const EVERYBODY = 0o007;

/**
 * The secret in `dataDir`, made on the first call. Of several processes that start at once all get the same one.
 * @throws SettingsError when folder or file cannot be used, or others can read the file
 */
export function ensureSecret(dataDir: string): string {
  const path = join(dataDir, 'secret');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return readSecret(path) ?? createSecret(dataDir, path);
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw refused(
      path,
      `cannot be used for the generated secret (${code ?? 'unknown error'}); it must belong to the user that runs Latchkey`,
    );
  }
}

function createSecret(dataDir: string, path: string): string {
  const draft = join(dataDir, `.secret-${randomBytes(8).toString('hex')}`);
  writeThrough(draft, randomBytes(32).toString('base64url'));
  try {
    // A link appears with its content or not at all, and never replaces a file: whoever is second reads what the first
    // one made.
    linkSync(draft, path);
    syncFolder(dataDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  const secret = readSecret(path);
  if (secret === undefined) throw refused(path, 'lost its secret while it was being read');
  return secret;
}

/** Undefined when there is none yet. */
function readSecret(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    closeToOthers(file, path);
    const secret = readFileSync(file, 'utf8').trim();
    if (findWeakness(secret) === undefined) return secret;
    throw refused(path, 'holds a secret that is damaged or was not generated; restore it from a backup');
  } finally {
    closeSync(file);
  }
}

/** Our own file is closed to others again; somebody else's is refused, because we cannot. */
function closeToOthers(file: number, path: string): void {
  const user = process.getuid?.();
  const { mode, uid } = fstatSync(file);
  if (user === undefined || (mode & OTHERS) === 0) return;
  if (uid === user) fchmodSync(file, 0o600);
  else if ((mode & EVERYBODY) !== 0) {
    throw refused(path, `can be read by everybody and belongs to another user (uid ${uid}); run chmod 600 on it`);
  }
}

function writeThrough(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function refused(path: string, wrong: string): SettingsError {
  return new SettingsError([{ name: variableName('dataDir'), place: path, wrong, example: '/var/lib/latchkey' }]);
}
