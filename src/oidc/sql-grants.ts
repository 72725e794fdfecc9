// The engine's artifacts in the database, PostgreSQL or embedded: one table, one prepared statement for each question, and each
// statement a decision of its own (no transaction spans two).
//
// A row whose payload is null is buried: ended, and not to be written again until the sweeper forgets it. What belongs to a grant
// carries the grant's generation of that moment and is alive only while the grant is and has that generation still, so a revocation
// holds even for a token that was saved in the same instant.
import { isOutage } from '../storage/database.ts';
import { Gathered } from '../storage/gathered.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import type { Sql } from '../storage/sql.ts';
import {
  type Artifact,
  type Artifacts,
  artifactPurpose,
  BURIED_TTL,
  GRANT_BOUND,
  type StoredArtifact,
} from './artifact.ts';

export const sealedArtifacts: SealedTable = {
  table: 'oidc_artifact',
  key: 'key',
  columns: ['model'],
  purpose: (key, model = '') => artifactPurpose(model, key),
};

interface Row {
  readonly model: string;
  readonly key: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since it was consumed, by the database's clock. */
  readonly age: number | null;
  readonly grantKey: string | null;
  readonly grantSealed: Uint8Array | null;
  readonly uid: string | null;
  readonly sessionId: string | null;
  readonly sessionSealed: Uint8Array | null;
}

const SWEEP_BATCH = 1000;
const SWEEP_ROUNDS = 20;

const BURY = `sealed = null, expires_at = now() + interval '${BURIED_TTL} seconds'`;
const AGE = '(extract(epoch from now() - t.consumed_at) * 1000)::float8 as age';
const IS_ALIVE = 't.sealed is not null and t.expires_at > now()';
const WITH_GRANT = `from oidc_artifact t left join oidc_artifact g
    on g.key = t.grant_key and g.sealed is not null and g.expires_at > now() and g.generation = t.generation`;
const GRANT_IS_ALIVE = '(t.grant_key is null or g.key is not null)';

const FIND = {
  name: 'artifact_find',
  text: `select t.model, t.key, t.sealed, ${AGE} from oidc_artifact t where t.key = $1 and ${IS_ALIVE}`,
};
const FIND_BOUND = {
  name: 'artifact_find_bound',
  text: `select t.model, t.key, t.sealed, ${AGE}, g.key as "grantKey", g.sealed as "grantSealed",
      t.session_key as uid, s.key as "sessionId", s.sealed as "sessionSealed" ${WITH_GRANT}
    left join oidc_artifact s
      on s.model = 'Session' and s.session_key = t.session_key and s.sealed is not null and s.expires_at > now()
    where t.key = $1 and ${IS_ALIVE} and ${GRANT_IS_ALIVE}`,
};
const FIND_SESSION = {
  name: 'artifact_find_session',
  text: `select t.model, t.key, t.sealed, ${AGE} from oidc_artifact t
    where t.model = 'Session' and t.session_key = $1 and ${IS_ALIVE}`,
};
const FIND_BY_USER_CODE = {
  name: 'artifact_find_by_user_code',
  text: `select t.model, t.key, t.sealed, ${AGE} ${WITH_GRANT} where t.user_code_key = $1 and ${IS_ALIVE} and ${GRANT_IS_ALIVE}`,
};
const LIST_BY_ACCOUNT = {
  name: 'artifact_list_by_account',
  text: `select t.model, t.key, t.sealed, ${AGE} from oidc_artifact t where t.account_id = $1 and ${IS_ALIVE}`,
};
/**
 * Artifacts that belong to nothing else, many in one statement, in the order of keys. Sealed payloads go as text: both drivers know arrays of text.
 * Only for this: where rows are looked up by a list of keys the planner may choose to read the whole table, and stays with that.
 */
