// The engine's artifacts in Redis. One string for each artifact, one sorted set for each grant and each account, one pointer for each session
// uid and user code; everything has a lifetime. What belongs together leaves in one round trip.
//
// In Cluster every command and every script stays in one slot: all keys about one thing carry its hash in braces, and what spans
// several things (a token and its grant, an index and its members) is done key by key, in an order that is safe to lose half-way:
// ended first and forgotten by the index afterwards, indexed before it exists. One node may follow a reference inside a script.
//
// A value is: state (L live, C consumed, X buried) | when consumed and by whom (only C) | the grant's key and that of the session to be read
// with it (only what belongs to grants, dashes for none) | sealed payload.
import { hashToken, randomToken } from '../crypto/random.ts';
import type { RedisConnection } from '../storage/redis.ts';
import type { RedisScript } from '../storage/script-batch.ts';
import { type Artifact, type Artifacts, BURIED_TTL, GRANT_BOUND, type StoredArtifact } from './artifact.ts';

const STATE = { live: 0x4c, consumed: 0x43 };
const BURIED = 'X';
/** 13 digits of milliseconds and 12 characters that tell this consumer from any other. */
const STAMP = 25;
const HASH = 43;
const NO_KEY = '-'.repeat(HASH);
/** Characters of a session's hash inside a grant's index: enough to tell the sessions of one grant apart, small enough for a compact set. */
const SESSION_TAG = 11;
const NO_SESSION = '-'.repeat(SESSION_TAG);
/** Milliseconds that an index keeps a member beyond its expiry, for requests that still hold it and for clocks that differ. */
const INDEX_SLACK_MS = 120_000;
const BURIED_MS = BURIED_TTL * 1000;
/** Members of an index that are ended in one round trip. */
const BATCH = 500;

/** index; member, expiry, lowest score to keep, milliseconds the index must live */
const INDEX_ADD = `redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
      redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
      if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
      return 1`;

