// Turns what a task answers, or the error it ends with, into what is printed. Operators are trusted: they see the reason of a failure, but
// never a statement with its values and never a secret.
import { SettingsError } from '../../config/settings.ts';
import { SealError } from '../crypto/seal.ts';
import { AppError } from '../errors.ts';
import { type Log, serializeError } from '../log.ts';
import type { Outcome, Printed } from './task.ts';
import { jsonDocument, plain } from './text.ts';

/** Runs a task to its end; nothing is thrown. */
export async function present(isJson: boolean, log: Log | undefined, run: () => Promise<Outcome>): Promise<Printed> {
  try {
    const { json, text, failure } = await run();
    return {
      exitCode: failure === undefined ? 0 : 1,
      stdout: withLineBreak(isJson ? jsonDocument(json) : text),
      stderr: failure === undefined ? '' : failureLine(failure),
    };
  } catch (error) {
    return presentError(error, isJson, log);
  }
}

/** @param log gets the stack of what nobody foresaw */
export function presentError(error: unknown, isJson: boolean, log: Log | undefined): Printed {
  const { code, message } = explain(error, log);
  return { exitCode: 1, stdout: isJson ? errorDocument(code, message) : '', stderr: failureLine(message) };
}

/** What `--json` prints in place of a result. */
export function errorDocument(code: string, message: string): string {
  return withLineBreak(jsonDocument({ error: code, message }));
}

function explain(error: unknown, log: Log | undefined): { readonly code: string; readonly message: string } {
  if (error instanceof SettingsError) return { code: 'settings', message: error.message };
  if (error instanceof SealError) {
    const message = 'What is stored cannot be opened: it was sealed with another LATCHKEY_SECRET.';
    return { code: 'wrong-secret', message };
  }
  if (error instanceof AppError) return { code: error.code, message: withReason(error) };
  log?.error({ err: serializeError(error) }, 'unexpected');
  return { code: 'unexpected', message: plain(serializeError(error).message) || 'Something unexpected happened.' };
}

/** With the first cause where something else has failed us; what an operator typed wrongly needs none. */
function withReason(error: AppError): string {
  const cause = firstCause(error.cause);
  if (error.status < 500 || !(cause instanceof Error)) return plain(error.message);
  const { code } = cause as { code?: unknown };
  const reason = plain(serializeError(cause).message) || (typeof code === 'string' ? code : '');
  return reason === '' ? plain(error.message) : `${plain(error.message)} (${reason.slice(0, 200)})`;
}

function firstCause(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    const next: unknown =
      current instanceof AggregateError && current.message === '' ? current.errors[0] : current.cause;
    if (next === undefined) break;
    current = next;
  }
  return current;
}

function failureLine(message: string): string {
  return withLineBreak(`latchkey: ${message}`);
}

function withLineBreak(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
