// The number of an account that goes up when a credential is replaced or removed. What was bound to an older number is dead: trusted devices,
// mailed links and codes, what a browser knows.
import type { EntityManager } from '../storage/database.ts';

export async function raiseCredentialVersion(em: EntityManager, accountId: string): Promise<void> {
  await em.execute('update account set credential_version = credential_version + 1, updated_at = now() where id = ?', [
    accountId,
  ]);
}
