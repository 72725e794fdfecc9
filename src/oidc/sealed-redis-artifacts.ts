// Sealing the engine's artifacts in Redis again after the master secret was changed. Values there do not say of which model they are, so each
// is tried for those it can be; a value is replaced only while it is still the one that was read, and keeps its expiry.
import type { Seal } from '../crypto/seal.ts';
import type { RedisConnection } from '../storage/redis.ts';
import { type Resealed, resealValue, type SealedStore } from '../storage/sealed-stores.ts';
import { artifactPurpose, GRANT_BOUND, UNBOUND } from './artifact.ts';
import { artifactKey, sealedPartOf } from './redis-grants.ts';

/** Values that are read and written at the same time. */
const AT_ONCE = 50;

export class SealedRedisArtifacts implements SealedStore {
  readonly #redis: RedisConnection;
  readonly #seal: Seal;

  /** @param parts.redis opened with `grantScripts` */
  constructor(parts: { readonly redis: RedisConnection; readonly seal: Seal }) {
    this.#redis = parts.redis;
    this.#seal = parts.seal;
  }

  async reseal(): Promise<Resealed> {
    let resealed = 0;
    let unreadable = 0;
    for await (const names of this.#redis.scan(artifactKey('*'))) {
      const keys = names.map((name) => name.slice(name.indexOf('{') + 1, -1));
      for (let from = 0; from < keys.length; from += AT_ONCE) {
        const outcomes = await Promise.all(keys.slice(from, from + AT_ONCE).map((key) => this.#resealOne(key)));
        resealed += outcomes.filter((one) => one === 'resealed').length;
        unreadable += outcomes.filter((one) => one === 'unreadable').length;
      }
    }
    return { store: 'redis', resealed, unreadable };
  }

  async #resealOne(key: string): Promise<'resealed' | 'unreadable' | 'current'> {
    // Whoever uses or saves it in between changes it, which may leave the old seal around it: so it is read again.
    for (;;) {
      const value = await this.#redis.run(() => this.#redis.client.getBuffer(artifactKey(key)));
      const part = value ? sealedPartOf(value) : undefined;
      if (!value || !part || !this.#seal.isStale(value.subarray(part.at))) return 'current';
      const fresh = this.#sealAgain(key, value.subarray(part.at), part.isBound);
      if (fresh === null) return 'unreadable';
      const next = Buffer.concat([value.subarray(0, part.at), fresh]);
      const isDone = await this.#redis.run(() =>
        this.#redis.script('artifactReplace', [artifactKey(key)], [value, next]),
      );
      if (isDone === 1) return 'resealed';
    }
  }

  #sealAgain(key: string, sealed: Buffer, isBound: boolean): Buffer | null {
    for (const model of isBound ? GRANT_BOUND : UNBOUND) {
      const fresh = resealValue(this.#seal, artifactPurpose(model, key), sealed);
      if (fresh) return fresh;
    }
    return null;
  }
}
