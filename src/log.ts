// One logger. It writes the fields it is given and nothing else: callers pass chosen fields, never whole objects, so that no secret can
// slip in with a property nobody thought of. The redaction list is a second net, not the first.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type Log = Logger;

// Not `code`: that is what an error is called by, and one-time codes are never handed to the log.
const REDACTED = [
  ...['password', 'secret', 'token', 'authorization', 'cookie'],
  ...['client_secret', 'access_token', 'refresh_token', 'id_token', 'code_verifier'],
];

/**
 * @param level a pino level name
 * @param stream defaults to standard error, because standard output belongs to commands that print JSON
 */
export function createLog(level: string, stream: DestinationStream = destination({ fd: 2, sync: true })): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '…' },
      serializers: { err: serializeOnce, error: serializeOnce },
    },
    stream,
  );
}

interface LoggedError {
  name: string;
  message: string;
  code?: string | number;
  stack?: string;
  cause?: LoggedError;
}

const serialized = new WeakSet<object>();

/** Callers may hand over an error or what `serializeError` made of it; any other object shows its type alone. */
function serializeOnce(value: unknown): unknown {
  return typeof value === 'object' && value !== null && serialized.has(value) ? value : serializeError(value);
}

/** Name, message, code and stack only: driver errors carry parameters and connection strings in other properties. */
export function serializeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error).slice(0, 500) };
  const { code } = error as { code?: unknown };
  const out: LoggedError = { name: error.name, message: withoutQuery(error.message) };
  serialized.add(out);
  if (typeof code === 'string' || typeof code === 'number') out.code = code;
  if (error.stack && depth === 0) out.stack = withoutQuery(error.stack);
  if (error.cause !== undefined && depth < 3) out.cause = serializeError(error.cause, depth + 1);
  return out;
}

/** MikroORM puts the statement with its values in front of the driver's message: keep the message only. */
function withoutQuery(text: string): string {
  return text.replace(/^(\w+: )?(select|insert|update|delete|with|begin)\b[\s\S]*? - (?=[a-z])/i, '$1').slice(0, 4000);
}
