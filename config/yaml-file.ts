// Reads the YAML file into its top-level keys. Messages name the line, never its text: the line may hold a secret.
import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import { readTextFile } from './value-file.ts';

const MOST_BYTES = 1024 * 1024;

/** The keys that have a value; a key without one counts as not given. Otherwise what is wrong, one sentence each. */
export function readYamlFile(
  path: string,
): { readonly keys: ReadonlyMap<string, unknown> } | { readonly wrongs: readonly string[] } {
  const file = readTextFile(path, MOST_BYTES);
  if ('wrong' in file) return { wrongs: [file.wrong] };
  const lines = new LineCounter();
  const document = parseDocument(file.text, {
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    schema: 'core',
    lineCounter: lines,
    prettyErrors: false,
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    return { wrongs: faults.map((fault) => `${explain(fault)} at line ${lines.linePos(fault.pos[0]).line}`) };
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch {
    return { wrongs: ['uses aliases that lead nowhere or too far; put quotes around values that begin with * or &'] };
  }
  if (content === null || content === undefined) return { keys: new Map() };
  if (typeof content !== 'object' || Array.isArray(content)) return { wrongs: ['must hold names with values'] };
  return { keys: new Map(Object.entries(content).filter(([, value]) => value !== null)) };
}

/** The library's own messages quote the text. */
function explain(fault: YAMLError): string {
  if (fault.code === 'DUPLICATE_KEY') return 'gives the same name twice';
  if (fault.code === 'TAB_AS_INDENT') return 'is indented with a tab';
  if (fault.code === 'MULTIPLE_DOCS') return 'begins a second document';
  if (fault.code === 'TAG_RESOLVE_FAILED') return 'has a value that begins with ! and needs quotes';
  return `is not valid YAML (${fault.code.toLowerCase().replaceAll('_', ' ')})`;
}
