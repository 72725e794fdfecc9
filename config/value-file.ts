// Reads the small text files that settings name: secrets given as `…_FILE`, and the YAML file. What a file holds never
// gets into a message.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

const MOST_VALUE_BYTES = 64 * 1024;

export type FileText = { readonly text: string } | { readonly wrong: string };

/**
 * UTF-8 text of at most `mostBytes` bytes, or what is wrong with the file, as a sentence that follows the setting's
 * name.
 */
export function readTextFile(path: string, mostBytes: number): FileText {
  try {
    const stats = statSync(path);
    // A pipe or a device could keep us waiting for ever.
    if (!stats.isFile()) return { wrong: 'names something that is not a file' };
    if (stats.size > mostBytes) return { wrong: `names a file of more than ${mostBytes} bytes` };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { wrong: 'names a file that does not exist' };
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { wrong: 'names a file that is not UTF-8 text' };
    return { wrong: `names a file that cannot be read (${code ?? 'unknown error'})` };
  }
}

/** The value a file holds: its text without the line break at the end. Relative paths start at `cwd`. */
export function readValueFile(path: unknown, cwd: string): FileText {
  if (typeof path !== 'string' || path.includes('\0')) return { wrong: 'must be the path of a file' };
  const file = readTextFile(resolve(cwd, path), MOST_VALUE_BYTES);
  const text = 'text' in file ? file.text.replace(/\r?\n$/, '') : '';
  if (text !== '') return { text };
  const wrong = 'wrong' in file ? file.wrong : 'names an empty file';
  // What does not look like a path may be the secret itself, given where its file was expected.
  return { wrong: /^\.{0,2}\/./.test(path) ? `${wrong} (${path})` : wrong };
}
