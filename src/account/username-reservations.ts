// Usernames of registrations whose address is not proven yet: kept until their link ends, so that nobody proves an address only to learn that the
// name is gone (requirements A5). They are kept by their look, and for the browser that asked, which may go back and ask again.
import { hashToken } from '../crypto/random.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import { usernameSkeleton } from './look-alike.ts';

/** $1 skeleton, $2 browser. */
const IS_FREE = {
  name: 'username_is_free',
  text: `select not exists (select from account where username_skeleton = $1)
    and not exists (select from username_reservation
      where skeleton = $1 and browser_hash <> $2 and expires_at > now()) as "isFree"`,
};
const RESERVE = `insert into username_reservation as r (skeleton, username, browser_hash, expires_at)
  values (?, ?, ?, now() + make_interval(secs => ?))
  on conflict (skeleton) do update
    set username = excluded.username, browser_hash = excluded.browser_hash, expires_at = excluded.expires_at
    where r.expires_at <= now() or r.browser_hash = excluded.browser_hash
  returning skeleton`;
const SWEEP = {
  name: 'username_reservation_sweep',
  text: `delete from username_reservation where skeleton in (select skeleton from username_reservation
    where expires_at <= now() order by skeleton limit 1000 for update)`,
};

export class UsernameReservations {
  readonly #database: Database;

  constructor(parts: { readonly database: Database }) {
    this.#database = parts.database;
  }

  /** Whether this browser could have it. Only `reserve` and the account itself decide. */
  async isFree(username: string, browserId: string): Promise<boolean> {
    const values = [usernameSkeleton(username), hashBrowser(browserId)];
    const { rows } = await this.#database.sql.query<{ isFree: boolean }>(IS_FREE, values);
    return rows[0]?.isFree === true;
  }

  /** @param ttl seconds @returns false when it is another browser's */
  async reserve(em: EntityManager, username: string, browserId: string, ttl: number): Promise<boolean> {
    const values = [usernameSkeleton(username), username, hashBrowser(browserId), ttl];
    return (await em.execute<object[]>(RESERVE, values)).length === 1;
  }

  /** The account has it now. */
  async release(em: EntityManager, username: string): Promise<void> {
    await em.execute('delete from username_reservation where skeleton = ?', [usernameSkeleton(username)]);
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }
}

function hashBrowser(browserId: string): string {
  return hashToken('username-reservation', browserId);
}