const PUT_ALL = {
  name: 'artifact_put_all',
  text: `insert into oidc_artifact (key, model, account_id, session_key, sealed, expires_at)
    select i.key, i.model, i.account_id, i.session_key, decode(i.sealed, 'base64'), now() + make_interval(secs => i.ttl)
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
      as i (key, model, account_id, session_key, sealed, ttl) order by i.key
    on conflict (key) do update set account_id = excluded.account_id, session_key = excluded.session_key,
      user_code_key = null, sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null
    returning key`,
};
/** With a user code, which may be taken. */
const PUT = {
  name: 'artifact_put',
  text: `insert into oidc_artifact (key, model, account_id, session_key, user_code_key, sealed, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
    on conflict (key) do update set account_id = excluded.account_id, session_key = excluded.session_key,
      user_code_key = excluded.user_code_key, sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null`,
};
/** The uid of a session belongs to one id: another id that still has it is buried in the same statement. */
const PUT_SESSION = {
  name: 'artifact_put_session',
  text: `with other as (
      update oidc_artifact set ${BURY}, session_key = null
      where model = 'Session' and session_key = $3 and key <> $1 and sealed is not null returning 1
    )
    insert into oidc_artifact (key, model, account_id, session_key, sealed, expires_at)
    select $1, 'Session', $2, $3, $4, now() + make_interval(secs => $5) from (select count(*) from other) o
    on conflict (key) do update set account_id = excluded.account_id, session_key = excluded.session_key,
      sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null`,
};
/** The lock on the parent makes a revocation that is under way wait for this row, and this row see a revocation that is done. */
const PUT_BOUND = {
  name: 'artifact_put_bound',
  text: `insert into oidc_artifact (key, model, grant_key, generation, session_key, user_code_key, sealed, expires_at)
    select $1, $2, g.key, g.generation, $4, $5, $6, now() + make_interval(secs => $7)
    from oidc_artifact g
    where g.key = $3 and g.sealed is not null and g.expires_at > now()
      and ($8::text is null or exists (
        select 1 from oidc_artifact p
        where p.key = $8 and p.sealed is not null for share))
    on conflict (key) do update set grant_key = excluded.grant_key, generation = excluded.generation,
      session_key = excluded.session_key, user_code_key = excluded.user_code_key, account_id = null,
      sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null`,
};
const PUT_ONCE = {
  name: 'artifact_put_once',
  text: `insert into oidc_artifact (key, model, sealed, expires_at) values ($1, $2, $3, now() + make_interval(secs => $4))
    on conflict (key) do update set sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.expires_at <= now()`,
};
const CONSUME = {
  name: 'artifact_consume',
  text: `update oidc_artifact set consumed_at = now()
    where key = $1 and consumed_at is null and sealed is not null and expires_at > now()`,
};
/** Who cannot use it saves nothing. The update locks the parent as PUT_BOUND does. @param count of what is saved */
function exchangeStatement(count: number) {
  const rows = Array.from({ length: count }, (_, index) => {
    const [key, model, grant, session, sealed, ttl] = Array.from({ length: 6 }, (_unused, at) => 2 + index * 6 + at);
    return `($${key}::text, $${model}::text, $${grant}::text, $${session}::text, $${sealed}::bytea, $${ttl}::float8)`;
  });
  return {
    name: `artifact_exchange_${count}`,
    text: `with used as (
        update oidc_artifact set consumed_at = now()
        where key = $1 and consumed_at is null and sealed is not null and expires_at > now() returning 1
      ), saved as (
        insert into oidc_artifact (key, model, grant_key, generation, session_key, sealed, expires_at)
        select i.key, i.model, g.key, g.generation, i.session_key, i.sealed, now() + make_interval(secs => i.ttl)
        from used cross join (values ${rows.join(', ')}) as i (key, model, grant_key, session_key, sealed, ttl)
          join oidc_artifact g on g.key = i.grant_key and g.sealed is not null and g.expires_at > now()
        on conflict (key) do update set grant_key = excluded.grant_key, generation = excluded.generation,
          session_key = excluded.session_key, account_id = null, sealed = excluded.sealed, expires_at = excluded.expires_at
        where oidc_artifact.sealed is not null
        returning 1
      )
      select (select count(*)::int from used) as used, (select count(*)::int from saved) as saved`,
  };
}
/** A refresh brings two. */
const EXCHANGE = [1, 2].map((count) => exchangeStatement(count));
const BURY_KEYS = {
  name: 'artifact_bury',
  text: `update oidc_artifact set ${BURY}, session_key = null
    where key in (select key from oidc_artifact where key = any($1::text[]) order by key for update)`,
};
const END_SESSION = {
  name: 'artifact_end_session',
  text: `update oidc_artifact set ${BURY} where model = 'Session' and session_key = $1`,
};
/** Locks in the order of keys, as every statement here that writes several rows, so that two revocations queue up and never deadlock. */
const REVOKE_GRANTS = {
  name: 'artifact_revoke_grants',
  text: `with g as (
      update oidc_artifact set generation = generation + 1,
        sealed = case when $2 then sealed end,
        expires_at = case when $2 then expires_at else now() + interval '${BURIED_TTL} seconds' end
      where key in (select key from oidc_artifact where key = any($1::text[]) and sealed is not null order by key for update)
      returning key
    )
    update oidc_artifact set ${BURY}
    where key in (
      select key from oidc_artifact where grant_key in (select key from g) and sealed is not null order by key for update)`,
};
const REVOKE_IN_SESSION = {
  name: 'artifact_revoke_in_session',
  text: `update oidc_artifact set ${BURY}
    where key in (
      select key from oidc_artifact
      where grant_key = any($1::text[]) and session_key = $2 and sealed is not null order by key for update)`,
};
const SWEEP = {
  name: 'artifact_sweep',
  text: `delete from oidc_artifact where key in (
      select key from oidc_artifact where expires_at <= now() order by expires_at limit ${SWEEP_BATCH} for update skip locked)`,
};

