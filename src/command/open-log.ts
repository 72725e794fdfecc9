// Where a process logs: JSON lines on standard error, or lines for people when that is a terminal.
import { createLog, type Log } from '../log.ts';
import { plain } from './text.ts';

/** @param level a pino level name */
export function openLog(level: string): Log {
  if (!process.stderr.isTTY) return createLog(level);
  return createLog(level, { write: (line: string) => void process.stderr.write(formatLogLine(line)) });
}

interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly msg?: string;
  readonly err?: { readonly stack?: string; readonly message?: string };
  readonly [name: string]: unknown;
}

/** `12:34:56 INFO  message name=value`, and the stack of an error below it. */
export function formatLogLine(json: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(json) as LogLine;
  const { stack, message } = err ?? {};
  const values = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const head = [time.slice(11, 19), level.toUpperCase().padEnd(5), msg, ...values]
    .map(plain)
    .filter((part) => part !== '')
    .join(' ');
  const trace = (stack ?? message ?? '').split('\n').filter((line) => line !== '');
  return `${[head, ...trace.map((line) => `    ${plain(line)}`)].join('\n')}\n`;
}
