// Sends what waits in the outbox, inside the process and beside its requests; several processes share the work. A mail is claimed, sent outside
// of every transaction, and its outcome written; one attempt hands a mail over at most once.
import { SealError } from '../crypto/seal.ts';
import { type Log, serializeError } from '../log.ts';
import type { MailTemplates } from './mail-templates.ts';
import { type MailTransport, type OutgoingMail, SendError } from './mail-transport.ts';
import type { ClaimedMail, Outbox } from './outbox.ts';
import type { Sender } from './recipient.ts';

/** Mails under way at once in one process. */
const AT_ONCE = 5;
/** Between two looks when nobody wakes the worker: for retries, and for mails that another process queued and died over. */
const POLL_MS = 3000;
/** Milliseconds; less than what a process is usually given to end. */
const STOP_GRACE_MS = 8000;
/** Within the lease. */
const RECORD_TRIES = 15;
const RECORD_PAUSE_MS = 1000;

interface MailWorkerParts {
  readonly outbox: Outbox;
  readonly templates: MailTemplates;
  /** The second takes resends, repeats, and what the first cannot be reached for. */
  readonly transports: readonly [MailTransport] | readonly [MailTransport, MailTransport];
  readonly from: Sender;
  readonly log: Log;
}

export class MailWorker {
  readonly #parts: MailWorkerParts;
  readonly #underWay = new Set<Promise<void>>();
  #running: Promise<void> | undefined;
  #isStopping = false;
  #isWoken = false;
  #resume: (() => void) | undefined;

  constructor(parts: MailWorkerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** There may be something to do. */
  wake(): void {
    this.#isWoken = true;
    this.#resume?.();
  }

  /**
   * Takes nothing new and waits for what is under way; the rest stays for whoever runs next.
   * @param grace milliseconds after which mails that still hang are cut off, to be tried again later
   */
  async stop(grace = STOP_GRACE_MS): Promise<void> {
    this.#isStopping = true;
    this.#resume?.();
    const cutOff = setTimeout(() => this.#closeTransports(), grace);
    await this.#running;
    await Promise.all(this.#underWay);
    clearTimeout(cutOff);
    this.#closeTransports();
  }

  #closeTransports(): void {
    for (const transport of this.#parts.transports) transport.close();
  }

  async #loop(): Promise<void> {
    const { outbox, log } = this.#parts;
    while (!this.#isStopping) {
      this.#isWoken = false;
      const free = AT_ONCE - this.#underWay.size;
      try {
        for (const mail of free > 0 ? await outbox.claim(free) : []) this.#begin(mail);
      } catch (error) {
        log.warn({ err: serializeError(error) }, 'mails have to wait: the outbox cannot be read');
        this.#isWoken = false;
      }
      if (!this.#isWoken && !this.#isStopping) await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#resume = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #begin(mail: ClaimedMail): void {
    const attempt = this.#attempt(mail)
      .catch((error: unknown) => {
        // The lease ends by itself and the mail is tried again.
        this.#parts.log.error(
          { err: serializeError(error), mail: mail.id, kind: mail.kind },
          'the outcome of a mail was not recorded',
        );
      })
      .finally(() => {
        this.#underWay.delete(attempt);
        this.wake();
      });
    this.#underWay.add(attempt);
  }

  async #attempt(mail: ClaimedMail): Promise<void> {
    const { outbox, log } = this.#parts;
    const about = { mail: mail.id, kind: mail.kind, attempt: mail.attempts };
    let outgoing: OutgoingMail;
    try {
      outgoing = this.#compose(mail);
    } catch (error) {
      const code = error instanceof SealError ? 'cannot-open' : 'cannot-render';
      log.error({ ...about, code, err: serializeError(error) }, 'a mail cannot be written');
      await this.#record(mail, () => outbox.markFailed(mail, code));
      return;
    }
    try {
      const serverId = await this.#send(outgoing, this.#order(mail));
      await this.#record(mail, () => outbox.markSent(mail, serverId));
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      if (error.failure === 'refused') {
        log.warn({ ...about, code: error.code }, 'a mail was refused for good');
        await this.#record(mail, () => outbox.markFailed(mail, error.code));
        return;
      }
      const state = await this.#record(mail, () => outbox.retryLater(mail, error.code));
      log.warn(
        { ...about, code: error.code, state },
        state === 'expired' ? 'a mail was given up' : 'a mail has to wait',
      );
    }
  }

  #compose(mail: ClaimedMail): OutgoingMail {
    const content = this.#parts.outbox.open(mail);
    const rendered = this.#parts.templates.render(mail, content);
    return { id: mail.id, from: this.#parts.from, to: mail.recipient, ...rendered };
  }

  /** First tries go by the first transport; a person's and our own repeats by the second, whose trouble is hopefully another one. */
  #order(mail: ClaimedMail): readonly MailTransport[] {
    const { transports } = this.#parts;
    return mail.attempts > 1 || mail.isResend ? transports.toReversed() : transports;
  }

  /** @throws SendError of the last transport that was asked */
  async #send(mail: OutgoingMail, [first, ...others]: readonly MailTransport[]): Promise<string | null> {
    if (first === undefined) throw new SendError('later', 'no-transport');
    try {
      return await first.send(mail);
    } catch (error) {
      // Only what has certainly not been handed over may go to the next at once; a transport that was cut off cannot tell.
      const isFree = error instanceof SendError && error.failure === 'unreachable' && !this.#isStopping;
      if (!isFree || others.length === 0) throw error;
      this.#parts.log.warn(
        { mail: mail.id, transport: first.name, code: error.code },
        'a mail transport cannot be used',
      );
      return this.#send(mail, others);
    }
  }

  /** The mail is out, or is not to go out: a database that is away for a moment must not make it go again. */
  async #record<T>(mail: ClaimedMail, write: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await write();
      } catch (error) {
        if (tries === RECORD_TRIES) throw error;
        if (tries === 1)
          this.#parts.log.warn({ err: serializeError(error), mail: mail.id }, 'the outcome of a mail has to wait');
        await new Promise((resolve) => setTimeout(resolve, RECORD_PAUSE_MS));
      }
    }
  }
}
