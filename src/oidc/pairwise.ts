// Subjects that differ from sector to sector, so that clients of different owners cannot compare whom they know (OIDC Core 8.1). The salt is
// made once, sealed, and never changes: with another one every client would meet strangers.
import { randomUUID } from 'node:crypto';
import { keyedHash, randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database } from '../storage/database.ts';
import { SealedSecret } from './key.entity.ts';

const PURPOSE = 'pairwise-salt';
const SALT_LOCK = 5_203_618_003;

interface Parts {
  readonly database: Database;
  readonly seal: Seal;
}

/** The salt, made by whichever process comes first. @throws SealError */
export async function loadPairwiseSalt({ database, seal }: Parts): Promise<string> {
  const known = await database.em().findOne(SealedSecret, { purpose: PURPOSE });
  if (known) return seal.openText(PURPOSE, known.sealed);
  return database.transaction(async (em) => {
    await em.execute(`select pg_advisory_xact_lock(${SALT_LOCK})`);
    const row = await em.findOne(SealedSecret, { purpose: PURPOSE });
    if (row) return seal.openText(PURPOSE, row.sealed);
    const salt = randomToken();
    const sealed = seal.seal(PURPOSE, salt);
    await em
      .persist(em.create(SealedSecret, { id: randomUUID(), purpose: PURPOSE, sealed, createdAt: new Date() }))
      .flush();
    return salt;
  });
}

/** @param sector the host that speaks for all clients of one owner @param subject the engine's account id */
export function pairwiseSubject(salt: string, sector: string, subject: string): string {
  return keyedHash(Buffer.from(salt), 'pairwise', sector, subject);
}
