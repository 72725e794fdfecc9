// Secrets that a deployment makes once, keeps sealed and never changes, such as the salt of pairwise subjects. Whichever process comes first
// makes it; all others read it.
import { randomUUID } from 'node:crypto';
import { randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from './database.ts';

interface Parts {
  readonly database: Database;
  readonly seal: Seal;
  /** Also what it is sealed for. */
  readonly purpose: string;
  /** Any number of its own: two processes that start together take turns. */
  readonly lock: number;
}

/** 32 random bytes as text, the same for ever. @throws SealError */
export async function loadKeptSecret({ database, seal, purpose, lock }: Parts): Promise<string> {
  const known = await find(database.em(), purpose);
  if (known !== null) return seal.openText(purpose, known);
  return database.transaction(async (em) => {
    await em.execute(`select pg_advisory_xact_lock(${lock})`);
    const row = await find(em, purpose);
    if (row !== null) return seal.openText(purpose, row);
    const secret = randomToken();
    await em.execute('insert into sealed_secret (id, purpose, sealed, created_at) values (?, ?, ?, now())', [
      ...[randomUUID(), purpose, seal.seal(purpose, secret)],
    ]);
    return secret;
  });
}

async function find(em: EntityManager, purpose: string): Promise<Uint8Array | null> {
  const rows = await em.execute<{ sealed: Uint8Array }[]>('select sealed from sealed_secret where purpose = ?', [
    purpose,
  ]);
  return rows[0]?.sealed ?? null;
}
