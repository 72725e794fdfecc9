// Who a token or a session speaks of. Asked at every use, so that an account that was disabled a moment ago is refused at once, and so is what
// began before the account was signed out everywhere, even if the process died before it could delete it (requirements P8).
import type { FindAccount } from 'oidc-provider';
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { AccountRow, Accounts } from '../account/accounts.ts';
import { standardClaims } from '../account/claims.ts';
import { chosenOrganization } from './chosen-organization.ts';

interface Parts {
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly organizations: Organizations;
}

export function createFindAccount({ accounts, roles, organizations }: Parts): FindAccount {
  return async (ctx, subject, token) => {
    const account = await accounts.findBySubject(subject);
    if (!account || !isSignedIn(account, beganAt(token) ?? beganAt(ctx.oidc.session))) return undefined;
    return {
      accountId: account.subject,
      async claims(_use, scope) {
        const scopes = scope.split(' ');
        const claims = standardClaims(account);
        // Asked for only where they are wanted: they cost look-ups.
        if (scopes.includes('organizations')) {
          const signedInAt = signInTime(token ?? ctx.oidc.session);
          const chosen = chosenOrganization(token ?? ctx.oidc);
          Object.assign(claims, await organizations.claimsFor(account.id, chosen, signedInAt));
        }
        if (scopes.includes('roles')) {
          const audience: unknown = ctx.oidc.client?.['latchkey_role_audience'];
          const audiences = typeof audience === 'string' ? [audience] : [];
          Object.assign(claims, await roles.claimsFor(account.id, audiences));
        }
        return claims;
      },
    };
  };
}

/**
 * Whether what began then may still speak for an account. In whole seconds, as the engine counts: what began within the second of a
 * sign-out is left to its deletion.
 * @param since seconds since 1970; undefined for what begins only now
 */
export function isSignedIn(account: AccountRow, since: number | undefined): boolean {
  return account.status === 'active' && (account.signedOutAt === null || (since ?? Infinity) >= account.signedOutAt);
}

/** Of a session when its person signed in; of a token that, or else when it was issued. */
function beganAt(holder: object | undefined): number | undefined {
  const { iat } = (holder ?? {}) as { iat?: unknown };
  return signInTime(holder) ?? (typeof iat === 'number' ? iat : undefined);
}

/** Of what knows when its person signed in. */
function signInTime(holder: object | undefined): number | undefined {
  const { loginTs, authTime } = (holder ?? {}) as Partial<Record<'loginTs' | 'authTime', unknown>>;
  return [loginTs, authTime].find((one) => typeof one === 'number');
}
