// Turns a page's name and its plain model into HTML: the page's own template, then the layout around it. The only place that touches ejs.
// Templates see the model, and a few functions that speak the language of the request; everything they print is escaped, but for other
// templates and what the functions of this file made.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ejs from 'ejs';
import type { Assets } from './asset.ts';
import { errorText } from './error-text.ts';
import type { Locales, Translate } from './locale.ts';
import type { AccountModel, Navigation } from './page-model.ts';
import { type FindPlace, findNoPlace } from './place.ts';
import type { Theme } from './theme.ts';

const VIEWS = join(import.meta.dirname, '..', '..', 'views');
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface PageContext {
  /** A tag of the languages we speak. */
  readonly locale: string;
  /** Null follows the system. */
  readonly theme?: Theme | null;
  /** The token for the forms of the page. */
  readonly csrf?: string;
  readonly requestId?: string;
  /** Of the request, without its query: where the language switch comes back to. */
  readonly path: string;
  /** Who is signed in, on pages that say so. */
  readonly account?: AccountModel | null;
  /** Around the pages of a portal. */
  readonly navigation?: Navigation | null;
}

export interface View {
  /** @throws Error for a page that has no template, and for a template that reads what the model does not have */
  render(page: string, model: object, context: PageContext): string;
}

/** HTML that one of the functions below made, with everything in it escaped. */
class Markup {
  readonly #html: string;

  constructor(html: string) {
    this.#html = html;
  }

  toString(): string {
    return this.#html;
  }
}

type RichValues = Readonly<Record<string, string | number | Markup>>;

/** Addresses are of our own origin. */
export interface BrandView {
  readonly name: string;
  readonly styleUrl: string | null;
  readonly logoUrl: string | null;
}

/** What a page tells the layout while it is rendered. */
interface Head {
  /** For `data-page`. */
  page: string;
  title: string;
  /** For `data-error`. */
  error: string | null;
  readonly scripts: string[];
  /** Style sheets beside the one of every page. */
  readonly styles: string[];
}

/** The names that templates may use without saying where they come from. */
const LOCALS = [
  'model page head t rich link code plain list countdown clock moment place problem initial icon asset errorText account csrf path requestId',
  'locale theme navigation direction languages productName brand host body',
].flatMap((names) => names.split(' '));

/** Compiles every page at once, so that a broken template stops the start. @param parts.dir the folder with pages, partials and icons */
export function createView(parts: {
  readonly locales: Locales;
  readonly assets: Assets;
  readonly productName: string;
  /** How the product looks now; without it, as we made it. */
  readonly brand?: () => BrandView;
  readonly issuer: string;
  readonly findPlace?: FindPlace;
  readonly dir?: string;
}): View {
  const { locales, assets, productName, findPlace = findNoPlace, dir = VIEWS } = parts;
  const { host } = new URL(parts.issuer);
  const layout = compile(join(dir, 'layout.ejs'));
  const pages = new Map(filesIn(join(dir, 'pages'), '.ejs').map(({ name, path }) => [name, compile(path)]));
  const icons = new Map(
    filesIn(join(dir, 'icons'), '.svg').map(({ name, path }) => [name, readFileSync(path, 'utf8')]),
  );

  const icon = (name: string): Markup => {
    const svg = icons.get(name);
    if (svg === undefined) throw new Error(`no icon ${name}`);
    return new Markup(
      svg.trim().replace('<svg ', `<svg class="icon icon-${name}" aria-hidden="true" focusable="false" `),
    );
  };

  return {
    render(page, model, context) {
      const template = pages.get(page);
      if (!template) throw new Error(`no page ${page}`);
      const { locale } = context;
      const t = locales.t(locale);
      const brand = parts.brand?.() ?? { name: productName, styleUrl: null, logoUrl: null };
      const head: Head = { page, title: '', error: null, scripts: [], styles: [] };
      const locals = {
        ...{
          model,
          page,
          head,
          t,
          icon,
          productName: brand.name,
          brand,
          host,
          locale,
          errorText,
          link,
          code,
          plain,
          initial,
          asset: (name: string) => assets.url(name),
        },
        rich: (key: string, values: RichValues) => rich(t, key, values),
        problem: (text: string, values?: Record<string, string | number>) =>
          locales.has(text) ? t(text, values) : text,
        list: (texts: readonly string[]) => list(locale, texts),
        countdown: (seconds: number) => countdown(locale, seconds),
        moment: (iso: string, zone: string | null) => moment(locale, iso, zone),
        place: (network: string | null) => findPlace(network, locale),
        clock: (seconds: number) => clock(locale, seconds),
        direction: locales.dir(locale),
        languages: locales.available,
        account: context.account ?? null,
        navigation: context.navigation ?? null,
        theme: context.theme ?? null,
        csrf: context.csrf ?? '',
        path: context.path,
        requestId: context.requestId ?? '',
        body: '',
      };
      const body = template(locals);
      return layout({ ...locals, body });
    },
  };
}

