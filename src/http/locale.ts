// Languages: which ones we speak, which one a request gets, and the sentences. Sentences live in views/locales, one file for each language;
// a key that a language lacks falls back to English, one by one.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { match } from '@formatjs/intl-localematcher';
import i18next from 'i18next';
import Negotiator from 'negotiator';

/** The language whose file holds every key, and what is spoken when nothing else fits. */
const DEFAULT = 'en';
const LOCALES = join(import.meta.dirname, '..', '..', 'views', 'locales');
/** What a request may say about languages at most: characters, and tags. */
const MOST_CHARACTERS = 1000;
const MOST_TAGS = 20;

export interface Language {
  /** BCP 47. */
  readonly tag: string;
  /** In the language itself. */
  readonly name: string;
  readonly dir: 'ltr' | 'rtl';
}

/** What may name the language of a request, in the order in which it counts. */
export interface LocaleHints {
  /** Space-separated tags (OIDC Core 3.1.2.1). */
  readonly uiLocales?: string;
  readonly cookie?: string;
  readonly account?: string;
  /** The header as it came. */
  readonly acceptLanguage?: string;
}

/** A sentence by its key. `count` chooses the plural form. An unknown key comes back as it is: a test makes sure that there is none. */
export type Translate = (key: string, values?: Readonly<Record<string, string | number>>) => string;

export interface Locales {
  readonly available: readonly Language[];
  /** A tag of `available`. Never throws: tags that are malformed or not spoken are skipped. */
  pick(hints: LocaleHints): string;
  /** @param tag one of `available` */
  t(tag: string): Translate;
  has(key: string): boolean;
  /** @param tag one of `available` */
  dir(tag: string): 'ltr' | 'rtl';
}

/** @param dir the folder of the languages' files, `<tag>.json` each */
export function createLocales(dir = LOCALES): Locales {
  const tags = readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .toSorted();
  const sentences = (tag: string) =>
    JSON.parse(readFileSync(join(dir, `${tag}.json`), 'utf8')) as Record<string, string>;
  const i18n = i18next.createInstance();
  void i18n.init({
    initAsync: false,
    lng: DEFAULT,
    fallbackLng: DEFAULT,
    supportedLngs: tags,
    // Keys are flat, so that a search for the key of a view finds its sentence.
    keySeparator: false,
    nsSeparator: false,
    // Templates escape; escaping here as well would show entities to people.
    interpolation: { escapeValue: false },
    resources: Object.fromEntries(tags.map((tag) => [tag, { translation: sentences(tag) }])),
  });

  const translators = new Map<string, Translate>(
    tags.map((tag) => {
      const fixed = i18n.getFixedT(tag);
      return [tag, (key, values) => fixed(key, { ...values })];
    }),
  );
  const dirOf = (tag: string): 'ltr' | 'rtl' => i18n.dir(tag);

  return {
    available: tags.map((tag) => ({ tag, name: ownName(tag), dir: dirOf(tag) })),
    pick(hints) {
      const wishes = [
        hints.uiLocales?.slice(0, MOST_CHARACTERS).split(' ') ?? [],
        hints.cookie === undefined ? [] : [hints.cookie],
        hints.account === undefined ? [] : [hints.account],
        acceptedLanguages(hints.acceptLanguage ?? ''),
      ];
      for (const wish of wishes) {
        const found = bestOf(wish, tags);
        if (found !== undefined) return found;
      }
      return DEFAULT;
    },
    t(tag) {
      const translate = translators.get(tag);
      if (!translate) throw new Error(`no language ${tag}`);
      return translate;
    },
    has: (key) => i18n.exists(key, { lng: DEFAULT }),
    dir: dirOf,
  };
}

function acceptedLanguages(header: string): readonly string[] {
  return new Negotiator({ headers: { 'accept-language': header.slice(0, MOST_CHARACTERS) } }).languages();
}

function bestOf(requested: readonly string[], available: readonly string[]): string | undefined {
  for (const tag of requested.slice(0, MOST_TAGS)) {
    const language = languageOf(tag);
    // Only forms of the same language: left alone, the matcher gives Russian to who asks for Belarusian.
    const forms = available.filter((one) => languageOf(one) === language);
    const [first] = forms;
    if (first !== undefined) return match([tag], forms, first);
  }
  return undefined;
}

/** The first part of a well-formed tag; null for anything else, at which the matcher would throw. */
function languageOf(tag: string): string | null {
  try {
    return new Intl.Locale(tag).language;
  } catch {
    return null;
  }
}

function ownName(tag: string): string {
  const name = new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
  return name.charAt(0).toLocaleUpperCase(tag) + name.slice(1);
}
