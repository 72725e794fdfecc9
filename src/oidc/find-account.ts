// Who a token or a session speaks of. Asked at every use, so that an account that was disabled a moment ago is refused at once.
import type { FindAccount } from 'oidc-provider';
import type { Accounts } from '../account/accounts.ts';
import { standardClaims } from '../account/claims.ts';

export function createFindAccount(accounts: Accounts): FindAccount {
  return async (_ctx, subject) => {
    const account = await accounts.findBySubject(subject);
    if (account?.status !== 'active') return undefined;
    return { accountId: account.subject, claims: () => standardClaims(account) };
  };
}