export class SqlArtifacts implements Artifacts {
  readonly #sql: Sql;
  readonly #isHealthy: () => Promise<boolean>;
  readonly #putAll: Gathered<Artifact, true>;

  constructor(parts: { readonly sql: Sql; readonly isHealthy: () => Promise<boolean> }) {
    this.#sql = parts.sql;
    this.#isHealthy = parts.isHealthy;
    this.#putAll = new Gathered({
      keyOf: ({ key }) => key,
      isOutage,
      ask: async (artifacts) => {
        const { rows } = await this.#sql.query<{ key: string }>(PUT_ALL, columnsOf(artifacts));
        return new Map(rows.map(({ key }) => [key, true as const]));
      },
    });
  }

  async put(artifact: Artifact): Promise<'saved' | 'dropped' | 'taken'> {
    const { model, key, sealed, ttl } = artifact;
    const accountId = artifact.accountId ?? null;
    const sessionKey = artifact.sessionKey ?? null;
    const userCodeKey = artifact.userCodeKey ?? null;
    if (model === 'Session') return this.#putSession([key, accountId, sessionKey, sealed, ttl]);
    if (userCodeKey === null && artifact.grantKey === undefined) {
      return (await this.#putAll.ask(artifact)) ? 'saved' : 'dropped';
    }
    const [statement, values] =
      artifact.grantKey === undefined
        ? [PUT, [key, model, accountId, sessionKey, userCodeKey, sealed, ttl]]
        : [
            PUT_BOUND,
            [key, model, artifact.grantKey, sessionKey, userCodeKey, sealed, ttl, artifact.parentKey ?? null],
          ];
    try {
      const { count } = await this.#sql.query(statement, values);
      return count === 1 ? 'saved' : 'dropped';
    } catch (error) {
      if (violates(error, 'oidc_artifact_user_code')) return 'taken';
      throw error;
    }
  }

  async putOnce({ key, model, sealed, ttl }: Artifact): Promise<boolean> {
    const { count } = await this.#sql.query(PUT_ONCE, [key, model, sealed, ttl]);
    return count === 1;
  }

  find(model: string, key: string): Promise<StoredArtifact | undefined> {
    return this.#one(GRANT_BOUND.has(model) ? FIND_BOUND : FIND, key);
  }

  findSession(sessionKey: string): Promise<StoredArtifact | undefined> {
    return this.#one(FIND_SESSION, sessionKey);
  }

  findByUserCode(userCodeKey: string): Promise<StoredArtifact | undefined> {
    return this.#one(FIND_BY_USER_CODE, userCodeKey);
  }

  async consume(key: string): Promise<boolean> {
    const { count } = await this.#sql.query(CONSUME, [key]);
    return count === 1;
  }

  async exchange(key: string, artifacts: readonly Artifact[]): Promise<'saved' | 'dropped' | 'refused'> {
    const statement = EXCHANGE[artifacts.length - 1];
    if (!statement) {
      if (!(await this.consume(key))) return 'refused';
      const outcomes = await Promise.all(artifacts.map((artifact) => this.put(artifact)));
      return outcomes.every((outcome) => outcome === 'saved') ? 'saved' : 'dropped';
    }
    const values = artifacts.flatMap(({ key: own, model, grantKey, sessionKey, sealed, ttl }) => {
      return [own, model, grantKey ?? null, sessionKey ?? null, sealed, ttl];
    });
    const { rows } = await this.#sql.query<{ used: number; saved: number }>(statement, [key, ...values]);
    if (rows[0]?.used !== 1) return 'refused';
    return rows[0].saved === artifacts.length ? 'saved' : 'dropped';
  }

  async bury(keys: readonly string[]): Promise<void> {
    await this.#sql.query(BURY_KEYS, [keys]);
  }

  async endSession(sessionKey: string): Promise<void> {
    await this.#sql.query(END_SESSION, [sessionKey]);
  }

  async revokeGrants(
    grantKeys: readonly string[],
    options: { readonly keepsGrants: boolean; readonly sessionKey?: string },
  ): Promise<void> {
    if (options.sessionKey === undefined) {
      await this.#sql.query(REVOKE_GRANTS, [grantKeys, options.keepsGrants]);
      return;
    }
    // A statement does not see what was committed while it waited for a lock, so it runs until it finds nothing.
    for (;;) {
      const { count } = await this.#sql.query(REVOKE_IN_SESSION, [grantKeys, options.sessionKey]);
      if (count === 0) return;
    }
  }

  async listByAccount(accountId: string): Promise<readonly StoredArtifact[]> {
    const { rows } = await this.#sql.query<Row>(LIST_BY_ACCOUNT, [accountId]);
    return rows.map(storedOf);
  }

  async sweep(): Promise<void> {
    for (let round = 0; round < SWEEP_ROUNDS; round += 1) {
      const { count } = await this.#sql.query(SWEEP);
      if (count < SWEEP_BATCH) return;
    }
  }

  isHealthy(): Promise<boolean> {
    return this.#isHealthy();
  }

  async #putSession(values: readonly unknown[]): Promise<'saved' | 'dropped'> {
    // Two requests that give one session new ids at the same time meet at the unique index; the second then sees the first's id and
    // takes its place. A uid that is still refused after that was ended.
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { count } = await this.#sql.query(PUT_SESSION, values);
        return count === 1 ? 'saved' : 'dropped';
      } catch (error) {
        if (!violates(error, 'oidc_artifact_session')) throw error;
        if (attempt > 0) return 'dropped';
      }
    }
  }

  async #one(
    statement: { readonly name: string; readonly text: string },
    key: string,
  ): Promise<StoredArtifact | undefined> {
    const { rows } = await this.#sql.query<Row>(statement, [key]);
    return rows[0] && storedOf(rows[0]);
  }
}

