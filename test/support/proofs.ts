// What clients sign: assertions that prove who they are (RFC 7523) and proofs that they hold a key (RFC 9449). Every part can be made wrong.
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface ClientKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  /** With its `kid` and `alg`, as a client publishes it. */
  readonly publicJwk: JWK;
}

let counter = 0;

export async function newKey(alg = 'ES256'): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  counter += 1;
  const publicJwk = { ...(await exportJWK(publicKey)), kid: `key-${counter}`, alg, use: 'sig' };
  return { alg, privateKey, publicJwk };
}

interface Change {
  readonly claims?: JWTPayload;
  readonly header?: Readonly<Record<string, unknown>>;
}

/** Parameters that authenticate a client. @param change claims that replace the good ones; undefined leaves one out */
export async function clientAssertion(
  key: ClientKey,
  clientId: string,
  audience: string | string[],
  change: Change = {},
): Promise<{ readonly client_assertion_type: string; readonly client_assertion: string }> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...change.claims,
  };
  const jwt = await new SignJWT(defined(claims))
    .setProtectedHeader({ alg: key.alg, kid: key.publicJwk.kid ?? '', ...change.header })
    .sign(key.privateKey);
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: jwt,
  };
}

interface ProofChange extends Change {
  readonly accessToken?: unknown;
  readonly nonce?: string | undefined;
}

/** The value of a `DPoP` header for a request. */
export async function dpopProof(
  key: ClientKey,
  method: string,
  url: string | URL,
  change: ProofChange = {},
): Promise<string> {
  const { kid: _, use: _use, alg: _alg, ...jwk } = key.publicJwk;
  const { accessToken, nonce } = change;
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: String(url),
    iat: Math.floor(Date.now() / 1000),
    ...(accessToken === undefined ? {} : { ath: createHash('sha256').update(String(accessToken)).digest('base64url') }),
    ...(nonce === undefined ? {} : { nonce }),
    ...change.claims,
  };
  return new SignJWT(defined(claims))
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk, ...change.header })
    .sign(key.privateKey);
}

function defined(claims: JWTPayload): JWTPayload {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}
