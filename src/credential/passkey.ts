// Passkeys (Web Authentication Level 3): as the only way to sign in, as second factor, for step-up and fresh proof. A challenge is a one-time
// value that belongs to the browser, the purpose and, where one is known, the account; it is taken before anything is verified. Ids and keys
// are the authenticator's; the user handle is ours and random. It does not count failures: see lockout.ts.

import { randomBytes, randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { randomToken } from '../crypto/random.ts';
import { Conflict } from '../errors.ts';
import { type Database, type EntityManager, isUniqueViolation } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import { lockCredentials, raiseCredentialVersion } from './credential-version.ts';
import { findProviderName } from './passkey-provider.ts';
import { endTrustedDevices } from './trusted-device.ts';

/** Loaded at the first passkey: it brings a parser of certificates that takes twelve megabytes. */
const webAuthn = () => import('@simplewebauthn/server');

/** Ed25519, ES256, RS256; named in every call, or a newer Node offers algorithms that we do not want yet. */
const ALGORITHMS = [-8, -7, -257];
/** Seconds. */
const CHALLENGE_TTL = 300;
const TIMEOUT_MS = CHALLENGE_TTL * 1000;
const CHALLENGE_BYTES = 32;
const HANDLE_BYTES = 32;
const MOST_PASSKEYS = 20;
const MOST_NAME = 100;

/** `fresh-proof`: before credentials are changed; `step-up`: an app asks for a stronger sign-in. */
export type PasskeyPurpose = 'sign-in' | 'second-factor' | 'step-up' | 'fresh-proof';
/** `way-in` can sign in alone: it knows the account by itself and verifies its person. `second-factor` may be any security key. */
export type PasskeyKind = 'way-in' | 'second-factor';

export interface PasskeyView {
  readonly id: string;
  readonly name: string;
  /** Who keeps it, for example "iCloud Keychain"; null when that is not known. */
  readonly provider: string | null;
  readonly credentialId: string;
  readonly transports: readonly string[];
  /** `multiDevice` is synced by its provider; `singleDevice` is lost with the device. */
  readonly deviceType: 'singleDevice' | 'multiDevice';
  readonly isBackedUp: boolean;
  readonly kind: PasskeyKind;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

export type RegistrationOutcome =
  | { readonly kind: 'registered'; readonly passkey: PasskeyView }
  /** This authenticator already has one for this or another account. */
  | { readonly kind: 'known' }
  /** @see Refusal */
  | Refusal;

export type AuthenticationOutcome =
  | {
      readonly kind: 'verified';
      readonly accountId: string;
      readonly passkeyId: string;
      /** The authenticator has checked who is there (PIN, finger, face): phishing-resistant and two factors in one. */
      readonly isUserVerified: boolean;
      readonly deviceType: 'singleDevice' | 'multiDevice';
    }
  | Refusal;

interface Refusal {
  readonly kind: 'refused';
  /** A stable word for the audit; people get one and the same answer. */
  readonly reason:
    | 'malformed'
    | 'challenge'
    | 'unknown-passkey'
    | 'foreign-passkey'
    | 'not-verified'
    | 'counter'
    | 'too-many';
  /** The verifier's own sentence, for the log. */
  readonly detail?: string;
}

interface Challenge {
  readonly accountId: string | null;
  readonly isUserVerificationRequired: boolean;
  readonly passkeyKind?: PasskeyKind;
}

interface Row {
  id: string;
  name: string;
  credentialId: string;
  transports: string;
  aaguid: string;
  deviceType: 'singleDevice' | 'multiDevice';
  isBackedUp: boolean;
  isWayIn: boolean;
  createdAt: number;
  lastUsedAt: number | null;
}

const VIEW = `id, name, credential_id as "credentialId", transports, aaguid, device_type as "deviceType", is_backed_up as "isBackedUp",
  is_way_in as "isWayIn", (extract(epoch from created_at) * 1000)::float8 as "createdAt",
  (extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt"`;
const LIST = `select ${VIEW} from passkey where account_id = ? order by created_at, id`;
const ENSURE_HANDLE = {
  name: 'passkey_ensure_handle',
  text: 'insert into passkey_handle (account_id, handle) values ($1, $2) on conflict (account_id) do nothing',
};
const FIND_HANDLE = { name: 'passkey_find_handle', text: 'select handle from passkey_handle where account_id = $1' };
const FIND_KEY = {
  name: 'passkey_find_key',
  text: `select p.id, p.account_id as "accountId", p.public_key as "publicKey", p.counter::float8 as counter, h.handle
    from passkey p join passkey_handle h on h.account_id = p.account_id where p.credential_id = $1`,
};
const INSERT = `insert into passkey (id, account_id, credential_id, public_key, counter, transports, aaguid, name, device_type, is_backed_up,
    is_way_in, created_at)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, now()) returning ${VIEW}`;
/** A counter that does not grow belongs to a copy; zero for ever means that the authenticator has none (WebAuthn 6.1.1). */
const USE = `update passkey set counter = ?, last_used_at = now(), is_backed_up = ?, device_type = ?
  where id = ? and (counter < ? or (counter = 0 and ? = 0)) returning id`;
const RENAME = {
  name: 'passkey_rename',
  text: 'update passkey set name = $3 where account_id = $1 and id = $2 returning id',
};

const base64url = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[A-Za-z0-9_-]+$/);
const CREDENTIAL = { id: base64url(1400), rawId: base64url(1400), type: z.literal('public-key') };
const REGISTRATION = z.object({
  ...CREDENTIAL,
  response: z.object({
    clientDataJSON: base64url(4000),
    attestationObject: base64url(20_000),
    transports: z
      .array(z.string().regex(/^[a-z-]{1,20}$/))
      .max(10)
      .optional(),
  }),
});
const ASSERTION = z.object({
  ...CREDENTIAL,
  response: z.object({
    clientDataJSON: base64url(4000),
    authenticatorData: base64url(4000),
    signature: base64url(4000),
    userHandle: base64url(100).nullish(),
  }),
});
const CLIENT_DATA = z.object({ challenge: base64url(100), crossOrigin: z.boolean().optional() });
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export class Passkeys {
  /** Browsers know no passkeys of an IP address; there none is offered. */
  readonly isAvailable: boolean;
  /** The RP ID: whichever page of this host asks, the passkeys are the same. */
  readonly rpId: string;
  readonly #database: Database;
  readonly #oneTime: OneTime;
  readonly #origin: string;
  readonly #rpName: string;

  constructor(parts: {
    readonly database: Database;
    readonly oneTime: OneTime;
    readonly issuer: string;
    readonly productName: string;
  }) {
    const { origin, hostname } = new URL(parts.issuer);
    this.#database = parts.database;
    this.#oneTime = parts.oneTime;
    this.#origin = origin;
    this.#rpName = parts.productName;
    this.rpId = hostname;
    this.isAvailable = isIP(hostname.replace(/^\[|\]$/g, '')) === 0;
  }

  /**
   * What the browser needs to make a passkey.
   * @param names as the authenticator shows them
   * @throws Conflict `too-many-passkeys`
   */
  async registrationOptions(
    who: { readonly accountId: string; readonly browserId: string },
    kind: PasskeyKind,
    names: { readonly name: string; readonly displayName: string },
  ): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const { accountId, browserId } = who;
    const existing = await this.list(accountId);
    if (existing.length >= MOST_PASSKEYS) {
      throw new Conflict('There are too many passkeys. Delete one first.', { code: 'too-many-passkeys' });
    }
    const isWayIn = kind === 'way-in';
    const { generateRegistrationOptions } = await webAuthn();
    return generateRegistrationOptions({
      rpID: this.rpId,
      rpName: this.#rpName,
      userName: names.name,
      userDisplayName: names.displayName,
      userID: new Uint8Array(Buffer.from(await this.#handle(accountId), 'base64url')),
      challenge: await this.#challenge('register', browserId, {
        accountId,
        isUserVerificationRequired: isWayIn,
        passkeyKind: kind,
      }),
      timeout: TIMEOUT_MS,
      attestationType: 'none',
      excludeCredentials: existing.map(toDescriptor),
      authenticatorSelection: isWayIn
        ? { residentKey: 'required', userVerification: 'required' }
        : { residentKey: 'discouraged', userVerification: 'preferred' },
      supportedAlgorithmIDs: ALGORITHMS,
    });
  }

  /**
   * Checks what the browser made and stores it.
   * @param answer the browser's, as it came
   * @param name what the person calls it; without one it is called after its provider
   * @param alongside what commits with it: audit and notice
   */
  async register(
    who: { readonly accountId: string; readonly browserId: string },
    answer: unknown,
    name: string | undefined,
    alongside?: (em: EntityManager, passkey: PasskeyView) => Promise<void>,
  ): Promise<RegistrationOutcome> {
    const parsed = REGISTRATION.safeParse(answer);
    const clientData = parsed.success ? readClientData(parsed.data.response.clientDataJSON) : null;
    if (!parsed.success || !clientData) return { kind: 'refused', reason: 'malformed' };
    const challenge = await this.#takeChallenge('register', who.browserId, clientData.challenge);
    if (challenge?.accountId !== who.accountId) return { kind: 'refused', reason: 'challenge' };
    const { transports = [], ...rest } = parsed.data.response;
    const response: RegistrationResponseJSON = { ...parsed.data, response: rest, clientExtensionResults: {} };
    const { verifyRegistrationResponse } = await webAuthn();
    const verified = await verifyRegistrationResponse({
      response,
      expectedChallenge: clientData.challenge,
      expectedOrigin: this.#origin,
      expectedRPID: this.rpId,
      requireUserVerification: challenge.isUserVerificationRequired,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(toDetail);
    if ('detail' in verified) return { kind: 'refused', reason: 'not-verified', detail: verified.detail };
    if (!verified.verified) return { kind: 'refused', reason: 'not-verified' };
    const { credential, aaguid, credentialDeviceType, credentialBackedUp } = verified.registrationInfo;
    const row = [
      randomUUID(),
      who.accountId,
      credential.id,
      Buffer.from(credential.publicKey),
      credential.counter,
      transports.join(' '),
      aaguid,
      plainName(name ?? '') ?? findProviderName(aaguid) ?? 'Passkey',
      credentialDeviceType,
      credentialBackedUp,
      challenge.passkeyKind === 'way-in',
    ];
    try {
      return await this.#database.transaction(async (em) => {
        await lockCredentials(em, who.accountId);
        const existing = await this.list(who.accountId, em);
        if (existing.length >= MOST_PASSKEYS) return { kind: 'refused', reason: 'too-many' };
        const [stored] = await em.execute<Row[]>(INSERT, row);
        if (!stored) throw new Error('the passkey was not stored');
        await endTrustedDevices(em, who.accountId);
        await alongside?.(em, toView(stored));
        return { kind: 'registered', passkey: toView(stored) };
      });
    } catch (error) {
      if (isUniqueViolation(error, 'passkey_credential_unique')) return { kind: 'known' };
      throw error;
    }
  }

  /**
   * What the browser needs to use a passkey. For signing in it is the same for everybody: the authenticator knows its accounts.
   * @param who with the account where the first factor or the session has told it
   * @param isUserVerificationRequired where phishing resistance is owed; signing in with nothing else always requires it
   */
  async authenticationOptions(
    purpose: PasskeyPurpose,
    who: { readonly accountId: string | null; readonly browserId: string },
    isUserVerificationRequired = purpose === 'sign-in',
  ): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const { accountId, browserId } = who;
    if ((purpose === 'sign-in') !== (accountId === null))
      throw new TypeError(`${purpose} with the wrong idea of the account`);
    const isRequired = isUserVerificationRequired || purpose === 'sign-in';
    const allowed = accountId === null ? [] : await this.list(accountId);
    const { generateAuthenticationOptions } = await webAuthn();
    return generateAuthenticationOptions({
      rpID: this.rpId,
      challenge: await this.#challenge(purpose, browserId, { accountId, isUserVerificationRequired: isRequired }),
      timeout: TIMEOUT_MS,
      userVerification: isRequired ? 'required' : 'preferred',
      allowCredentials: allowed.map(toDescriptor),
    });
  }

  /**
   * Checks what the authenticator signed. An answer counts once, for the purpose, browser and account its challenge was made for.
   * @param answer the browser's, as it came
   */
  async authenticate(
    purpose: PasskeyPurpose,
    who: { readonly accountId: string | null; readonly browserId: string },
    answer: unknown,
  ): Promise<AuthenticationOutcome> {
    const parsed = ASSERTION.safeParse(answer);
    const clientData = parsed.success ? readClientData(parsed.data.response.clientDataJSON) : null;
    if (!parsed.success || !clientData) return { kind: 'refused', reason: 'malformed' };
    const challenge = await this.#takeChallenge(purpose, who.browserId, clientData.challenge);
    if (!challenge || challenge.accountId !== who.accountId) return { kind: 'refused', reason: 'challenge' };
    const { rows } = await this.#database.sql.query<{
      id: string;
      accountId: string;
      publicKey: Uint8Array;
      counter: number;
      handle: string;
    }>(FIND_KEY, [parsed.data.id]);
    const [key] = rows;
    if (!key) return { kind: 'refused', reason: 'unknown-passkey' };
    const { userHandle } = parsed.data.response;
    // Whoever signs in with nothing else says by the handle who they are; it must be the account whose key has signed (WebAuthn 7.2, 6).
    const isHandleRight = userHandle == null ? purpose !== 'sign-in' : userHandle === key.handle;
    if (!isHandleRight || (who.accountId !== null && who.accountId !== key.accountId)) {
      return { kind: 'refused', reason: 'foreign-passkey' };
    }
    const { userHandle: _, ...rest } = parsed.data.response;
    const response: AuthenticationResponseJSON = { ...parsed.data, response: rest, clientExtensionResults: {} };
    const { verifyAuthenticationResponse } = await webAuthn();
    const verified = await verifyAuthenticationResponse({
      response,
      expectedChallenge: clientData.challenge,
      expectedOrigin: this.#origin,
      expectedRPID: this.rpId,
      credential: { id: parsed.data.id, publicKey: new Uint8Array(key.publicKey), counter: key.counter },
      requireUserVerification: challenge.isUserVerificationRequired,
    }).catch(toDetail);
    if ('detail' in verified) return { kind: 'refused', reason: 'not-verified', detail: verified.detail };
    if (!verified.verified) return { kind: 'refused', reason: 'not-verified' };
    const { newCounter, userVerified, credentialDeviceType, credentialBackedUp } = verified.authenticationInfo;
    const used = await this.#database
      .em()
      .execute<object[]>(USE, [newCounter, credentialBackedUp, credentialDeviceType, key.id, newCounter, newCounter]);
    if (used.length !== 1) return { kind: 'refused', reason: 'counter' };
    return {
      kind: 'verified',
      accountId: key.accountId,
      passkeyId: key.id,
      isUserVerified: userVerified,
      deviceType: credentialDeviceType,
    };
  }

  async list(accountId: string, em: EntityManager = this.#database.em()): Promise<readonly PasskeyView[]> {
    const rows = await em.execute<Row[]>(LIST, [accountId]);
    return rows.map(toView);
  }

  /** @returns whether the account has such a passkey and the name is one */
  async rename(accountId: string, id: string, name: string): Promise<boolean> {
    const plain = plainName(name);
    if (plain === null || !UUID.test(id)) return false;
    const { rows } = await this.#database.sql.query<{ id: string }>(RENAME, [accountId, id, plain]);
    return rows.length === 1;
  }

  /** Only through factors.ts, which keeps the last way in. @returns whether the account had it */
  async remove(em: EntityManager, accountId: string, id: string): Promise<boolean> {
    if (!UUID.test(id)) return false;
    await lockCredentials(em, accountId);
    const rows = await em.execute<object[]>('delete from passkey where account_id = ? and id = ? returning id', [
      accountId,
      id,
    ]);
    if (rows.length === 1) await raiseCredentialVersion(em, accountId);
    return rows.length === 1;
  }

  /** All of them, and the handle: an authenticator that still has one is a stranger afterwards. */
  async removeAll(em: EntityManager, accountId: string): Promise<void> {
    await lockCredentials(em, accountId);
    await em.execute('delete from passkey where account_id = ?', [accountId]);
    await em.execute('delete from passkey_handle where account_id = ?', [accountId]);
    await em.execute(`delete from one_time_value where subject = ? and kind like 'passkey-challenge:%'`, [accountId]);
    await raiseCredentialVersion(em, accountId);
  }

  /** What the browser's `signalAllAcceptedCredentials` takes, so that deleted passkeys vanish from its list (WebAuthn 5.1.10). */
  async signal(
    accountId: string,
  ): Promise<{ readonly rpId: string; readonly userId: string; readonly allAcceptedCredentialIds: readonly string[] }> {
    const passkeys = await this.list(accountId);
    const allAcceptedCredentialIds = passkeys.map((one) => one.credentialId);
    return { rpId: this.rpId, userId: await this.#handle(accountId), allAcceptedCredentialIds };
  }

  /** The bytes that identify the account to authenticators: never its id, so that they tell nobody who it is. */
  async #handle(accountId: string): Promise<string> {
    const { rows } = await this.#database.sql.query<{ handle: string }>(FIND_HANDLE, [accountId]);
    if (rows[0]) return rows[0].handle;
    await this.#database.sql.query(ENSURE_HANDLE, [accountId, randomToken(HANDLE_BYTES)]);
    return this.#handle(accountId);
  }

  async #challenge(purpose: string, browserId: string, content: Challenge): Promise<Uint8Array<ArrayBuffer>> {
    const challenge = new Uint8Array(randomBytes(CHALLENGE_BYTES));
    const value = bound(Buffer.from(challenge).toString('base64url'), browserId);
    const subject = content.accountId === null ? {} : { subject: content.accountId };
    await this.#oneTime.putUnder(challengeKind(purpose), value, content, { ttl: CHALLENGE_TTL, ...subject });
    return challenge;
  }

  async #takeChallenge(purpose: string, browserId: string, challenge: string): Promise<Challenge | null> {
    return this.#oneTime.take<Challenge>(challengeKind(purpose), bound(challenge, browserId));
  }
}

