// A signing key that signs on the main thread. Left to itself the engine hands every signature to Node's thread pool, where it waits behind
// password hashes of twenty milliseconds each; a signature takes 0.04 (ES256, EdDSA) to 0.24 (RS256), and half of the shorter ones is the way
// to the pool and back.
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { PrivateKey } from './keys.ts';

export class MainThreadKey extends ExternalSigningKey {
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  constructor(jwk: PrivateKey) {
    super();
    // Both have setters, which the engine's types leave out.
    Object.assign(this, { kid: jwk.kid, alg: jwk.alg });
    this.#private = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
    this.#public = createPublicKey(this.#private);
  }

  override keyObject(): KeyObject {
    return this.#public;
  }

  override async sign(data: Buffer): Promise<Buffer> {
    switch (this.alg) {
      case 'EdDSA':
        return sign(null, data, this.#private);
      case 'ES256':
        return sign('sha256', data, { key: this.#private, dsaEncoding: 'ieee-p1363' });
      case 'RS256':
        return sign('sha256', data, this.#private);
      default:
        throw new Error(`no key of ours signs with ${this.alg}`);
    }
  }
}
