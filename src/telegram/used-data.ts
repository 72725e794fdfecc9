// Signed data counts once: the first to note its fingerprint has it, everybody after that has a copy.
import type { Sql } from '../storage/sql.ts';

const USE = {
  name: 'telegram_used_data_use',
  text: `insert into telegram_used_data (fingerprint, expires_at) values ($1, $2)
    on conflict (fingerprint) do nothing returning fingerprint`,
};
/** Older data is too old to be used again, whether it is remembered or not; an hour more than that forgives a clock that was set. */
const SWEEP = {
  name: 'telegram_used_data_sweep',
  text: `delete from telegram_used_data where fingerprint in (select fingerprint from telegram_used_data
    where expires_at <= now() - interval '1 hour' order by fingerprint limit 1000 for update skip locked)`,
};

export class UsedData {
  readonly #sql: Sql;

  constructor(parts: { readonly sql: Sql }) {
    this.#sql = parts.sql;
  }

  /** @returns false when it was used before. @param expiresAt from when on its age alone refuses it */
  async use(fingerprint: string, expiresAt: Date): Promise<boolean> {
    const { rows } = await this.#sql.query<object>(USE, [fingerprint, expiresAt.toISOString()]);
    return rows.length === 1;
  }

  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
  }
}
