// The engine's artifacts in the database, PostgreSQL or embedded: one table, one prepared statement for each question, and each
// statement a decision of its own (no transaction spans two).
//
// A row whose payload is null is buried: ended, and not to be written again until the sweeper forgets it. What belongs to a grant
// carries the grant's generation of that moment and is alive only while the grant is and has that generation still, so a revocation
// holds even for a token that was saved in the same instant.
import { isOutage } from '../storage/database.ts';
import { Gathered } from '../storage/gathered.ts';
import type { SealedTable } from '../storage/sealed-stores.ts';
import type { Sql, Statement } from '../storage/sql.ts';
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
  text: `select t.model, t.key, t.sealed, ${AGE} from oidc_artifact t where t.key = any($1::text[]) and ${IS_ALIVE}`,
};
const FIND_BOUND = {
  name: 'artifact_find_bound',
  text: `select t.model, t.key, t.sealed, ${AGE}, g.key as "grantKey", g.sealed as "grantSealed",
      t.session_key as uid, s.key as "sessionId", s.sealed as "sessionSealed" ${WITH_GRANT}
    left join oidc_artifact s
      on s.model = 'Session' and s.session_key = t.session_key and s.sealed is not null and s.expires_at > now()
    where t.key = any($1::text[]) and ${IS_ALIVE} and ${GRANT_IS_ALIVE}`,
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
/** Sealed payloads go as text: both drivers know arrays of text. Rows are written in the order of keys, as by every statement here. */
const PUT = {
  name: 'artifact_put',
  text: `insert into oidc_artifact (key, model, account_id, session_key, sealed, expires_at)
    select i.key, i.model, i.account_id, i.session_key, decode(i.sealed, 'base64'), now() + make_interval(secs => i.ttl)
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
      as i (key, model, account_id, session_key, sealed, ttl) order by i.key
    on conflict (key) do update set account_id = excluded.account_id, session_key = excluded.session_key,
      user_code_key = null, sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null
    returning key`,
};
/** What has no parent, which would have to be locked. */
const PUT_ISSUED = {
  name: 'artifact_put_issued',
  text: `insert into oidc_artifact (key, model, grant_key, generation, session_key, sealed, expires_at)
    select i.key, i.model, g.key, g.generation, i.session_key, decode(i.sealed, 'base64'), now() + make_interval(secs => i.ttl)
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
        as i (key, model, grant_key, session_key, sealed, ttl)
      join oidc_artifact g on g.key = i.grant_key and g.sealed is not null and g.expires_at > now() order by i.key
    on conflict (key) do update set grant_key = excluded.grant_key, generation = excluded.generation,
      session_key = excluded.session_key, user_code_key = null, account_id = null,
      sealed = excluded.sealed, expires_at = excluded.expires_at
    where oidc_artifact.sealed is not null
    returning key`,
};
/** With a user code, which may be taken. */
const PUT_CODED = {
  name: 'artifact_put_coded',
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
/** Who cannot use it saves nothing. The update locks the parent as PUT_BOUND does. */
const EXCHANGE = {
  name: 'artifact_exchange',
  text: `with wanted as (
      select key from oidc_artifact where key = any($1::text[]) order by key for update
    ), used as (
      update oidc_artifact t set consumed_at = now() from wanted
      where t.key = wanted.key and t.consumed_at is null and t.sealed is not null and t.expires_at > now()
      returning t.key
    ), saved as (
      insert into oidc_artifact (key, model, grant_key, generation, session_key, sealed, expires_at)
      select i.key, i.model, g.key, g.generation, i.session_key, decode(i.sealed, 'base64'),
        now() + make_interval(secs => i.ttl)
      from used join unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[])
          as i (parent, key, model, grant_key, session_key, sealed, ttl) on i.parent = used.key
        join oidc_artifact g on g.key = i.grant_key and g.sealed is not null and g.expires_at > now() order by i.key
      on conflict (key) do update set grant_key = excluded.grant_key, generation = excluded.generation,
        session_key = excluded.session_key, account_id = null, sealed = excluded.sealed, expires_at = excluded.expires_at
      where oidc_artifact.sealed is not null
      returning key
    )
    select key, true as used from used union all select key, false from saved`,
};
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

interface Exchange {
  readonly key: string;
  readonly artifacts: readonly Artifact[];
}

export class SqlArtifacts implements Artifacts {
  readonly #sql: Sql;
  readonly #isHealthy: () => Promise<boolean>;
  readonly #find: Gathered<string, Row>;
  readonly #findBound: Gathered<string, Row>;
  readonly #putAll: Gathered<Artifact, true>;
  readonly #putIssued: Gathered<Artifact, true>;
  readonly #exchange: Gathered<Exchange, ReadonlySet<string>>;

  constructor(parts: { readonly sql: Sql; readonly isHealthy: () => Promise<boolean> }) {
    this.#sql = parts.sql;
    this.#isHealthy = parts.isHealthy;
    const keyOf = ({ key }: { readonly key: string }): string => key;
    const find = (statement: Statement) => async (keys: readonly string[]) => {
      const { rows } = await this.#sql.query<Row>(statement, [keys]);
      return new Map(rows.map((row) => [row.key, row]));
    };
    const put = (statement: Statement, third: 'accountId' | 'grantKey') => async (artifacts: readonly Artifact[]) => {
      const values = columnsOf(artifacts, third);
      const { rows } = await this.#sql.query<{ key: string }>(statement, values);
      return new Map(rows.map(({ key }) => [key, true as const]));
    };
    this.#find = new Gathered({ keyOf: (key) => key, isOutage, ask: find(FIND) });
    this.#findBound = new Gathered({ keyOf: (key) => key, isOutage, ask: find(FIND_BOUND) });
    this.#putAll = new Gathered({ keyOf, isOutage, ask: put(PUT, 'accountId') });
    this.#putIssued = new Gathered({ keyOf, isOutage, ask: put(PUT_ISSUED, 'grantKey') });
    this.#exchange = new Gathered<Exchange, ReadonlySet<string>>({
      keyOf,
      isOutage,
      ask: (all) => this.#exchangeAll(all),
    });
  }

  async put(artifact: Artifact): Promise<'saved' | 'dropped' | 'taken'> {
    const { model, key, sealed, ttl } = artifact;
    const accountId = artifact.accountId ?? null;
    const sessionKey = artifact.sessionKey ?? null;
    const userCodeKey = artifact.userCodeKey ?? null;
    if (model === 'Session') return this.#putSession([key, accountId, sessionKey, sealed, ttl]);
    if (userCodeKey === null && artifact.parentKey === undefined) {
      const gathered = artifact.grantKey === undefined ? this.#putAll : this.#putIssued;
      return (await gathered.ask(artifact)) ? 'saved' : 'dropped';
    }
    const [statement, values] =
      artifact.grantKey === undefined
        ? [PUT_CODED, [key, model, accountId, sessionKey, userCodeKey, sealed, ttl]]
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

  async find(model: string, key: string): Promise<StoredArtifact | undefined> {
    const row = await (GRANT_BOUND.has(model) ? this.#findBound : this.#find).ask(key);
    return row && storedOf(row);
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
    const saved = await this.#exchange.ask({ key, artifacts });
    if (!saved) return 'refused';
    return artifacts.every((artifact) => saved.has(artifact.key)) ? 'saved' : 'dropped';
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

  /** What was saved, by the key of what could be used. */
  async #exchangeAll(exchanges: readonly Exchange[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const artifacts = exchanges.flatMap((exchange) => exchange.artifacts);
    const parents = exchanges.flatMap(({ key, artifacts: own }) => own.map(() => key));
    const { rows } = await this.#sql.query<{ key: string; used: boolean }>(EXCHANGE, [
      exchanges.map(({ key }) => key),
      parents,
      ...columnsOf(artifacts, 'grantKey'),
    ]);
    const saved = new Set(rows.filter(({ used }) => !used).map(({ key }) => key));
    return new Map(rows.filter(({ used }) => used).map(({ key }) => [key, saved]));
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

/** As the statements about several take them. */
function columnsOf(artifacts: readonly Artifact[], third: 'accountId' | 'grantKey'): readonly unknown[][] {
  return [
    artifacts.map(({ key }) => key),
    artifacts.map(({ model }) => model),
    artifacts.map((artifact) => artifact[third] ?? null),
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
