// What a run has found, as Markdown: printed line by line while it runs, and at the end put between the two marks of a page.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const BEGIN = '<!-- bench:begin (npm run bench writes what is between the marks) -->';
const END = '<!-- bench:end -->';

export class Report {
  readonly #lines: string[] = [];

  line(text = ''): void {
    this.#lines.push(text);
    process.stdout.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line();
    this.line(`### ${text}`);
    this.line();
  }

  table(columns: readonly string[]): void {
    this.row(columns);
    this.row(columns.map(() => '---'));
  }

  row(cells: readonly string[]): void {
    this.line(`| ${cells.join(' | ')} |`);
  }

  /** Replaces what an earlier run has left in the page, or makes the page. */
  write(path: string): void {
    const own = `${BEGIN}\n\n${this.#lines.join('\n').trim()}\n\n${END}`;
    const page = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
    const isMarked = begin >= 0 && end > begin;
    writeFileSync(path, isMarked ? page.slice(0, begin) + own + page.slice(end + END.length) : `${own}\n`);
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Median with the smallest and the largest. */
export function spread(values: readonly number[], digits = 2): string {
  if (values.length === 0 || values.some((value) => Number.isNaN(value))) return '–';
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)];
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
