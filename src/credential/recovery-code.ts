// Recovery codes: a set of single-use codes for the day the authenticator or passkey is gone (requirements F2). Each carries 80 bits and is
// stored as a slow hash bound to its account; taking one is one conditional delete. It does not count failures: see lockout.ts.
import { randomInt } from 'node:crypto';
import type { Database, EntityManager } from '../storage/database.ts';
import { lockCredentials, raiseCredentialVersion } from './credential-version.ts';
import type { ShortCodes } from './short-code.ts';
import { endTrustedDevices } from './trusted-device.ts';
import { withoutBetween } from './typed-code.ts';

/** Crockford's: no I, L, O, U. 16 characters of 32 are 80 bits. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CHARACTERS = 16;
const GROUP = 4;
const CODE = new RegExp(`^[${ALPHABET}]{${CHARACTERS}}$`);

const COUNT = 'select count(*)::int as count from recovery_code where account_id = ?';
const TAKE = 'delete from recovery_code where account_id = ? and hash = ? returning account_id';

/** A set that was made but is not in force yet. */
export interface RecoveryCodeSet {
  readonly accountId: string;
  /** As people read them: `ABCD-EFGH-JKMN-PQRS`. */
  readonly codes: readonly string[];
  readonly hashes: readonly Buffer[];
}

export class RecoveryCodes {
  readonly #database: Database;
  readonly #shortCodes: ShortCodes;
  readonly #perSet: number;

  constructor(parts: {
    readonly database: Database;
    readonly shortCodes: ShortCodes;
    /** Codes of one set. */
    readonly perSet: number;
  }) {
    this.#database = parts.database;
    this.#shortCodes = parts.shortCodes;
    this.#perSet = parts.perSet;
  }

  /** Takes time and a place in the queue: never inside a transaction. @throws Unavailable when too many wait */
  async make(accountId: string): Promise<RecoveryCodeSet> {
    const codes = new Set<string>();
    while (codes.size < this.#perSet) codes.add(randomCode());
    const hashes: Buffer[] = [];
    // One after another: a set must not fill the queue that signing in needs.
    for (const code of codes) hashes.push(await this.#hash(accountId, code));
    return { accountId, codes: [...codes].map(inGroups), hashes };
  }

  /** Puts a set made by `make` in force and ends the one before, in the transaction of the change around it. */
  async replace(em: EntityManager, set: RecoveryCodeSet): Promise<void> {
    // It waits for any other change of the account first: two sets at once would leave twice as many codes.
    const hadSome = await this.remove(em, set.accountId);
    for (const hash of set.hashes) {
      await em.execute('insert into recovery_code (account_id, hash, created_at) values (?, ?, now())', [
        set.accountId,
        hash,
      ]);
    }
    if (!hadSome) await endTrustedDevices(em, set.accountId);
  }

  /** New codes in place of the old: the only time they exist in clear. @param alongside what commits with it: audit and notice */
  async regenerate(accountId: string, alongside?: (em: EntityManager) => Promise<void>): Promise<readonly string[]> {
    const set = await this.make(accountId);
    await this.#database.transaction(async (em) => {
      await this.replace(em, set);
      await alongside?.(em);
    });
    return set.codes;
  }

  /**
   * Spends a code.
   * @param alongside what commits with it: audit and notice
   * @returns how many are left, or null when it is none of the account's
   * @throws Unavailable when too many wait for their hash
   */
  async take(
    accountId: string,
    typed: string,
    alongside?: (em: EntityManager, left: number) => Promise<void>,
  ): Promise<number | null> {
    const code = parse(typed);
    if (code === null) return null;
    const hash = await this.#hash(accountId, code);
    return this.#database.transaction(async (em) => {
      await lockCredentials(em, accountId);
      const taken = await em.execute<object[]>(TAKE, [accountId, hash]);
      if (taken.length !== 1) return null;
      const left = await this.count(accountId, em);
      await alongside?.(em, left);
      return left;
    });
  }

  async count(accountId: string, em: EntityManager = this.#database.em()): Promise<number> {
    const [row] = await em.execute<{ count: number }[]>(COUNT, [accountId]);
    return row?.count ?? 0;
  }

  /** In the transaction of a change around it. @returns whether there were any */
  async remove(em: EntityManager, accountId: string): Promise<boolean> {
    await lockCredentials(em, accountId);
    const rows = await em.execute<object[]>('delete from recovery_code where account_id = ? returning account_id', [
      accountId,
    ]);
    if (rows.length > 0) await raiseCredentialVersion(em, accountId);
    return rows.length > 0;
  }

  #hash(accountId: string, code: string): Promise<Buffer> {
    return this.#shortCodes.hash(`recovery-code:${accountId}`, code);
  }
}

function randomCode(): string {
  return Array.from({ length: CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

function inGroups(code: string): string {
  return code.match(new RegExp(`.{${GROUP}}`, 'g'))?.join('-') ?? code;
}

/** In any case, with or without the dashes; what looks like a digit is one. */
function parse(typed: string): string | null {
  const text = withoutBetween(typed)?.normalize('NFKC').toUpperCase().replaceAll('O', '0').replace(/[IL]/g, '1');
  return text !== undefined && CODE.test(text) ? text : null;
}
