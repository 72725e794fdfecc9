// What administrators do to one account. Each act names the permission that it needs and begins, in its own transaction, by reading anew what both
// sides may do; each leaves a row of the audit with the reason that was given. Nobody here sees or chooses a password.
import { requireRoleRank } from '../../access/authority.ts';
import type { Permission } from '../../access/permission.ts';
import type { Roles } from '../../access/roles.ts';
import type { AccountRow, Accounts } from '../../account/accounts.ts';
import type { Audit, Cause } from '../../audit/audit.ts';
import type { Lockout } from '../../credential/lockout.ts';
import { Conflict, NotFound } from '../../errors.ts';
import type { Notices } from '../../notification/notices.ts';
import type { AccountDeletions } from '../../oidc/account-deletions.ts';
import type { SessionsAndGrants } from '../../oidc/sessions-and-grants.ts';
import type { Database, EntityManager } from '../../storage/database.ts';

export const ACCOUNT_ACTIONS = [
  ...(['edit', 'disable', 'enable', 'sign-out', 'end-session', 'delete', 'restore'] as const),
  ...(['unlock', 'reset', 'reset-credentials'] as const),
  ...(['give-role', 'take-role'] as const),
];
export type AccountAction = (typeof ACCOUNT_ACTIONS)[number];

export interface AccountActionParts {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly audit: Audit;
  readonly lockout: Lockout;
  readonly sessionsAndGrants: SessionsAndGrants;
  readonly deletions: AccountDeletions;
  readonly notices: Notices;
}

interface Change {
  readonly actorId: string;
  readonly account: AccountRow;
  readonly cause: Cause;
  readonly form: {
    readonly role: string;
    /** The id of one of the account. */
    readonly session: string;
    readonly name: string | null;
    readonly givenName: string | null;
    readonly familyName: string | null;
  };
  /** Makes the mail for a new password; null where there is no address. */
  readonly mail: ((em: EntityManager, account: AccountRow) => Promise<void>) | null;
  /** Of mails to who has chosen no language. */
  readonly locale: string;
}

interface Rule {
  readonly permission: Permission;
  /** Nobody does this to the own account: it would lock them out, and the account portal is there for it. */
  readonly isForOthersOnly?: true;
  /** Where it makes sense. */
  readonly isOffered?: (account: AccountRow) => boolean;
  /** @param guard has to be the first thing in the transaction */
  readonly run: (parts: AccountActionParts, change: Change, guard: Guard) => Promise<void>;
}

type Guard = (em: EntityManager) => ReturnType<Roles['requireReach']>;

