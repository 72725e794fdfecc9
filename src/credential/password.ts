// Passwords: the rules they must keep, hashing with Argon2id, and checking in the same time for known and unknown accounts. Hashing runs
// on Node's thread pool, so at most a few run at once and a bounded number waits. It does not count failures: see lockout.ts.
import argon2 from 'argon2';
import { Unavailable } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { isOnBlockList, isPersonal, type PasswordOwner, personalWords } from './block-list.ts';
import type { BreachedPasswords } from './breached-password.ts';
import { raiseCredentialVersion } from './credential-version.ts';
import { HashQueue } from './hash-queue.ts';
import { isImported, verifyImported } from './imported-hash.ts';
import { Password } from './password.entity.ts';
import { estimateStrength, type PasswordStrength } from './password-strength.ts';

/** Before hashing: what is longer is refused unread, so that no megabytes reach the hash (bytes). */
const MOST_BYTES = 1024;

export interface PasswordSettings {
  readonly policy: 'length' | 'strict' | 'classic' | 'nist';
  readonly minLength: number;
  readonly maxLength: number;
  readonly hashMemoryKib: number;
  readonly hashIterations: number;
  readonly hashParallelism: number;
  /** Hashes at once, and how many may wait for their turn. */
  readonly hashConcurrency: number;
  readonly hashQueue: number;
}

/** Why a new password is refused; each is a translation key below `password.problem`. */
export type PasswordProblem = 'too-short' | 'too-long' | 'needs-kinds' | 'too-common' | 'too-personal' | 'breached';

/** Whose password it will be, as far as it is known. */
export type PasswordContext = PasswordOwner;

const FIND_HASH = { name: 'password_by_account', text: 'select hash from password where account_id = $1' };
const REHASH = {
  name: 'password_rehash',
  text: 'update password set hash = $3 where account_id = $1 and hash = $2',
};
const CHANGED_AT = {
  name: 'password_changed_at',
  text: 'select changed_at as "changedAt" from password where account_id = $1',
};
const SET = `insert into password (account_id, hash, created_at, changed_at) values (?, ?, now(), now())
  on conflict (account_id) do update set hash = excluded.hash, changed_at = excluded.changed_at`;

export class Passwords {
  readonly #database: Database;
  readonly #settings: PasswordSettings;
  readonly #pepper: Buffer | undefined;
  readonly #queue: HashQueue;
  readonly #productName: string | undefined;
  readonly #breached: BreachedPasswords | undefined;
  #dummy: Promise<string> | undefined;

  constructor(parts: {
    readonly database: Database;
    readonly settings: PasswordSettings;
    readonly pepper?: string | undefined;
    /** One for all slow hashes of the process. */
    readonly queue?: HashQueue;
    readonly productName?: string;
    /** Absent: nothing is looked up. */
    readonly breached?: BreachedPasswords | undefined;
  }) {
    this.#database = parts.database;
    this.#settings = parts.settings;
    this.#pepper = parts.pepper === undefined ? undefined : Buffer.from(parts.pepper, 'utf8');
    this.#productName = parts.productName;
    this.#breached = parts.breached;
    this.#queue = parts.queue ?? new HashQueue(parts.settings.hashConcurrency, parts.settings.hashQueue);
  }

  /** The rules in force as translation keys with their numbers: the page shows exactly what the server checks. */
  rules(): readonly { readonly key: string; readonly values: Record<string, number> }[] {
    const { policy, minLength, maxLength } = this.#settings;
    const length = { key: 'length', values: { min: minLength, max: maxLength } };
    const kinds = { key: 'kinds', values: {} };
    const uncommon = { key: 'uncommon', values: {} };
    return policy === 'strict' || policy === 'classic' ? [length, kinds, uncommon] : [length, uncommon];
  }

  get minLength(): number {
    return this.#settings.minLength;
  }

