// What a notice says, on whichever channel: which words belong to which, and what it is about, line by line. Everything a person or a browser
// supplied is cut to one plain line on its way in.
import type { Translate } from '../http/locale.ts';
import type { Asker, Factor, MessageModels, Notice, NoticeModel } from './message.ts';
import { maskAddress } from './recipient.ts';
import { typedText } from './typed-text.ts';

interface Row {
  readonly label: string;
  readonly value: string;
}

export interface Words {
  readonly subject: string;
  /** With the code at its end; the log never sees it. */
  readonly subjectWithCode?: string;
  readonly intro?: string;
  /** Where what a mail says of its own address would be wrong in a chat. */
  readonly chatIntro?: string;
  /** What the link of a notice is for; without it, for saying "it was not me". */
  readonly linkText?: string;
  readonly linkLabel?: string;
}

/** Everything that any model may carry. */
export type AnyModel = Partial<
  MessageModels['verify-email'] & MessageModels['invitation'] & MessageModels['email-change-notice']
> &
  Partial<NoticeModel> & { readonly path: string };

export const NOTICES: Readonly<Record<Notice, Words>> = {
  'new-device': { subject: 'mail.new_device.subject', intro: 'mail.new_device.intro' },
  'password-changed': { subject: 'mail.password_changed.subject', intro: 'mail.password_changed.intro' },
  'email-change-asked': {
    subject: 'mail.email_change_notice.subject',
    intro: 'bot.notice.email_change_asked',
    linkLabel: 'mail.email_change_notice.button',
    linkText: 'bot.notice.email_change_undo',
  },
  'email-changed': {
    subject: 'mail.email_changed.subject',
    intro: 'mail.email_changed.intro',
    chatIntro: 'bot.notice.email_changed',
  },
  'factor-added': { subject: 'mail.factor_added.subject', intro: 'mail.factor_added.intro' },
  'factor-removed': { subject: 'mail.factor_removed.subject', intro: 'mail.factor_removed.intro' },
  'recovery-code-used': { subject: 'mail.recovery_code_used.subject', intro: 'mail.recovery_code_used.intro' },
  'identity-linked': { subject: 'mail.identity_linked.subject', intro: 'mail.identity_linked.intro' },
  'phone-moved': { subject: 'mail.phone_moved.subject', intro: 'mail.phone_moved.intro' },
  'notices-changed': { subject: 'mail.notices_changed.subject', intro: 'mail.notices_changed.intro' },
  'reset-asked': { subject: 'mail.reset_asked.subject', intro: 'mail.reset_asked.intro' },
  'credentials-reset': { subject: 'mail.credentials_reset.subject', intro: 'mail.credentials_reset.intro' },
  'recovery-started': {
    subject: 'mail.recovery_started.subject',
    intro: 'mail.recovery_started.intro',
    linkText: 'mail.recovery_started.text',
    linkLabel: 'mail.recovery_started.button',
  },
  'deletion-started': {
    subject: 'mail.deletion_started.subject',
    intro: 'mail.deletion_started.intro',
    linkText: 'mail.deletion_started.text',
    linkLabel: 'mail.deletion_started.button',
  },
  'deletion-undone': {
    subject: 'mail.deletion_undone.subject',
    intro: 'mail.deletion_undone.intro',
    linkText: 'mail.deletion_undone.text',
    linkLabel: 'data.title',
  },
};

/** The link of a notice that says nothing else of it. */
export const NOT_ME_WORDS = { linkText: 'mail.not_me.text', linkLabel: 'mail.not_me.button' } as const;

const FACTORS: Readonly<Record<Factor, string>> = {
  passkey: 'mail.factor.passkey',
  totp: 'mail.factor.totp',
  'recovery-codes': 'mail.factor.recovery_codes',
  password: 'mail.factor.password',
  telegram: 'mail.factor.telegram',
};

/** How a message speaks to its reader. */
interface Speech {
  readonly t: Translate;
  readonly when: (date: Date) => string;
  readonly findPlace: (network: string | null | undefined) => string | null;
}

/** What it is about, who asked and when. */
export function detailRows({ t, when, findPlace }: Speech, model: AnyModel, at: number): readonly Row[] {
  const row = (key: string, value: string | null): Row => ({ label: t(key), value: value ?? '' });
  return [
    row('mail.inviter', typedText(model.inviter)),
    row('mail.organization', typedText(model.organization)),
    row('mail.new_address', model.newAddress === undefined ? null : maskAddress(model.newAddress)),
    row('mail.factor.label', model.factor === undefined ? null : t(FACTORS[model.factor])),
    row('mail.name', typedText(model.name)),
    row('mail.phone', model.phone ?? null),
    row('mail.remaining', model.remaining === undefined ? null : String(model.remaining)),
    row('mail.deletion_at', model.deletionAt === undefined ? null : when(new Date(model.deletionAt))),
    ...askerRows(model.asked, row),
    row('mail.place', typedText(findPlace(model.asked?.network))),
    row('mail.time', when(new Date(model.at ?? at))),
  ].filter((one) => one.value !== '');
}

function askerRows(asked: Asker | undefined, row: (key: string, value: string | null) => Row): readonly Row[] {
  return [row('mail.browser', typedText(asked?.browser)), row('mail.system', typedText(asked?.system))];
}

/** Times in the account's zone, with the zone in words; UTC for a zone that does not exist. */
export function dateFormat(locale: string, zone: string | null): (date: Date) => string {
  const options = {
    ...({ year: 'numeric', month: 'long', day: 'numeric' } as const),
    ...({ hour: 'numeric', minute: '2-digit', timeZoneName: 'short' } as const),
  };
  try {
    const format = new Intl.DateTimeFormat(locale, { ...options, timeZone: zone ?? 'UTC' });
    return (date) => format.format(date);
  } catch {
    const format = new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' });
    return (date) => format.format(date);
  }
}