/** Given to `openRedis`. Each is harmless when it runs twice. */
export const grantScripts = {
  /** key */
  artifactGet: { keys: 1, lua: `return redis.call('GET', KEYS[1])` },
  /** Writes unless buried; what was consumed stays consumed. key; value, milliseconds */
  artifactPut: {
    keys: 1,
    lua: `local old = redis.call('GETRANGE', KEYS[1], 0, ${STAMP})
      local state = string.sub(old, 1, 1)
      if state == 'X' then return 0 end
      local value = ARGV[1]
      if state == 'C' then value = old .. string.sub(value, 2) end
      redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
      return 1`,
  },
  /** Writes unless there is something else already. key; value, milliseconds */
  artifactOnce: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1])
      if old then return old == ARGV[1] and 1 or 0 end
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
      return 1`,
  },
  /** Marks as used, for one stamp ever. key; stamp */
  artifactConsume: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1])
      if not old then return 0 end
      local state = string.sub(old, 1, 1)
      if state == 'C' and string.sub(old, 2, ${STAMP + 1}) == ARGV[1] then return 1 end
      if state ~= 'L' then return 0 end
      redis.call('SET', KEYS[1], 'C' .. ARGV[1] .. string.sub(old, 2), 'KEEPTTL')
      return 1`,
  },
  /** Puts another value in the place of exactly this one, for as long as it has left. key; value, new value */
  artifactReplace: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1])
      if old == ARGV[2] then return 1 end
      if old ~= ARGV[1] then return 0 end
      redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
      return 1`,
  },
  /** One node only: a token together with its grant and the session it is read with. key; what all keys begin with */
  artifactWithGrant: {
    keys: 1,
    lua: `local value = redis.call('GET', KEYS[1])
      if not value then return {} end
      local at = string.sub(value, 1, 1) == 'C' and ${STAMP + 2} or 2
      local grant = redis.call('GET', ARGV[1] .. 'artifact:{' .. string.sub(value, at, at + ${HASH - 1}) .. '}')
      local uid = string.sub(value, at + ${HASH}, at + ${2 * HASH - 1})
      if uid == '${NO_KEY}' then return { value, grant or '' } end
      local id = redis.call('GET', ARGV[1] .. 'session-uid:{' .. uid .. '}')
      local session = id and id ~= 'X' and redis.call('GET', ARGV[1] .. 'artifact:{' .. id .. '}')
      return { value, grant or '', session and id or '', session or '' }`,
  },
  /**
   * One node only: uses a code or token up and saves what belongs to grants. Answers whether it was used, then for each whether it was saved.
   * used; what all keys begin with, stamp or nothing, and for each: key, grant, member, expiry, lowest score to keep, milliseconds the index
   * must live, parent, value, milliseconds
   */
  artifactsExchange: {
    keys: 1,
    lua: `if ARGV[2] ~= '' then
        local old = redis.call('GET', KEYS[1])
        if not old then return { 0 } end
        local state = string.sub(old, 1, 1)
        if state == 'L' then
          redis.call('SET', KEYS[1], 'C' .. ARGV[2] .. string.sub(old, 2), 'KEEPTTL')
        elseif state ~= 'C' or string.sub(old, 2, ${STAMP + 1}) ~= ARGV[2] then
          return { 0 }
        end
      end
      local answer = { 1 }
      for at = 3, #ARGV, 9 do
        local key = ARGV[1] .. 'artifact:{' .. ARGV[at] .. '}'
        local grant = ARGV[1] .. 'artifact:{' .. ARGV[at + 1] .. '}'
        local index = ARGV[1] .. 'grant:{' .. ARGV[at + 1] .. '}'
        local old = redis.call('GETRANGE', key, 0, ${STAMP})
        local state = string.sub(old, 1, 1)
        local isJoined = redis.call('GETRANGE', grant, 0, 0) == 'L'
          and (ARGV[at + 6] == '' or redis.call('ZSCORE', index, ARGV[at + 6]))
        if isJoined and state ~= 'X' then
          redis.call('ZREMRANGEBYSCORE', index, '-inf', ARGV[at + 4])
          redis.call('ZADD', index, ARGV[at + 3], ARGV[at + 2])
          if redis.call('PTTL', index) < tonumber(ARGV[at + 5]) then redis.call('PEXPIRE', index, ARGV[at + 5]) end
          local value = ARGV[at + 7]
          if state == 'C' then value = old .. string.sub(value, 2) end
          redis.call('SET', key, value, 'PX', ARGV[at + 8])
          answer[#answer + 1] = 1
        else
          if state ~= '' then redis.call('SET', key, 'X', 'PX', ${BURIED_MS}) end
          answer[#answer + 1] = 0
        end
      end
      return answer`,
  },
  /** One node only: what a pointer points at. pointer; what the key of its target begins with */
  pointerFollow: {
    keys: 1,
    lua: `local key = redis.call('GET', KEYS[1])
      if not key or key == 'X' then return {} end
      local value = redis.call('GET', ARGV[1] .. key .. '}')
      return { key, value or '' }`,
  },
  /** Points a session's uid at its present id; answers the id before, or X when the session was ended. pointer; key, milliseconds */
  pointerMove: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1])
      if old == 'X' then return old end
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
      return old or ''`,
  },
  /** Gives a user code to one device code. pointer; key, milliseconds */
  pointerClaim: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1])
      if old and old ~= ARGV[1] then return 0 end
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
      return 1`,
  },
  /** Ends a session's uid if it still points where the caller believes. pointer; key, milliseconds */
  pointerEnd: {
    keys: 1,
    lua: `local old = redis.call('GET', KEYS[1]) or ''
      if old ~= ARGV[1] and old ~= 'X' then return 0 end
      redis.call('SET', KEYS[1], 'X', 'PX', ARGV[2])
      return 1`,
  },
  /** Adds to a grant's index while the grant lives and the parent is still in it. index, grant; member, …, …, …, parent */
  grantJoin: {
    keys: 2,
    lua: `if redis.call('GETRANGE', KEYS[2], 0, 0) ~= 'L' then return 0 end
      if ARGV[5] ~= '' and not redis.call('ZSCORE', KEYS[1], ARGV[5]) then return 0 end
      ${INDEX_ADD}`,
  },
  /** Adds to an account's index. index; member, … */
  accountJoin: { keys: 1, lua: INDEX_ADD },
} satisfies Record<string, RedisScript>;

export const artifactKey = (key: string) => `artifact:{${key}}`;
const grantIndex = (key: string) => `grant:{${key}}`;
const accountIndex = (accountId: string) => `account:{${hashToken('account', accountId)}}`;
const sessionPointer = (key: string) => `session-uid:{${key}}`;
const userCodePointer = (key: string) => `user-code:{${key}}`;

export class RedisArtifacts implements Artifacts {
  readonly #redis: RedisConnection;

  /** @param redis opened with `grantScripts` */
  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  put(artifact: Artifact): Promise<'saved' | 'dropped' | 'taken'> {
    const { grantKey, userCodeKey, accountId, sessionKey } = artifact;
    if (!this.#redis.isCluster && userCodeKey === undefined) {
      if (grantKey !== undefined) return this.#putBound(artifact);
      if (accountId === undefined && sessionKey === undefined) return this.#putAlone(artifact);
    }
    return this.#redis.run(async () => {
      const references = this.#putReferences(artifact);
      // On one node the commands arrive in this order anyway. In Cluster a session must not exist before everything that can end it.
      if (this.#redis.isCluster && artifact.grantKey === undefined) await references;
      const [outcome, saved] = await Promise.all([references, this.#putValue(artifact)]);
      if (outcome !== 'saved') await this.#bury([artifact.key]);
      return saved === 1 ? outcome : 'dropped';
    });
  }

  async putOnce(artifact: Artifact): Promise<boolean> {
    const args = [valueOf(artifact), artifact.ttl * 1000];
    return (await this.#redis.call('artifactOnce', [artifactKey(artifact.key)], args)) === 1;
  }

  async find(model: string, key: string): Promise<StoredArtifact | undefined> {
    if (!GRANT_BOUND.has(model)) return parse(model, key, await this.#get(key));
    const [value, grantValue, sessionId, sessionValue] = await this.#getWithGrant(key);
    const stored = parse(model, key, value);
    if (!stored || stored.grantKey === NO_KEY) return stored;
    const grant = parse('Grant', stored.grantKey, grantValue);
    if (!grant || !sessionId) return grant && { ...stored, grant };
    const session = parse('Session', sessionId.toString('latin1'), sessionValue);
    return { ...stored, grant, session: { key: stored.sessionKey, stored: session } };
  }

  findSession(sessionKey: string): Promise<StoredArtifact | undefined> {
    return this.#follow('Session', sessionPointer(sessionKey));
  }

  async findByUserCode(userCodeKey: string): Promise<StoredArtifact | undefined> {
    const found = await this.#follow('DeviceCode', userCodePointer(userCodeKey));
    if (!found || found.grantKey === NO_KEY) return found;
    return parse('Grant', found.grantKey, await this.#get(found.grantKey)) && found;
  }

  async consume(key: string): Promise<boolean> {
    const stamp = `${Date.now()}${randomToken(9)}`;
    return (await this.#redis.call('artifactConsume', [artifactKey(key)], [stamp])) === 1;
  }

  async exchange(key: string, artifacts: readonly Artifact[]): Promise<'saved' | 'dropped' | 'refused'> {
    if (this.#redis.isCluster) return this.#exchangeInSteps(key, artifacts);
    const stamp = `${Date.now()}${randomToken(9)}`;
    const [isUsed, ...saves] = await this.#exchange(key, stamp, artifacts);
    if (!isUsed) return 'refused';
    return saves.every((isSaved) => isSaved) ? 'saved' : 'dropped';
  }

  bury(keys: readonly string[]): Promise<void> {
    return this.#redis.run(() => this.#bury(keys));
  }

  endSession(sessionKey: string): Promise<void> {
    return this.#redis.run(async () => {
      const pointer = sessionPointer(sessionKey);
      // A request that is running may give the session a new id in between: then that one is buried as well.
      for (;;) {
        const key = (await this.#redis.client.get(pointer)) ?? '';
        if (key !== '' && key !== BURIED) await this.#bury([key]);
        if ((await this.#redis.script('pointerEnd', [pointer], [key, BURIED_MS])) === 1) return;
      }
    });
  }

  async revokeGrants(
    grantKeys: readonly string[],
    options: { readonly keepsGrants: boolean; readonly sessionKey?: string },
  ): Promise<void> {
    if (!options.keepsGrants) await this.bury(grantKeys);
    const tag = options.sessionKey === undefined ? undefined : sessionTag(options.sessionKey);
    await Promise.all(grantKeys.map((grantKey) => this.#empty(grantIndex(grantKey), tag)));
  }

  async listByAccount(accountId: string): Promise<readonly StoredArtifact[]> {
    const members = await this.#redis.run(() => this.#redis.client.zrange(accountIndex(accountId), 0, '-1'));
    const found = await this.#redis.run(() => Promise.all(members.map((member) => this.#findMember(member))));
    return found.filter((one) => one !== undefined);
  }

  /** Redis forgets by itself. */
  async sweep(): Promise<void> {}

  isHealthy(): Promise<boolean> {
    return this.#redis.isHealthy();
  }

  async #putBound(artifact: Artifact): Promise<'saved' | 'dropped'> {
    const [, isSaved] = await this.#exchange(artifact.key, '', [artifact]);
    return isSaved ? 'saved' : 'dropped';
  }

  /** Nothing leads to it but its key. */
  async #putAlone(artifact: Artifact): Promise<'saved' | 'dropped'> {
    const args = [valueOf(artifact), artifact.ttl * 1000];
    return (await this.#redis.call('artifactPut', [artifactKey(artifact.key)], args)) === 1 ? 'saved' : 'dropped';
  }

  async #exchange(used: string, stamp: string, artifacts: readonly Artifact[]): Promise<readonly boolean[]> {
    const args = artifacts.flatMap((artifact) => {
      const { key, grantKey = NO_KEY, parentKey, sessionKey, ttl } = artifact;
      const parent = parentKey === undefined ? '' : memberOf(parentKey, sessionKey);
      const index = indexEntry(memberOf(key, sessionKey), ttl);
      return [key, grantKey, ...index, parent, valueOf(artifact), ttl * 1000];
    });
    const keys = [artifactKey(used)];
    const answer = await this.#redis.call('artifactsExchange', keys, [this.#redis.keyPrefix, stamp, ...args]);
    return (answer as number[]).map((one) => one === 1);
  }

  /** In a Cluster the use decides first, on its own node; what is saved afterwards looks at its grant and its parent again. */
  async #exchangeInSteps(key: string, artifacts: readonly Artifact[]): Promise<'saved' | 'dropped' | 'refused'> {
    if (!(await this.consume(key))) return 'refused';
    const outcomes = await Promise.all(artifacts.map((artifact) => this.put(artifact)));
    return outcomes.every((outcome) => outcome === 'saved') ? 'saved' : 'dropped';
  }

  #putValue(artifact: Artifact): Promise<unknown> {
    const args = [valueOf(artifact), artifact.ttl * 1000];
    return this.#redis.script('artifactPut', [artifactKey(artifact.key)], args);
  }

  /** Whatever leads to the artifact: its grant, its account, its session's uid, its user code. */
  async #putReferences(artifact: Artifact): Promise<'saved' | 'dropped' | 'taken'> {
    const [isJoined, before, isClaimed] = await Promise.all([
      this.#joinGrant(artifact),
      this.#movePointer(artifact),
      this.#claimUserCode(artifact),
      this.#joinAccount(artifact),
    ]);
    if (before !== undefined && before !== '' && before !== artifact.key && before !== BURIED)
      await this.#bury([before]);
    if (!isJoined || before === BURIED) return 'dropped';
    return isClaimed ? 'saved' : 'taken';
  }

  async #joinGrant(artifact: Artifact): Promise<boolean> {
    const { grantKey, parentKey, sessionKey } = artifact;
    if (grantKey === undefined) return true;
    // Parent and child are issued in the same session.
    const parent = parentKey === undefined ? '' : memberOf(parentKey, sessionKey);
    const member = memberOf(artifact.key, sessionKey);
    const keys = [grantIndex(grantKey), artifactKey(grantKey)];
    return (await this.#redis.script('grantJoin', keys, [...indexEntry(member, artifact.ttl), parent])) === 1;
  }

  async #joinAccount(artifact: Artifact): Promise<void> {
    const { model, accountId } = artifact;
    if (accountId === undefined) return;
    const member = model === 'Session' ? `Session:${artifact.sessionKey}` : `${model}:${artifact.key}`;
    await this.#redis.script('accountJoin', [accountIndex(accountId)], indexEntry(member, artifact.ttl));
  }

  /** The key that the session's uid pointed at before. */
  async #movePointer(artifact: Artifact): Promise<string | undefined> {
    if (artifact.model !== 'Session' || artifact.sessionKey === undefined) return undefined;
    const args = [artifact.key, artifact.ttl * 1000];
    return String(await this.#redis.script('pointerMove', [sessionPointer(artifact.sessionKey)], args));
  }

  async #claimUserCode(artifact: Artifact): Promise<boolean> {
    if (artifact.userCodeKey === undefined) return true;
    const args = [artifact.key, artifact.ttl * 1000];
    return (await this.#redis.script('pointerClaim', [userCodePointer(artifact.userCodeKey)], args)) === 1;
  }

  async #findMember(member: string): Promise<StoredArtifact | undefined> {
    const [model = '', key = ''] = member.split(':');
    if (model === 'Session') return this.#follow(model, sessionPointer(key));
    return parse(model, key, await this.#get(key));
  }

  /** Buries everything in a grant's index, then forgets it; again, until no request that was running has added anything. */
  async #empty(index: string, tag: string | undefined): Promise<void> {
    for (;;) {
      const members = await this.#redis.run(() => this.#redis.client.zrange(index, 0, '-1'));
      const ended = tag === undefined ? members : members.filter((member) => member.endsWith(tag));
      if (ended.length === 0) return;
      for (let from = 0; from < ended.length; from += BATCH) {
        const batch = ended.slice(from, from + BATCH);
        await this.bury(batch.map((member) => member.slice(0, HASH)));
        await this.#redis.run(() => this.#redis.client.zrem(index, ...batch));
      }
    }
  }

  async #bury(keys: readonly string[]): Promise<void> {
    const { client } = this.#redis;
    await Promise.all(keys.map((key) => client.set(artifactKey(key), BURIED, 'PX', BURIED_MS)));
  }

  async #get(key: string): Promise<Buffer | null> {
    return (await this.#redis.call('artifactGet', [artifactKey(key)])) as Buffer | null;
  }

  async #getWithGrant(key: string): Promise<readonly (Buffer | null | undefined)[]> {
    if (!this.#redis.isCluster) {
      const { keyPrefix } = this.#redis;
      return (await this.#redis.call('artifactWithGrant', [artifactKey(key)], [keyPrefix])) as Buffer[];
    }
    const value = await this.#get(key);
    const grantKey = parse('AccessToken', key, value)?.grantKey;
    return [value, grantKey === undefined || grantKey === NO_KEY ? null : await this.#get(grantKey)];
  }

  async #follow(model: string, pointer: string): Promise<Parsed | undefined> {
    if (!this.#redis.isCluster) {
      const prefix = `${this.#redis.keyPrefix}artifact:{`;
      const [key, value] = (await this.#redis.call('pointerFollow', [pointer], [prefix])) as Buffer[];
      return key && parse(model, key.toString('latin1'), value);
    }
    const key = await this.#redis.run(() => this.#redis.client.get(pointer));
    return key === null || key === BURIED ? undefined : parse(model, key, await this.#get(key));
  }
}

