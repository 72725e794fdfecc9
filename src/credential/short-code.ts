// Hashes of codes that are short enough to be typed: slow, so that a copy of the database does not give them away. Argon2 stays for what
// people choose themselves; these codes are random and live for minutes or carry 80 bits.
import { createHmac, scrypt, timingSafeEqual } from 'node:crypto';
import type { HashQueue } from './hash-queue.ts';

/** 16 MiB and about 40 ms (RFC 7914, 2). */
const COST = { N: 2 ** 14, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const BYTES = 32;

export class ShortCodes {
  readonly #queue: HashQueue;

  constructor(queue: HashQueue) {
    this.#queue = queue;
  }

  /**
   * Takes time and a place in the queue: never inside a transaction.
   * @param salt names what the code belongs to; the same code has another hash everywhere else
   * @param key mixed in where the code is short enough to be tried out in full: without the master secret the hash is then worth nothing
   * @throws Unavailable when too many wait
   */
  async hash(salt: string, code: string, key?: Uint8Array): Promise<Buffer> {
    const input = key ? createHmac('sha256', key).update(code).digest() : Buffer.from(code, 'utf8');
    return this.#queue.run(
      () =>
        new Promise<Buffer>((resolve, reject) => {
          scrypt(input, salt, BYTES, COST, (error, hash) => (error ? reject(error) : resolve(hash)));
        }),
    );
  }

  /** Whether `code` is what `stored` was made of, in constant time. @throws Unavailable */
  async matches(stored: Uint8Array, salt: string, code: string, key?: Uint8Array): Promise<boolean> {
    const hash = await this.hash(salt, code, key);
    return stored.length === hash.length && timingSafeEqual(stored, hash);
  }
}
