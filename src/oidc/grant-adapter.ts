// What oidc-provider stores (sessions, interactions, grants, codes, tokens), kept the same way in Redis and in the database: found by
// SHA-256 over model and id, sealed as a whole, used once by one conditional write (RFC 6749, 4.1.2; RFC 9700, 4.14.2), ended together.
// Where it is kept is decided by an `Artifacts` (redis-grants, sql-grants). Clients are not kept here, accounts neither.
//
// One rule carries all revocation: what was ended never comes back. An id that was destroyed is buried for longer than a request can
// take, a token is saved only while its grant lives and the value it was exchanged for has not been revoked, and a save that comes too
// late is dropped as if it had happened just before the revocation.
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider';
import { hashToken, keyedHash } from '../crypto/random.ts';
import { type Seal, SealError } from '../crypto/seal.ts';
import type { Log } from '../log.ts';

/** Models that belong to a grant and end with it. */
export const GRANT_BOUND: ReadonlySet<string> = new Set([
  'AccessToken',
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
]);

/** Found by something else than their id, so the sealed payload keeps it; for all others the id exists only at its holder. */
const KEEPS_ID: ReadonlySet<string> = new Set(['Session', 'DeviceCode', 'Grant']);

/** Seconds for which an ended artifact is remembered as ended: longer than any request that may still hold it. */
export const BURIED_TTL = 600;
/** Polling clients must be told `expired_token` (RFC 8628, 3.5), so these outlive their expiry by this many seconds. */
const POLLED_RETENTION = 600;
const POLLED: ReadonlySet<string> = new Set(['DeviceCode', 'BackchannelAuthenticationRequest']);
/** Seconds; only for what the engine saves without an expiry (registration tokens). */
const LONGEST_TTL = 365 * 24 * 3600;
/** A session whose content did not change is written again only when its expiry moved by more than this many seconds. */
const UNCHANGED_SESSION_SLACK = 60;

/** One thing to keep. Keys are hashes; `sealed` is the only place where anything can be read from, with the master secret. */
export interface Artifact {
  readonly model: string;
  readonly key: string;
  readonly sealed: Buffer;
  /** Seconds. */
  readonly ttl: number;
  /** Key of the grant it ends with. */
  readonly grantKey?: string | undefined;
  /** Key of the code or token that was exchanged for it: revoked meanwhile, this must not be saved any more. */
  readonly parentKey?: string | undefined;
  /** Whose it is, for what belongs to no grant. */
  readonly accountId?: string | undefined;
  /** A session's own uid, or the uid of the session it was issued in. */
  readonly sessionKey?: string | undefined;
  readonly userCodeKey?: string | undefined;
}

export interface StoredArtifact {
  readonly model: string;
  readonly key: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since 1970. */
  readonly consumedAt?: number | undefined;
  /** Its grant, read together with it: nearly everybody who reads a token reads its grant next. */
  readonly grant?: StoredArtifact | undefined;
}

/** What Redis and SQL each do their own way. Every method throws Unavailable when the server is away, and never says "not found" then. */
export interface Artifacts {
  /** `dropped`: it, its session, its grant or its parent was ended. `taken`: another live device code has this user code. */
  put(artifact: Artifact): Promise<'saved' | 'dropped' | 'taken'>;
  /** False when the key is already there. */
  putOnce(artifact: Artifact): Promise<boolean>;
  /** Nothing for what is expired, buried, or bound to a grant that is gone. */
  find(model: string, key: string): Promise<StoredArtifact | undefined>;
  findSession(sessionKey: string): Promise<StoredArtifact | undefined>;
  findByUserCode(userCodeKey: string): Promise<StoredArtifact | undefined>;
  /** True for exactly one caller ever. */
  consume(key: string): Promise<boolean>;
  bury(keys: readonly string[]): Promise<void>;
  /** Buries the session and its uid, whatever id it has by now. */
  endSession(sessionKey: string): Promise<void>;
  /**
   * Ends everything that is bound to these grants, or only what was issued in one session of them.
   * @param options.keepsGrants their tokens end, the grants themselves stay
   */
  revokeGrants(
    grantKeys: readonly string[],
    options: { readonly keepsGrants: boolean; readonly sessionKey?: string },
  ): Promise<void>;
  /** Sessions, grants, interactions and requests; not what is bound to a grant. May contain what has changed hands meanwhile. */
  listByAccount(accountId: string): Promise<readonly StoredArtifact[]>;
  sweep(): Promise<void>;
  isHealthy(): Promise<boolean>;
}

