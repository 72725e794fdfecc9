// Signing keys and cookie keys, sealed with the master secret, which is not in the database.
import { defineEntity, p } from '@mikro-orm/core';

export const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

const SigningKeySchema = defineEntity({
  name: 'SigningKey',
  properties: {
    kid: p.string().primary(),
    algorithm: p.enum(SIGNING_ALGORITHMS),
    /** The private JWK, sealed. */
    sealed: p.blob(),
    createdAt: p.datetime(),
    /** Published since createdAt, signs from this moment on. */
    activeAt: p.datetime(),
    /** Signs no longer, is still published until retireAt. */
    replacedAt: p.datetime().nullable(),
    retireAt: p.datetime().nullable(),
  },
});

export class SigningKey extends SigningKeySchema.class {}
SigningKeySchema.setClass(SigningKey);

const SealedSecretSchema = defineEntity({
  name: 'SealedSecret',
  properties: {
    id: p.uuid().primary(),
    purpose: p.string(),
    sealed: p.blob(),
    createdAt: p.datetime(),
    /** From when it is used for what is new; null: from the beginning. */
    activeAt: p.datetime().nullable(),
  },
});

/** Random secrets that every process must share: cookie keys, the salt of pairwise subjects. */
export class SealedSecret extends SealedSecretSchema.class {}
SealedSecretSchema.setClass(SealedSecret);
