// What oidc-provider stores (sessions, interactions, grants, codes, tokens), kept the same way in Redis and in the database: found by
// SHA-256 over model and id, sealed as a whole, used once by one conditional write (RFC 6749, 4.1.2; RFC 9700, 4.14.2), ended together.
// Where it is kept is decided by an `Artifacts` (redis-grants, sql-grants). Clients are not kept here, accounts neither.
//
// A request at the token endpoint reads a code or token with its grant and its session at once, and what it writes leaves together at its
// end: see `together`.
//
// One rule carries all revocation: what was ended never comes back. An id that was destroyed is buried for longer than a request can
// take, a token is saved only while its grant lives and the value it was exchanged for has not been revoked, and a save that comes too
// late is dropped as if it had happened just before the revocation.
import { type Adapter, type AdapterPayload, errors, Provider } from 'oidc-provider';
import { hashToken, keyedHash } from '../crypto/random.ts';
import { type Seal, SealError } from '../crypto/seal.ts';
import { RequestNote } from '../http/request-note.ts';
import type { Log } from '../log.ts';
import { type Artifact, type Artifacts, artifactPurpose, GRANT_BOUND, type StoredArtifact } from './artifact.ts';
import { type EngineGrant, type EngineSession, grantOf, sessionOf } from './grant-view.ts';

/** What the token endpoint hands out: written at the end of the request. */
const HANDED_OUT: ReadonlySet<string> = new Set(['AccessToken', 'RefreshToken']);

/** Found by something else than their id, so the sealed payload keeps it; for all others the id exists only at its holder. */
const KEEPS_ID: ReadonlySet<string> = new Set(['Session', 'DeviceCode', 'Grant']);

/** Polling clients must be told `expired_token` (RFC 8628, 3.5), so these outlive their expiry by this many seconds. */
const POLLED_RETENTION = 600;
const POLLED: ReadonlySet<string> = new Set(['DeviceCode', 'BackchannelAuthenticationRequest']);
/** Seconds; only for what the engine saves without an expiry (registration tokens). */
const LONGEST_TTL = 365 * 24 * 3600;
/** A session whose content did not change is written again only when its expiry moved by more than this many seconds. */
const UNCHANGED_SESSION_SLACK = 60;

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
  readonly sessions: Map<string, StoredArtifact | undefined>;
  /** Only inside of `together`. */
  unit?: Unit | undefined;
  session?: { readonly key: string; readonly text: string; readonly expiresAt: number };
}

/** What is to be written before the request is answered, in this order. */
interface Unit {
  used?: { readonly model: string; readonly key: string };
  readonly saves: Artifact[];
}

interface Revocation {
  keepsGrant: boolean;
  readonly done: Promise<void>;
}

type Payload = AdapterPayload;

export class GrantStorage {
  readonly #artifacts: Artifacts;
  readonly #seal: Seal;
  readonly #userCodeSecrets: readonly [Buffer, ...Buffer[]];
  readonly #refreshGrace: number;
  readonly #log: Log;
  readonly #views = new RequestNote<RequestView>();
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
    this.#userCodeSecrets = parts.seal.deriveKeys('user codes');
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

  /**
   * Runs a request of the token endpoint. The use of its code or token and what that was exchanged for are written at its end, in one step,
   * which still decides who was first; until then nothing has been answered. Of a request that fails only the use is written.
   * @throws what `work` throws, errors.InvalidGrant when somebody else was first, Unavailable
   */
  async together<T>(work: () => Promise<T>): Promise<T> {
    const view = this.#view();
    if (!view || view.unit) return work();
    view.unit = { saves: [] };
    try {
      const result = await work();
      await this.#settle(view);
      return result;
    } catch (error) {
      view.unit.saves.length = 0;
      await this.#settle(view);
      throw error;
    } finally {
      view.unit = undefined;
    }
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
      sealed: this.#seal.seal(artifactPurpose(model, key), text),
      ttl: lifetimeOf(model, expiresIn),
      grantKey: isBound && payload.grantId !== undefined ? hashToken('Grant', payload.grantId) : undefined,
      parentKey: isBound ? view?.parentKey : undefined,
      accountId: isBound && payload.grantId !== undefined ? undefined : ownerOf(model, payload),
      sessionKey: sessionKeyOf(model, payload),
      userCodeKey:
        payload.userCode === undefined ? undefined : keyedHash(this.#userCodeSecrets[0], 'user-code', payload.userCode),
      isReadWithSession: model === 'AuthorizationCode' || payload.expiresWithSession === true,
    };
    if (model === 'ReplayDetection') {
      if (await this.#artifacts.putOnce(artifact)) return;
      throw new errors.InvalidRequest('this proof was already used');
    }
    if (view?.unit && HANDED_OUT.has(model) && artifact.grantKey !== undefined) {
      if (touches(view.unit, key)) await this.#settle(view);
      view.unit.saves.push(artifact);
      return;
    }
    await this.#settle(view);
    if (model === 'Grant') view?.grants.delete(key);
    if (model === 'Session' && view) {
      if (artifact.sessionKey !== undefined) view.sessions.delete(artifact.sessionKey);
      view.session = { key, text, expiresAt: payload.exp ?? 0 };
    }
    await this.#put(artifact);
  }

  async #put(artifact: Artifact): Promise<void> {
    const outcome = await this.#artifacts.put(artifact);
    if (outcome === 'taken') throw new errors.TemporarilyUnavailable('try again');
    if (outcome === 'dropped') this.#noteDropped(artifact.model);
  }

