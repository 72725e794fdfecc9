// Text for a terminal. Names and addresses come from strangers: whatever could move the cursor, hide a line or turn the direction of
// writing is taken out.

const STEERING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

type Cell = string | number | boolean | null | undefined;

/** One line without anything that steers a terminal. */
export function plain(value: Cell): string {
  return String(value ?? '').replace(STEERING, ' ');
}

/** Rows below a head, in columns; nothing but the head when there are none. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows.map((row) => row.map((cell) => plain(cell) || '–'))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Names and values below each other; values that are not there are left out. */
export function fields(values: Readonly<Record<string, Cell>>): string {
  const present = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${plain(value)}`).join('\n');
}

/** One JSON document. Characters that JSON allows as they are but a terminal obeys are written as escapes. */
export function jsonDocument(value: unknown): string {
  const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, 2).replace(STEERING, (char) => (char === '\n' ? char : escape(char)));
}
