// One process on one data folder. PGlite does not notice a second opener, and one of the two silently loses its writes, so the folder is
// held by an exclusive lock of an SQLite file: the operating system drops it when the process dies, however it dies, it works between
// containers that share a volume, and there is no stale lock to guess about.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../errors.ts';

export interface FolderLock {
  release(): void;
}

/** An open file that nobody refers to is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

/** @returns null when another process holds the folder @throws AppError `data-folder` when it cannot be used */
export function takeFolderLock(dataDir: string): FolderLock | null {
  let file: DatabaseSync | undefined;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    file = new DatabaseSync(join(dataDir, 'latchkey.lock'), { timeout: 0 });
    file.exec('pragma locking_mode = exclusive');
    file.exec('begin exclusive');
  } catch (cause) {
    file?.close();
    // SQLite's own words for SQLITE_BUSY and SQLITE_LOCKED; everything else (rights, full disk) must be told as it is.
    if (cause instanceof Error && /locked/i.test(cause.message)) return null;
    throw new AppError('data-folder', 500, `The data folder ${dataDir} cannot be used.`, { cause });
  }
  const kept = file;
  held.add(kept);
  return {
    release() {
      if (held.delete(kept)) kept.close();
    },
  };
}