export interface EngineSession {
  readonly uid: string;
  readonly accountId: string;
  /** Seconds since 1970, as all times of the engine. */
  readonly signedInAt: number | undefined;
  readonly expiresAt: number;
  readonly amr: readonly string[];
  readonly acr: string | undefined;
  /** The apps it was used for; `sid` is what their logout tokens name. */
  readonly clients: readonly { readonly clientId: string; readonly sid?: string; readonly grantId?: string }[];
}

export interface EngineGrant {
  readonly grantId: string;
  readonly clientId: string;
  readonly accountId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  /** Scopes by resource indicator. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

export interface RevokeByAccountOptions {
  /** The browser that asks for it stays signed in; its tokens end all the same. */
  readonly exceptSessionUid?: string | undefined;
  /** The interaction in which it is asked for can be finished. */
  readonly exceptInteractionUid?: string | undefined;
}

/** What one request of the engine has read and used so far; the engine's own context says which request it is. */
interface RequestView {
  /** The code or token that this request used up: what it saves from now on is exchanged for that. */
  parentKey?: string;
  readonly grants: Map<string, StoredArtifact>;
  session?: { readonly key: string; readonly text: string; readonly expiresAt: number };
}

interface Revocation {
  keepsGrant: boolean;
  readonly done: Promise<void>;
}

type Payload = AdapterPayload;

export class GrantStorage {
  readonly #artifacts: Artifacts;
  readonly #seal: Seal;
  readonly #userCodeSecret: Buffer;
  readonly #refreshGrace: number;
  readonly #log: Log;
  readonly #views = new WeakMap<object, RequestView>();
  readonly #revocations = new Map<string, Revocation>();

  /** @param parts.refreshGrace seconds (0 to 60) in which a repeated refresh fails without ending its family */
  constructor(parts: {
    readonly artifacts: Artifacts;
    readonly seal: Seal;
    readonly refreshGrace: number;
    readonly log: Log;
  }) {
    this.#artifacts = parts.artifacts;
    this.#seal = parts.seal;
    // User codes are short enough to be tried out against a plain hash, so theirs needs the master secret.
    this.#userCodeSecret = parts.seal.deriveKey('user codes');
    this.#refreshGrace = parts.refreshGrace;
    this.#log = parts.log;
  }

  /** What oidc-provider asks for, by model name. Clients are refused: they live in the database with their own rules. */
  adapter(model: string): Adapter {
    if (model === 'Client') throw new TypeError('clients are not kept with the artifacts of the engine');
    return {
      upsert: (id, payload, expiresIn) => this.#upsert(model, id, payload, expiresIn),
      find: (id) => this.#find(model, id),
      findByUid: (uid) => this.#findByUid(uid),
      findByUserCode: (userCode) => this.#findByUserCode(userCode),
      consume: (id) => this.#consume(model, id),
      destroy: (id) => this.#destroy(model, id),
      revokeByGrantId: (grantId) => this.#revoke(hashToken('Grant', grantId), { keepsGrant: true }),
    };
  }