const RULES: Readonly<Record<AccountAction, Rule>> = {
  edit: {
    permission: 'accounts:update',
    async run({ accounts }, { account, cause, form }, guard) {
      const { name, givenName, familyName } = form;
      await accounts.updateNames(account.id, { name, givenName, familyName }, cause, guard);
    },
  },
  disable: {
    permission: 'accounts:update',
    isForOthersOnly: true,
    isOffered: ({ status }) => ['active', 'pending', 'locked'].includes(status),
    run: ({ sessionsAndGrants }, { account, cause }, guard) => sessionsAndGrants.disable(account, cause, guard),
  },
  enable: {
    permission: 'accounts:update',
    isOffered: ({ status }) => status === 'disabled',
    run: ({ accounts }, { account, cause }, guard) =>
      accounts.setStatus(account.id, { from: ['disabled'], to: 'active', action: 'account.enable' }, cause, guard),
  },
  unlock: {
    permission: 'accounts:reset',
    async run({ database, accounts, audit, lockout }, { account, cause }, guard) {
      const action = 'account.unlock';
      if (account.status === 'locked') {
        await accounts.setStatus(account.id, { from: ['locked'], to: 'active', action }, cause, guard);
      } else {
        await database.transaction(async (em) => {
          await guard(em);
          await audit.record({ ...cause, action, target: { kind: 'account', id: account.id } }, em);
        });
      }
      await lockout.clearAll(account.id);
    },
  },
  'sign-out': {
    permission: 'sessions:revoke',
    async run({ database, accounts, sessionsAndGrants }, { account, cause }, guard) {
      await database.transaction(async (em) => {
        await guard(em);
        await accounts.noteSignOut(account.id, em);
      });
      accounts.forgetRecent();
      await sessionsAndGrants.endAll(account, cause, 'administrator');
    },
  },
  'end-session': {
    permission: 'sessions:revoke',
    // It is offered beside each session.
    isOffered: () => false,
    async run({ sessionsAndGrants }, { account, cause, form }, guard) {
      await sessionsAndGrants.endSession(account, form.session, cause, { guard, reason: 'administrator' });
    },
  },
  reset: {
    permission: 'accounts:reset',
    isOffered: ({ status, email }) => status === 'active' && email !== null,
    async run({ database, audit, notices }, { account, cause, mail }, guard) {
      await database.transaction(async (em) => {
        await guard(em);
        if (mail === null || account.status !== 'active') throw accountState();
        await mail(em, account);
        const target = { kind: 'account', id: account.id };
        await audit.record({ ...cause, action: 'account.start-reset', target }, em);
        await notices.tell(em, { owner: account, about: { what: 'reset-asked' }, isMailed: true });
      });
    },
  },
  'reset-credentials': {
    permission: 'accounts:reset',
    isForOthersOnly: true,
    run: ({ sessionsAndGrants }, { account, cause, mail }, guard) =>
      sessionsAndGrants.resetCredentials(account, cause, {
        guard,
        // Who may not sign in gets no way to: that comes when the account is enabled.
        alongside: async (em) => (account.status === 'active' ? mail?.(em, account) : undefined),
        isMailed: mail !== null && account.status === 'active',
      }),
  },
  delete: {
    permission: 'accounts:delete',
    isForOthersOnly: true,
    run: ({ sessionsAndGrants }, { account, cause }, guard) => sessionsAndGrants.delete(account, cause, guard),
  },
  restore: {
    permission: 'accounts:delete',
    isOffered: ({ status }) => status === 'deleted',
    run: ({ deletions, notices }, { account, cause, locale }, guard) =>
      deletions.restore(account, cause, {
        guard,
        // Where administrators work is no business of anybody's.
        alongside: (em) =>
          notices.tell(em, { owner: account, about: { what: 'deletion-undone' }, locale, path: '/account/data' }),
      }),
  },
  'give-role': {
    // What the role itself needs is asked below.
    permission: 'accounts:read',
    async run({ database, roles }, { account, cause, form }, guard) {
      await database.transaction(async (em) => {
        const authority = await guard(em);
        const { role, permissions } = await roles.reachOf(form.role, em);
        requireRoleRank(authority, role, permissions);
        await roles.assign(em, account.id, role.id, cause);
      });
    },
  },
  'take-role': {
    permission: 'accounts:read',
    async run({ database, roles }, { account, cause, form }, guard) {
      await database.transaction(async (em) => {
        const authority = await guard(em);
        const { role, permissions } = await roles.reachOf(form.role, em);
        requireRoleRank(authority, role, permissions);
        if (!(await roles.revoke(em, account.id, role.id, cause))) {
          throw new Conflict('The account does not have this role.', { code: 'role-not-held' });
        }
      });
    },
  },
};

export function permissionFor(action: AccountAction): Permission {
  return RULES[action].permission;
}

/** Whether a page offers it to somebody with these permissions. @param isOwn about the administrator's own account */
export function isOffered(
  action: AccountAction,
  account: AccountRow,
  permissions: ReadonlySet<Permission>,
  isOwn: boolean,
): boolean {
  const { permission, isForOthersOnly = false, isOffered: fits } = RULES[action];
  return permissions.has(permission) && !(isOwn && isForOthersOnly) && (fits?.(account) ?? true);
}

/** @throws Conflict `own-account` */
export function refuseOwn(action: AccountAction, actorId: string, accountId: string): void {
  if (actorId !== accountId || !RULES[action].isForOthersOnly) return;
  throw new Conflict('This cannot be done to the own account here.', { code: 'own-account' });
}

/** @throws Conflict, Forbidden, NotFound */
export async function runAccountAction(
  parts: AccountActionParts,
  action: AccountAction,
  change: Change,
): Promise<void> {
  const { actorId, account } = change;
  refuseOwn(action, actorId, account.id);
  const { run, permission } = RULES[action];
  await run(parts, change, async (em) => {
    const authority = await parts.roles.requireReach(em, actorId, account.id, permission);
    // Two who delete it at once, or a mail to an address that was changed meanwhile.
    const now = await parts.accounts.findByIdWithin(em, account.id);
    if (!now) throw new NotFound('There is no such account.', { code: 'account-not-found' });
    if (now.email !== account.email) throw accountState();
    return authority;
  });
}

function accountState(): Conflict {
  return new Conflict('The account is not in a state that allows this.', { code: 'account-state' });
}
