// What mails say: two templates for each kind in views/mail, the text as complete as the HTML, in the language of the message. Everything a
// person or a browser supplied is cut to one plain line on its way in, and links are built from the issuer and nothing else.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs, { type TemplateFunction } from 'ejs';
import type { Locales } from '../http/locale.ts';
import { type FindPlace, findNoPlace } from '../http/place.ts';
import type { OutgoingMail } from './mail-transport.ts';
import type { MessageKind, MessageModels, NewPasswordOccasion, NoticeModel } from './message.ts';
import { type AnyModel, dateFormat, detailRows, NOT_ME_WORDS, NOTICES, type Words } from './notice-words.ts';
import type { ClaimedMail, Content } from './outbox.ts';

const TEMPLATES = join(import.meta.dirname, '..', '..', 'views', 'mail');

export type RenderedMail = Omit<OutgoingMail, 'id' | 'from' | 'to'>;

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
  readonly #findPlace: FindPlace;
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
    readonly findPlace?: FindPlace | undefined;
  }) {
    this.#locales = parts.locales;
    this.#issuer = parts.issuer;
    this.#look = parts.look ?? (() => ({ name: parts.productName, accent: OWN_ACCENT }));
    this.#findPlace = parts.findPlace ?? findNoPlace;
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
      linkText: t(words.linkText ?? NOT_ME_WORDS.linkText),
      linkLabel: t(words.linkLabel ?? NOT_ME_WORDS.linkLabel),
      intro: words.intro === undefined ? null : t(words.intro, { product }),
      code,
      link: this.#issuer + model.path,
      notMeLink: model.notMePath === undefined ? null : this.#issuer + model.notMePath,
      validUntil: when(new Date(content.validUntil)),
      details: t(mail.kind === 'notice' ? 'mail.details_of_change' : 'mail.details_of_request'),
      rows: detailRows({ t, when, findPlace: (network) => this.#findPlace(network, locale) }, model, mail.createdAt),
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

/** Templates leave blank lines where a part had nothing to say. */
function tidy(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}
