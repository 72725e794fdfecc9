// Roughly where an address or network is, in words: "Hamburg, Germany". From a database file of the operator, read once at start; without one there
// are no places anywhere. A place is a hint for people who wonder whether it was them, and never decides anything.
import { openPlaceDatabase, type PlaceReader } from '../../config/place-database.ts';
import { publicAddressOf } from './client-address.ts';
import type { Locales } from './locale.ts';

/**
 * @param network an IPv4 address, an IPv6 address or its /64, as we keep them
 * @param locale a tag of the languages we speak
 * @returns null where it is not known: no database, private addresses, networks that it does not have
 */
export type FindPlace = (network: string | null | undefined, locale: string) => string | null;

/** The names of one thing by language tag, as the file has them. */
type Names = Readonly<Record<string, unknown>>;

const MOST_CHARACTERS = 60;
/** Control, format (direction marks, zero-width), private and unassigned characters, and line ends. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\s]+/gu;
const COUNTRY = /^[A-Z]{2}$/;
/** ISO 3166: "unknown", which has a name in every language. */
const NO_COUNTRY = 'ZZ';

export const findNoPlace: FindPlace = () => null;

/**
 * @param path null: there is no database
 * @throws Error when the file cannot be used
 */
export function createFindPlace(path: string | null, locales: Locales): FindPlace {
  if (path === null) return findNoPlace;
  const opened = openPlaceDatabase(path);
  if ('wrong' in opened) throw new Error(`the setting of the database of places ${opened.wrong}`);
  const { reader } = opened;
  const countries = new Map(
    locales.available.map(({ tag }) => [tag, new Intl.DisplayNames([tag], { type: 'region', fallback: 'none' })]),
  );
  return (network, locale) => {
    const found = look(reader, network);
    if (found === null) return null;
    const country = found.country === null ? null : (countries.get(locale)?.of(found.country) ?? null);
    const city = nameIn(found.cities, locale);
    return city !== null && country !== null ? locales.t(locale)('place.city', { city, country }) : (city ?? country);
  };
}

interface Found {
  readonly cities: Names;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
}

function look(reader: PlaceReader, network: string | null | undefined): Found | null {
  const address = publicAddressOf(network ?? '');
  // In a tree of IPv4 addresses the first bits of an IPv6 address would lead to somebody else's place.
  if (address === null || (reader.metadata.ipVersion === 4 && address.includes(':'))) return null;
  let record: unknown;
  try {
    record = reader.get(address);
  } catch {
    // A damaged part of the file: no place is better than no page.
    return null;
  }
  const code = memberOf(memberOf(record, 'country'), 'iso_code');
  const names = memberOf(memberOf(record, 'city'), 'names');
  return {
    cities: typeof names === 'object' && names !== null ? (names as Names) : {},
    country: typeof code === 'string' && COUNTRY.test(code) && code !== NO_COUNTRY ? code : null,
  };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** In the language, in any form of it, or in English. */
function nameIn(names: Names, locale: string): string | null {
  const { language } = new Intl.Locale(locale);
  for (const tag of [locale, language, 'en']) {
    const name = memberOf(names, tag);
    const text = typeof name === 'string' ? plainLine(name) : '';
    if (text !== '') return text;
  }
  return null;
}

function plainLine(text: string): string {
  // A bound before anything that walks over the text.
  const characters = [...text.slice(0, 1000).normalize('NFC').replace(INVISIBLE, ' ').trim()];
  return characters.length > MOST_CHARACTERS
    ? `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`
    : characters.join('');
}
