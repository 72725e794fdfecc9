// One thing that the engine keeps, and what a storage must do with it. Redis and SQL each do it their own way (redis-grants, sql-grants); what
// is in it is the business of grant-adapter alone.

/** Models that belong to a grant and end with it. */
export const GRANT_BOUND: ReadonlySet<string> = new Set([
  'AccessToken',
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
  'PreAuthorizedCode',
]);

/** Models that belong to none. */
export const UNBOUND = [
  'Session',
  'Grant',
  'Interaction',
  'ClientCredentials',
  'PushedAuthorizationRequest',
  'ReplayDetection',
  'RegistrationAccessToken',
  'InitialAccessToken',
] as const;

/** Seconds for which an ended artifact is remembered as ended: longer than any request that may still hold it. */
export const BURIED_TTL = 600;
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
  /** Whoever reads it looks at its session next. */
  readonly isReadWithSession?: boolean;
}

export interface StoredArtifact {
  readonly model: string;
  readonly key: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since 1970. */
  readonly consumedAt?: number | undefined;
  /** Its grant, read together with it: nearly everybody who reads a token reads its grant next. */
  readonly grant?: StoredArtifact | undefined;
  /** Its session as of that moment, if that was read together with it as well. */
  readonly session?: { readonly key: string; readonly stored: StoredArtifact | undefined } | undefined;
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
  /**
   * Uses a code or token up and saves what it was exchanged for, which is bound to its grant. `refused`: it was used, ended or has expired,
   * and nothing is saved. `dropped`: what was to be saved had been ended meanwhile.
   */
  exchange(key: string, artifacts: readonly Artifact[]): Promise<'saved' | 'dropped' | 'refused'>;
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

/** Bound to the key as well: whoever can write to the storage cannot put one sealed session in the place of another. */
export function artifactPurpose(model: string, key: string): string {
  return `artifact:${model}:${key}`;
}
