// An account that its owner deletes (requirements A15, A4): from that moment nothing of it works, for a grace its owner can take it back by the link of a
// mail, and then it is purged. Taking it back revives no session, token, link or code. What an operator deletes is gone at once, see
// sessions-and-grants.
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { Audit, Cause } from '../audit/audit.ts';
import { lockCredentials } from '../credential/credential-version.ts';
import type { MailedSecrets } from '../credential/mailed-secret.ts';
import { Conflict } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { Lease } from '../storage/lease.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { PersonalData } from './personal-data.ts';
import type { Alongside, SessionsAndGrants } from './sessions-and-grants.ts';

const UNDO = 'deletion-undo';
/** Seconds: longer than a round takes. */
const LEASE = 300;
const AT_ONCE = 100;

interface Parts {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly organizations: Organizations;
  readonly mailed: MailedSecrets;
  readonly oneTime: OneTime;
  readonly audit: Audit;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly personalData: PersonalData;
  readonly lease: Lease;
  /** Seconds. */
  readonly grace: number;
}

/** Writes the mail, in the transaction. @param undoPath changes nothing when it is opened */
type Tell = (em: EntityManager, undoPath: string, purgeAt: Date) => Promise<void>;

export class AccountDeletions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Seconds. */
  get grace(): number {
    return this.#parts.grace;
  }

  /**
   * @returns when it will be gone
   * @throws Conflict `last-super-admin`, `last-organization-owner`, `account-state`
   */
  async request(account: AccountRow, cause: Cause, tell: Tell): Promise<Date> {
    const { database, accounts, roles, organizations, mailed, oneTime, audit, sessionsAndGrants, grace } = this.#parts;
    const target = { kind: 'account', id: account.id } as const;
    const purgeAt = await database.transaction(async (em) => {
      await roles.guardLastOwner(em, account.id);
      await organizations.guardLastOwner(em, account.id);
      await lockCredentials(em, account.id);
      const at = await accounts.beginDeletion(em, account.id, grace);
      if (at === null) throw new Conflict('The account is not in a state that allows this.', { code: 'account-state' });
      await mailed.revokeAll(em, account.id);
      await accounts.noteSignOut(account.id, em);
      await audit.record({ ...cause, action: 'account.delete-request', target }, em);
      const token = await oneTime.put(UNDO, { accountId: account.id }, { ttl: grace, subject: account.id, em });
      await tell(em, `/account-restore/${token}`, at);
      return at;
    });
    accounts.forgetRecent();
    await sessionsAndGrants.endAll(account, cause, 'deleted');
    return purgeAt;
  }

  /** Whose deletion a link takes back; null when it does nothing any more. */
  async findUndo(token: string): Promise<string | null> {
    return (await this.#parts.oneTime.find<{ accountId: string }>(UNDO, token))?.accountId ?? null;
  }

  /** @returns false when the link was used, or the account is gone or back already */
  async undo(token: string, cause: Cause): Promise<boolean> {
    return this.#restore(
      async (em) => (await this.#parts.oneTime.takeWithin<{ accountId: string }>(em, UNDO, token))?.accountId,
      cause,
    );
  }

  /**
   * By an operator or an administrator.
   * @param around.guard comes first, `around.alongside` last in the same transaction
   * @throws Conflict `account-state`
   */
  async restore(
    account: AccountRow,
    cause: Cause,
    around: { readonly guard?: Alongside; readonly alongside?: Alongside } = {},
  ): Promise<void> {
    const find = async (em: EntityManager): Promise<string> => {
      await around.guard?.(em);
      return account.id;
    };
    if (await this.#restore(find, cause, around.alongside)) return;
    throw new Conflict('The account is not in a state that allows this.', { code: 'account-state' });
  }

  async #restore(
    find: (em: EntityManager) => Promise<string | undefined>,
    cause: Cause,
    alongside?: Alongside,
  ): Promise<boolean> {
    const { database, accounts, audit } = this.#parts;
    const isBack = await database.transaction(async (em) => {
      const id = await find(em);
      if (id === undefined || !(await accounts.endDeletion(em, id))) return false;
      // Every other link of it ends as well.
      await em.execute('delete from one_time_value where kind = ? and subject = ?', [UNDO, id]);
      await audit.record({ ...cause, action: 'account.delete-undo', target: { kind: 'account', id } }, em);
      await alongside?.(em);
      return true;
    });
    accounts.forgetRecent();
    return isBack;
  }

  /** Takes away what is due, in one process at a time. @returns how many accounts are gone */
  async sweep(): Promise<number> {
    const { accounts, lease } = this.#parts;
    if (!(await lease.hold(LEASE))) return 0;
    let count = 0;
    for (const account of await accounts.listDue(AT_ONCE)) if (await this.#purge(account)) count += 1;
    return count;
  }

  /** One condition decides, so that an account which was taken back a moment ago stays. */
  async #purge(account: Pick<AccountRow, 'id' | 'subject'>): Promise<boolean> {
    const { database, accounts, audit, personalData } = this.#parts;
    const { id } = account;
    const isGone = await database.transaction(async (em) => {
      if (!(await accounts.isDue(em, id))) return false;
      await personalData.erase(em, account);
      await accounts.purge(em, id);
      const actor = { kind: 'system' } as const;
      await audit.record({ actor, action: 'account.delete', target: { kind: 'account', id }, reason: 'purge' }, em);
      return true;
    });
    accounts.forgetRecent();
    return isGone;
  }
}
