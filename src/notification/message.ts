// The kinds of message and what each has to know. Codes and links are in here, so a message lies in the database sealed and nowhere else.

/** Who asked for it, as far as the request tells. The time is that of the message itself. */
export interface Asker {
  readonly browser: string | null;
  readonly system: string | null;
  /** What the rough place is looked up by when the message is written; it is not told itself. */
  readonly network: string | null;
}

interface Linked {
  /** Below the issuer, beginning with one slash; opening it must change nothing. */
  readonly path: string;
}

/** What an administrator did that asks for a new password. */
export type NewPasswordOccasion = 'created' | 'reset' | 'credentials-reset';

interface Asked extends Linked {
  readonly asked: Asker;
}

interface Coded extends Asked {
  /** 6 to 8 digits. */
  readonly code: string;
  /** The page with the button "this was not me", where there is an account to protect. */
  readonly notMePath?: string;
}

export type Notice =
  | 'new-device'
  | 'password-changed'
  /** Asked for, not done; what goes to the old address is a message of its own. */
  | 'email-change-asked'
  | 'email-changed'
  | 'factor-added'
  | 'factor-removed'
  | 'recovery-code-used'
  | 'identity-linked'
  | 'phone-moved'
  | 'notices-changed'
  /** By an administrator. */
  | 'reset-asked'
  | 'credentials-reset'
  /** Somebody said "it was not me"; for accounts that no mail can be sent to. */
  | 'recovery-started'
  | 'deletion-started'
  | 'deletion-undone';

export type Factor = 'passkey' | 'totp' | 'recovery-codes' | 'password' | 'telegram';

export interface NoticeModel extends Asked {
  /**
   * `path` leads to the page with the button "this was not me", to the one that takes a change of address or a deletion back, or to where a
   * deletion is started.
   */
  readonly what: Notice;
  /** When it happened, as an ISO date; without it, when the message was written. */
  readonly at?: string;
  /** Which kind of factor was added or removed. */
  readonly factor?: Factor;
  /** What the person calls it: a passkey's or device's name, an upstream's label. */
  readonly name?: string | null;
  /** A phone number, masked. */
  readonly phone?: string;
  /** Recovery codes that are left. */
  readonly remaining?: number;
  /** When an account whose deletion was started will be gone, as an ISO date. */
  readonly deletionAt?: string;
}

export interface MessageModels {
  'verify-email': Coded;
  'sign-in': Coded;
  reset: Coded;
  /** An administrator asked for it; nobody types a code. */
  'new-password': Linked & { readonly occasion: NewPasswordOccasion };
  /** Somebody registered with an address that already has an account; `path` leads to sign-in. */
  'already-registered': Asked & { readonly notMePath?: string };
  invitation: Linked & { readonly inviter: string | null; readonly organization: string | null };
  /** Whoever administers mail asked for it; `path` leads back. */
  test: Asked;
  /** To the new address. */
  'email-change': Coded;
  /** To the old address; `path` leads to the page with the button that undoes the change. */
  'email-change-notice': Asked & { readonly newAddress: string };
  notice: NoticeModel;
}

export type MessageKind = keyof MessageModels;

interface Addressed<Kind extends MessageKind> {
  readonly kind: Kind;
  /** The stored address, never one from a request. */
  readonly to: string;
  readonly accountId?: string | null;
  /** Language tag: the account's, or before there is one the request's. */
  readonly locale: string;
  /** IANA name of the account's time zone; without one times are in UTC. */
  readonly zone?: string | null;
  readonly model: MessageModels[Kind];
  /** When link and code stop working; the mail is given up shortly before. */
  readonly expiresAt: Date;
  /** Asked for again by the person: goes out over the second transport first, where there is one. */
  readonly isResend?: boolean;
}

/** A message of any kind, its model fitting its kind. */
export type Message = { [Kind in MessageKind]: Addressed<Kind> }[MessageKind];

const PATH = /^\/(?![/\\])[\w~./?=&%-]{0,1000}$/;
const CODE = /^\d{6,8}$/;

/**
 * Refuses what would turn a mistake of ours into a link to elsewhere or a header of somebody else's.
 * @throws TypeError
 */
export function checkMessage(message: Message): void {
  const { path, notMePath, code } = message.model as Partial<Coded> & Linked;
  for (const one of notMePath === undefined ? [path] : [path, notMePath]) checkLink(one);
  if (code !== undefined && !CODE.test(code))
    throw new TypeError(`the code of a ${message.kind} message is not 6 to 8 digits`);
}

/** @throws TypeError for what does not lead to a path of ours */
export function checkLink(path: string): void {
  if (!PATH.test(path)) throw new TypeError('a message links to a path of ours only');
}
