// Password hashes that came with accounts from another system (requirements P9): checked as that system made them, without our pepper, and
// replaced by our own at the first good sign-in. Their cost is bounded, so that an import cannot bring along a hash that takes minutes.

import { pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { verify as verifyBcrypt } from '@node-rs/bcrypt';
import argon2 from 'argon2';

/** In front of every stored hash that is not our own. */
const MARK = 'imported:';
const MOST_LENGTH = 1000;
const MOST_BCRYPT_COST = 14;
const MOST_PBKDF2_ITERATIONS = 2_000_000;
const MOST_MEMORY_KIB = 128 * 1024;
const MOST_ARGON2_PASSES = 20;
const MOST_LANES = 8;
const LEAST_BYTES = 16;
const MOST_BYTES = 128;

type Verify = (password: string) => Promise<boolean>;

/** What is stored for a hash of another system, or null when it is of no kind that we check. */
export function toStoredImport(hash: string): string | null {
  return read(hash) === null ? null : `${MARK}${hash}`;
}

export function isImported(stored: string): boolean {
  return stored.startsWith(MARK);
}

/** @param password as typed: other systems do not normalise */
export async function verifyImported(stored: string, password: string): Promise<boolean> {
  return (await read(stored.slice(MARK.length))?.(password)) ?? false;
}

/** bcrypt, Argon2, and scrypt and PBKDF2 as passlib and Django write them. */
function read(hash: string): Verify | null {
  if (hash.length > MOST_LENGTH) return null;
  return readBcrypt(hash) ?? readArgon2(hash) ?? readScrypt(hash) ?? readPbkdf2(hash);
}

function readBcrypt(hash: string): Verify | null {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(hash) ?? [];
  if (cost === undefined || Number(cost) < 4 || Number(cost) > MOST_BCRYPT_COST) return null;
  return (password) => verifyBcrypt(password, hash);
}

function readArgon2(hash: string): Verify | null {
  const [, one, two, three] =
    /^\$argon2(?:id|i|d)\$v=19\$([mtp]=\d{1,7}),([mtp]=\d{1,7}),([mtp]=\d{1,7})\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}$/.exec(
      hash,
    ) ?? [];
  // Some write them in another order than the reference implementation.
  const values = new Map([one, two, three].map((pair = '') => [pair.slice(0, 1), Number(pair.slice(2))]));
  const [memory = 0, passes = 0, lanes = 0] = ['m', 't', 'p'].map((name) => values.get(name) ?? 0);
  if (memory < 1 || passes < 1 || lanes < 1) return null;
  if (memory > MOST_MEMORY_KIB || passes > MOST_ARGON2_PASSES || lanes > MOST_LANES) return null;
  return (password) => argon2.verify(hash, password);
}

function readScrypt(hash: string): Verify | null {
  const [, ln, r, p, salt, sum] =
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash) ?? [];
  if (salt === undefined || sum === undefined) return null;
  const cost = { N: 2 ** Number(ln), r: Number(r), p: Number(p) };
  const memoryKib = (128 * cost.N * cost.r) / 1024;
  if (cost.N < 2 || cost.r < 1 || cost.p < 1 || memoryKib > MOST_MEMORY_KIB || cost.p > MOST_LANES) return null;
  const maxmem = 2 * MOST_MEMORY_KIB * 1024;
  return compare(Buffer.from(sum, 'base64'), (password, length, done) => {
    scrypt(password, Buffer.from(salt, 'base64'), length, { ...cost, maxmem }, done);
  });
}

const DIGESTS: Readonly<Record<string, string>> = {
  $pbkdf2: 'sha1',
  '$pbkdf2-sha256': 'sha256',
  '$pbkdf2-sha512': 'sha512',
  pbkdf2_sha1: 'sha1',
  pbkdf2_sha256: 'sha256',
};

function readPbkdf2(hash: string): Verify | null {
  const [, kind, rounds, salt, sum] =
    /^(\$pbkdf2(?:-sha256|-sha512)?|pbkdf2_sha1|pbkdf2_sha256)\$(\d{1,8})\$([^$]+)\$([A-Za-z0-9+/.=]+)$/.exec(hash) ??
    [];
  const digest = DIGESTS[kind ?? ''];
  if (digest === undefined || salt === undefined || sum === undefined) return null;
  const iterations = Number(rounds);
  if (iterations < 1 || iterations > MOST_PBKDF2_ITERATIONS) return null;
  // passlib writes salts in base64 with a dot for the plus; Django's are text.
  const decode = (text: string): Buffer => Buffer.from(text.replaceAll('.', '+'), 'base64');
  const saltBytes = kind?.startsWith('$') ? decode(salt) : Buffer.from(salt, 'utf8');
  return compare(decode(sum), (password, length, done) => {
    pbkdf2(password, saltBytes, iterations, length, digest, done);
  });
}

/** Null for sums so short that anything would match, and for absurdly long ones. */
function compare(
  sum: Buffer,
  derive: (password: string, length: number, done: (error: Error | null, key: Buffer) => void) => void,
): Verify | null {
  if (sum.length < LEAST_BYTES || sum.length > MOST_BYTES) return null;
  return (password) =>
    new Promise((resolve, reject) => {
      derive(password, sum.length, (error, key) => (error ? reject(error) : resolve(timingSafeEqual(key, sum))));
    });
}
