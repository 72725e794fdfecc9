// The one place that says who may do what to whom. Rights are read at the moment of the change, so taking a role away acts at once; the rank
// rule is here and nowhere else: nobody grants, edits or acts on a rank above their own (requirements O2, O3).
import { Forbidden, NotFound } from '../errors.ts';
import type { Permission, RoleDefinition } from './permission.ts';

/** What an account may do now. */
export interface Authority {
  readonly accountId: string;
  /** The highest of the roles held; 0 for none. */
  readonly rank: number;
  readonly permissions: ReadonlySet<Permission>;
}

/** @throws NotFound for who administers nothing, so that pages of administrators do not show that they exist; else Forbidden */
export function requirePermission(authority: Authority, permission: Permission): void {
  if (authority.permissions.has(permission)) return;
  if (authority.permissions.size === 0) throw new NotFound();
  throw new Forbidden('Your role does not allow this.', { code: 'permission-missing' });
}

/**
 * Before anything is done to somebody's account.
 * @param target what the other account may do
 * @throws Forbidden `rank`
 */
export function requireRank(authority: Authority, target: Pick<Authority, 'rank'>): void {
  if (target.rank > authority.rank) {
    throw new Forbidden('This account has a higher rank than yours.', { code: 'rank' });
  }
}

/** Whether `requireRoleRank` would let it pass: what a page offers. */
export function mayGiveRole(
  authority: Authority,
  role: Pick<RoleDefinition, 'rank' | 'audience'>,
  permissions: readonly string[],
): boolean {
  try {
    requireRoleRank(authority, role, permissions);
    return true;
  } catch {
    return false;
  }
}

/**
 * Before a role is given, taken, made or changed. Whoever gives administrative roles needs a permission for it; and no role can carry what
 * its giver does not have, or two of a rank could lift each other up.
 * @param permissions everything the role stands for, inherited ones included
 * @throws Forbidden `rank` or `permission-missing`
 */
export function requireRoleRank(
  authority: Authority,
  role: Pick<RoleDefinition, 'rank' | 'audience'>,
  permissions: readonly string[],
): void {
  requirePermission(authority, role.audience === null ? 'admins:write' : 'accounts:update');
  if (role.rank > authority.rank) throw new Forbidden('This role has a higher rank than yours.', { code: 'rank' });
  if (role.audience !== null) return;
  const missing = permissions.find((one) => !authority.permissions.has(one as Permission));
  if (missing !== undefined) {
    throw new Forbidden('This role may do what you may not.', { code: 'permission-missing' });
  }
}