/** As the statement about several takes them. */
function columnsOf(artifacts: readonly Artifact[]): readonly unknown[][] {
  return [
    artifacts.map(({ key }) => key),
    artifacts.map(({ model }) => model),
    artifacts.map(({ accountId }) => accountId ?? null),
    artifacts.map(({ sessionKey }) => sessionKey ?? null),
    artifacts.map(({ sealed }) => sealed.toString('base64')),
    artifacts.map(({ ttl }) => ttl),
  ];
}

function storedOf(row: Row): StoredArtifact {
  const { model, key, sealed, age, grantKey, grantSealed, uid, sessionId, sessionSealed } = row;
  const session = sessionId && sessionSealed ? { model: 'Session', key: sessionId, sealed: sessionSealed } : undefined;
  return {
    model,
    key,
    sealed,
    // Told as an age, so that only the reader's clock counts.
    consumedAt: age === null ? undefined : Date.now() - age,
    grant: grantKey && grantSealed ? { model: 'Grant', key: grantKey, sealed: grantSealed } : undefined,
    session: uid ? { key: uid, stored: session } : undefined,
  };
}

/** By SQLSTATE and index name, which both drivers carry on their errors. */
function violates(error: unknown, index: string): boolean {
  const { code, constraint } = error as { readonly code?: unknown; readonly constraint?: unknown };
  return code === '23505' && constraint === index;
}