function challengeKind(purpose: string): string {
  return `passkey-challenge:${purpose}`;
}

/** In another browser the challenge is another value, which does not exist: nobody else can even use it up. */
function bound(challenge: string, browserId: string): string {
  return `${challenge}.${browserId}`;
}

/** Before verification it is good for one thing: finding the challenge that it claims to answer. */
function readClientData(encoded: string): z.infer<typeof CLIENT_DATA> | null {
  try {
    const parsed = CLIENT_DATA.safeParse(JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')));
    // Our pages are never framed; an answer from inside a frame of somebody else's is none of ours.
    return parsed.success && parsed.data.crossOrigin !== true ? parsed.data : null;
  } catch {
    return null;
  }
}

function toDetail(error: unknown): { readonly detail: string } {
  return { detail: error instanceof Error ? error.message.slice(0, 300) : 'unknown' };
}

function toDescriptor(passkey: PasskeyView): { id: string; transports: AuthenticatorTransport[] } {
  return { id: passkey.credentialId, transports: passkey.transports as AuthenticatorTransport[] };
}

function toView(row: Row): PasskeyView {
  return {
    id: row.id,
    name: row.name,
    provider: findProviderName(row.aaguid),
    credentialId: row.credentialId,
    transports: row.transports === '' ? [] : row.transports.split(' '),
    deviceType: row.deviceType,
    isBackedUp: row.isBackedUp,
    kind: row.isWayIn ? 'way-in' : 'second-factor',
    createdAt: new Date(row.createdAt),
    lastUsedAt: row.lastUsedAt === null ? null : new Date(row.lastUsedAt),
  };
}

/** One line without control and direction characters, or null when nothing is left. */
function plainName(name: string): string | null {
  const line = name
    .slice(0, 1000)
    .normalize('NFC')
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\s+/gu, ' ')
    .trim();
  return line === '' ? null : [...line].slice(0, MOST_NAME).join('');
}
