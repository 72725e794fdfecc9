// What only one process may do at a time: whoever holds the lease does it, and must hold it again before it runs out. A process that died
// loses it by itself. For work that does no harm when two overlap for a moment; what must happen once needs a conditional write of its own.
import { randomUUID } from 'node:crypto';
import type { Sql } from './sql.ts';

const HOLD = {
  name: 'lease_hold',
  text: `insert into lease as l (name, holder, expires_at) values ($1, $2, now() + make_interval(secs => $3::float8))
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
      where l.holder = excluded.holder or l.expires_at <= now()
    returning holder`,
};
const RELEASE = { name: 'lease_release', text: 'delete from lease where name = $1 and holder = $2' };

export class Lease {
  readonly #sql: Sql;
  readonly #name: string;
  readonly #holder = randomUUID();

  constructor(parts: { readonly sql: Sql; readonly name: string }) {
    this.#sql = parts.sql;
    this.#name = parts.name;
  }

  /** Takes or keeps it. @param seconds for which nobody else gets it @returns whether it is ours */
  async hold(seconds: number): Promise<boolean> {
    const { rows } = await this.#sql.query(HOLD, [this.#name, this.#holder, seconds]);
    return rows.length === 1;
  }

  /** Lets the next one in at once. */
  async release(): Promise<void> {
    await this.#sql.query(RELEASE, [this.#name, this.#holder]);
  }
}
