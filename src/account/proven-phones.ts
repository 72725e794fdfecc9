// Phone numbers that somebody proved to have: one account for a number, one number for an account. The later proof wins, because numbers change
// hands, and whoever had it before loses it and is told. A number falls with the Telegram identity that proved it. It sends no codes: see
// credential/phone-code.ts.
import type { Audit, Cause } from '../audit/audit.ts';
import type { Notices } from '../notification/notices.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { Accounts } from './accounts.ts';
import { TELEGRAM_ISSUER } from './linked-identities.ts';
import { maskPhone } from './phone-number.ts';

/** One proof at a time: a number that two prove at once must leave somebody who is told. */
const PROOF_LOCK = 5_203_618_015;

export interface ProvenPhone {
  readonly number: string;
  readonly accountId: string;
  /** Whose chat proved it. */
  readonly telegramId: string;
}

export type ProofOutcome =
  | { readonly kind: 'proven' }
  /** It was proven before, by the same. */
  | { readonly kind: 'known' }
  /** The Telegram account is not part of this account, or not any more. */
  | { readonly kind: 'not-linked' };

const COLUMNS = `phone_number as "number", account_id as "accountId", telegram_id::text as "telegramId"`;
const FIND = {
  name: 'proven_phone_find',
  text: `select ${COLUMNS} from telegram_phone where phone_number = $1`,
};
const FIND_OF_ACCOUNT = {
  name: 'proven_phone_of_account',
  text: `select ${COLUMNS} from telegram_phone where account_id = $1`,
};

export class ProvenPhones {
  readonly #database: Database;
  readonly #accounts: Accounts;
  readonly #audit: Audit;
  readonly #notices: () => Notices;

  constructor(parts: {
    readonly database: Database;
    readonly accounts: Accounts;
    readonly audit: Audit;
    notices(): Notices;
  }) {
    this.#database = parts.database;
    this.#accounts = parts.accounts;
    this.#audit = parts.audit;
    this.#notices = () => parts.notices();
  }

  /** @param number E.164 */
  async find(number: string): Promise<ProvenPhone | null> {
    const { rows } = await this.#database.sql.query<ProvenPhone>(FIND, [number]);
    return rows[0] ?? null;
  }

  async findOfAccount(accountId: string): Promise<ProvenPhone | null> {
    const { rows } = await this.#database.sql.query<ProvenPhone>(FIND_OF_ACCOUNT, [accountId]);
    return rows[0] ?? null;
  }

  /** Whether the number still is this account's, as the transaction sees it; it stays so until the transaction ends. */
  async isOwner(em: EntityManager, number: string, accountId: string): Promise<boolean> {
    const rows = await em.execute<object[]>(
      'select 1 as one from telegram_phone where phone_number = ? and account_id = ? for share',
      [number, accountId],
    );
    return rows.length === 1;
  }

  /** Telegram said that this is the number of this Telegram account. @param number E.164 */
  async prove(number: string, accountId: string, telegramId: string): Promise<ProofOutcome> {
    const outcome = await this.#database.transaction((em) => this.#prove(em, number, accountId, telegramId));
    this.#accounts.forgetRecent();
    return outcome;
  }

  /** @returns the number that the account had */
  async remove(accountId: string, cause: Cause): Promise<string | null> {
    const number = await this.#database.transaction(async (em) => {
      const [row] = await em.execute<{ number: string }[]>(
        'delete from telegram_phone where account_id = ? returning phone_number as "number"',
        [accountId],
      );
      if (!row) return null;
      await touch(em, accountId);
      await this.#audit.record({ ...cause, action: 'phone.remove', target: { kind: 'account', id: accountId } }, em);
      return row.number;
    });
    this.#accounts.forgetRecent();
    return number;
  }

  async #prove(em: EntityManager, number: string, accountId: string, telegramId: string): Promise<ProofOutcome> {
    await em.execute(`select pg_advisory_xact_lock(${PROOF_LOCK})`);
    const [identity] = await em.execute<{ id: string }[]>(
      'select id from linked_identity where issuer = ? and subject = ? and account_id = ? for key share',
      [TELEGRAM_ISSUER, telegramId, accountId],
    );
    if (!identity) return { kind: 'not-linked' };
    const there = await em.execute<ProvenPhone[]>(
      `select ${COLUMNS} from telegram_phone where phone_number = ? or account_id = ?`,
      [number, accountId],
    );
    const isSame = (one: ProvenPhone): boolean => one.accountId === accountId && one.telegramId === telegramId;
    if (there.some((one) => one.number === number && isSame(one))) return { kind: 'known' };
    await em.execute('delete from telegram_phone where phone_number = ? or account_id = ?', [number, accountId]);
    await em.execute(
      `insert into telegram_phone (phone_number, telegram_id, proof, proven_at, account_id, identity_id)
       values (?, ?, 'contact', now(), ?, ?)`,
      [number, telegramId, accountId, identity.id],
    );
    await touch(em, accountId);
    const previous = there.find((one) => one.number === number && one.accountId !== accountId) ?? null;
    if (previous !== null) {
      await touch(em, previous.accountId);
      const target = { kind: 'account', id: previous.accountId } as const;
      await this.#audit.record({ actor: { kind: 'system' }, action: 'phone.remove', target, reason: 'moved' }, em);
      const owner = await this.#accounts.findByIdWithin(em, previous.accountId);
      const about = { what: 'phone-moved', phone: maskPhone(number) } as const;
      if (owner) await this.#notices().tell(em, { owner, about });
    }
    const actor = { kind: 'account', id: accountId } as const;
    await this.#audit.record({ actor, action: 'phone.prove', target: actor, reason: 'contact' }, em);
    return { kind: 'proven' };
  }
}

/** The number is one of the account's claims. */
async function touch(em: EntityManager, accountId: string): Promise<void> {
  await em.execute('update account set updated_at = now() where id = ?', [accountId]);
}
