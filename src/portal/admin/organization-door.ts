// The doors of the pages about organizations: who administers Latchkey, or at the pages of one organization who manages that one. For everybody else
// there is no such page, and a right that was taken away is gone at the next request.
import type { RouterContext } from '@koa/router';
import { requirePermission } from '../../access/authority.ts';
import type { MemberRole, Organization, Organizations, Principal } from '../../access/organizations.ts';
import type { Accounts } from '../../account/accounts.ts';
import { portalDoors } from '../fresh-proof.ts';
import type { AdminDoorParts, Administrator, AdminStep } from './admin-door.ts';

export const ORGANIZATIONS = '/admin/organizations';

export interface OrganizationDoorParts extends AdminDoorParts {
  readonly organizations: Organizations;
  readonly accounts: Accounts;
}

export function organizationDoors(parts: OrganizationDoorParts) {
  const { seen, submit } = portalDoors(parts, ORGANIZATIONS);
  const allowed =
    (step: AdminStep, isChange: boolean) =>
    async (ctx: RouterContext, session: Administrator['session']): Promise<void> => {
      const { id: accountId } = session.account;
      const authority = await parts.roles.authority(accountId);
      const id: string | undefined = ctx.params['id'];
      const isGlobal = authority.permissions.has(isChange ? 'organizations:write' : 'organizations:read');
      if (!isGlobal) {
        const role = id === undefined ? null : await parts.organizations.roleIn(id, accountId);
        const manages = id === undefined ? await parts.organizations.managesAny(accountId) : isInCharge(role);
        // Nobody makes an organization who only manages one.
        if (!manages || (isChange && id === undefined)) {
          requirePermission(authority, isChange ? 'organizations:write' : 'organizations:read');
        }
      }
      await step(ctx, { session, authority });
    };
  return {
    look: (step: AdminStep) => seen(allowed(step, false)),
    change: (step: AdminStep) => submit(allowed(step, true)),
  };
}

/** The navigation of somebody who manages an organization only has this one page. */
export function withOwnPages(who: Administrator): Administrator {
  const permissions = new Set([...who.authority.permissions, 'organizations:read' as const]);
  return { ...who, authority: { ...who.authority, permissions } };
}

export function isInCharge(role: MemberRole | null): boolean {
  return role === 'owner' || role === 'admin';
}

export function by(who: Administrator): Principal {
  return { kind: 'account', id: who.session.account.id };
}

export function pathOf({ id }: Pick<Organization, 'id'>): string {
  return `${ORGANIZATIONS}/${id}`;
}
