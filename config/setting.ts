// The shape of one setting, and the general kinds of value a setting can have. A kind reads the text of an environment
// variable or file and the value of a YAML key alike, and says in words what it accepts: the settings page and every
// refusal show that same sentence.
import { z } from 'zod';

export interface Kind<T> {
  /** Completes the sentence "must be …". */
  readonly allowed: string;
  readonly schema: z.ZodType<T>;
  /** A value as the settings page shows it, when that is more than the value itself. */
  inWords?(value: T): string;
}

export interface Setting<T> extends Kind<T> {
  readonly default: T;
  /** The default in words; empty when there is none. */
  readonly defaultText: string;
  readonly meaning: string;
  /** A good value, as one would write it into a variable. */
  readonly example: string;
  /** Goes to Secrets and is never printed. */
  readonly isSecret: boolean;
  /** Neither in YAML nor as `…_FILE`. */
  readonly isEnvironmentOnly: boolean;
}

export interface Problem {
  /** The setting by its variable's name, or the place in a YAML list. */
  readonly name: string;
  /** Where the value came from, when that is not the variable itself. */
  readonly place?: string;
  readonly wrong: string;
  readonly example: string;
}

interface About {
  readonly meaning: string;
  readonly example?: string;
  readonly defaultText?: string;
  readonly isSecret?: boolean;
  readonly isEnvironmentOnly?: boolean;
}

export function setting<T>(kind: Kind<T>, about: About & { readonly default: NoInfer<T> }): Setting<T>;
export function setting<T>(kind: Kind<T>, about: About & { readonly example: string }): Setting<T | undefined>;
export function setting<T>(kind: Kind<T>, about: About & { readonly default?: T }): Setting<T | undefined> {
  const computed = about.default === undefined ? '' : (kind.inWords?.(about.default) ?? asText(about.default));
  return {
    ...kind,
    default: about.default,
    defaultText: about.defaultText ?? computed,
    meaning: about.meaning,
    example: about.example ?? asText(about.default),
    isSecret: about.isSecret ?? false,
    isEnvironmentOnly: about.isEnvironmentOnly ?? false,
  };
}

/**
 * The value, or what is wrong with it; never the value inside the sentence, because it may be a secret in the wrong
 * place.
 */
export function parseValue<T>(one: Kind<T>, raw: unknown): { readonly value: T } | { readonly wrong: string } {
  const result = one.schema.safeParse(raw, { error: () => `must be ${one.allowed}` });
  if (result.success) return { value: result.data };
  return { wrong: result.error.issues[0]?.message ?? `must be ${one.allowed}` };
}

/** A value as one would write it into a variable. */
export function asText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(asText).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : `${value as string | number | boolean}`;
}

const CONTROL_CHARACTER = /\p{Cc}/u;

/** One line of text, trimmed. */
export function line(most: number): Kind<string> {
  return {
    allowed: `text of 1 to ${most} characters without control characters`,
    schema: z
      .string()
      .max(most * 4)
      .trim()
      .min(1)
      .max(most)
      .refine((text) => !CONTROL_CHARACTER.test(text)),
  };
}

/** A secret, byte for byte as given. */
export function secretText(): Kind<string> {
  return {
    allowed: 'text of at least 32 random bytes (4096 at most) without control characters',
    schema: z
      .string()
      .min(1)
      .max(4096)
      .refine((text) => !CONTROL_CHARACTER.test(text)),
  };
}

/** In lower case. */
export function color(): Kind<string> {
  return {
    allowed: 'a colour of six hexadecimal digits after #',
    schema: z
      .string()
      .trim()
      .toLowerCase()
      .regex(/^#[\da-f]{6}$/),
  };
}

export function choice<const T extends string>(...values: readonly [T, T, ...T[]]): Kind<T> {
  return {
    allowed: `one of ${values.join(', ')}`,
    schema: z.preprocess((raw) => (typeof raw === 'string' ? raw.trim() : raw), z.enum(values)),
  };
}

export function wholeNumber(least: number, most: number): Kind<number> {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    schema: z.preprocess(readNumber, z.int().min(least).max(most)),
  };
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** A length of time; the value is in seconds. */
export function seconds(least: number, most: number): Kind<number> {
  return {
    allowed: `from ${withUnit(least)} to ${withUnit(most)}: seconds, or a number with s, m, h or d`,
    schema: z.preprocess((raw) => {
      const [, count, unit] = (typeof raw === 'string' && /^\s*(\d{1,9})([smhd])\s*$/.exec(raw)) || [];
      const size = UNITS.find(([letter]) => letter === unit)?.[1];
      return size === undefined ? readNumber(raw) : Number(count) * size;
    }, z.int().min(least).max(most)),
    inWords: (value) => (value < 60 ? String(value) : `${value} (${withUnit(value)})`),
  };
}

function withUnit(value: number): string {
  const [letter, size] = UNITS.find(([, one]) => value >= one && value % one === 0) ?? ['s', 1];
  return `${value / size}${letter}`;
}

/** Only plain decimal digits become a number: `Number()` alone would also take '', '1e3' and '0x10'. */
function readNumber(raw: unknown): unknown {
  return typeof raw === 'string' && /^\s*\d{1,15}\s*$/.test(raw) ? Number(raw) : raw;
}

export function yesNo(): Kind<boolean> {
  return {
    allowed: 'true or false',
    schema: z.union([
      z.boolean(),
      z.stringbool({ truthy: ['true', 'yes', 'on', '1'], falsy: ['false', 'no', 'off', '0'] }),
    ]),
  };
}

/** A YAML list, or one text with commas between the items. */
export function list<T>(item: Kind<T>, most: number): Kind<T[]> {
  return {
    allowed: `a list of at most ${most}, each ${item.allowed}`,
    schema: z.preprocess(
      (raw) => (typeof raw === 'string' ? raw.split(',').filter((part) => part.trim() !== '') : raw),
      z.array(item.schema).max(most),
    ),
  };
}