  /** @param accountId the engine's, which is the account's subject */
  async listSessions(accountId: string): Promise<readonly EngineSession[]> {
    const stored = await this.#artifacts.listByAccount(accountId);
    return stored
      .map((one) => (one.model === 'Session' ? this.#open(one) : undefined))
      .map((payload) => (payload?.accountId === accountId ? sessionOf(payload) : undefined))
      .filter((session) => session !== undefined);
  }

  /** What the account has allowed which app, one for each authorization that has not ended. */
  async listGrants(accountId: string): Promise<readonly EngineGrant[]> {
    const stored = await this.#artifacts.listByAccount(accountId);
    return stored
      .map((one) => (one.model === 'Grant' ? this.#open(one) : undefined))
      .map((payload) => (payload?.accountId === accountId ? grantOf(payload) : undefined))
      .filter((grant) => grant !== undefined);
  }

  /**
   * Ends one session with every token that was issued in it, offline ones too; the grants stay.
   * @returns what it was, for telling the apps, or null when there is none
   */
  async revokeSession(uid: string): Promise<EngineSession | null> {
    const sessionKey = hashToken('session-uid', uid);
    const stored = await this.#artifacts.findSession(sessionKey);
    const session = stored && sessionOf(this.#open(stored));
    await this.#artifacts.endSession(sessionKey);
    if (!session) return null;
    const grants = await this.#artifacts.listByAccount(session.accountId);
    const grantKeys = grants.filter((one) => one.model === 'Grant').map((one) => one.key);
    await this.#artifacts.revokeGrants(grantKeys, { keepsGrants: true, sessionKey });
    return session;
  }

  /** Withdraws one grant with every code and token that came from it. */
  async revokeGrant(grantId: string): Promise<void> {
    await this.#revoke(hashToken('Grant', grantId), { keepsGrant: false });
  }

  /**
   * Ends what an account holds: sessions, codes, tokens, device codes, pending interactions with the requests they came from, and grants.
   * A sign-in that is being proven at this very moment is the caller's part: it is not an artifact yet.
   */
  async revokeByAccount(accountId: string, options: RevokeByAccountOptions = {}): Promise<void> {
    const stored = await this.#artifacts.listByAccount(accountId);
    const keptSession = options.exceptSessionUid;
    const keptInteraction =
      options.exceptInteractionUid === undefined ? undefined : hashToken('Interaction', options.exceptInteractionUid);
    const sessionKeys: string[] = [];
    const grantKeys: string[] = [];
    const buried: string[] = [];
    for (const one of stored) {
      if (one.key === keptInteraction) continue;
      const payload = this.#open(one);
      if (!payload || ownerOf(one.model, payload) !== accountId) continue;
      if (one.model === 'Grant') grantKeys.push(one.key);
      else if (one.model !== 'Session') buried.push(one.key, ...originOf(payload));
      else if (payload.uid !== undefined && payload.uid !== keptSession) {
        sessionKeys.push(hashToken('session-uid', payload.uid));
      }
    }
    await Promise.all(sessionKeys.map((key) => this.#artifacts.endSession(key)));
    if (buried.length > 0) await this.#artifacts.bury(buried);
    if (grantKeys.length > 0) {
      await this.#artifacts.revokeGrants(grantKeys, { keepsGrants: false });
    }
  }

  /** Deletes a bounded part of what has expired; Redis does so by itself. */
  async sweep(): Promise<void> {
    await this.#artifacts.sweep();
  }

  async isHealthy(): Promise<boolean> {
    return this.#artifacts.isHealthy();
  }

  async #upsert(model: string, id: string, payload: Payload, expiresIn?: number): Promise<void> {
    const key = hashToken(model, id);
    const view = this.#view();
    const text = textOf(model, payload);
    if (model === 'Session' && isUnchanged(view, key, payload)) return;
    const isBound = GRANT_BOUND.has(model);
    const artifact: Artifact = {
      model,
      key,
      sealed: this.#seal.seal(purposeOf(model, key), text),
      ttl: lifetimeOf(model, expiresIn),
      grantKey: isBound && payload.grantId !== undefined ? hashToken('Grant', payload.grantId) : undefined,
      parentKey: isBound ? view?.parentKey : undefined,
      accountId: isBound && payload.grantId !== undefined ? undefined : ownerOf(model, payload),
      sessionKey: sessionKeyOf(model, payload),
      userCodeKey: payload.userCode === undefined ? undefined : this.#userCodeKey(payload.userCode),
    };
    if (model === 'ReplayDetection') {
      if (await this.#artifacts.putOnce(artifact)) return;
      throw new errors.InvalidRequest('this proof was already used');
    }
    if (model === 'Grant') view?.grants.delete(key);
    if (model === 'Session' && view) view.session = { key, text, expiresAt: payload.exp ?? 0 };
    const outcome = await this.#artifacts.put(artifact);
    if (outcome === 'taken') throw new errors.TemporarilyUnavailable('try again');
    if (outcome === 'dropped') this.#log.info({ model }, 'what was saved had already been ended');
  }

  async #find(model: string, id: string): Promise<Payload | undefined> {
    const key = hashToken(model, id);
    const view = this.#view();
    const known = model === 'Grant' ? view?.grants.get(key) : undefined;
    const stored = known ?? (await this.#artifacts.find(model, key));
    if (!stored) return undefined;
    if (stored.grant) view?.grants.set(stored.grant.key, stored.grant);
    return this.#open(stored, id);
  }

  async #findByUid(uid: string): Promise<Payload | undefined> {
    const stored = await this.#artifacts.findSession(hashToken('session-uid', uid));
    const payload = stored && this.#open(stored);
    return payload?.uid === uid ? payload : undefined;
  }

  async #findByUserCode(userCode: string): Promise<Payload | undefined> {
    const stored = await this.#artifacts.findByUserCode(this.#userCodeKey(userCode));
    const payload = stored && this.#open(stored);
    return payload?.userCode === userCode ? payload : undefined;
  }

  async #consume(model: string, id: string): Promise<void> {
    const key = hashToken(model, id);
    if (!(await this.#artifacts.consume(key))) {
      if (model === 'PushedAuthorizationRequest') {
        throw new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
      }
      throw new errors.InvalidGrant('already used, expired or revoked');
    }
    const view = this.#view();
    if (view && GRANT_BOUND.has(model)) view.parentKey = key;
  }

  async #destroy(model: string, id: string): Promise<void> {
    const key = hashToken(model, id);
    if (model === 'Grant') {
      await this.#revoke(key, { keepsGrant: false });
      return;
    }
    // A session that only changes its id goes on under the new one; any other destroyed session must not be saved again by a request
    // that is still running, under whatever id.
    if (model === 'Session' && !isRotation(id)) {
      const payload = await this.#find(model, id);
      if (payload?.uid !== undefined) {
        await this.#artifacts.endSession(hashToken('session-uid', payload.uid));
        return;
      }
    }
    await this.#artifacts.bury([key]);
  }

  /** The engine revokes a grant by one call for each model in the same tick; they become one. */
  #revoke(grantKey: string, { keepsGrant }: { readonly keepsGrant: boolean }): Promise<void> {
    const view = this.#view();
    view?.grants.delete(grantKey);
    const pending = this.#revocations.get(grantKey);
    if (pending) {
      pending.keepsGrant &&= keepsGrant;
      return pending.done;
    }
    const revocation: Revocation = {
      keepsGrant,
      done: Promise.resolve().then(() => {
        this.#revocations.delete(grantKey);
        return this.#artifacts.revokeGrants([grantKey], { keepsGrants: revocation.keepsGrant });
      }),
    };
    this.#revocations.set(grantKey, revocation);
    return revocation.done;
  }

  #open(stored: StoredArtifact, id?: string): Payload | undefined {
    const { model, key } = stored;
    try {
      const text = this.#seal.openText(purposeOf(model, key), stored.sealed);
      const payload = JSON.parse(text) as Payload;
      const view = model === 'Session' ? this.#view() : undefined;
      if (view) view.session = { key, text, expiresAt: payload.exp ?? 0 };
      if (id !== undefined) payload.jti = id;
      if (stored.consumedAt !== undefined && !this.#isInGrace(model, stored.consumedAt)) {
        payload.consumed = Math.floor(stored.consumedAt / 1000);
      }
      return payload;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      // Nothing here gives anybody less by being absent, so what cannot be opened does not exist.
      this.#log.warn({ model, err: error }, 'an artifact cannot be opened');
      return undefined;
    }
  }

  /** In the grace the engine does not see the use, runs into `consume` and refuses the repeat without ending the family. */
  #isInGrace(model: string, consumedAt: number): boolean {
    if (model !== 'RefreshToken' || this.#refreshGrace <= 0) return false;
    return Date.now() - consumedAt < this.#refreshGrace * 1000;
  }

  #userCodeKey(userCode: string): string {
    return keyedHash(this.#userCodeSecret, 'user-code', userCode);
  }

  #view(): RequestView | undefined {
    const ctx = Provider.ctx;
    if (!ctx) return undefined;
    const known = this.#views.get(ctx);
    if (known) return known;
    const view: RequestView = { grants: new Map() };
    this.#views.set(ctx, view);
    return view;
  }
}

/** Bound to the key as well: whoever can write to the storage cannot put one sealed session in the place of another. */
function purposeOf(model: string, key: string): string {
  return `artifact:${model}:${key}`;
}

function textOf(model: string, payload: Payload): string {
  // What is undefined is left out.
  return JSON.stringify({ ...payload, consumed: undefined, jti: KEEPS_ID.has(model) ? payload.jti : undefined });
}

/** Every sign-in at an app saves the session, mostly with nothing new in it. */
function isUnchanged(view: RequestView | undefined, key: string, payload: Payload): boolean {
  const before = view?.session;
  if (before?.key !== key || payload.exp === undefined) return false;
  if (Math.abs(payload.exp - before.expiresAt) > UNCHANGED_SESSION_SLACK) return false;
  return textOf('Session', { ...payload, exp: before.expiresAt }) === before.text;
}

function lifetimeOf(model: string, expiresIn: number | undefined): number {
  const ttl = Math.max(1, Math.ceil(Math.min(expiresIn ?? LONGEST_TTL, LONGEST_TTL)));
  return POLLED.has(model) ? ttl + POLLED_RETENTION : ttl;
}

function sessionKeyOf(model: string, payload: Payload): string | undefined {
  const uid = model === 'Session' ? payload.uid : GRANT_BOUND.has(model) ? payload.sessionUid : undefined;
  return uid === undefined ? undefined : hashToken('session-uid', uid);
}

/** Whose it is. An interaction belongs to who just signed in with it, before it belongs to the session it started from. */
function ownerOf(model: string, payload: Payload): string | undefined {
  if (model !== 'Interaction') return payload.accountId;
  return payload.result?.login?.accountId ?? payload.lastSubmission?.login?.accountId ?? payload.session?.accountId;
}

/** Keys of the pushed request and the device code that an interaction would complete. */
function originOf(payload: Payload): string[] {
  const keys: string[] = [];
  if (payload.parJti !== undefined) keys.push(hashToken('PushedAuthorizationRequest', payload.parJti));
  if (payload.deviceCode !== undefined) keys.push(hashToken('DeviceCode', payload.deviceCode));
  return keys;
}

/** Whether the engine destroys this session id because the running request has given the session a new one. */
function isRotation(id: string): boolean {
  const session = Provider.ctx?.oidc?.session as { readonly oldId?: string } | undefined;
  return session?.oldId === id;
}

function sessionOf(payload: Payload | undefined): EngineSession | undefined {
  if (payload?.uid === undefined || payload.accountId === undefined) return undefined;
  return {
    uid: payload.uid,
    accountId: payload.accountId,
    signedInAt: payload.loginTs,
    expiresAt: payload.exp ?? 0,
    amr: payload.amr ?? [],
    acr: payload.acr,
    clients: Object.entries(payload.authorizations ?? {}).map(([clientId, { sid, grantId }]) => ({
      clientId,
      ...(sid === undefined ? {} : { sid }),
      ...(grantId === undefined ? {} : { grantId }),
    })),
  };
}

interface GrantPayload extends Payload {
  readonly openid?: { readonly scope?: string; readonly claims?: readonly string[] };
  readonly resources?: Readonly<Record<string, string>>;
}

function grantOf(payload: GrantPayload): EngineGrant | undefined {
  const { jti, clientId, accountId, openid, resources } = payload;
  if (jti === undefined || clientId === undefined || accountId === undefined) return undefined;
  return {
    grantId: jti,
    clientId,
    accountId,
    issuedAt: payload.iat ?? 0,
    expiresAt: payload.exp ?? 0,
    scopes: words(openid?.scope),
    claims: openid?.claims ?? [],
    resources: Object.fromEntries(Object.entries(resources ?? {}).map(([resource, scope]) => [resource, words(scope)])),
  };
}

function words(scope: string | undefined): readonly string[] {
  return scope?.split(' ').filter(Boolean) ?? [];
}
