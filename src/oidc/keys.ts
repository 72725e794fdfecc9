// Signing keys and cookie keys: made once, sealed, shared by every process, replaced with overlap. Three algorithms are published; RS256 is
// what a client gets that names none (OIDC Registration, 2). A new key is published before it signs, and an old one until the last token
// it signed has expired, so that no client ever meets an unknown key.

import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Audit, Cause } from '../audit/audit.ts';
import { randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import { Conflict, NotFound } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { SealedSecret, SIGNING_ALGORITHMS, type SigningAlgorithm, SigningKey } from './key.entity.ts';

/** A private JWK as the engine takes it. */
export type PrivateKey = JWK & { kid: string; alg: SigningAlgorithm; use: 'sig' };

const KEY_LOCK = 5_203_618_002;
const COOKIE_KEY = 'cookie-key';

export class Keys {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #seal: Seal;

  constructor(parts: { readonly database: Database; readonly audit: Audit; readonly seal: Seal }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
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
        em.persist(this.#row(em, key, now, now));
      }
      if (!(await this.#hasCookieKey(em))) {
        const sealed = this.#seal.seal(COOKIE_KEY, randomToken());
        em.persist(em.create(SealedSecret, { id: randomUUID(), purpose: COOKIE_KEY, sealed, createdAt: now }));
      }
      await em.flush();
    });
  }

  /** Private keys in the order of preference: for each algorithm the one that signs now comes first. @throws SealError */
  async listSigningKeys(): Promise<readonly PrivateKey[]> {
    const now = Date.now();
    const published = (await this.#rows()).filter((row) => stateOf(row, now) !== 'retired');
    const rank = (row: SigningKey): number =>
      SIGNING_ALGORITHMS.indexOf(row.algorithm) * 2 + (stateOf(row, now) === 'signing' ? 0 : 1);
    return published
      .toSorted((a, b) => rank(a) - rank(b))
      .map((row) => JSON.parse(this.#seal.openText(`signing-key:${row.kid}`, row.sealed)) as PrivateKey);
  }

  /** What `keys list` shows: nothing secret. */
  async list(): Promise<readonly KeyView[]> {
    const now = Date.now();
    return (await this.#rows()).map((row) => ({
      kid: row.kid,
      algorithm: row.algorithm,
      state: stateOf(row, now),
      createdAt: row.createdAt,
      activeAt: row.activeAt,
      retireAt: row.retireAt ?? null,
    }));
  }

  /** Changes whenever an engine built earlier would sign or publish otherwise than one built now. */
  async fingerprint(): Promise<string> {
    const signing = (await this.list())
      .filter((key) => key.state !== 'retired')
      .map((key) => `${key.kid}=${key.state}`);
    const cookies = await this.#database.em().find(SealedSecret, { purpose: COOKIE_KEY }, { fields: ['id'] });
    return [...signing, ...cookies.map((row) => row.id)].toSorted().join(' ');
  }

  /**
   * Makes the next key of each algorithm and sets the day on which the old ones stop. Cookie keys get a new first one; the old ones go on
   * verifying, so nobody is signed out.
   * @param times `ahead`: seconds for which the new keys are published before they sign, at least as long as it takes until every process
   * has noticed; `keep`: seconds for which the old ones are published afterwards, the life of the longest token
   * @throws Conflict `rotation-under-way` while the next keys are waiting for their turn
   */
  async rotate(times: { readonly ahead: number; readonly keep: number }, cause: Cause): Promise<void> {
    const made = await makeSigningKeys();
    await this.#database.transaction(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${KEY_LOCK})`);
      const now = Date.now();
      const rows = await em.find(SigningKey, {});
      if (rows.some((row) => stateOf(row, now) === 'next')) {
        throw new Conflict('The next keys are published already and not yet in use.', { code: 'rotation-under-way' });
      }
      const activeAt = new Date(now + times.ahead * 1000);
      await em.nativeUpdate(
        SigningKey,
        { replacedAt: null },
        { replacedAt: activeAt, retireAt: new Date(activeAt.getTime() + times.keep * 1000) },
      );
      for (const key of made) em.persist(this.#row(em, key, new Date(now), activeAt));
      const sealed = this.#seal.seal(COOKIE_KEY, randomToken());
      em.persist(em.create(SealedSecret, { id: randomUUID(), purpose: COOKIE_KEY, sealed, createdAt: new Date(now) }));
      await em.flush();
      const kids = made.map((key) => key.kid.slice(0, 8)).join(',');
      await this.#audit.record({ ...cause, action: 'key.rotate', target: { kind: 'key', id: kids } }, em);
    });
  }

  /** Rotates when the newest key is older than the period; of several processes one does it. @param period seconds; 0 is never */
  async rotateWhenDue(period: number, times: { readonly ahead: number; readonly keep: number }): Promise<void> {
    if (period === 0) return;
    const newest = Math.max(...(await this.#rows()).map((row) => row.createdAt.getTime()));
    if (Date.now() - newest < period * 1000) return;
    try {
      await this.rotate(times, { actor: { kind: 'system' } });
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof Conflict)) throw error;
    }
  }

  /**
   * Takes a key out of the published set at once: for one that got into wrong hands. What it signed is no longer believed.
   * @throws NotFound, Conflict `key-in-use` for one that signs or is about to
   */
  async retire(kid: string, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${KEY_LOCK})`);
      const row = await em.findOne(SigningKey, { kid });
      if (!row) throw new NotFound('There is no such key.', { code: 'key-not-found' });
      const state = stateOf(row, Date.now());
      if (state === 'signing' || state === 'next') {
        throw new Conflict('This key signs, or is about to. Rotate first.', { code: 'key-in-use' });
      }
      await em.nativeUpdate(SigningKey, { kid }, { retireAt: new Date() });
      await this.#audit.record({ ...cause, action: 'key.retire', target: { kind: 'key', id: kid } }, em);
    });
  }

  /** Seals again with the current master secret whatever an older one has sealed. @returns how many values */
  async reseal(): Promise<number> {
    return this.#database.transaction(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${KEY_LOCK})`);
      let count = 0;
      for (const row of await em.find(SigningKey, {})) {
        if (!this.#seal.isStale(row.sealed)) continue;
        row.sealed = this.#seal.seal(`signing-key:${row.kid}`, this.#seal.open(`signing-key:${row.kid}`, row.sealed));
        count += 1;
      }
      for (const row of await em.find(SealedSecret, {})) {
        if (!this.#seal.isStale(row.sealed)) continue;
        row.sealed = this.#seal.seal(row.purpose, this.#seal.open(row.purpose, row.sealed));
        count += 1;
      }
      await em.flush();
      return count;
    });
  }

  /** Newest first: the first signs, all verify. @throws SealError */
  async listCookieKeys(): Promise<readonly string[]> {
    const rows = await this.#database
      .em()
      .find(SealedSecret, { purpose: COOKIE_KEY }, { orderBy: { createdAt: 'desc', id: 'asc' } });
    return rows.map((row) => this.#seal.openText(COOKIE_KEY, row.sealed));
  }

  #row(em: EntityManager, key: PrivateKey, createdAt: Date, activeAt: Date): SigningKey {
    const sealed = this.#seal.seal(`signing-key:${key.kid}`, JSON.stringify(key));
    return em.create(SigningKey, { kid: key.kid, algorithm: key.alg, sealed, createdAt, activeAt }, { partial: true });
  }

  async #rows(): Promise<SigningKey[]> {
    return this.#database.em().find(SigningKey, {}, { orderBy: { createdAt: 'asc', kid: 'asc' } });
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

/** `next`: published, does not sign yet; `published`: signs no longer, what it signed is still believed. */
type KeyState = 'next' | 'signing' | 'published' | 'retired';

interface KeyView {
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  readonly state: KeyState;
  readonly createdAt: Date;
  readonly activeAt: Date;
  readonly retireAt: Date | null;
}

/** @param now milliseconds */
function stateOf(row: SigningKey, now: number): KeyState {
  if (row.retireAt != null && row.retireAt.getTime() <= now) return 'retired';
  if (row.activeAt.getTime() > now) return 'next';
  return row.replacedAt != null && row.replacedAt.getTime() <= now ? 'published' : 'signing';
}

/** One fresh private key for each algorithm that we publish. */
export async function makeSigningKeys(): Promise<readonly PrivateKey[]> {
  return Promise.all(SIGNING_ALGORITHMS.map((algorithm) => makeKey(algorithm)));
}

async function makeKey(algorithm: SigningAlgorithm): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true, modulusLength: 2048 });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'sig' };
}
