// What an account holds at the engine, and how it ends: sessions, grants with all their tokens, pending interactions.
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { Audit, Cause } from '../audit/audit.ts';
import type { GrantStorage } from './grant-adapter.ts';

/** Tells one app that a session of it ended. */
type NotifyLogout = (clientId: string, subject: string, sid: string | undefined) => Promise<void>;

export class SessionsAndGrants {
  readonly #accounts: Accounts;
  readonly #audit: Audit;
  readonly #grants: GrantStorage;
  readonly #notifyLogout: NotifyLogout;

  constructor(parts: {
    readonly accounts: Accounts;
    readonly audit: Audit;
    readonly grants: GrantStorage;
    readonly notifyLogout: NotifyLogout;
  }) {
    this.#notifyLogout = parts.notifyLogout;
    this.#accounts = parts.accounts;
    this.#audit = parts.audit;
    this.#grants = parts.grants;
  }

  /** Ends everything an account holds, at once, and tells the apps. @param reason a stable word for the audit */
  async endAll(account: AccountRow, cause: Cause, reason?: string): Promise<void> {
    const sessions = await this.#grants.listSessions(account.subject);
    await this.#grants.revokeByAccount(account.subject);
    for (const { clientId, sid } of sessions.flatMap((session) => session.clients)) {
      await this.#notifyLogout(clientId, account.subject, sid);
    }
    await this.#audit.record({
      ...cause,
      action: 'account.sign-out',
      target: { kind: 'account', id: account.id },
      reason,
    });
  }

  /** Refuses an account from now on: first its state, then all it holds, so that nothing new can be made in between. */
  async disable(account: AccountRow, cause: Cause): Promise<void> {
    await this.#accounts.setStatus(
      account.id,
      { from: ['active', 'pending', 'locked'], to: 'disabled', action: 'account.disable' },
      cause,
    );
    await this.endAll(account, cause, 'disabled');
  }

  async delete(account: AccountRow, cause: Cause): Promise<void> {
    await this.#accounts.delete(account.id, cause);
    await this.endAll(account, cause, 'deleted');
  }
}
