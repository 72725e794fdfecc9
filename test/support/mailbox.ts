// A real mail server for tests: it receives over SMTP what the product sends, parses it with a MIME parser of its own, and can be told to refuse,
// to stall, or to be dead.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  readonly raw: string;
  readonly email: Email;
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
}

type Stage = 'greeting' | 'sender' | 'recipient' | 'data';

export interface Mailbox {
  readonly port: number;
  /** As `LATCHKEY_SMTP_URL` wants it. */
  readonly url: string;
  /** In the order of arrival. */
  readonly mails: readonly ReceivedMail[];
  /** How often a recipient was named, whatever came of it. */
  readonly attempts: number;
  /** How many connections were made. */
  readonly connections: number;
  /** Answers with `code` at that stage. @param times how often; without it always */
  refuse(stage: Stage, code: number, times?: number): void;
  /** Takes mails but says nothing about them until the answer is called. */
  hold(): () => void;
  /** Resolves when a mail is held. */
  holding(): Promise<void>;
  /** Closes every connection without a word. */
  hangUp(): void;
  /** Resolves when this many have arrived in all. */
  arrived(count: number): Promise<readonly ReceivedMail[]>;
  /** Resolves when recipients were named this often in all. */
  attempted(count: number): Promise<void>;
  stop(): Promise<void>;
}

const PATIENCE_MS = 30_000;

/** @param credentials without them nobody has to sign in */
export async function startMailbox(credentials?: {
  readonly user: string;
  readonly password: string;
}): Promise<Mailbox> {
  const mails: ReceivedMail[] = [];
  const refusals = new Map<Stage, { code: number; left: number }>();
  const sockets = new Set<Socket>();
  let attempts = 0;
  let connections = 0;
  let held: Promise<void> | undefined;
  let isHolding = false;
  const watchers = new Set<() => void>();

  const refusal = (stage: Stage): Error | null => {
    const found = refusals.get(stage);
    if (found === undefined || found.left === 0) return null;
    found.left -= 1;
    return Object.assign(new Error('refused by the test'), { responseCode: found.code });
  };
  const changed = () => {
    for (const watcher of watchers) watcher();
  };

  const server = new SMTPServer({
    authOptional: credentials === undefined,
    allowInsecureAuth: true,
    disabledCommands: credentials === undefined ? ['STARTTLS', 'AUTH'] : ['STARTTLS'],
    closeTimeout: 100,
    onConnect: (_session, callback) => callback(refusal('greeting')),
    onAuth({ username, password }, _session, callback) {
      const isRight = username === credentials?.user && password === credentials?.password;
      callback(isRight ? null : new Error('wrong user or password'), { user: username });
    },
    onMailFrom: (_address, _session, callback) => callback(refusal('sender')),
    onRcptTo(_address, _session, callback) {
      attempts += 1;
      changed();
      callback(refusal('recipient'));
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        void (async () => {
          const refused = refusal('data');
          if (refused) return callback(refused);
          isHolding = held !== undefined;
          changed();
          await held;
          const raw = Buffer.concat(chunks);
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({
            raw: raw.toString('utf8'),
            email: await PostalMime.parse(raw),
            envelope: { from: mailFrom === false ? '' : mailFrom.address, to: rcptTo.map((one) => one.address) },
          });
          callback(null, 'queued as TEST-1');
          changed();
        })();
      });
    },
  });
  // A client that hangs up in the middle is part of the tests.
  server.on('error', () => undefined);
  server.server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;

  const until = (what: string, isTrue: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (!isTrue()) return;
        clearTimeout(timer);
        watchers.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        watchers.delete(look);
        reject(new Error(`waited too long for ${what}; so far ${mails.length} mails and ${attempts} attempts`));
      }, PATIENCE_MS);
      watchers.add(look);
      look();
    });

  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails,
    get attempts() {
      return attempts;
    },
    get connections() {
      return connections;
    },
    refuse: (stage, code, times = Number.POSITIVE_INFINITY) => void refusals.set(stage, { code, left: times }),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    holding: () => until('a mail to hold', () => isHolding),
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
    async arrived(count) {
      await until(`${count} mails`, () => mails.length >= count);
      return mails;
    },
    attempted: (count) => until(`${count} attempts`, () => attempts >= count),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The address of a mail server where nobody listens. */
export async function deadMailServer(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `smtp://127.0.0.1:${port}`;
}

/** A mail server that accepts connections and then never says a word. */
export async function silentMailServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
