// Random identifiers and codes, their hashes, and comparison in constant time. Everything secret that leaves the house is made here.
import { createHash, createHmac, hash, randomFillSync, randomInt, timingSafeEqual } from 'node:crypto';

/** A call of the generator costs as much for a few bytes as for a few thousand. */
const pool = Buffer.alloc(4096);
let unused = 0;

/** Random bytes in a buffer of their own. */
export function randomBytes(count: number): Buffer {
  if (count > pool.length) return randomFillSync(Buffer.alloc(count));
  if (unused < count) {
    randomFillSync(pool);
    unused = pool.length;
  }
  const taken = pool.subarray(unused - count, unused);
  const bytes = Buffer.from(taken);
  // What was handed out once must not be found here afterwards.
  taken.fill(0);
  unused -= count;
  return bytes;
}

/** 32 random bytes as 43 base64url characters: links, tickets, setup links. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}

/** A code of `digits` decimal digits, each value equally likely. */
export function randomDigits(digits: number): string {
  return randomInt(0, 10 ** digits)
    .toString()
    .padStart(digits, '0');
}

/**
 * What we store instead of a secret value: SHA-256 over kind and value, base64url. The kind is part of the hash, so that a secret of one
 * kind can never be found as another. Fit for values of at least 128 random bits; short codes need a slow hash.
 */
export function hashToken(kind: string, value: string): string {
  return hash('sha256', `${kind}\0${value}`, 'base64url');
}

/** HMAC-SHA-256, base64url; for values that must not be recomputed by who reads the database. */
export function keyedHash(key: Uint8Array, ...parts: readonly string[]): string {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(`${Buffer.byteLength(part)}:`).update(part);
  return mac.digest('base64url');
}

/** Compares two texts without telling by time where they differ. */
export function isEqual(a: string, b: string): boolean {
  const left = createHash('sha256').update(a).digest();
  const right = createHash('sha256').update(b).digest();
  return timingSafeEqual(left, right);
}
