// What mails say: two templates for each kind in views/mail, the text as complete as the HTML, in the language of the message. Everything a
// person or a browser supplied is cut to one plain line on its way in, and links are built from the issuer and nothing else.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs, { type TemplateFunction } from 'ejs';
import type { Locales, Translate } from '../http/locale.ts';
import type { OutgoingMail } from './mail-transport.ts';
import type { Asker, Factor, MessageKind, MessageModels, NewPasswordOccasion, Notice, NoticeModel } from './message.ts';
import type { ClaimedMail, Content } from './outbox.ts';
import { maskAddress } from './recipient.ts';
import { typedText } from './typed-text.ts';

const TEMPLATES = join(import.meta.dirname, '..', '..', 'views', 'mail');

export type RenderedMail = Omit<OutgoingMail, 'id' | 'from' | 'to'>;

interface Row {
  readonly label: string;
  readonly value: string;
}

/** Everything that any model may carry. */
type AnyModel = Partial<
  MessageModels['verify-email'] & MessageModels['invitation'] & MessageModels['email-change-notice']
> &
  Partial<NoticeModel> & { readonly path: string };

interface Words {
  readonly subject: string;
  /** With the code at its end; the log never sees it. */
  readonly subjectWithCode?: string;
  readonly intro?: string;
  /** What the link of a notice is for; without it, for saying "it was not me". */
  readonly linkText?: string;
  readonly linkLabel?: string;
}

const WORDS: Readonly<Record<Exclude<MessageKind, 'notice' | 'new-password'>, Words>> = {
  'verify-email': { subject: 'mail.verify_email.subject', subjectWithCode: 'mail.verify_email.subject_with_code' },
  'sign-in': { subject: 'mail.sign_in.subject', subjectWithCode: 'mail.sign_in.subject_with_code' },
  reset: { subject: 'mail.reset.subject', subjectWithCode: 'mail.reset.subject_with_code' },
  'already-registered': { subject: 'mail.already_registered.subject' },
  invitation: { subject: 'mail.invitation.subject', intro: 'mail.invitation.intro' },
  test: { subject: 'mail.test.subject' },
  'email-change': { subject: 'mail.email_change.subject', subjectWithCode: 'mail.email_change.subject_with_code' },
  'email-change-notice': { subject: 'mail.email_change_notice.subject' },
};

const INTO_ORGANIZATION: Words = {
  ...{ subject: 'mail.invitation.subject', intro: 'mail.invitation.intro_organization' },
};

const OCCASIONS: Readonly<Record<NewPasswordOccasion, Words>> = {
  created: { subject: 'mail.account_created.subject', intro: 'mail.account_created.intro' },
  reset: { subject: 'mail.admin_reset.subject', intro: 'mail.admin_reset.intro' },
  'credentials-reset': { subject: 'mail.credentials_reset.subject', intro: 'mail.credentials_reset.intro' },
};

