// A notice as a message in a chat: the words of the mail, without its form. Plain text, so nothing that somebody typed is ever markup, and one
// button whose address is built from the issuer and nothing else.
import type { Locales } from '../http/locale.ts';
import { type FindPlace, findNoPlace } from '../http/place.ts';
import type { NoticeModel } from './message.ts';
import { dateFormat, detailRows, NOT_ME_WORDS, NOTICES } from './notice-words.ts';

export interface NoticeTextParts {
  readonly locales: Locales;
  readonly issuer: string;
  readonly findPlace?: FindPlace;
  /** How the product is called now. */
  productName(): string;
}

export interface NoticeText {
  readonly text: string;
  readonly button: { readonly label: string; readonly url: string };
}

/** @param notice.createdAt milliseconds since 1970 */
export function noticeText(
  parts: NoticeTextParts,
  notice: { readonly locale: string; readonly createdAt: number },
  { model, zone }: { readonly model: NoticeModel; readonly zone: string | null },
): NoticeText {
  const locale = parts.locales.pick({ account: notice.locale });
  const t = parts.locales.t(locale);
  const product = parts.productName();
  const words = NOTICES[model.what];
  const { findPlace = findNoPlace } = parts;
  const speech = {
    t,
    when: dateFormat(locale, zone),
    findPlace: (network?: string | null) => findPlace(network, locale),
  };
  const rows = detailRows(speech, model, notice.createdAt);
  const intro = words.chatIntro ?? words.intro;
  return {
    text: [
      t(words.subject, { product }),
      ...(intro === undefined ? [] : ['', t(intro, { product })]),
      '',
      ...rows.map((row) => t('mail.row', { ...row })),
      '',
      t(words.linkText ?? NOT_ME_WORDS.linkText),
      t('mail.link_safe'),
    ].join('\n'),
    button: { label: t(words.linkLabel ?? NOT_ME_WORDS.linkLabel), url: `${parts.issuer}${model.path}` },
  };
}
