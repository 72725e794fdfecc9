// A point in time as pages show it: the day in the reader's language and zone, with the exact time for whoever asks for it.

export interface Moment {
  /** For `datetime`. */
  readonly iso: string;
  readonly day: string;
  /** For `title`. */
  readonly exact: string;
}

/** @param zone IANA name; without one it is UTC, and says so */
export function moment(date: Date, locale: string, zone: string | null): Moment {
  const timeZone = zone ?? 'UTC';
  return {
    iso: date.toISOString(),
    day: new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone }).format(date),
    exact: new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long', timeZone }).format(date),
  };
}
