// How the command line reaches a server that holds the embedded database: an endpoint on the loopback address whose port and token lie in
// the data folder, readable by its owner only. Both directions are sealed with the token. So only who can read the folder is
// obeyed, and a program that took the port of a dead server learns nothing, not even a password that was on its way.
//
// It does not decide who may open the folder: that is storage/folder-lock.ts.
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import type { App } from '../app.ts';
import { randomToken } from '../crypto/random.ts';
import { Seal, SealError } from '../crypto/seal.ts';
import { AppError } from '../errors.ts';
import { type Log, serializeError } from '../log.ts';
import { parseCommandLine } from './parse.ts';
import { present } from './present.ts';
import type { Printed } from './task.ts';

/** Bytes of a sealed request: more than the largest input file and every command line. */
const MOST_BYTES = 2 * 1024 * 1024;
/** Commands that may wait for the one that runs. */
const MOST_WAITING = 100;
/** Milliseconds for a whole request to arrive, and for an answer to come. */
const REQUEST_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 120_000;

const FILE = 'control.json';
const fileSchema = z.strictObject({
  port: z.int().min(1).max(65_535),
  token: z.string().min(40).max(100),
  pid: z.int(),
});
const requestSchema = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('pid') }),
  z.strictObject({ ask: z.literal('run'), argv: z.array(z.string()).max(1000), input: z.string() }),
]);
type Request = z.infer<typeof requestSchema>;
const pidSchema = z.strictObject({ pid: z.int() });
const printedSchema = z.strictObject({
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  stdout: z.string(),
  stderr: z.string(),
});

export interface Control {
  /** Lets the command that runs come to its end; new ones are refused. */
  close(): Promise<void>;
}

/** Opens the endpoint of a server and tells the folder where it is. Commands run on the server's own App, one at a time. */
export async function openControl(dataDir: string, app: App, log: Log): Promise<Control> {
  const token = randomToken();
  const seal = new Seal(token);
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const oneByOne = (work: () => Promise<Printed>): Promise<Printed> => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
  const answer = async (req: IncomingMessage): Promise<unknown> => {
    const asked = open(seal, 'request', await readBody(req), requestSchema);
    if (asked.ask === 'pid') return { pid: process.pid };
    if (waiting >= MOST_WAITING) throw new AppError('busy', 503, 'too many commands wait');
    waiting += 1;
    try {
      return await oneByOne(() => run(asked.argv, asked.input, app, log));
    } finally {
      waiting -= 1;
    }
  };
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (req, res) => {
      answer(req).then(
        (content) => res.end(seal.seal('control answer', JSON.stringify(content))),
        (error: unknown) => refuse(res, error, log),
      );
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const path = join(dataDir, FILE);
  writeWhole(path, JSON.stringify({ port, token, pid: process.pid }));
  return {
    async close() {
      rmSync(path, { force: true });
      await new Promise((resolve) => server.close(resolve));
      await last;
    },
  };
}

/**
 * Lets the server that holds the folder run a command.
 * @returns null when no server answers: there is none, or it is just starting or stopping
 * @throws AppError `server-gone` when it went away with the command in its hands; `control-file` when its address cannot be read
 */
export async function runInServer(dataDir: string, argv: readonly string[], input: string): Promise<Printed | null> {
  return ask(dataDir, { ask: 'run', argv: [...argv], input }, printedSchema);
}

/** The process that serves from this folder; null when none answers. @throws AppError as `runInServer` */
export async function findServer(dataDir: string): Promise<number | null> {
  const found = await ask(dataDir, { ask: 'pid' }, pidSchema);
  return found?.pid ?? null;
}

async function run(argv: readonly string[], input: string, app: App, log: Log): Promise<Printed> {
  const task = parseCommandLine(argv);
  if ('exitCode' in task) return task;
  if (task.kind !== 'storage') throw new AppError('not-for-control', 400, 'this command does not use the database');
  return present(task.isJson, log, () => task.run(app, input));
}

function refuse(res: ServerResponse, error: unknown, log: Log): void {
  const status = error instanceof AppError ? error.status : error instanceof SealError ? 403 : 400;
  log.warn({ err: serializeError(error), status }, 'refused a request at the control endpoint');
  res.writeHead(status, { connection: 'close' }).end();
}

async function ask<T>(dataDir: string, asked: Request, schema: z.ZodType<T>): Promise<T | null> {
  const address = readAddress(dataDir);
  if (address === null) return null;
  const seal = new Seal(address.token);
  const response = await post(address.port, seal.seal('control request', JSON.stringify(asked)));
  // 503: stopping, or busy. 403: the file is a dead server's, whose port another one has got.
  if (response === null || [403, 503].includes(response.status)) return null;
  if (response.status !== 200) {
    throw new AppError('control-refused', 500, `The server refused the command (${response.status}).`);
  }
  try {
    return open(seal, 'answer', response.body, schema);
  } catch (error) {
    // Somebody else listens there now: the file is a dead server's.
    if (error instanceof SealError) return null;
    throw error;
  }
}

function readAddress(dataDir: string): z.infer<typeof fileSchema> | null {
  const path = join(dataDir, FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    const advice = 'Run the command as the account that runs the server.';
    throw new AppError('control-file', 500, `A server holds the data folder, but ${path} cannot be read. ${advice}`, {
      cause,
    });
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** @returns null when nothing was sent, so that trying again is harmless */
function post(port: number, body: Buffer): Promise<{ readonly status: number; readonly body: Buffer } | null> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method: 'POST', agent: false, timeout: ANSWER_TIMEOUT_MS };
    const req = request(options, (res) => {
      readBody(res).then((answer) => resolve({ status: res.statusCode ?? 0, body: answer }), fail);
    });
    const fail = (cause: NodeJS.ErrnoException): void => {
      if (cause.code === 'ECONNREFUSED') resolve(null);
      else
        reject(
          new AppError('server-gone', 503, 'The server went away while it had the command: look whether it is done.', {
            cause,
          }),
        );
    };
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', fail);
    req.end(body);
  });
}

async function readBody(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    // An answer may be longer than any request: it is our own.
    if (stream.method !== undefined && size > MOST_BYTES)
      throw new AppError('too-large', 413, 'the request is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function open<T>(seal: Seal, what: 'request' | 'answer', body: Buffer, schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(seal.openText(`control ${what}`, body)));
}

/** Appears with its content or not at all, and never readable by others. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  chmodSync(draft, 0o600);
  renameSync(draft, path);
}
