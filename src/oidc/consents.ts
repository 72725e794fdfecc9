// What an account has allowed a client. The engine's grants end with a session; this is why nobody is asked the same thing twice, and what
// the account can take back.
import type { Audit, Cause } from '../audit/audit.ts';
import type { Database } from '../storage/database.ts';

export interface Consent {
  /** Space-separated, as on the wire. */
  readonly scope: string;
  readonly claims: readonly string[];
  /** Resource indicator → scope (RFC 8707). */
  readonly resources: Readonly<Record<string, string>>;
}

export interface GivenConsent extends Consent {
  readonly clientId: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

const LIST = {
  name: 'consent_list',
  text: `select client_id as "clientId", scope, claims, resources, floor(extract(epoch from created_at) * 1000)::float8 as "createdAt",
      floor(extract(epoch from updated_at) * 1000)::float8 as "updatedAt"
    from consent where account_id = $1`,
};
const FIND = {
  name: 'consent_find',
  text: `select scope, claims, resources from consent where client_id = $2
    and account_id = (select id from account where subject = $1)`,
};

export class Consents {
  readonly #database: Database;
  readonly #audit: Audit;

  constructor(parts: { readonly database: Database; readonly audit: Audit }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
  }

  /** @param subject the engine's account id */
  async find(subject: string, clientId: string): Promise<Consent | null> {
    const { rows } = await this.#database.sql.query<Consent>(FIND, [subject, clientId]);
    return rows[0] ?? null;
  }

  /** All of an account. */
  async list(accountId: string): Promise<readonly GivenConsent[]> {
    return (await this.#database.sql.query<GivenConsent>(LIST, [accountId])).rows;
  }

  /** Remembers the whole of what is allowed now. */
  async set(accountId: string, clientId: string, consent: Consent, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.execute(
        // A client that is described by a document at its own address has no row: it is allowed for this session only.
        `insert into consent (account_id, client_id, scope, claims, resources, created_at, updated_at)
         select ?, client_id, ?, ?::jsonb, ?::jsonb, now(), now() from client where client_id = ?
         on conflict (account_id, client_id) do update set
           scope = excluded.scope, claims = excluded.claims, resources = excluded.resources, updated_at = now()`,
        [accountId, consent.scope, JSON.stringify(consent.claims), JSON.stringify(consent.resources), clientId],
      );
      await this.#audit.record(
        { ...cause, action: 'consent.grant', target: { kind: 'client', id: clientId }, clientId },
        em,
      );
    });
  }

  /** Takes it back; the caller revokes the grants. */
  async revoke(accountId: string, clientId: string, cause: Cause): Promise<void> {
    await this.#database.transaction(async (em) => {
      await em.execute('delete from consent where account_id = ? and client_id = ?', [accountId, clientId]);
      await this.#audit.record(
        { ...cause, action: 'consent.revoke', target: { kind: 'client', id: clientId }, clientId },
        em,
      );
    });
  }
}
