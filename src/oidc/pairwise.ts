// Subjects that differ from sector to sector, so that clients of different owners cannot compare whom they know (OIDC Core 8.1). The salt is
// made once, sealed, and never changes: with another one every client would meet strangers.
import { keyedHash } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database } from '../storage/database.ts';
import { loadKeptSecret } from '../storage/kept-secret.ts';

const PURPOSE = 'pairwise-salt';
const SALT_LOCK = 5_203_618_003;

/** The salt, made by whichever process comes first. @throws SealError */
export function loadPairwiseSalt(parts: { readonly database: Database; readonly seal: Seal }): Promise<string> {
  return loadKeptSecret({ ...parts, purpose: PURPOSE, lock: SALT_LOCK });
}

/** @param sector the host that speaks for all clients of one owner @param subject the engine's account id */
export function pairwiseSubject(salt: string, sector: string, subject: string): string {
  return keyedHash(Buffer.from(salt), 'pairwise', sector, subject);
}
