// What a mail is when it leaves, and what a transport has to answer. How the parts become MIME is the same for all transports; recipient and
// sender go into the envelope explicitly, so that no header is ever parsed to find out where a mail goes.
import type { SendMailOptions } from 'nodemailer';
import type { Sender } from './recipient.ts';

export interface OutgoingMail {
  /** The row's id: the same at each attempt, so that a receiver can recognise a mail that came twice. */
  readonly id: string;
  readonly from: Sender;
  /** Exactly one address in the strict form. */
  readonly to: string;
  /** May end in a code. */
  readonly subject: string;
  /** The subject without its code. */
  readonly loggedSubject: string;
  readonly text: string;
  readonly html: string;
  readonly locale: string;
  /** For programs that fill in codes; the origin is where the code may be typed. */
  readonly otp: { readonly code: string; readonly origin: string } | null;
}

export interface MailTransport {
  /** For the log. */
  readonly name: string;
  /**
   * Hands one mail over, once.
   * @returns how the server calls it, when it says
   * @throws SendError
   */
  send(mail: OutgoingMail): Promise<string | null>;
  /** Ends what is idle and cuts what is not. */
  close(): void;
}

/**
 * Why a mail did not leave.
 * - `refused`: the server does not want this mail for this address, ever; another try would get the same answer.
 * - `unreachable`: the server cannot be used and certainly has not got the mail; another transport may take it at once.
 * - `later`: not now; or it is not known whether the server has got it, so that sending at once could make two of it.
 */
export type SendFailure = 'refused' | 'unreachable' | 'later';

export class SendError extends Error {
  override readonly name = 'SendError';
  readonly failure: SendFailure;
  /** Short and stable, such as `smtp-550` or `ESOCKET`; never what the server wrote, which may name the address. */
  readonly code: string;

  constructor(failure: SendFailure, code: string, cause?: unknown) {
    super(`mail was not sent: ${code}`, { cause });
    this.failure = failure;
    this.code = code;
  }
}

/** The mail as the MIME composer takes it. */
export function composition(mail: OutgoingMail): SendMailOptions {
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1);
  return {
    messageId: `<${mail.id}@${domain}>`,
    from: { name: mail.from.name, address: mail.from.address },
    to: { name: '', address: mail.to },
    envelope: { from: mail.from.address, to: [mail.to] },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    // RFC 3834, 5: nobody's out-of-office answers a machine.
    headers: { 'Auto-Submitted': 'auto-generated', 'Content-Language': mail.locale },
    ...(mail.otp === null ? {} : { otp: mail.otp }),
    xMailer: false,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
