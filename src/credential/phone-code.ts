// A short code that is sent to a proven phone number, for signing in and for nothing else (requirements C5, C8). It belongs to the request and the
// browser that asked, is spent by the one conditional write that deletes its row, ends with a newer one for the same number, and dies with a
// change of the account's credentials. A number that is nobody's gets a row as well, whose code nobody ever sees. It sends nothing, and does not
// know whose a number is: see account/proven-phones.ts.
import { randomUUID } from 'node:crypto';
import { hashToken, keyedHash, randomDigits } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { type Budget, Budgets } from './budget.ts';
import { lockCredentials } from './credential-version.ts';
import type { Lockout } from './lockout.ts';
import type { ShortCodes } from './short-code.ts';
import { parseDigits } from './typed-code.ts';

export const sealedPhoneCodes: SealedTable = { table: 'phone_code', key: 'id', purpose: (id) => sealedAs(id) };

/** Times in seconds. */
export interface PhoneCodeSettings {
  /** Tries one code allows. */
  readonly tries: number;
  readonly ttl: number;
  /** Codes to one number within the window, and within a day. */
  readonly limit: number;
  readonly window: number;
  readonly dailyLimit: number;
  /** Every limit is off, for tests. */
  readonly switchedOff: boolean;
}

const DIGITS = 6;
const DAY = 86_400;
const HOUR = 3600;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The account's credentials are what they were when the code was asked for. */
const IS_CURRENT = `credential_version is not distinct from (select a.credential_version from account a where a.id = m.account_id)`;
const PUT = `insert into phone_code (id, subject, account_id, credential_version, browser_hash, code_hash, sealed, expires_at, created_at)
  values (?, ?, ?, (select credential_version from account where id = ?), ?, ?, ?, now() + make_interval(secs => ?), now())`;
const FIND = {
  name: 'phone_code_find',
  text: `select id, account_id as "accountId", sealed, (extract(epoch from expires_at) * 1000)::float8 as "expiresAt"
    from phone_code m where id = $1 and browser_hash = $2 and expires_at > now() and ${IS_CURRENT}`,
};
/** $1 request, $2 browser, $3 tries. */
const IS_OPEN = `id = $1 and browser_hash = $2 and tries < $3::int and expires_at > now() and ${IS_CURRENT}`;
const FIND_OPEN = {
  name: 'phone_code_find_open',
  text: `select coalesce(account_id::text, subject) as counted from phone_code m where ${IS_OPEN}`,
};
/** Counts a try before the code is looked at. */
const TRY = {
  name: 'phone_code_try',
  text: `update phone_code m set tries = tries + 1 where ${IS_OPEN}
    returning account_id as "accountId", code_hash as "codeHash", tries`,
};
const TAKE = `delete from phone_code m where id = ? and ${IS_CURRENT} returning sealed`;
const SWEEP = {
  name: 'phone_code_sweep',
  text: 'delete from phone_code where id in (select id from phone_code where expires_at <= now() limit 1000)',
};

/** Made but not stored yet. */
export interface PhoneCodeDraft {
  readonly isAllowed: true;
  readonly number: string;
  /** Public: names the request in the browser that asked. */
  readonly requestId: string;
  /** For the message and for nothing else. */
  readonly code: string;
  readonly codeHash: Buffer;
}

export interface PhoneCodeRefusal {
  readonly isAllowed: false;
  /** Seconds until another code may be asked for. */
  readonly retryAfter: number;
}

export interface PhoneCode<Content> {
  readonly requestId: string;
  /** Null where the number was nobody's when the code was asked for. */
  readonly accountId: string | null;
  /** E.164. */
  readonly number: string;
  readonly content: Content;
}

export interface FoundPhoneCode<Content> extends PhoneCode<Content> {
  readonly expiresAt: Date;
}

