// What an account holds at the engine, and how it ends: sessions, grants with all their tokens, pending interactions.
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import type { LinkedIdentities } from '../account/linked-identities.ts';
import type { Audit, Cause } from '../audit/audit.ts';
import { lockCredentials } from '../credential/credential-version.ts';
import type { Factors } from '../credential/factors.ts';
import type { Lockout } from '../credential/lockout.ts';
import type { MailedSecrets } from '../credential/mailed-secret.ts';
import type { TrustedDevices } from '../credential/trusted-device.ts';
import { NotFound } from '../errors.ts';
import type { Notices } from '../notification/notices.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { BrowserSession, BrowserSessions } from './browser-sessions.ts';
import type { GrantStorage } from './grant-adapter.ts';
import type { EngineSession } from './grant-view.ts';
import type { PersonalData } from './personal-data.ts';

/** Refuses a change by throwing, or adds to it, in its transaction. */
export type Alongside = (em: EntityManager) => Promise<unknown>;

/** Tells one app that a session of it ended. */
type NotifyLogout = (clientId: string, subject: string, sid: string | undefined) => Promise<void>;

export class SessionsAndGrants {
  readonly #database: Database;
  readonly #identities: LinkedIdentities;
  readonly #factors: Factors;
  readonly #lockout: Lockout;
  readonly #accounts: Accounts;
  readonly #roles: Roles;
  readonly #organizations: Organizations;
  readonly #mailed: MailedSecrets;
  readonly #audit: Audit;
  readonly #browserSessions: BrowserSessions;
  readonly #grants: GrantStorage;
  readonly #trustedDevices: TrustedDevices;
  readonly #personalData: PersonalData;
  readonly #notifyLogout: NotifyLogout;
  readonly #notices: Notices;

  constructor(parts: {
    readonly database: Database;
    readonly identities: LinkedIdentities;
    readonly factors: Factors;
    readonly lockout: Lockout;
    readonly accounts: Accounts;
    readonly roles: Roles;
    readonly organizations: Organizations;
    readonly mailed: MailedSecrets;
    readonly audit: Audit;
    readonly browserSessions: BrowserSessions;
    readonly grants: GrantStorage;
    readonly trustedDevices: TrustedDevices;
    readonly personalData: PersonalData;
    readonly notifyLogout: NotifyLogout;
    readonly notices: Notices;
  }) {
    this.#database = parts.database;
    this.#identities = parts.identities;
    this.#factors = parts.factors;
    this.#lockout = parts.lockout;
    this.#trustedDevices = parts.trustedDevices;
    this.#personalData = parts.personalData;
    this.#notifyLogout = parts.notifyLogout;
    this.#notices = parts.notices;
    this.#accounts = parts.accounts;
    this.#browserSessions = parts.browserSessions;
    this.#roles = parts.roles;
    this.#organizations = parts.organizations;
    this.#mailed = parts.mailed;
    this.#audit = parts.audit;
    this.#grants = parts.grants;
  }

