// Signing keys and cookie keys: made once, sealed, shared by every process, replaced with overlap. Three algorithms are published; RS256 is
// what a client gets that names none (OIDC Registration, 2). A new key is published before it signs, and an old one until the last token
// it signed has expired, so that no client ever meets an unknown key. The same holds for cookie keys and our own processes.

import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Audit, Cause } from '../audit/audit.ts';
import { randomToken } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import { Conflict, NotFound } from '../errors.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import { SealedSecret, SIGNING_ALGORITHMS, type SigningAlgorithm, SigningKey } from './key.entity.ts';

/** A private JWK as the engine takes it. */
export type PrivateKey = JWK & { kid: string; alg: SigningAlgorithm; use: 'sig' };

const KEY_LOCK = 5_203_618_002;
const COOKIE_KEY = 'cookie-key';

export const sealedSigningKeys: SealedTable = { table: 'signing_key', key: 'kid', purpose: signingKeyPurpose };
export const sealedSecrets: SealedTable = {
  table: 'sealed_secret',
  key: 'id',
  columns: ['purpose'],
  purpose: (_id, purpose = '') => purpose,
};

/** Those whose successor has signed for longer than any cookie lives. */
const FORGET_COOKIE_KEYS = `delete from sealed_secret where id in (select s.id from sealed_secret s
  where s.purpose = ? and exists (select 1 from sealed_secret n
    where n.purpose = ? and n.created_at > s.created_at and coalesce(n.active_at, n.created_at) < now() - make_interval(secs => ?))
  order by s.id for update)`;

/** Seconds. */
export interface KeyTimes {
  /** How long new keys are known before they are used: at least as long as it takes until every process has noticed. */
  readonly ahead: number;
  /** How long a signing key is published after its last use: the life of the longest token. */
  readonly keep: number;
  /** How long a cookie key goes on verifying after its last use: the life of the longest cookie. */
  readonly keepCookies: number;
}

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
        this.#addCookieKey(em, now, now);
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
      .map((row) => JSON.parse(this.#seal.openText(signingKeyPurpose(row.kid), row.sealed)) as PrivateKey);
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
    const cookies = (await this.#cookieRows()).map((row) => row.id);
    return [...signing.toSorted(), ...cookies].join(' ');
  }

  /**
   * Makes the next key of each algorithm and sets the day on which the old ones stop. So with the cookie key, whose predecessors go on
   * verifying, so that nobody is signed out.
   * @throws Conflict `rotation-under-way` while the next keys are waiting for their turn
   */
  async rotate(times: KeyTimes, cause: Cause): Promise<void> {
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
      this.#addCookieKey(em, new Date(now), activeAt);
      await em.flush();
      await em.execute(FORGET_COOKIE_KEYS, [COOKIE_KEY, COOKIE_KEY, times.keepCookies]);
      const kids = made.map((key) => key.kid.slice(0, 8)).join(',');
      await this.#audit.record({ ...cause, action: 'key.rotate', target: { kind: 'key', id: kids } }, em);
    });
  }

  /** Rotates when the newest key is older than the period; of several processes one does it. @param period seconds; 0 is never */
  async rotateWhenDue(period: number, times: KeyTimes): Promise<void> {
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
   * @param options.isForced also while tokens that it signed live
   * @throws NotFound; Conflict `key-in-use` for one that signs or is about to, `key-tokens-live`, `key-retired`
   */
  async retire(kid: string, options: { readonly isForced: boolean }, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${KEY_LOCK})`);
      const row = await em.findOne(SigningKey, { kid });
      if (!row) throw new NotFound('There is no such key.', { code: 'key-not-found' });
      const state = stateOf(row, Date.now());
      if (state === 'signing' || state === 'next') {
        const advice = state === 'signing' ? 'Rotate first, and retire it once the next key signs.' : 'It cannot go.';
        throw new Conflict(`This key signs${state === 'next' ? ' soon' : ''}. ${advice}`, { code: 'key-in-use' });
      }
      if (state === 'retired') throw new Conflict('This key is retired already.', { code: 'key-retired' });
      if (!options.isForced) {
        const until = row.retireAt?.toISOString() ?? 'later';
        throw new Conflict(
          `Tokens that this key signed may live until ${until}, when it goes by itself; --force ends them now.`,
          {
            code: 'key-tokens-live',
          },
        );
      }
      await em.nativeUpdate(SigningKey, { kid }, { retireAt: new Date() });
      await this.#audit.record({ ...cause, action: 'key.retire', target: { kind: 'key', id: kid } }, em);
    });
  }

  /** The first signs, all verify, the next one too. @throws SealError */
  async listCookieKeys(): Promise<readonly string[]> {
    return (await this.#cookieRows()).map((row) => this.#seal.openText(COOKIE_KEY, row.sealed));
  }

  async #cookieRows(): Promise<readonly SealedSecret[]> {
    const now = Date.now();
    const rows = await this.#database
      .em()
      .find(SealedSecret, { purpose: COOKIE_KEY }, { orderBy: { createdAt: 'desc', id: 'asc' } });
    const isActive = (row: SealedSecret): boolean => (row.activeAt?.getTime() ?? 0) <= now;
    return [...rows.filter(isActive), ...rows.filter((row) => !isActive(row))];
  }

  #addCookieKey(em: EntityManager, createdAt: Date, activeAt: Date): void {
    const sealed = this.#seal.seal(COOKIE_KEY, randomToken());
    em.persist(em.create(SealedSecret, { id: randomUUID(), purpose: COOKIE_KEY, sealed, createdAt, activeAt }));
  }

  #row(em: EntityManager, key: PrivateKey, createdAt: Date, activeAt: Date): SigningKey {
    const sealed = this.#seal.seal(signingKeyPurpose(key.kid), JSON.stringify(key));
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

function signingKeyPurpose(kid: string): string {
  return `signing-key:${kid}`;
}

/** `next`: published, does not sign yet; `published`: signs no longer, what it signed is still believed. */
type KeyState = 'next' | 'signing' | 'published' | 'retired';

export interface KeyView {
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
