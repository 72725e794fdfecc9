// Counters that protect a secret from being guessed (requirements L1 to L5). They are rows: a restart or a wiped cache forgets nothing.
// A try is counted before it is checked, in one conditional statement, so that parallel tries cannot share a number; a success takes it back.
import { Unavailable } from '../errors.ts';
import type { Database } from '../storage/database.ts';
import { type Budget, Budgets, networkKeys } from './budget.ts';

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
  /** Wrong mailed codes of one account over all its codes. */
  readonly codeFailures: number;
  readonly codeFailuresWindow: number;
  /** Wrong second factors of one account over all kinds. */
  readonly factorFailures: number;
  readonly factorFailuresWindow: number;
  /** How many times as many failures the /48 around an IPv6 network may have. */
  readonly siteFactor: number;
  readonly switchedOff: boolean;
}

export type Attempt =
  | {
      readonly isAllowed: true;
      succeed(): Promise<void>;
      /** The secret was not looked at after all (too busy, storage away): the try does not count, and locks nobody. */
      withdraw(): Promise<void>;
    }
  | {
      readonly isAllowed: false;
      /** Seconds to wait; null: until a reset or an administrator. */
      readonly retryAfter: number | null;
      readonly reason: 'network' | 'account-network' | 'account' | 'code' | 'factor';
    };

type Refusal = Extract<Attempt, { readonly isAllowed: false }>;

export interface AttemptSubject {
  /** The account's id, or for a name nobody has a hash of that name: both are counted alike. */
  readonly subject: string;
  readonly network: string;
  /** This browser has signed in as this account before: a flood from elsewhere must not keep it out (L2). */
  readonly isKnownDevice: boolean;
}

/** What failures of a network are counted under. */
const NETWORK = 'network';

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
const WAIT = {
  name: 'guess_wait',
  text: `select case when locked_until = 'infinity' then null
      else greatest(1, ceil(extract(epoch from locked_until - now())))::float8 end as seconds
    from guess_counter where key = $1`,
};
const CLEAR = {
  name: 'guess_clear',
  // In one order everywhere: two that clear the same rows the other way round would wait for one another.
  text: `delete from guess_counter where key in
    (select key from guess_counter where key = any($1::text[]) order by key for update)`,
};
/** A lock in force was made by this try or by one beside it: with one try less there is none. */
const WITHDRAW = {
  name: 'guess_withdraw',
  text: `update guess_counter set failures = greatest(failures - 1, 0),
      strikes = case when locked_until > now() then greatest(strikes - 1, 0) else strikes end,
      locked_until = case when locked_until > now() then null else locked_until end
    where key in (select key from guess_counter where key = any($1::text[]) order by key for update)`,
};
const CLEAR_SUBJECT = {
  name: 'guess_clear_subject',
  text: `delete from guess_counter where key in ('account:' || $1, 'account-known:' || $1) or key like 'account-network:' || $1 || ':%'`,
};
const CLEAR_ALL = {
  name: 'guess_clear_all',
  text: `delete from guess_counter where key = any(array['account:' || $1, 'account-known:' || $1, 'code:' || $1, 'factor:' || $1, 'factor-known:' || $1])
    or key like 'account-network:' || $1 || ':%'`,
};
const SWEEP = {
  name: 'guess_sweep',
  text: `delete from guess_counter where key in (select key from guess_counter
    where updated_at < now() - interval '2 days' and (locked_until is null or locked_until < now()) limit 1000)`,
};

export class Lockout {
  readonly #database: Database;
  readonly #settings: LockoutSettings;
  readonly #budgets: Budgets;