const NOTICES: Readonly<Record<Notice, Words>> = {
  'new-device': { subject: 'mail.new_device.subject', intro: 'mail.new_device.intro' },
  'password-changed': { subject: 'mail.password_changed.subject', intro: 'mail.password_changed.intro' },
  'email-changed': { subject: 'mail.email_changed.subject', intro: 'mail.email_changed.intro' },
  'factor-added': { subject: 'mail.factor_added.subject', intro: 'mail.factor_added.intro' },
  'factor-removed': { subject: 'mail.factor_removed.subject', intro: 'mail.factor_removed.intro' },
  'recovery-code-used': { subject: 'mail.recovery_code_used.subject', intro: 'mail.recovery_code_used.intro' },
  'identity-linked': { subject: 'mail.identity_linked.subject', intro: 'mail.identity_linked.intro' },
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

const FACTORS: Readonly<Record<Factor, string>> = {
  passkey: 'mail.factor.passkey',
  totp: 'mail.factor.totp',
  'recovery-codes': 'mail.factor.recovery_codes',
  password: 'mail.factor.password',
  telegram: 'mail.factor.telegram',
};

const KINDS: readonly MessageKind[] = [...(Object.keys(WORDS) as (keyof typeof WORDS)[]), 'notice', 'new-password'];

/** Colours are ours: six digits after #. */
export interface MailLook {
  readonly name: string;
  readonly accent: { readonly light: string; readonly dark: string };
}

export const OWN_ACCENT = { light: '#1a4fba', dark: '#8ab4f8' } as const;

export class MailTemplates {
  readonly #locales: Locales;
  readonly #issuer: string;
  readonly #look: () => MailLook;
  readonly #templates: ReadonlyMap<string, TemplateFunction>;

  /**
   * Reads and compiles every template, so that a missing or broken one stops the start and not a mail.
   */
  constructor(parts: {
    readonly locales: Locales;
    readonly issuer: string;
    readonly productName: string;
    /** How mails look now; without it, as we made them. */
    readonly look?: (() => MailLook) | undefined;
  }) {
    this.#locales = parts.locales;
    this.#issuer = parts.issuer;
    this.#look = parts.look ?? (() => ({ name: parts.productName, accent: OWN_ACCENT }));
    this.#templates = new Map(
      [...KINDS, 'parts/layout'].flatMap((name) =>
        (['text', 'html'] as const).map((part) => [`${name}.${part}`, compile(`${name}.${part}.ejs`, part)]),
      ),
    );
  }

  render(mail: Pick<ClaimedMail, 'kind' | 'locale' | 'createdAt'>, content: Content): RenderedMail {
    const locale = this.#locales.pick({ account: mail.locale });
    const t = this.#locales.t(locale);
    const model = content.model as AnyModel;
    const words = wordsOf(mail.kind, model);
    const code = model.code ?? null;
    const when = dateFormat(locale, content.zone);
    const { origin, hostname } = new URL(this.#issuer);
    const { name: product, accent } = this.#look();
    const heading = t(words.subject, { product });
    const locals = {
      t,
      lang: locale,
      dir: this.#locales.dir(locale),
      product,
      accent,
      host: hostname,
      heading,
      linkText: t(words.linkText ?? 'mail.not_me.text'),
      linkLabel: t(words.linkLabel ?? 'mail.not_me.button'),
      intro: words.intro === undefined ? null : t(words.intro, { product }),
      code,
      link: this.#issuer + model.path,
      notMeLink: model.notMePath === undefined ? null : this.#issuer + model.notMePath,
      validUntil: when(new Date(content.validUntil)),
      details: t(mail.kind === 'notice' ? 'mail.details_of_change' : 'mail.details_of_request'),
      rows: [
        ...subjectRows(t, model, when),
        ...askerRows(t, model.asked),
        row(t('mail.time'), when(new Date(mail.createdAt))),
      ],
    };
    return {
      subject:
        code === null || words.subjectWithCode === undefined ? heading : t(words.subjectWithCode, { product, code }),
      loggedSubject: heading,
      text: tidy(this.#apply(mail.kind, 'text', locals)),
      html: this.#apply(mail.kind, 'html', locals),
      locale,
      otp: code === null ? null : { code, origin },
    };
  }

  #apply(kind: MessageKind, part: 'text' | 'html', locals: object): string {
    const body = this.#template(`${kind}.${part}`)(locals);
    return this.#template(`parts/layout.${part}`)({ ...locals, body });
  }

  #template(name: string): TemplateFunction {
    const template = this.#templates.get(name);
    if (template === undefined) throw new Error(`there is no mail template ${name}`);
    return template;
  }
}

function compile(name: string, part: 'text' | 'html'): TemplateFunction {
  const filename = join(TEMPLATES, name);
  return ejs.compile(readFileSync(filename, 'utf8'), {
    filename,
    views: [TEMPLATES],
    // Escaping is for HTML: in the text a quotation mark is a quotation mark.
    ...(part === 'text' ? { escape: (value?: string | number) => `${value ?? ''}` } : {}),
  });
}

function wordsOf(kind: MessageKind, model: AnyModel): Words {
  switch (kind) {
    case 'notice':
      return NOTICES[(model as NoticeModel).what];
    case 'new-password':
      return OCCASIONS[(model as MessageModels['new-password']).occasion];
    case 'invitation':
      return (model as MessageModels['invitation']).organization === null ? WORDS[kind] : INTO_ORGANIZATION;
    default:
      return WORDS[kind];
  }
}

/** What it is about. */
function subjectRows(t: Translate, model: AnyModel, when: (date: Date) => string): readonly Row[] {
  return [
    row(t('mail.inviter'), typedText(model.inviter)),
    row(t('mail.organization'), typedText(model.organization)),
    row(t('mail.new_address'), model.newAddress === undefined ? null : maskAddress(model.newAddress)),
    row(t('mail.factor.label'), model.factor === undefined ? null : t(FACTORS[model.factor])),
    row(t('mail.name'), typedText(model.name)),
    row(t('mail.remaining'), model.remaining === undefined ? null : String(model.remaining)),
    row(t('mail.deletion_at'), model.deletionAt === undefined ? null : when(new Date(model.deletionAt))),
  ].filter((one) => one.value !== '');
}

function askerRows(t: Translate, asked: Asker | undefined): readonly Row[] {
  return [
    row(t('mail.browser'), typedText(asked?.browser)),
    row(t('mail.system'), typedText(asked?.system)),
    row(t('mail.place'), typedText(asked?.place)),
  ].filter((one) => one.value !== '');
}

function row(label: string, value: string | null): Row {
  return { label, value: value ?? '' };
}

/** Times in the account's zone, with the zone in words; UTC for a zone that does not exist. */
function dateFormat(locale: string, zone: string | null): (date: Date) => string {
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

/** Templates leave blank lines where a part had nothing to say. */
function tidy(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}