  /** Writes what is waiting. */
  async #settle(view: RequestView | undefined): Promise<void> {
    const unit = view?.unit;
    if (!unit) return;
    const { used } = unit;
    const saves = unit.saves.splice(0);
    delete unit.used;
    if (!used) {
      await Promise.all(saves.map((artifact) => this.#put(artifact)));
      return;
    }
    const outcome = await this.#artifacts.exchange(used.key, saves);
    if (outcome === 'refused') throw refusalOf(used.model);
    if (outcome === 'dropped') this.#noteDropped(saves[0]?.model ?? used.model);
  }

  #noteDropped(model: string): void {
    this.#log.info({ model }, 'what was saved had already been ended');
  }

  async #find(model: string, id: string): Promise<Payload | undefined> {
    const key = hashToken(model, id);
    const view = this.#view();
    if (view?.unit && touches(view.unit, key)) await this.#settle(view);
    const known = model === 'Grant' ? view?.grants.get(key) : undefined;
    const stored = known ?? (await this.#artifacts.find(model, key));
    if (!stored) return undefined;
    if (stored.grant) view?.grants.set(stored.grant.key, stored.grant);
    if (stored.session) view?.sessions.set(stored.session.key, stored.session.stored);
    return this.#open(stored, id);
  }

  async #findByUid(uid: string): Promise<Payload | undefined> {
    const key = hashToken('session-uid', uid);
    const view = this.#view();
    const stored = view?.sessions.has(key) ? view.sessions.get(key) : await this.#artifacts.findSession(key);
    const payload = stored && this.#open(stored);
    return payload?.uid === uid ? payload : undefined;
  }

  async #findByUserCode(userCode: string): Promise<Payload | undefined> {
    for (const secret of this.#userCodeSecrets) {
      const stored = await this.#artifacts.findByUserCode(keyedHash(secret, 'user-code', userCode));
      const payload = stored && this.#open(stored);
      if (payload?.userCode === userCode) return payload;
    }
    return undefined;
  }

  async #consume(model: string, id: string): Promise<void> {
    const key = hashToken(model, id);
    const view = this.#view();
    if (view?.unit && GRANT_BOUND.has(model)) {
      await this.#settle(view);
      view.unit.used = { model, key };
    } else if (!(await this.#artifacts.consume(key))) throw refusalOf(model);
    if (view && GRANT_BOUND.has(model)) view.parentKey = key;
  }

  async #destroy(model: string, id: string): Promise<void> {
    const key = hashToken(model, id);
    const view = this.#view();
    view?.sessions.clear();
    if (model === 'Grant') {
      await this.#revoke(key, { keepsGrant: false });
      return;
    }
    await this.#settle(view);
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
      done: Promise.resolve().then(async () => {
        this.#revocations.delete(grantKey);
        await this.#settle(view);
        return this.#artifacts.revokeGrants([grantKey], { keepsGrants: revocation.keepsGrant });
      }),
    };
    this.#revocations.set(grantKey, revocation);
    return revocation.done;
  }

  #open(stored: StoredArtifact, id?: string): Payload | undefined {
    const { model, key } = stored;
    try {
      const text = this.#seal.openText(artifactPurpose(model, key), stored.sealed);
      const payload = JSON.parse(text) as Payload;
      const view = model === 'Session' ? this.#view() : undefined;
      // One that an older master secret has sealed counts as changed, so that it is sealed anew.
      if (view && !this.#seal.isStale(stored.sealed)) view.session = { key, text, expiresAt: payload.exp ?? 0 };
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

  #view(): RequestView | undefined {
    const ctx = Provider.ctx;
    if (!ctx) return undefined;
    const known = this.#views.get(ctx.req);
    if (known) return known;
    const view: RequestView = { grants: new Map(), sessions: new Map() };
    this.#views.set(ctx.req, view);
    return view;
  }
}

function refusalOf(model: string): Error {
  if (model !== 'PushedAuthorizationRequest') return new errors.InvalidGrant('already used, expired or revoked');
  return new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
}

/** Whether something that waits to be written is about this key. */
function touches(unit: Unit, key: string): boolean {
  return unit.used?.key === key || unit.saves.some((artifact) => artifact.key === key);
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
