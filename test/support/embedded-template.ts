// A migrated embedded database, made once on a machine and copied from then on: creating one takes seconds, copying one does not. The start
// on an empty folder has tests of its own.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations } from '../../migrations/list.ts';
import { entities } from '../../src/entities.ts';
import { createLog } from '../../src/log.ts';
import { Database } from '../../src/storage/database.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Puts an empty database with every migration done into a data folder. */
export async function copyEmbeddedDatabase(dataDir: string): Promise<void> {
  const template = join(tmpdir(), `latchkey-template-${fingerprint()}`);
  if (!existsSync(template)) await makeTemplate(template);
  cpSync(join(template, 'database'), join(dataDir, 'database'), { recursive: true });
}

/** Milliseconds after which a template of earlier migrations is taken away; one in use by an older checkout is made again. */
const OLD_MS = 24 * 60 * 60 * 1000;

async function makeTemplate(template: string): Promise<void> {
  for (const other of globSync(join(tmpdir(), 'latchkey-template-*'))) {
    if (Date.now() - statSync(other).mtimeMs > OLD_MS) rmSync(other, { recursive: true, force: true });
  }
  const draft = mkdtempSync(join(tmpdir(), 'latchkey-draft-'));
  const target = { kind: 'embedded', dataDir: draft } as const;
  const database = await Database.open({ target, entities, migrations, log: createLog('silent') });
  await database.migrate();
  await database.close();
  try {
    renameSync(draft, template);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another test file was faster.
    if (!existsSync(template)) throw error;
  }
}

/** Changes with every migration and with the database itself. */
function fingerprint(): string {
  const hash = createHash('sha256');
  for (const file of [...globSync('migrations/*.ts', { cwd: ROOT }).toSorted(), 'package-lock.json']) {
    hash.update(file).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
