// Signatures of the engine's cookies: what `keygrip` does for Koa, with SHA-256 and with keys that are prepared once. Its own comparison makes
// two keyed hashes with random keys each time, which was a seventh of a signed-in authorization.
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

export class CookieKeys {
  readonly #keys: readonly KeyObject[];

  /** @param keys the first signs, all verify */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => createSecretKey(key, 'utf8'));
  }

  sign(data: string): string {
    const [first] = this.#keys;
    if (!first) throw new Error('there is no key for cookies');
    return mac(first, data).toString('base64url');
  }

  /** Which key has signed it, or -1. */
  index(data: string, signature: string): number {
    const given = Buffer.from(signature, 'base64url');
    return this.#keys.findIndex((key) => {
      const expected = mac(key, data);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  }

  verify(data: string, signature: string): boolean {
    return this.index(data, signature) >= 0;
  }
}

function mac(key: KeyObject, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
