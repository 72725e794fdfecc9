// Browsers on which a person rests the second factor (requirements F12). The cookie's value is random and stored as a hash, bound to the
// account and to the version of its credentials, so that any change of them ends the trust. It never counts as phishing-resistant.
import { hashToken, randomToken } from '../crypto/random.ts';
import type { Database, EntityManager } from '../storage/database.ts';

const KIND = 'trusted-device';
const TRUST = {
  name: 'trusted_device_trust',
  text: `insert into trusted_device (hash, account_id, credential_version, created_at, expires_at)
    select $1, id, credential_version, now(), now() + make_interval(secs => $4::float8)
    from account where id = $2 and credential_version = $3
    returning hash`,
};
const IS_TRUSTED = {
  name: 'trusted_device_is_trusted',
  text: `select 1 as one from trusted_device d join account a on a.id = d.account_id and a.credential_version = d.credential_version
    where d.hash = $1 and d.account_id = $2 and d.expires_at > now()`,
};
const COUNT = {
  name: 'trusted_device_count',
  text: `select count(*)::int as count from trusted_device d
    join account a on a.id = d.account_id and a.credential_version = d.credential_version
    where d.account_id = $1 and d.expires_at > now()`,
};
const REVOKE = { name: 'trusted_device_revoke', text: 'delete from trusted_device where hash = $1' };
const SWEEP = {
  name: 'trusted_device_sweep',
  text: `delete from trusted_device where hash in (select hash from trusted_device where expires_at <= now() limit 1000)`,
};

export interface TrustedDeviceSettings {
  /** Off: nothing is trusted, not even what was before. */
  readonly trustedDevices: boolean;
  /** Seconds. */
  readonly trustedDeviceTtl: number;
}

export class TrustedDevices {
  readonly #database: Database;
  readonly #settings: TrustedDeviceSettings;

  constructor(parts: { readonly database: Database; readonly settings: TrustedDeviceSettings }) {
    this.#database = parts.database;
    this.#settings = parts.settings;
  }

  /** Whether pages may offer it. */
  get isOffered(): boolean {
    return this.#settings.trustedDevices;
  }

  /** Seconds, for the cookie. */
  get ttl(): number {
    return this.#settings.trustedDeviceTtl;
  }

  /**
   * After a second factor was proven.
   * @param credentialVersion the account's when it was proven
   * @returns the cookie's value, or null when it is switched off or the credentials have changed meanwhile
   */
  async trust(accountId: string, credentialVersion: number): Promise<string | null> {
    if (!this.isOffered) return null;
    const value = randomToken();
    const row = [hashToken(KIND, value), accountId, credentialVersion, this.ttl];
    const { rows } = await this.#database.sql.query<{ hash: string }>(TRUST, row);
    return rows.length === 1 ? value : null;
  }

  /** @param value what the cookie says */
  async isTrusted(accountId: string, value: string | undefined): Promise<boolean> {
    if (!this.isOffered || value === undefined) return false;
    const { rows } = await this.#database.sql.query<{ one: number }>(IS_TRUSTED, [hashToken(KIND, value), accountId]);
    return rows.length === 1;
  }

  async count(accountId: string): Promise<number> {
    if (!this.isOffered) return 0;
    const { rows } = await this.#database.sql.query<{ count: number }>(COUNT, [accountId]);
    return rows[0]?.count ?? 0;
  }

  /** This browser only: "sign out and forget". */
  async revoke(value: string): Promise<void> {
    await this.#database.sql.query(REVOKE, [hashToken(KIND, value)]);
  }

  /** With "sign out everywhere". */
  async revokeAll(accountId: string): Promise<void> {
    await endTrustedDevices(this.#database.em(), accountId);
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }
}

/** In the transaction of a change of factors. */
export async function endTrustedDevices(em: EntityManager, accountId: string): Promise<void> {
  await em.execute('delete from trusted_device where account_id = ?', [accountId]);
}
