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

const TYPED = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?$/;

/**
 * The point in time that somebody means who writes a day, or a day and a time, as a form has it: `2026-11-21T08:00`.
 * @param zone IANA name; UTC without one or with one that is not known
 * @returns null when it is none
 */
export function instantOf(text: string, zone: string | null): Date | null {
  const [, day, time = '00:00'] = TYPED.exec(text) ?? [];
  const asUtc = new Date(`${day}T${time}Z`).getTime();
  if (Number.isNaN(asUtc)) return null;
  // Twice, because the first guess may lie on the other side of a change of the clocks.
  const first = asUtc - offsetAt(asUtc, zone);
  return new Date(asUtc - offsetAt(first, zone));
}

/** Milliseconds by which clocks of a zone are ahead of UTC. */
function offsetAt(instant: number, zone: string | null): number {
  const fields = {
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  } as const;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en', {
      ...fields,
      hourCycle: 'h23',
      calendar: 'gregory',
      timeZone: zone ?? 'UTC',
    });
  } catch {
    return 0;
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
}