  /** Ends everything an account holds, at once, trust in browsers included, and tells the apps. @param reason a stable word for the audit */
  async endAll(account: AccountRow, cause: Cause, reason?: string): Promise<void> {
    // First what one statement can do: from here on nothing of it is taken, whatever becomes of the rest.
    await this.#accounts.noteSignOut(account.id);
    const sessions = await this.#grants.listSessions(account.subject);
    await this.#grants.revokeByAccount(account.subject);
    await this.#trustedDevices.revokeAll(account.id);
    await this.#browserSessions.noteEndOfAll(account.id);
    await this.#tellApps(account, sessions);
    await this.#audit.record({
      ...cause,
      action: 'account.sign-out',
      target: { kind: 'account', id: account.id },
      reason,
    });
  }

  /** Where an account is signed in, the last used first. */
  async list(account: AccountRow): Promise<readonly BrowserSession[]> {
    return this.#browserSessions.list(account.id, await this.#grants.listSessions(account.subject));
  }

  /**
   * Ends one session with every token that was issued in it, at once, and tells the apps.
   * @param id of its row
   * @param by somebody else: what refuses it by throwing, and a stable word for the audit, where it is an event of the account
   * @returns the engine's id of the session, or null when it had ended already
   * @throws NotFound when the account has no such session
   */
  async endSession(
    account: AccountRow,
    id: string,
    cause: Cause,
    by?: { readonly guard: Alongside; readonly reason: string },
  ): Promise<string | null> {
    const row = await this.#browserSessions.find(account.id, id);
    if (!row) throw new NotFound('There is no such session.', { code: 'session-not-found' });
    const session = (await this.#grants.listSessions(account.subject)).find(row.isOf);
    if (!session) return null;
    const action = 'session.revoke';
    if (by) {
      // What cannot be written down is not done.
      await this.#database.transaction(async (em) => {
        await by.guard(em);
        const target = { kind: 'account', id: account.id };
        await this.#audit.record({ ...cause, action, target, reason: by.reason }, em);
      });
    }
    await this.#end(account, session);
    if (!by) await this.#audit.record({ ...cause, action, target: { kind: 'session', id } });
    return session.uid;
  }

  /** The one that a browser shows. @param uid the engine's id of it */
  async endEngineSession(account: AccountRow, uid: string, cause: Cause): Promise<void> {
    const session = (await this.#grants.listSessions(account.subject)).find((one) => one.uid === uid);
    if (!session) return;
    await this.#end(account, session);
    await this.#audit.record({ ...cause, action: 'session.revoke', target: { kind: 'account', id: account.id } });
  }

  /**
   * Ends every session but one, and every token, those of the kept session included: its apps get new ones without a question. Trust in
   * browsers ends as well.
   * @param keptUid the engine's id of the session that stays
   */
  async endOthers(account: AccountRow, keptUid: string, cause: Cause): Promise<void> {
    const sessions = (await this.#grants.listSessions(account.subject)).filter((session) => session.uid !== keptUid);
    await this.#grants.revokeByAccount(account.subject, { exceptSessionUid: keptUid });
    await this.#trustedDevices.revokeAll(account.id);
    await this.#browserSessions.noteEndOfAll(account.id, keptUid);
    await this.#tellApps(account, sessions);
    await this.#audit.record({
      ...cause,
      action: 'account.sign-out',
      target: { kind: 'account', id: account.id },
      reason: 'others',
    });
  }

  async #end(account: AccountRow, session: EngineSession): Promise<void> {
    await this.#grants.revokeSession(session.uid);
    await this.#browserSessions.noteEnd(session.uid);
    await this.#tellApps(account, [session]);
  }

  async #tellApps(account: AccountRow, sessions: readonly EngineSession[]): Promise<void> {
    for (const { clientId, sid } of sessions.flatMap((session) => session.clients)) {
      await this.#notifyLogout(clientId, account.subject, sid);
    }
  }

  /**
   * Refuses an account from now on: first its state, then all it holds, so that nothing new can be made in between. Enabled again it cannot be
   * entered by a link or code of before (requirements A4).
   * @throws Conflict `last-super-admin`, `last-organization-owner`, `account-state`
   */
  async disable(account: AccountRow, cause: Cause, guard?: Alongside): Promise<void> {
    await this.#accounts.setStatus(
      account.id,
      { from: ['active', 'pending', 'locked'], to: 'disabled', action: 'account.disable' },
      cause,
      async (em) => {
        await guard?.(em);
        await this.#roles.guardLastOwner(em, account.id);
        await this.#organizations.guardLastOwner(em, account.id);
        await lockCredentials(em, account.id);
        await this.#mailed.revokeAll(em, account.id);
      },
    );
    await this.endAll(account, cause, 'disabled');
  }

  /**
   * Takes every credential away, with all that was entered by them: whoever lost everything proves the address and begins anew (requirements F11).
   * The owner is told, also where a mail of another kind says it.
   * @param around.guard comes first, `around.alongside` last in the same transaction
   */
  async resetCredentials(
    account: AccountRow,
    cause: Cause,
    around: { readonly guard?: Alongside; readonly alongside?: Alongside; readonly isMailed?: boolean } = {},
  ): Promise<void> {
    const target = { kind: 'account', id: account.id };
    await this.#database.transaction(async (em) => {
      await around.guard?.(em);
      // While the account still has its chats. Who may not sign in is told nothing.
      const told = {
        owner: account,
        about: { what: 'credentials-reset' },
        isMailed: around.isMailed ?? false,
      } as const;
      if (account.status === 'active') await this.#notices.tell(em, told);
      await this.#factors.removeAll(em, account.id);
      await this.#identities.unlinkAll(em, account.id);
      await this.#accounts.noteSignOut(account.id, em);
      await this.#audit.record({ ...cause, action: 'account.reset-credentials', target }, em);
      await around.alongside?.(em);
    });
    this.#accounts.forgetRecent();
    await this.#lockout.clear(account.id);
    await this.endAll(account, cause, 'reset-credentials');
  }

  /** For good, and at once. @throws Conflict `last-super-admin`, `last-organization-owner` */
  async delete(account: AccountRow, cause: Cause, guard?: Alongside): Promise<void> {
    await this.#accounts.delete(account.id, cause, async (em) => {
      await guard?.(em);
      await this.#roles.guardLastOwner(em, account.id);
      await this.#organizations.guardLastOwner(em, account.id);
      await this.#personalData.erase(em, account);
    });
    await this.endAll(account, cause, 'deleted');
  }
}