  /** What is wrong with a new password, or null. Counted in Unicode characters after NFC; nothing is trimmed or cut. */
  findProblem(password: string, context: PasswordContext = {}): PasswordProblem | null {
    if (Buffer.byteLength(password) > MOST_BYTES) return 'too-long';
    const normal = password.normalize('NFC');
    const length = [...normal].length;
    if (length < this.minLength) return 'too-short';
    if (length > this.#settings.maxLength) return 'too-long';
    const { policy } = this.#settings;
    if ((policy === 'strict' || policy === 'classic') && !hasAllKinds(normal)) return 'needs-kinds';
    if (isTrivial(normal) || isOnBlockList(normal)) return 'too-common';
    if (isPersonal(normal, personalWords(context, this.#productName))) return 'too-personal';
    return null;
  }

  /** Which of the rules a password keeps; null where the others have to be kept first. */
  review(password: string, context: PasswordContext = {}): Readonly<Record<string, boolean | null>> {
    const problem = this.findProblem(password, context);
    const normal = password.slice(0, MOST_BYTES).normalize('NFC');
    return {
      length: problem !== 'too-short' && problem !== 'too-long',
      kinds: hasAllKinds(normal),
      uncommon: problem === null ? true : problem === 'too-common' || problem === 'too-personal' ? false : null,
    };
  }

  /** The same, and whether it has leaked somewhere, where the operator has that looked up. Calls out: never inside a transaction. */
  async findProblemAnywhere(password: string, context: PasswordContext = {}): Promise<PasswordProblem | null> {
    const problem = this.findProblem(password, context);
    if (problem !== null || !this.#breached) return problem;
    return (await this.#breached.has(password.normalize('NFC'))) ? 'breached' : null;
  }

  /** For the meter beside the field; says nothing about what is accepted. */
  strength(password: string, context: PasswordContext = {}): PasswordStrength {
    return estimateStrength(password.slice(0, MOST_BYTES).normalize('NFC'), personalWords(context, this.#productName));
  }

  /** Takes time and a place in the queue: never inside a transaction. @throws Unavailable when too many wait */
  async hash(password: string): Promise<string> {
    const { hashMemoryKib, hashIterations, hashParallelism } = this.#settings;
    return this.#queue.run(() =>
      argon2.hash(password.normalize('NFC'), {
        type: argon2.argon2id,
        memoryCost: hashMemoryKib,
        timeCost: hashIterations,
        parallelism: hashParallelism,
        hashLength: 32,
        ...(this.#pepper ? { secret: this.#pepper } : {}),
      }),
    );
  }

  /** When it was chosen; null where there is none. */
  async findChangedAt(accountId: string): Promise<Date | null> {
    const { rows } = await this.#database.sql.query<{ changedAt: Date | string }>(CHANGED_AT, [accountId]);
    return rows[0] ? new Date(rows[0].changedAt) : null;
  }

  /** Stores a hash made by `hash`, in the transaction of the change around it. */
  async set(em: EntityManager, accountId: string, hash: string): Promise<void> {
    await raiseCredentialVersion(em, accountId);
    await em.execute(SET, [accountId, hash]);
  }

  /** Takes the password away, in the transaction of the change around it. @returns whether there was one */
  async remove(em: EntityManager, accountId: string): Promise<boolean> {
    await raiseCredentialVersion(em, accountId);
    return (await em.nativeDelete(Password, { accountId })) === 1;
  }

  /**
   * Whether this is the account's password. Without an account, or for one without a password, the same work is done on a fixed hash, so
   * that time tells nothing; only a hash from another system takes that system's time until it is replaced. A good password whose hash is
   * of another system or has old parameters is hashed again.
   * @throws Unavailable when too many wait
   */
  async verify(accountId: string | null, password: string): Promise<boolean> {
    if (Buffer.byteLength(password) > MOST_BYTES) return false;
    const { rows } = await this.#database.sql.query<{ hash: string }>(FIND_HASH, [
      accountId ?? '00000000-0000-0000-0000-000000000000',
    ]);
    const stored = rows[0]?.hash;
    const hash = stored ?? (await this.#dummyHash());
    const secret = this.#pepper ? { secret: this.#pepper } : {};
    const matches = await this.#queue.run(() =>
      isImported(hash) ? verifyImported(hash, password) : argon2.verify(hash, password.normalize('NFC'), secret),
    );
    if (!matches || stored === undefined || accountId === null) return false;
    if (this.#isOutdated(stored)) await this.#renew(accountId, stored, password);
    return true;
  }

  /** @param em inside a transaction, its own */
  /** The password was right: what goes wrong here must not keep anybody out, and is tried again at the next sign-in. */
  async #renew(accountId: string, stored: string, password: string): Promise<void> {
    try {
      const fresh = await this.hash(password);
      await this.#database.sql.query(REHASH, [accountId, stored, fresh]);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    }
  }

  #isOutdated(hash: string): boolean {
    const { hashMemoryKib, hashIterations, hashParallelism } = this.#settings;
    return (
      !hash.startsWith('$argon2id$') ||
      argon2.needsRehash(hash, { memoryCost: hashMemoryKib, timeCost: hashIterations, parallelism: hashParallelism })
    );
  }

  #dummyHash(): Promise<string> {
    this.#dummy ??= this.hash('nobody has this password').catch((error: unknown) => {
      this.#dummy = undefined;
      throw error;
    });
    return this.#dummy;
  }
}

/** Upper and lower case, a digit and something else, in any script. */
function hasAllKinds(password: string): boolean {
  return [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u].every((kind) => kind.test(password));
}

/** One repeated character, or a run such as 123456789012: too easy at any length. */
function isTrivial(password: string): boolean {
  const points = [...password].map((char) => char.codePointAt(0) ?? 0);
  const steps = new Set(points.slice(1).map((point, index) => point - (points[index] ?? 0)));
  return steps.size === 1 && [-1, 0, 1].includes([...steps][0] ?? 2);
}
