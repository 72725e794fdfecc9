// The doors of the pages for administrators: a session of the portal, then what the account may do at this moment. Who administers nothing is told
// that there is no such page. A change asks for a fresh proof as well, so that a stolen session makes no client.
import type { RouterContext } from '@koa/router';
import { type Authority, requirePermission } from '../../access/authority.ts';
import type { Permission } from '../../access/permission.ts';
import type { Roles } from '../../access/roles.ts';
import { NotFound } from '../../errors.ts';
import { type FreshProofParts, portalDoors } from '../fresh-proof.ts';
import type { PortalSession } from '../portal-session.ts';

export interface AdminDoorParts extends FreshProofParts {
  readonly roles: Roles;
}

export interface Administrator {
  readonly session: PortalSession;
  readonly authority: Authority;
}

export type AdminStep = (ctx: RouterContext, administrator: Administrator) => Promise<void>;

/** @param home where a form leads back to that has to be sent again after a fresh proof */
export function adminDoors(parts: AdminDoorParts, home: string) {
  const { seen, proven, submit } = portalDoors(parts, home);
  const allowed =
    (permission: Permission, step: AdminStep) =>
    async (ctx: RouterContext, session: PortalSession): Promise<void> => {
      const authority = await parts.roles.authority(session.account.id);
      requirePermission(authority, permission);
      await step(ctx, { session, authority });
    };
  /** For whoever administers anything. */
  const enter = (step: AdminStep) =>
    seen(async (ctx, session) => {
      const authority = await parts.roles.authority(session.account.id);
      if (authority.permissions.size === 0) throw new NotFound();
      await step(ctx, { session, authority });
    });
  return {
    enter,
    look: (permission: Permission, step: AdminStep) => seen(allowed(permission, step)),
    /** For the page of a form that is worth filling in once: the proof comes before it. */
    prove: (permission: Permission, step: AdminStep) => proven(allowed(permission, step)),
    change: (permission: Permission, step: AdminStep) => submit(allowed(permission, step)),
  };
}
