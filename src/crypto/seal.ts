// Sealing of small values at rest with AES-256-GCM. The key comes from the master secret and never lies in the database; every sealed
// value names the key it was sealed with, so that the secret can rotate while old values are still read.
//
// Layout: version (1 byte) | key id (4 bytes) | nonce (12) | tag (16) | ciphertext. The purpose is authenticated with the value: a value
// sealed for one purpose does not open for another.
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { randomBytes } from './random.ts';

const VERSION = 1;
const VERSION_BYTE = Buffer.from([VERSION]);
const HEADER = 5;
const NONCE = 12;
const TAG = 16;

interface SealKey {
  readonly id: Buffer;
  /** Not as bytes: those would be looked at and copied at every use, which costs more than the cipher. */
  readonly key: KeyObject;
}

function deriveKey(secret: string): SealKey {
  const root = Buffer.from(secret, 'utf8');
  return {
    id: Buffer.from(hkdfSync('sha256', root, '', 'latchkey seal key id', 4)),
    key: createSecretKey(Buffer.from(hkdfSync('sha256', root, '', 'latchkey seal key', 32))),
  };
}

function deriveOther(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'utf8'), '', `latchkey ${purpose}`, 32));
}

/** Thrown when a sealed value cannot be opened: another secret, another purpose, or a changed value. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

export class Seal {
  readonly #keys: readonly [SealKey, ...SealKey[]];
  readonly #secrets: readonly [string, ...string[]];

  /**
   * @param secret the master secret, at least 32 bytes
   * @param previous the one before, while rotating
   */
  constructor(secret: string, previous?: string) {
    this.#secrets = previous === undefined ? [secret] : [secret, previous];
    this.#keys = previous === undefined ? [deriveKey(secret)] : [deriveKey(secret), deriveKey(previous)];
  }

  /** A 32-byte key for another use (HMAC of form tokens, …), bound to the current secret and to `purpose`. */
  deriveKey(purpose: string): Buffer {
    return deriveOther(this.#secrets[0], purpose);
  }

  /** The same, followed by that of the previous secret: what was made with it shortly before a rotation is still recognised. */
  deriveKeys(purpose: string): readonly [Buffer, ...Buffer[]] {
    const [current, ...older] = this.#secrets;
    return [deriveOther(current, purpose), ...older.map((secret) => deriveOther(secret, purpose))];
  }

  /** Names the current key; stands in every sealed value after its first byte. */
  get keyId(): Buffer {
    return Buffer.from(this.#keys[0].id);
  }

  seal(purpose: string, value: string | Uint8Array): Buffer {
    const { id, key } = this.#keys[0];
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(purpose));
    const body = typeof value === 'string' ? cipher.update(value, 'utf8') : cipher.update(value);
    cipher.final();
    return Buffer.concat([VERSION_BYTE, id, nonce, cipher.getAuthTag(), body]);
  }

  /** @throws SealError */
  open(purpose: string, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    if (bytes.length < HEADER + NONCE + TAG || bytes[0] !== VERSION) throw new SealError('not a sealed value');
    const found = this.#keys.find(({ id }) => id.compare(bytes, 1, HEADER) === 0);
    if (!found) throw new SealError('sealed with a secret that is not configured');
    try {
      const decipher = createDecipheriv('aes-256-gcm', found.key, bytes.subarray(HEADER, HEADER + NONCE));
      decipher.setAAD(Buffer.from(purpose));
      decipher.setAuthTag(bytes.subarray(HEADER + NONCE, HEADER + NONCE + TAG));
      const body = decipher.update(bytes.subarray(HEADER + NONCE + TAG));
      decipher.final();
      return body;
    } catch (cause) {
      throw new SealError('the sealed value was changed or belongs to another purpose', { cause });
    }
  }

  /** @throws SealError */
  openText(purpose: string, sealed: Uint8Array): string {
    return this.open(purpose, sealed).toString('utf8');
  }

  /** Whether the value should be sealed again because its key is not the current one. */
  isStale(sealed: Uint8Array): boolean {
    return !this.#keys[0].id.equals(Buffer.from(sealed.buffer, sealed.byteOffset + 1, 4));
  }
}
