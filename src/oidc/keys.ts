// Signing keys and cookie keys: made once under the migration lock's little sister, sealed, shared by every process. Three algorithms are
// published; RS256 is what a client gets that names none (OIDC Registration, 2).
import { exportJWK, generateKeyPair, calculateJwkThumbprint, type JWK } from 'jose';
import { randomUUID } from 'node:crypto';
import { randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { SealedSecret, SIGNING_ALGORITHMS, type SigningAlgorithm, SigningKey } from './key.entity.ts';

/** A private JWK as the engine takes it. */
export type PrivateKey = JWK & { kid: string; alg: SigningAlgorithm; use: 'sig' };

const KEY_LOCK = 5_203_618_002;
const COOKIE_KEY = 'cookie-key';

export class Keys {
  readonly #database: Database;
  readonly #seal: Seal;

  constructor(parts: { readonly database: Database; readonly seal: Seal }) {
    this.#database = parts.database;
    this.#seal = parts.seal;
  }

  /** Makes what is missing, one process at a time: two that start on an empty database end with one set. */
  async ensure(): Promise<void> {
    const missing = await this.#missing(this.#database.em());
    if (missing.length === 0 && (await this.#hasCookieKey(this.#database.em()))) return;
    // RSA keys take a moment: made outside of the transaction, thrown away if another process was faster.
    const made = await Promise.all(missing.map((algorithm) => makeKey(algorithm)));
    await this.#database.transaction(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${KEY_LOCK})`);
      const now = new Date();
      const stillMissing = new Set(await this.#missing(em));
      for (const key of made.filter((one) => stillMissing.has(one.alg))) {
        em.persist(
          em.create(
            SigningKey,
            {
              kid: key.kid,
              algorithm: key.alg,
              sealed: this.#seal.seal(`signing-key:${key.kid}`, JSON.stringify(key)),
              createdAt: now,
              activeAt: now,
            },
            { partial: true },
          ),
        );
      }
      if (!(await this.#hasCookieKey(em))) {
        const sealed = this.#seal.seal(COOKIE_KEY, randomToken());
        em.persist(em.create(SealedSecret, { id: randomUUID(), purpose: COOKIE_KEY, sealed, createdAt: now }));
      }
      await em.flush();
    });
  }

  /** Private keys in the order of preference: for each algorithm the one that signs comes first. @throws SealError */
  async listSigningKeys(): Promise<readonly PrivateKey[]> {
    const rows = await this.#database.em().find(SigningKey, {}, { orderBy: { activeAt: 'desc', kid: 'asc' } });
    const now = Date.now();
    const published = rows.filter((row) => row.retireAt == null || row.retireAt.getTime() > now);
    const rank = (row: SigningKey): number =>
      SIGNING_ALGORITHMS.indexOf(row.algorithm) * 2 + (row.activeAt.getTime() <= now && row.replacedAt == null ? 0 : 1);
    return published
      .toSorted((a, b) => rank(a) - rank(b))
      .map((row) => JSON.parse(this.#seal.openText(`signing-key:${row.kid}`, row.sealed)) as PrivateKey);
  }

  /** What `keys list` shows: nothing secret. */
  async list(): Promise<readonly { kid: string; algorithm: string; createdAt: Date; activeAt: Date; state: string }[]> {
    const rows = await this.#database.em().find(SigningKey, {}, { orderBy: { createdAt: 'asc', kid: 'asc' } });
    const now = Date.now();
    return rows.map((row) => {
      const isRetired = row.retireAt != null && row.retireAt.getTime() <= now;
      const isNext = row.activeAt.getTime() > now;
      const state = isRetired ? 'retired' : row.replacedAt != null ? 'published' : isNext ? 'next' : 'signing';
      return { kid: row.kid, algorithm: row.algorithm, createdAt: row.createdAt, activeAt: row.activeAt, state };
    });
  }

  /** Newest first: the first signs, all verify. @throws SealError */
  async listCookieKeys(): Promise<readonly string[]> {
    const rows = await this.#database
      .em()
      .find(SealedSecret, { purpose: COOKIE_KEY }, { orderBy: { createdAt: 'desc', id: 'asc' } });
    return rows.map((row) => this.#seal.openText(COOKIE_KEY, row.sealed));
  }

  async #missing(em: EntityManager): Promise<readonly SigningAlgorithm[]> {
    const rows = await em.find(SigningKey, { replacedAt: null }, { fields: ['algorithm'] });
    const present = new Set<string>(rows.map((row) => row.algorithm));
    return SIGNING_ALGORITHMS.filter((algorithm) => !present.has(algorithm));
  }

  async #hasCookieKey(em: EntityManager): Promise<boolean> {
    return (await em.count(SealedSecret, { purpose: COOKIE_KEY })) > 0;
  }
}

async function makeKey(algorithm: SigningAlgorithm): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true, modulusLength: 2048 });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'sig' };
}
