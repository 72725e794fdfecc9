// When an account first and last used which app: noted in memory when the engine lets the app go on, written now and then, so that no request
// waits for it. It decides nothing; what an app may do is a matter of consents and grants.
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import type { Sql } from '../storage/sql.ts';

/** Uses that wait to be written. */
const MOST_WAITING = 10_000;

export interface AppUse {
  readonly clientId: string;
  /** Milliseconds since 1970. */
  readonly firstUsedAt: number;
  readonly lastUsedAt: number;
}

const NOTE = {
  name: 'app_use_note',
  text: `insert into app_use (account_id, client_id, first_used_at, last_used_at)
    select account.id, used.client_id, to_timestamp(used.at), to_timestamp(used.at)
    from unnest($1::text[], $2::text[], $3::float8[]) as used (subject, client_id, at) join account on account.subject = used.subject
    order by account.id, used.client_id
    on conflict (account_id, client_id) do update set last_used_at = greatest(app_use.last_used_at, excluded.last_used_at)`,
};
const LIST = {
  name: 'app_use_list',
  text: `select client_id as "clientId", floor(extract(epoch from first_used_at) * 1000)::float8 as "firstUsedAt",
      floor(extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt"
    from app_use where account_id = $1`,
};

interface Use {
  readonly subject: string;
  readonly clientId: string;
  /** Seconds since 1970. */
  readonly at: number;
}

export class AppUses {
  readonly #sql: Sql;
  #waiting = new Map<string, Use>();

  constructor(parts: { readonly sql: Sql }) {
    this.#sql = parts.sql;
  }

  /** @param subject the engine's account id */
  note(subject: string, clientId: string): void {
    const key = `${subject} ${clientId}`;
    if (this.#waiting.size >= MOST_WAITING && !this.#waiting.has(key)) return;
    this.#waiting.set(key, { subject, clientId, at: Date.now() / 1000 });
  }

  /** Writes the uses since the last time, all in one statement. */
  async flush(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const uses = [...this.#waiting.values()];
    this.#waiting = new Map();
    await this.#sql.query(NOTE, [
      uses.map((use) => use.subject),
      uses.map((use) => use.clientId),
      uses.map((use) => use.at),
    ]);
  }

  async list(accountId: string): Promise<readonly AppUse[]> {
    await this.flush();
    return (await this.#sql.query<AppUse>(LIST, [accountId])).rows;
  }
}

/** Notes each time that an app gets a code or tokens for somebody. */
export function followAppUses(provider: Provider, uses: AppUses): void {
  const note = ({ oidc }: KoaContextWithOIDC): void => {
    const subject = oidc.account?.accountId;
    const clientId = oidc.client?.clientId;
    if (subject !== undefined && clientId !== undefined) uses.note(subject, clientId);
  };
  provider.on('authorization.success', note);
  provider.on('grant.success', note);
}
