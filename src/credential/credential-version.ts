// One change of an account's credentials at a time, and the number that goes up when one is replaced or removed. What was bound to an older
// number is dead: trusted devices, mailed links and codes, what a browser knows.
import type { EntityManager } from '../storage/database.ts';

/**
 * Waits until no other transaction changes this account's credentials. Always the first lock of such a transaction: two that lock in
 * different orders would wait for one another. @returns whether there is such an account
 */
export async function lockCredentials(em: EntityManager, accountId: string): Promise<boolean> {
  const rows = await em.execute<object[]>('select 1 as one from account where id = ? for no key update', [accountId]);
  return rows.length === 1;
}

export async function raiseCredentialVersion(em: EntityManager, accountId: string): Promise<void> {
  await em.execute('update account set credential_version = credential_version + 1, updated_at = now() where id = ?', [
    accountId,
  ]);
}
