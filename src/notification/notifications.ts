// The room's front: one call queues a message, in the transaction of its cause, and a worker sends it. The room writes to addresses it is given;
// it does not know accounts, does not decide who may be written to how often, and makes no codes or links.
import { isLoopback } from '../../config/address.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Locales } from '../http/locale.ts';
import type { FindPlace } from '../http/place.ts';
import type { Log } from '../log.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { FileTransport } from './file-transport.ts';
import { type MailLook, MailTemplates } from './mail-templates.ts';
import type { MailTransport } from './mail-transport.ts';
import { MailWorker } from './mail-worker.ts';
import type { Message } from './message.ts';
import { type Backlog, Outbox } from './outbox.ts';
import { parseSender } from './recipient.ts';
import { SmtpTransport } from './smtp-transport.ts';

interface NotificationsParts {
  readonly database: Database;
  readonly seal: Seal;
  readonly locales: Locales;
  readonly issuer: string;
  readonly productName: string;
  /** How mails look now. */
  readonly look?: () => MailLook;
  readonly findPlace?: FindPlace;
  /** `address` or `Name <address>`. */
  readonly from: string;
  /** Undefined: mails become files in the data folder. */
  readonly smtpUrl: string | undefined;
  readonly smtpFallbackUrl: string | undefined;
  /** Hosts that may be spoken to without TLS. */
  readonly plainHosts?: readonly string[];
  readonly dataDir: string;
  readonly log: Log;
}

export interface Notifications {
  /**
   * Queues a message. With the EntityManager of a transaction it exists if and only if the transaction commits; with null, which is only
   * allowed outside of transactions, it exists at once.
   * @returns false when the queue is full and the message was left out; the answer to the person must be the same
   * @throws InvalidRequest `invalid-recipient`
   */
  send(em: EntityManager | null, message: Message): Promise<boolean>;
  /** Whether the last mail to this address was refused for good, and how (`smtp-550`, …). @param em inside a transaction, its own */
  findRefusal(address: string, em?: EntityManager): Promise<{ readonly code: string; readonly at: Date } | null>;
  /** What waits, and what was lost. */
  backlog(): Promise<Backlog>;
  /** Sends what waits, until `stop`. */
  start(): void;
  wake(): void;
  /** Waits for the mails that are on their way. @param grace milliseconds after which they are cut off */
  stop(grace?: number): Promise<void>;
  /** Gives up what is too late and deletes what is old. */
  sweep(): Promise<void>;
}

export function createNotifications(parts: NotificationsParts): Notifications {
  const { database, seal, locales, issuer, productName, look, findPlace, log } = parts;
  const outbox = new Outbox({ database, seal });
  const templates = new MailTemplates({ locales, issuer, productName, look, findPlace });
  const worker = new MailWorker({
    outbox,
    templates,
    transports: transportsOf(parts),
    from: parseSender(parts.from),
    log,
  });
  outbox.onQueued(() => worker.wake());
  return {
    async send(em, message) {
      const isQueued = await outbox.enqueue(em, message);
      if (!isQueued) log.error({ kind: message.kind }, 'the mail queue is full: a mail was left out');
      return isQueued;
    },
    findRefusal: (address, em) => outbox.findRefusal(address, em),
    backlog: () => outbox.backlog(),
    start: () => worker.start(),
    wake: () => worker.wake(),
    stop: (grace) => worker.stop(grace),
    async sweep() {
      const count = await outbox.sweep();
      if (count > 0) log.warn({ count }, 'mails were given up: they could not be sent in time');
    },
  };
}

function transportsOf(parts: NotificationsParts): readonly [MailTransport] | readonly [MailTransport, MailTransport] {
  const { smtpUrl, smtpFallbackUrl, plainHosts = [], issuer, dataDir, log } = parts;
  if (smtpUrl === undefined) return [new FileTransport({ dataDir, log })];
  // Links that work on this machine only are a trial: a mail catcher without TLS will do.
  const open = (name: string, url: string): MailTransport =>
    new SmtpTransport(name, url, {
      isPlainAllowed: isLoopback(issuer) || plainHosts.includes(new URL(url).hostname.toLowerCase()),
    });
  const first = open('smtp', smtpUrl);
  return smtpFallbackUrl === undefined ? [first] : [first, open('smtp fallback', smtpFallbackUrl)];
}