interface Parsed extends StoredArtifact {
  /** Dashes for none. */
  readonly grantKey: string;
  /** Of the session that is read with it; dashes for none. */
  readonly sessionKey: string;
}

function parse(model: string, key: string, value: Buffer | null | undefined): Parsed | undefined {
  const state = value?.[0];
  if (!value || (state !== STATE.live && state !== STATE.consumed)) return undefined;
  let at = 1;
  let consumedAt: number | undefined;
  if (state === STATE.consumed) {
    consumedAt = Number(value.toString('latin1', 1, 14));
    at += STAMP;
  }
  let [grantKey, sessionKey] = [NO_KEY, NO_KEY];
  if (GRANT_BOUND.has(model)) {
    grantKey = value.toString('latin1', at, at + HASH);
    sessionKey = value.toString('latin1', at + HASH, at + 2 * HASH);
    at += 2 * HASH;
  }
  return { model, key, grantKey, sessionKey, consumedAt, sealed: value.subarray(at) };
}

/** Where in a stored value its sealed payload begins, and whether it belongs to grants; nothing for what was ended. */
export function sealedPartOf(value: Buffer): { readonly at: number; readonly isBound: boolean } | undefined {
  if (value[0] !== STATE.live && value[0] !== STATE.consumed) return undefined;
  const at = value[0] === STATE.consumed ? 1 + STAMP : 1;
  // Keys of grant and session are text; a sealed payload begins with the number of its layout.
  const isBound = (value[at] ?? 0) >= 0x20;
  return { at: isBound ? at + 2 * HASH : at, isBound };
}

function valueOf(artifact: Artifact): Buffer {
  const { model, grantKey = NO_KEY, sessionKey = NO_KEY } = artifact;
  const references = GRANT_BOUND.has(model) ? grantKey + (artifact.isReadWithSession ? sessionKey : NO_KEY) : '';
  return Buffer.concat([Buffer.from(`L${references}`, 'latin1'), artifact.sealed]);
}

function memberOf(key: string, sessionKey: string | undefined): string {
  return key + (sessionKey === undefined ? NO_SESSION : sessionTag(sessionKey));
}

function sessionTag(sessionKey: string): string {
  return sessionKey.slice(0, SESSION_TAG);
}

/** Member, its expiry as score, the lowest score worth keeping, the life of the index. All in milliseconds. */
function indexEntry(member: string, ttl: number): [string, number, number, number] {
  const now = Date.now();
  return [member, now + ttl * 1000, now - INDEX_SLACK_MS, ttl * 1000 + INDEX_SLACK_MS];
}
