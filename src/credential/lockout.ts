// Counters that protect a secret from being guessed (requirements L1 to L5). They are rows: a restart or a wiped cache forgets nothing.
// A try is counted before it is checked, in one conditional statement, so that parallel tries cannot share a number; a success takes it back.
import { Unavailable } from '../errors.ts';
import type { Database } from '../storage/database.ts';

export interface LockoutSettings {
  /** Failures in a row for one account from one network, then locked; each next lock is twice as long. Seconds. */
  readonly lockAfter: number;
  readonly lockFor: number;
  readonly lockForAtMost: number;
  /** Failures in a row for one account from anywhere, then its password is off until a reset. */
  readonly accountFailures: number;
  /** Failures from one network over all accounts, within a window of seconds. */
  readonly networkFailures: number;
  readonly networkFailuresWindow: number;
  readonly switchedOff: boolean;
}

export type Attempt =
  | { readonly isAllowed: true; succeed(): Promise<void> }
  | {
      readonly isAllowed: false;
      /** Seconds to wait; null: until a reset or an administrator. */
      readonly retryAfter: number | null;
      readonly reason: 'network' | 'account-network' | 'account';
    };

export interface AttemptSubject {
  /** The account's id, or for a name nobody has a hash of that name: both are counted alike. */
  readonly subject: string;
  readonly network: string;
  /** This browser has signed in as this account before: a flood from elsewhere must not keep it out (L2). */
  readonly isKnownDevice: boolean;
}

/** $1 key, $2 limit, $3 first lock in seconds (null: for ever), $4 longest lock. No row comes back while the lock lasts. */
const COUNT_IN_ROW = {
  name: 'guess_count_in_row',
  text: `insert into guess_counter as c (key, failures, strikes, locked_until, updated_at)
    values ($1, 1, case when $2::int <= 1 then 1 else 0 end,
      case when $2::int <= 1 then coalesce(now() + make_interval(secs => $3::float8), 'infinity') end, now())
    on conflict (key) do update set
      failures = case when c.failures >= $2 then 1 else c.failures + 1 end,
      strikes = case when (case when c.failures >= $2 then 1 else c.failures + 1 end) >= $2
        then c.strikes + 1 else c.strikes end,
      locked_until = case when (case when c.failures >= $2 then 1 else c.failures + 1 end) >= $2
        then coalesce(now() + make_interval(secs => least($3::float8 * power(2, c.strikes), $4::float8)), 'infinity') end,
      updated_at = now()
    where c.locked_until is null or c.locked_until <= now()
    returning failures`,
};
/** $1 key, $2 limit, $3 window in seconds. No row comes back while the window is full. */
const COUNT_IN_WINDOW = {
  name: 'guess_count_in_window',
  text: `insert into guess_counter as c (key, failures, window_ends_at, updated_at)
    values ($1, 1, now() + make_interval(secs => $3::float8), now())
    on conflict (key) do update set
      failures = case when c.window_ends_at <= now() then 1 else c.failures + 1 end,
      window_ends_at = case when c.window_ends_at <= now()
        then now() + make_interval(secs => $3::float8) else c.window_ends_at end,
      updated_at = now()
    where c.window_ends_at <= now() or c.failures < $2
    returning failures`,
};
const WAIT = {
  name: 'guess_wait',
  text: `select case when locked_until = 'infinity' then null
      else greatest(1, ceil(extract(epoch from coalesce(locked_until, window_ends_at) - now())))::float8 end as seconds
    from guess_counter where key = $1`,
};
const TAKE_BACK = {
  name: 'guess_take_back',
  text: `update guess_counter set failures = greatest(failures - 1, 0), updated_at = now() where key = $1`,
};
const CLEAR = { name: 'guess_clear', text: 'delete from guess_counter where key = any($1::text[])' };
const CLEAR_SUBJECT = {
  name: 'guess_clear_subject',
  text: `delete from guess_counter where key = 'account:' || $1 or key like 'account-network:' || $1 || ':%'`,
};
const SWEEP = {
  name: 'guess_sweep',
  text: `delete from guess_counter where key in (select key from guess_counter
    where updated_at < now() - interval '2 days' and (locked_until is null or locked_until < now()) limit 1000)`,
};

export class Lockout {
  readonly #database: Database;
  readonly #settings: LockoutSettings;

  constructor(parts: { readonly database: Database; readonly settings: LockoutSettings }) {
    this.#database = parts.database;
    this.#settings = parts.settings;
  }

  /**
   * Counts one try at a secret. Call before checking the secret; on success call `succeed`.
   * @throws Unavailable when the counters cannot be written: guessing is then refused, never free
   */
  async attempt(who: AttemptSubject): Promise<Attempt> {
    const s = this.#settings;
    if (s.switchedOff) return { isAllowed: true, succeed: async () => undefined };
    const networkKey = `network:${who.network}`;
    const pairKey = `account-network:${who.subject}:${who.network}`;
    const accountKey = `account:${who.subject}`;
    if (!(await this.#count(COUNT_IN_WINDOW, [networkKey, s.networkFailures, s.networkFailuresWindow]))) {
      return { isAllowed: false, retryAfter: await this.#wait(networkKey), reason: 'network' };
    }
    if (!(await this.#count(COUNT_IN_ROW, [pairKey, s.lockAfter, s.lockFor, s.lockForAtMost]))) {
      await this.#database.sql.query(TAKE_BACK, [networkKey]);
      return { isAllowed: false, retryAfter: await this.#wait(pairKey), reason: 'account-network' };
    }
    if (!who.isKnownDevice && !(await this.#count(COUNT_IN_ROW, [accountKey, s.accountFailures, null, null]))) {
      return { isAllowed: false, retryAfter: await this.#wait(accountKey), reason: 'account' };
    }
    return {
      isAllowed: true,
      succeed: async () => {
        await this.#database.sql.query(TAKE_BACK, [networkKey]);
        await this.#database.sql.query(CLEAR, [[pairKey, accountKey]]);
      },
    };
  }

  /** Forgets all failures of an account: after a reset, or by an administrator. */
  async clear(subject: string): Promise<void> {
    await this.#database.sql.query(CLEAR_SUBJECT, [subject]);
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  async #count(statement: { name: string; text: string }, values: readonly unknown[]): Promise<boolean> {
    const { rows } = await this.#database.sql.query<{ failures: number }>(statement, values);
    return rows.length === 1;
  }

  async #wait(key: string): Promise<number | null> {
    const { rows } = await this.#database.sql.query<{ seconds: number | null }>(WAIT, [key]);
    const [row] = rows;
    if (!row) throw new Unavailable('Try again.', { code: 'busy', retryAfter: 1 });
    return row.seconds;
  }
}
