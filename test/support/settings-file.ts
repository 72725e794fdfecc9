// A YAML file with settings for the servers of one test file, gone when its process ends.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @returns the variable that names the file, for `startLatchkey` */
export function settingsFile(yaml: string): { readonly LATCHKEY_CONFIG: string } {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-test-settings-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'latchkey.yaml');
  writeFileSync(path, yaml);
  return { LATCHKEY_CONFIG: path };
}
