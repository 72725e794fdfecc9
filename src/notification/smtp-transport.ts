// Sending through a mail server (RFC 5321). Connections are kept and shared; what the library reports is sorted into the three failures that
// decide what happens next.
import { createTransport, type NodemailerError, type SMTPPoolOptions } from 'nodemailer';
import { isLoopback } from '../../config/address.ts';
import { composition, type MailTransport, type OutgoingMail, SendError } from './mail-transport.ts';

interface SmtpTimeouts {
  /** Milliseconds each: until connected, until greeted, without a word, for everything. */
  readonly connect: number;
  readonly greeting: number;
  readonly silence: number;
  readonly whole: number;
}

const TIMEOUTS: SmtpTimeouts = { connect: 5000, greeting: 10_000, silence: 20_000, whole: 30_000 };
const MOST_CONNECTIONS = 5;
/** The library's codes for what ends before a mail was offered. */
const BEFORE_THE_MAIL: ReadonlySet<string> = new Set(['EDNS', 'ETLS', 'EAUTH', 'ENOAUTH', 'EPROXY', 'ECONFIG']);
/** Ours, or the composer's: nothing that a server said, and the same at each try. */
const UNSENDABLE: ReadonlySet<string> = new Set(['EOTP', 'ESTREAM', 'EFILEACCESS', 'EURLACCESS']);

export class SmtpTransport implements MailTransport {
  readonly name: string;
  readonly #transport: ReturnType<typeof open>;
  readonly #whole: number;

  /**
   * @param url `smtp://` or `smtps://`, user and password percent-encoded
   * @param options.isPlainAllowed whether a server without TLS will do: for trials on one's own machine
   */
  constructor(
    name: string,
    url: string,
    options: { readonly isPlainAllowed: boolean; readonly timeouts?: SmtpTimeouts },
  ) {
    const timeouts = options.timeouts ?? TIMEOUTS;
    this.name = name;
    this.#transport = open(new URL(url), options.isPlainAllowed || isLoopback(url), timeouts);
    this.#whole = timeouts.whole;
  }

  async send(mail: OutgoingMail): Promise<string | null> {
    try {
      const info = await this.#transport.sendMail({ ...composition(mail), signal: AbortSignal.timeout(this.#whole) });
      return (info.serverMessageId ?? info.response).replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
    } catch (error) {
      throw sendError(error);
    }
  }

  close(): void {
    this.#transport.close({ force: true });
  }
}

function open(url: URL, isPlainAllowed: boolean, timeouts: SmtpTimeouts) {
  const isSecure = url.protocol === 'smtps:' || url.port === '465';
  const auth =
    url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } };
  const options: SMTPPoolOptions & { pool: true } = {
    pool: true,
    maxConnections: MOST_CONNECTIONS,
    // The library repeats only what was certainly not sent (a kept connection that the server had closed); more is our outbox's business.
    maxRequeues: 1,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isSecure ? 465 : 587) : Number(url.port),
    secure: isSecure,
    requireTLS: !isSecure && !isPlainAllowed,
    connectionTimeout: timeouts.connect,
    dnsTimeout: timeouts.connect,
    greetingTimeout: timeouts.greeting,
    socketTimeout: timeouts.silence,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...auth,
  };
  return createTransport(options);
}

/** Sorts what the library reports. Exported for its test. */
export function sendError(error: unknown): SendError {
  const { code = 'unknown', command, responseCode, permanent, syscall, timeoutType } = (error ?? {}) as NodemailerError;
  if (UNSENDABLE.has(code)) return new SendError('refused', code, error);
  const isAboutTheMail = command === 'RCPT TO' || command === 'DATA';
  if (responseCode !== undefined) {
    const name = `smtp-${responseCode}`;
    // A 5xx to the greeting, to the password or to our sender says nothing about the recipient: mend the setting, and the mail goes out.
    if (permanent === true && isAboutTheMail) return new SendError('refused', name, error);
    return new SendError(isAboutTheMail && responseCode !== 421 ? 'later' : 'unreachable', name, error);
  }
  if (command === 'API' && (code === 'EENVELOPE' || code === 'EMESSAGE')) return new SendError('refused', code, error);
  const isBeforeTheMail =
    BEFORE_THE_MAIL.has(code) ||
    syscall === 'connect' ||
    (timeoutType !== undefined && timeoutType !== 'SOCKET_TIMEOUT') ||
    // Closed before the greeting, again and again.
    (code === 'ECONNECTION' && command === undefined);
  return new SendError(isBeforeTheMail ? 'unreachable' : 'later', code, error);
}
