// Calls of scripts on one Redis node that belong to the same turn of the event loop leave as one command: whatever a client library does for each
// command (a promise or two, timers, encoding) is done for all of them together. The command runs a script that holds every script and calls those
// that it is told, each on its own: one that fails tells only its caller.
import { createHash } from 'node:crypto';
import { Command, type Redis } from 'ioredis';

export type Argument = string | number | Buffer;

/** A Lua script. It must be harmless to run twice: a lost connection makes the client send it again. */
export interface RedisScript {
  readonly lua: string;
  /** How many of its arguments are keys; in Cluster all of them must share one hash tag. */
  readonly keys: number;
}

interface Call {
  readonly position: string;
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
  readonly resolve: (answer: unknown) => void;
  readonly reject: (cause: Error) => void;
}

/** So that nobody waits for long behind one command. */
const MOST_CALLS = 100;

export class ScriptBatch {
  readonly #client: Redis;
  readonly #positions: ReadonlyMap<string, string>;
  readonly #lua: string;
  readonly #sha: string;
  readonly #keyPrefix: string;
  readonly #timeout: number;
  #waiting: Call[] = [];

  /** @param parts.keyPrefix in front of every key @param parts.timeout milliseconds for a call */
  constructor(parts: {
    readonly client: Redis;
    readonly scripts: Readonly<Record<string, RedisScript>>;
    readonly keyPrefix: string;
    readonly timeout: number;
  }) {
    this.#client = parts.client;
    this.#positions = new Map(Object.keys(parts.scripts).map((name, index) => [name, String(index + 1)]));
    this.#lua = batchOf(Object.values(parts.scripts));
    this.#sha = createHash('sha1').update(this.#lua).digest('hex');
    this.#keyPrefix = parts.keyPrefix;
    this.#timeout = parts.timeout;
  }

  /** @returns what the script answers, texts as Buffers @throws TypeError for a script that is not there, else whatever went wrong */
  call(name: string, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const position = this.#positions.get(name);
    if (position === undefined) return Promise.reject(new TypeError(`the script ${name} was not given to openRedis`));
    return new Promise((resolve, reject) => {
      // Not at once: what is answered to the same packet of the network comes in the next callbacks of this turn.
      if (this.#waiting.push({ position, keys, args, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < waiting.length; from += MOST_CALLS) this.#send(waiting.slice(from, from + MOST_CALLS));
  }

  #send(calls: readonly Call[]): void {
    const fail = (cause: Error): void => {
      for (const { reject } of calls) reject(cause);
    };
    const timer = setTimeout(() => fail(new Error('Redis did not answer in time')), this.#timeout);
    const body = encode(calls, this.#keyPrefix);
    this.#run(['evalsha', this.#sha], body)
      .catch((error: unknown) => {
        // A server that was restarted, or never heard of it.
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        return this.#run(['eval', this.#lua], body);
      })
      .then((answers) => settle(calls, answers as readonly unknown[]))
      .catch(fail)
      .finally(() => clearTimeout(timer));
  }

  async #run([name, script]: readonly [string, string], body: EncodedCalls): Promise<unknown> {
    const command = new EncodedCommand(name, script, body);
    // What it returns differs by whether the client waits for its connection.
    void this.#client.sendCommand(command);
    return command.promise;
  }
}

/** Runs each call by itself, so that a failure is its caller's alone; but a replica is left, which the client does when the whole is refused. */
function batchOf(scripts: readonly RedisScript[]): string {
  return `local scripts = {
${scripts.map(({ lua }) => `function(KEYS, ARGV)\n${lua}\nend`).join(',\n')}
}
local answers, at, most = {}, 1, #ARGV
while at <= most do
  local from = at + 3
  local last = from + ARGV[at + 1] - 1
  local finish = last + ARGV[at + 2]
  local done, answer = pcall(scripts[tonumber(ARGV[at])], { unpack(ARGV, from, last) }, { unpack(ARGV, last + 1, finish) })
  if not done then
    answer = type(answer) == 'table' and answer.err or tostring(answer)
    if string.find(answer, 'READONLY', 1, true) then return redis.error_reply('READONLY ' .. answer) end
  end
  answers[#answers + 1] = done and 1 or 0
  if answer == nil then answer = false end
  answers[#answers + 1] = answer
  at = finish + 1
end
return answers`;
}

function settle(calls: readonly Call[], answers: readonly unknown[]): void {
  for (const [index, { resolve, reject }] of calls.entries()) {
    const answer = answers[2 * index + 1];
    if (answers[2 * index] === 1) resolve(answer);
    else reject(new Error(String(answer)));
  }
}

interface EncodedCalls {
  /** Arguments in all. */
  readonly count: number;
  readonly bytes: Buffer;
}

/** A command whose arguments are already as they go over the wire. */
class EncodedCommand extends Command {
  readonly #script: string;
  readonly #body: EncodedCalls;

  constructor(name: string, script: string, body: EncodedCalls) {
    super(name, [], { replyEncoding: null });
    this.#script = script;
    this.#body = body;
  }

  override toWritable(): Buffer {
    const { count, bytes } = this.#body;
    const head = `*${count + 3}\r\n${bulk(this.name)}${bulk(this.#script)}${bulk('0')}`;
    return Buffer.concat([Buffer.from(head), bytes]);
  }
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** Position, number of keys, number of arguments, keys, arguments; for each call. */
function encode(calls: readonly Call[], keyPrefix: string): EncodedCalls {
  const pieces: Buffer[] = [];
  let text = '';
  let count = 0;
  for (const { position, keys, args } of calls) {
    text += `${bulk(position)}${bulk(String(keys.length))}${bulk(String(args.length))}`;
    for (const key of keys) text += bulk(keyPrefix + key);
    for (const arg of args) {
      if (typeof arg === 'object') {
        pieces.push(Buffer.from(`${text}$${arg.length}\r\n`), arg);
        text = '\r\n';
      } else text += bulk(String(arg));
    }
    count += 3 + keys.length + args.length;
  }
  pieces.push(Buffer.from(text));
  return { count, bytes: Buffer.concat(pieces) };
}