function filesIn(folder: string, extension: string): readonly { readonly name: string; readonly path: string }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(extension))
    .map((file) => ({ name: file.slice(0, -extension.length), path: join(folder, file) }));
}

function compile(path: string): ejs.TemplateFunction {
  // Strict: no `with`, so that a misspelt name is an error and no field of a model can be taken for an option of the library.
  return ejs.compile(readFileSync(path, 'utf8'), {
    filename: path,
    cache: true,
    strict: true,
    escape: (value: unknown) => (value instanceof Markup ? String(value) : ejs.escapeXML(value)),
    destructuredLocals: LOCALS,
    rmWhitespace: true,
  });
}

/**
 * A translated sentence as HTML. Texts among the values are isolated, so that names and addresses of another script cannot turn the
 * sentence around them, and are never read as part of the translation.
 */
function rich(t: Translate, key: string, values: RichValues): Markup {
  const filled: Markup[] = [];
  const slots = Object.entries(values).map(([name, value]): [string, string | number] => {
    if (typeof value === 'number') return [name, value];
    filled.push(value instanceof Markup ? value : new Markup(`<bdi class="value">${ejs.escapeXML(value)}</bdi>`));
    return [name, `\uE000${filled.length - 1}\uE001`];
  });
  const sentence = ejs.escapeXML(t(key, Object.fromEntries(slots)));
  return new Markup(sentence.replace(/\uE000(\d+)\uE001/g, (_slot, index) => String(filled[Number(index)])));
}

/** A link inside of a sentence. One that leaves our origin opens without a way back into our page. */
function link(url: string, text: string): Markup {
  const relation = url.startsWith('/') ? '' : ' rel="noopener"';
  return new Markup(`<a href="${ejs.escapeXML(url)}"${relation}><bdi>${ejs.escapeXML(text)}</bdi></a>`);
}

/** A value inside of a sentence that is not stressed. */
function plain(text: string): Markup {
  return new Markup(`<bdi>${ejs.escapeXML(text)}</bdi>`);
}

/** Several names one after the other, with what the language writes between them. */
function list(locale: string, texts: readonly string[]): Markup {
  const parts = new Intl.ListFormat(locale, { type: 'conjunction', style: 'narrow' }).formatToParts(texts);
  return new Markup(
    parts.map(({ type, value }) => (type === 'element' ? String(plain(value)) : ejs.escapeXML(value))).join(''),
  );
}

/** What is typed or compared letter by letter: a command, a number, an id. */
function code(text: string): Markup {
  return new Markup(`<code dir="ltr">${ejs.escapeXML(text)}</code>`);
}

/** A time to wait, in words; the script of the same name counts it down. */
function countdown(locale: string, seconds: number): Markup {
  const whole = Math.max(0, Math.ceil(seconds));
  return new Markup(`<time datetime="PT${whole}S" data-countdown="${whole}">${duration(locale, whole)}</time>`);
}

/** When a time to wait is over: for who has no script that counts it down. In UTC, because we do not know the zone of the person's clock. */
function clock(locale: string, seconds: number): string {
  const format = new Intl.DateTimeFormat(locale, {
    ...({ hour: '2-digit', minute: '2-digit', timeZone: 'UTC', timeZoneName: 'short' } as const),
  });
  // The next whole minute: never before it works.
  return format.format(new Date(Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000));
}

/** The two largest units that matter: "2 minutes, 45 seconds", "1 day, 3 hours". */
function duration(locale: string, seconds: number): string {
  const units = [
    ['day', Math.floor(seconds / DAY)],
    ['hour', Math.floor((seconds % DAY) / HOUR)],
    ['minute', Math.floor((seconds % HOUR) / MINUTE)],
    ['second', seconds % MINUTE],
  ] as const;
  const first = units.findIndex(([, amount]) => amount > 0);
  const shown = (first < 0 ? units.slice(-1) : units.slice(first, first + 2)).filter(
    ([, amount], index) => amount > 0 || index === 0,
  );
  const words = shown.map(([unit, amount]) =>
    new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(amount),
  );
  return new Intl.ListFormat(locale, { type: 'unit', style: 'narrow' }).format(words);
}

/** A moment in somebody's time zone; UTC where there is none or none of that name. */
function moment(locale: string, iso: string, zone: string | null): Markup {
  const date = new Date(iso);
  const format = (options: Intl.DateTimeFormatOptions): string => {
    try {
      return new Intl.DateTimeFormat(locale, { ...options, timeZone: zone ?? 'UTC' }).format(date);
    } catch {
      return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }).format(date);
    }
  };
  const short = format({ dateStyle: 'medium', timeStyle: 'short' });
  const full = format({ dateStyle: 'full', timeStyle: 'long' });
  return new Markup(
    `<time datetime="${ejs.escapeXML(iso)}" title="${ejs.escapeXML(full)}">${ejs.escapeXML(short)}</time>`,
  );
}

/** The first character of a name, for the round mark where a picture would be. */
function initial(name: string): string {
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(name.trim());
  return first?.segment.toLocaleUpperCase() ?? '';
}