  constructor(parts: { readonly database: Database; readonly settings: LockoutSettings }) {
    this.#database = parts.database;
    this.#settings = parts.settings;
    this.#budgets = new Budgets({
      database: parts.database,
      switchedOff: parts.settings.switchedOff,
      siteFactor: parts.settings.siteFactor,
    });
  }

  /**
   * Counts one try at a password. Call before checking it; on success call `succeed`.
   * @throws Unavailable when the counters cannot be written: guessing is then refused, never free
   */
  async attempt(who: AttemptSubject): Promise<Attempt> {
    const s = this.#settings;
    if (s.switchedOff) return { isAllowed: true, succeed: async () => undefined, withdraw: async () => undefined };
    if (who.isKnownDevice) return this.#attemptOnKnownDevice(who.subject);
    const networks = networkKeys(NETWORK, who.network);
    const pairKey = `account-network:${who.subject}:${who.network}`;
    const accountKey = `account:${who.subject}`;
    const refusal = await this.#spendNetwork(who.network);
    if (refusal) return refusal;
    if (!(await this.#count(COUNT_IN_ROW, [pairKey, s.lockAfter, s.lockFor, s.lockForAtMost]))) {
      await this.#budgets.giveBack(...networks);
      return { isAllowed: false, retryAfter: await this.#wait(pairKey), reason: 'account-network' };
    }
    if (!(await this.#count(COUNT_IN_ROW, [accountKey, s.accountFailures, null, null]))) {
      await this.#budgets.giveBack(...networks);
      await this.#database.sql.query(WITHDRAW, [[pairKey]]);
      return { isAllowed: false, retryAfter: await this.#wait(accountKey), reason: 'account' };
    }
    return {
      isAllowed: true,
      succeed: async () => {
        await this.#budgets.giveBack(...networks);
        await this.#database.sql.query(CLEAR, [[pairKey, accountKey]]);
      },
      withdraw: async () => {
        await this.#budgets.giveBack(...networks);
        await this.#database.sql.query(WITHDRAW, [[pairKey, accountKey]]);
      },
    };
  }

  /**
   * Counts one try at a second factor: authenticator code, recovery code or passkey, wherever it is asked for (L5). Call before checking;
   * on success call `succeed`, which takes back this try and no other: what was guessed wrong stays counted whatever else succeeds. A
   * passkey cannot be guessed, so a full count does not stop it; and a flood from elsewhere does not use up what a known device has.
   * @throws Unavailable
   */
  async attemptFactor(who: {
    readonly accountId: string;
    readonly network: string;
    readonly isKnownDevice: boolean;
    readonly isPasskey?: boolean;
  }): Promise<Attempt> {
    const { factorFailures: limit, factorFailuresWindow: window } = this.#settings;
    const key = `${who.isKnownDevice ? 'factor-known' : 'factor'}:${who.accountId}`;
    const isNeverStopped = who.isPasskey ?? false;
    const isFree = isNeverStopped || who.isKnownDevice;
    return this.#attemptWithin(key, { limit, window }, who.network, 'factor', { isNeverStopped, isFree });
  }

  /**
   * Takes back a try that `attemptFactor` counted for the same subject in another request: of a question that somebody else puts, such as
   * an approval in the bot.
   */
  async succeedFactor(who: {
    readonly accountId: string;
    readonly network: string;
    readonly isKnownDevice: boolean;
  }): Promise<void> {
    const key = `${who.isKnownDevice ? 'factor-known' : 'factor'}:${who.accountId}`;
    await this.#budgets.giveBack(key, ...(who.isKnownDevice ? [] : networkKeys(NETWORK, who.network)));
  }

  /**
   * The same for a mailed code, over all codes and purposes of an account (C3, L4).
   * @param subject the account's id, or the hash of an address that has no account
   * @throws Unavailable
   */
  async attemptCode(subject: string, network: string): Promise<Attempt> {
    const { codeFailures: limit, codeFailuresWindow: window } = this.#settings;
    return this.#attemptWithin(`code:${subject}`, { limit, window }, network, 'code', {
      isNeverStopped: false,
      isFree: false,
    });
  }

  /** Forgets the wrong passwords of an account, after a reset. Wrong codes stay counted: whoever reads the mail could start over and over. */
  async clear(subject: string): Promise<void> {
    await this.#database.sql.query(CLEAR_SUBJECT, [subject]);
  }

  /** Forgets all failures of an account: by an administrator. */
  async clearAll(accountId: string): Promise<void> {
    await this.#database.sql.query(CLEAR_ALL, [accountId]);
  }

  async sweep(): Promise<void> {
    await this.#database.sql.query(SWEEP);
  }

  async #attemptWithin(
    key: string,
    budget: Budget,
    network: string,
    reason: 'code' | 'factor',
    /** `isFree`: its network's other guesses are none of its business. */
    { isNeverStopped, isFree }: { readonly isNeverStopped: boolean; readonly isFree: boolean },
  ): Promise<Attempt> {
    const networks = isFree ? [] : networkKeys(NETWORK, network);
    const refusal = isFree ? null : await this.#spendNetwork(network);
    if (refusal) return refusal;
    const spending = await this.#budgets.spend(key, budget);
    if (!spending.isAllowed && !isNeverStopped) {
      await this.#budgets.giveBack(...networks);
      return { isAllowed: false, retryAfter: spending.retryAfter, reason };
    }
    const spent = [...(spending.isAllowed ? [key] : []), ...networks];
    const giveBack = (): Promise<void> => this.#budgets.giveBack(...spent);
    return { isAllowed: true, succeed: giveBack, withdraw: giveBack };
  }

  /**
   * What others guess at this account or from this network does not keep out a device that its owner has used before; what is guessed on
   * such devices has a budget of its own, which locks nobody else (requirements L2).
   */
  async #attemptOnKnownDevice(subject: string): Promise<Attempt> {
    const { lockAfter, lockFor, lockForAtMost } = this.#settings;
    const key = `account-known:${subject}`;
    if (!(await this.#count(COUNT_IN_ROW, [key, lockAfter, lockFor, lockForAtMost]))) {
      return { isAllowed: false, retryAfter: await this.#wait(key), reason: 'account-network' };
    }
    const run = async (statement: typeof CLEAR): Promise<void> => {
      await this.#database.sql.query(statement, [[key]]);
    };
    return { isAllowed: true, succeed: () => run(CLEAR), withdraw: () => run(WITHDRAW) };
  }

  async #spendNetwork(network: string): Promise<Refusal | null> {
    const { networkFailures: limit, networkFailuresWindow: window } = this.#settings;
    const spending = await this.#budgets.spendNetwork(NETWORK, network, { limit, window });
    return spending.isAllowed ? null : { isAllowed: false, retryAfter: spending.retryAfter, reason: 'network' };
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