export type PhoneCodeOutcome<Content> =
  | { readonly kind: 'taken'; readonly secret: PhoneCode<Content> }
  /** Expired, used, ended by a newer one, tried too often, of another browser: one answer for all of them. */
  | { readonly kind: 'gone' }
  /** Not that many digits: no try was counted. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'wrong'; readonly triesLeft: number }
  | { readonly kind: 'wait'; readonly retryAfter: number };

interface Row {
  readonly id: string;
  readonly accountId: string | null;
  readonly sealed: Uint8Array;
  readonly expiresAt: number;
}

export class PhoneCodes {
  readonly digits = DIGITS;
  readonly #database: Database;
  readonly #seal: Seal;
  readonly #shortCodes: ShortCodes;
  readonly #lockout: Lockout;
  readonly #settings: PhoneCodeSettings;
  readonly #budgets: Budgets;
  readonly #codeKeys: readonly [Buffer, ...Buffer[]];
  readonly #numberKey: Buffer;

  constructor(parts: {
    readonly database: Database;
    readonly seal: Seal;
    readonly shortCodes: ShortCodes;
    readonly lockout: Lockout;
    readonly settings: PhoneCodeSettings;
  }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
    this.#shortCodes = parts.shortCodes;
    this.#lockout = parts.lockout;
    this.#settings = parts.settings;
    this.#budgets = new Budgets({ database: parts.database, switchedOff: parts.settings.switchedOff });
    this.#codeKeys = parts.seal.deriveKeys('phone code');
    this.#numberKey = parts.seal.deriveKey('phone number');
  }

  /** Seconds for which a code works. */
  get ttl(): number {
    return this.#settings.ttl;
  }

  /** What stands for a number in counters and rows: there are so few numbers that a plain hash would hide none. @param number E.164 */
  subjectOf(number: string): string {
    return keyedHash(this.#numberKey, number);
  }

  /**
   * Makes a code for a number, unless too many were asked for. Known and unknown numbers are treated alike. Takes time: never inside a
   * transaction.
   * @param number E.164
   * @throws Unavailable when counters or the queue of hashes are away
   */
  async draft(number: string): Promise<PhoneCodeDraft | PhoneCodeRefusal> {
    const [short, day] = this.#budgetsOf(number);
    const spending = await this.#budgets.spend(...day);
    if (!spending.isAllowed) return spending;
    const nearer = await this.#budgets.spend(...short);
    if (!nearer.isAllowed) {
      await this.#budgets.giveBack(day[0]);
      return nearer;
    }
    const requestId = randomUUID();
    const code = randomDigits(DIGITS);
    const codeHash = await this.#shortCodes.hash(saltOf(requestId), code, this.#codeKeys[0]);
    return { isAllowed: true, number, requestId, code, codeHash };
  }

  /** Stores a draft; an older one for the number ends. @param bound `content` comes back when it is taken and is sealed until then */
  async put(
    em: EntityManager,
    draft: PhoneCodeDraft,
    bound: { readonly accountId: string | null; readonly browserId: string; readonly content: object },
  ): Promise<void> {
    const { number, requestId, codeHash } = draft;
    const subject = this.subjectOf(number);
    await em.execute('delete from phone_code where subject = ?', [subject]);
    await em.execute(PUT, [
      ...[requestId, subject, bound.accountId, bound.accountId, hashBrowser(bound.browserId), codeHash],
      this.#seal.seal(sealedAs(requestId), JSON.stringify({ number, content: bound.content })),
      this.#settings.ttl,
    ]);
  }

  /** The request a browser waits with. Null for any other browser. */
  async find<Content extends object>(
    requestId: string,
    browserId: string | undefined,
  ): Promise<FoundPhoneCode<Content> | null> {
    if (browserId === undefined || !UUID.test(requestId)) return null;
    const { rows } = await this.#database.sql.query<Row>(FIND, [requestId, hashBrowser(browserId)]);
    const [row] = rows;
    return row ? { ...this.#open<Content>(row), expiresAt: new Date(row.expiresAt) } : null;
  }

  /** Seconds until another code may go to this number; 0 is now. */
  async wait(number: string): Promise<number> {
    const waits = await Promise.all(this.#budgetsOf(number).map((one) => this.#budgets.wait(...one)));
    return Math.max(...waits);
  }

  /**
   * Takes a code, once. The try is counted before the code is looked at: on the code itself, on the account over all codes that were sent to it,
   * and on the network.
   * @param alongside what commits with it; when it throws, the code stays good and the try stays counted
   * @throws Unavailable
   */
  async take<Content extends object>(
    request: {
      readonly requestId: string;
      readonly browserId: string | undefined;
      readonly network: string;
      readonly code: string;
    },
    alongside: (em: EntityManager, secret: PhoneCode<Content>) => Promise<void>,
  ): Promise<PhoneCodeOutcome<Content>> {
    const { requestId, browserId } = request;
    const { tries } = this.#settings;
    const code = parseDigits(request.code, DIGITS);
    if (code === null) return { kind: 'malformed' };
    if (browserId === undefined || !UUID.test(requestId)) return { kind: 'gone' };
    const values = [requestId, hashBrowser(browserId), tries];
    const { rows: asked } = await this.#database.sql.query<{ counted: string }>(FIND_OPEN, values);
    if (!asked[0]) return { kind: 'gone' };
    const attempt = await this.#lockout.attemptCode(asked[0].counted, request.network);
    if (!attempt.isAllowed) return { kind: 'wait', retryAfter: attempt.retryAfter ?? HOUR };
    const { rows } = await this.#database.sql.query<{ accountId: string | null; codeHash: Uint8Array; tries: number }>(
      TRY,
      values,
    );
    const [row] = rows;
    if (!row) {
      // Somebody was faster: nothing was looked at, so nothing counts.
      await attempt.succeed();
      return { kind: 'gone' };
    }
    if (!(await this.#matches(row.codeHash, requestId, code))) return { kind: 'wrong', triesLeft: tries - row.tries };
    const outcome = await this.#database.transaction(async (em): Promise<PhoneCodeOutcome<Content>> => {
      if (row.accountId !== null) await lockCredentials(em, row.accountId);
      const [taken] = await em.execute<{ sealed: Uint8Array }[]>(TAKE, [requestId]);
      if (!taken) return { kind: 'gone' };
      const secret = this.#open<Content>({ id: requestId, accountId: row.accountId, sealed: taken.sealed });
      await alongside(em, secret);
      return { kind: 'taken', secret };
    });
    await attempt.succeed();
    return outcome;
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  #open<Content extends object>(row: Pick<Row, 'id' | 'accountId' | 'sealed'>): PhoneCode<Content> {
    const opened = JSON.parse(this.#seal.openText(sealedAs(row.id), row.sealed)) as {
      number: string;
      content: Content;
    };
    return { requestId: row.id, accountId: row.accountId, ...opened };
  }

  /** A code that was sent before the master secret changed works to its end. */
  async #matches(stored: Uint8Array, requestId: string, code: string): Promise<boolean> {
    for (const key of this.#codeKeys) {
      if (await this.#shortCodes.matches(stored, saltOf(requestId), code, key)) return true;
    }
    return false;
  }

  #budgetsOf(number: string): readonly [readonly [string, Budget], readonly [string, Budget]] {
    const { limit, window, dailyLimit } = this.#settings;
    const subject = this.subjectOf(number);
    return [
      [`phone:${subject}`, { limit, window }],
      [`phone-day:${subject}`, { limit: dailyLimit, window: DAY }],
    ];
  }
}

function hashBrowser(browserId: string): string {
  return hashToken('phone-code-browser', browserId);
}

function saltOf(requestId: string): string {
  return `phone-code:${requestId}`;
}

function sealedAs(requestId: string): string {
  return `phone-code:${requestId}`;
}
