// What Telegram signs and a browser carries: the legacy widget's answer and a Mini App's `initData`. Both are checked over the fields exactly
// as they came; nothing here is believed before its check. The two schemes use different keys, so that neither passes as the other. Used
// up by `used-data.ts`: a check alone does not make anything single-use.
import { createHash, createHmac, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import { isEqual } from '../crypto/random.ts';

/** Seconds: how old signed data may be, and how far ahead of our clock. */
const OLDEST = 300;
const AHEAD = 30;
/** More than Telegram ever sends. */
const MOST_CHARACTERS = 8192;

/** Who the data speaks of. */
export interface TelegramPerson {
  /** The numeric user id as a decimal string: the only key. */
  readonly id: string;
  readonly username: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly picture: string | null;
  /** A BCP 47 tag. */
  readonly locale: string | null;
}

export type SignedDataProblem = 'malformed' | 'signature' | 'stale' | 'future';

export type SignedDataOutcome =
  | {
      readonly kind: 'valid';
      readonly person: TelegramPerson;
      /** What makes this data one: accepted once, remembered until `expiresAt`. */
      readonly fingerprint: string;
      readonly expiresAt: Date;
      /** Of a Mini App: what its link started it with. */
      readonly startParam: string | null;
    }
  | { readonly kind: SignedDataProblem };

const userId = z.union([z.number().int().positive(), z.string().regex(/^[1-9]\d{0,15}$/)]).transform(String);
const name = z.string().max(256);
const WIDGET_FIELDS = ['id', 'first_name', 'last_name', 'username', 'photo_url', 'auth_date', 'hash'] as const;
const HEX_64 = /^[0-9a-f]{64}$/;
const SECONDS = /^[1-9]\d{0,11}$/;

const initUser = z.object({
  id: userId,
  is_bot: z.boolean().optional(),
  first_name: name.optional(),
  last_name: name.optional(),
  username: name.optional(),
  photo_url: z.string().max(2048).optional(),
  language_code: z.string().max(35).optional(),
});

/**
 * The legacy widget's fields (core.telegram.org, "Telegram Login Widget"): HMAC-SHA-256 under SHA-256 of the bot's token.
 * @param now milliseconds since 1970
 */
export function checkWidget(fields: URLSearchParams, botToken: string, now = Date.now()): SignedDataOutcome {
  const entries = readOnce(fields);
  const isKnown = entries?.every(([key]) => (WIDGET_FIELDS as readonly string[]).includes(key)) ?? false;
  if (!entries || !isKnown) return { kind: 'malformed' };
  const values = new Map(entries);
  const key = createHash('sha256').update(botToken).digest();
  if (!hasHash(entries, key, values.get('hash'))) return { kind: 'signature' };
  const id = userId.safeParse(values.get('id'));
  if (!id.success) return { kind: 'malformed' };
  return judge(values, now, {
    id: id.data,
    username: values.get('username') ?? null,
    firstName: values.get('first_name') ?? null,
    lastName: values.get('last_name') ?? null,
    picture: values.get('photo_url') ?? null,
    locale: null,
  });
}

/** How a Mini App's data is checked: with the bot's token, or with Telegram's key when only the bot's id is known here. Never both. */
export type InitDataKey =
  | { readonly kind: 'token'; readonly botToken: string }
  | { readonly kind: 'key'; readonly botId: string; readonly publicKeys: readonly KeyObject[] };

/**
 * `Telegram.WebApp.initData` as it came (core.telegram.org, "Mini Apps", validating data).
 * @param raw the query string, never serialised again before the check
 * @param now milliseconds since 1970
 */
export function checkInitData(raw: string, key: InitDataKey, now = Date.now()): SignedDataOutcome {
  const entries = raw.length > MOST_CHARACTERS ? null : readOnce(new URLSearchParams(raw));
  if (!entries) return { kind: 'malformed' };
  const values = new Map(entries);
  const isGenuine =
    key.kind === 'token'
      ? hasHash(entries, createHmac('sha256', 'WebAppData').update(key.botToken).digest(), values.get('hash'))
      : hasSignature(entries, key.botId, key.publicKeys, values.get('signature'));
  if (!isGenuine) return { kind: 'signature' };
  const user = initUser.safeParse(parseJson(values.get('user')));
  if (!user.success || user.data.is_bot === true) return { kind: 'malformed' };
  const {
    id,
    username = null,
    first_name = null,
    last_name = null,
    photo_url = null,
    language_code = null,
  } = user.data;
  const person = {
    id,
    username,
    firstName: first_name,
    lastName: last_name,
    picture: photo_url,
    locale: language_code,
  };
  return judge(values, now, person);
}

/** Ed25519 keys as Telegram publishes them. @param hex 64 hexadecimal digits */
export function readMiniAppKey(hex: string): KeyObject {
  const x = Buffer.from(hex, 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** The fields in their order, or null when one of them is there twice: which of the two was signed would be a guess. */
function readOnce(fields: URLSearchParams): readonly (readonly [string, string])[] | null {
  const entries = [...fields];
  const isSmall = entries.length <= 50 && entries.every(([key, value]) => key.length + value.length <= MOST_CHARACTERS);
  return isSmall && new Set(entries.map(([key]) => key)).size === entries.length ? entries : null;
}

function checkString(entries: readonly (readonly [string, string])[], without: readonly string[]): string {
  return entries
    .filter(([key]) => !without.includes(key))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join('\n');
}

function hasHash(entries: readonly (readonly [string, string])[], key: Buffer, hash: string | undefined): boolean {
  if (hash === undefined || !HEX_64.test(hash)) return false;
  return isEqual(
    createHmac('sha256', key)
      .update(checkString(entries, ['hash']))
      .digest('hex'),
    hash,
  );
}

function hasSignature(
  entries: readonly (readonly [string, string])[],
  botId: string,
  keys: readonly KeyObject[],
  signature: string | undefined,
): boolean {
  if (signature === undefined || !/^[A-Za-z0-9_-]{86}={0,2}$/.test(signature)) return false;
  const text = Buffer.from(`${botId}:WebAppData\n${checkString(entries, ['hash', 'signature'])}`);
  return keys.some((key) => verify(null, text, key, Buffer.from(signature, 'base64url')));
}

function judge(values: ReadonlyMap<string, string>, now: number, person: TelegramPerson): SignedDataOutcome {
  const signedAt = values.get('auth_date') ?? '';
  if (!SECONDS.test(signedAt)) return { kind: 'malformed' };
  const age = now / 1000 - Number(signedAt);
  if (age > OLDEST) return { kind: 'stale' };
  if (age < -AHEAD) return { kind: 'future' };
  // Not the signature itself: Ed25519 data also carries a hash that nobody here could check, and base64 has several spellings.
  const fingerprint = createHash('sha256')
    .update(checkString([...values], ['hash', 'signature']))
    .digest('base64url');
  const expiresAt = new Date((Number(signedAt) + OLDEST + AHEAD) * 1000);
  return { kind: 'valid', person, fingerprint, expiresAt, startParam: values.get('start_param') ?? null };
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}
