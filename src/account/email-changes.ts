// Changing the address of an account (requirements A16): the old one stays until the new one is proven, is told, and can take the change back for two
// days, also after it is done, however often the address was changed since. It sends no mails and proves nothing: the pages do.
import { randomUUID } from 'node:crypto';
import type { Audit, Cause } from '../audit/audit.ts';
import { type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { AccountRow } from './accounts.ts';

const UNDO = 'email-undo';
/** Seconds, from the request and again from the proof (fixed). */
export const EMAIL_CHANGE_TTL = 2 * 24 * 3600;

const FIND_PENDING = {
  name: 'email_change_pending',
  text: `select new_email as "newEmail", (extract(epoch from expires_at) * 1000)::float8 as "expiresAt" from email_change
    where account_id = $1 and completed_at is null and expires_at > now()`,
};
const SWEEP = {
  name: 'email_change_sweep',
  text: `delete from email_change where id in (select id from email_change where expires_at <= now()
    order by id limit 1000 for update)`,
};

export interface PendingEmailChange {
  readonly newEmail: string;
  readonly expiresAt: Date;
}

interface UndoTicket {
  readonly accountId: string;
  readonly changeId: string;
}

interface Row {
  readonly id: string;
  readonly oldEmail: string | null;
  readonly newEmail: string;
}

export class EmailChanges {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #oneTime: OneTime;

  constructor(parts: { readonly database: Database; readonly audit: Audit; readonly oneTime: OneTime }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#oneTime = parts.oneTime;
  }

  /**
   * Notes that the account wants another address; an earlier wish ends.
   * @returns the path with which the old address takes it back; null where there is none
   */
  async request(em: EntityManager, account: AccountRow, newEmail: string, cause: Cause): Promise<string | null> {
    await em.execute('delete from email_change where account_id = ? and completed_at is null', [account.id]);
    const id = randomUUID();
    await em.execute(
      `insert into email_change (id, account_id, old_email, old_verified_at, new_email, requested_at, expires_at)
        select ?, id, email, email_verified_at, ?, now(), now() + make_interval(secs => ?) from account where id = ?`,
      [id, newEmail, EMAIL_CHANGE_TTL, account.id],
    );
    await this.#record(em, account.id, 'email.change-request', cause);
    return account.email === null ? null : this.#undoPath(em, { accountId: account.id, changeId: id });
  }

  async findPending(accountId: string): Promise<PendingEmailChange | null> {
    const { rows } = await this.#database.sql.query<{ newEmail: string; expiresAt: number }>(FIND_PENDING, [accountId]);
    const [row] = rows;
    return row ? { newEmail: row.newEmail, expiresAt: new Date(row.expiresAt) } : null;
  }

  /** The person thought better of it. */
  async cancel(em: EntityManager, accountId: string, cause: Cause): Promise<void> {
    await em.execute('delete from email_change where account_id = ? and completed_at is null', [accountId]);
    await this.#record(em, accountId, 'email.change-cancel', cause);
  }

  /**
   * The new address is proven: the account has it now, in the transaction that took the proof. The caller has locked the account.
   * @returns the old address with the path to take the change back; null when the wish is gone, or the address got an owner meanwhile
   */
  async complete(
    em: EntityManager,
    accountId: string,
    newEmail: string,
    cause: Cause,
  ): Promise<{ readonly oldEmail: string | null; readonly undoPath: string | null } | null> {
    const [row] = await em.execute<Row[]>(
      `update email_change set completed_at = now(), expires_at = now() + make_interval(secs => ?)
        where account_id = ? and new_email = ? and completed_at is null and expires_at > now()
        returning id, old_email as "oldEmail", new_email as "newEmail"`,
      [EMAIL_CHANGE_TTL, accountId, newEmail],
    );
    if (!row || !(await this.#setEmail(em, accountId, newEmail, new Date()))) return null;
    await this.#record(em, accountId, 'email.change', cause);
    const undoPath = row.oldEmail === null ? null : await this.#undoPath(em, { accountId, changeId: row.id });
    return { oldEmail: row.oldEmail, undoPath };
  }

  /** Whose change it is; for the lock that comes first. */
  async findUndoAccount(token: string): Promise<string | null> {
    return (await this.#oneTime.find<UndoTicket>(UNDO, token))?.accountId ?? null;
  }

  /**
   * The old address takes the change back, once: the account has it again, and every later change is gone as well. The caller has locked the
   * account, and ends what it is signed in to.
   * @returns the old address; null when the link is used or too old, or the address has another owner by now
   */
  async undo(em: EntityManager, token: string, cause: Cause): Promise<string | null> {
    const ticket = await this.#oneTime.takeWithin<UndoTicket>(em, UNDO, token);
    if (!ticket) return null;
    const { accountId, changeId } = ticket;
    const [row] = await em.execute<
      { oldEmail: string; oldVerifiedAt: Date | string | null; requestedAt: Date | string }[]
    >(
      `select old_email as "oldEmail", old_verified_at as "oldVerifiedAt", requested_at as "requestedAt" from email_change
        where id = ? and account_id = ? and expires_at > now() for update`,
      [changeId, accountId],
    );
    if (!row) return null;
    const verifiedAt = row.oldVerifiedAt === null ? null : new Date(row.oldVerifiedAt);
    if (!(await this.#setEmail(em, accountId, row.oldEmail, verifiedAt))) return null;
    await em.execute(
      `delete from email_change where account_id = ? and requested_at >= (select requested_at from email_change where id = ?)`,
      [accountId, changeId],
    );
    await this.#record(em, accountId, 'email.change-undo', cause);
    return row.oldEmail;
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  /** @returns false when somebody else has the address: decided by the one statement that writes it */
  async #setEmail(em: EntityManager, accountId: string, email: string, verifiedAt: Date | null): Promise<boolean> {
    try {
      const rows = await em.execute<object[]>(
        `update account set email = ?, email_verified_at = ?, credential_version = credential_version + 1, updated_at = now()
          where id = ? and status = 'active'
            and not exists (select from account other where lower(other.email) = lower(?) and other.id <> ?) returning id`,
        [email, verifiedAt, accountId, email, accountId],
      );
      return rows.length === 1;
    } catch (error) {
      // Of two that take it at the same moment one finds it taken only now; its transaction is over with that.
      if (isUniqueViolation(error, 'account_email_unique'))
        throw new EmailTaken('the address was taken at the same moment', { cause: error });
      throw error;
    }
  }

  #undoPath(em: EntityManager, ticket: UndoTicket): Promise<string> {
    return this.#oneTime
      .put(UNDO, ticket, { ttl: EMAIL_CHANGE_TTL, subject: ticket.accountId, em })
      .then((token) => `/email-undo/${token}`);
  }

  #record(em: EntityManager, id: string, action: string, cause: Cause): Promise<void> {
    return this.#audit.record({ ...cause, action, target: { kind: 'account', id } }, em);
  }
}

/** Somebody else was faster; nothing of the transaction stays. */
export class EmailTaken extends Error {}
