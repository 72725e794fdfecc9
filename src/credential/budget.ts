// So many within so long: tries at a secret, mails to an address. The counters are rows, so a restart or a wiped cache forgets nothing, and
// each is spent in one conditional statement, so that parallel requests cannot share a number (requirements L9).
import { siteOf } from '../http/client-address.ts';
import type { Database } from '../storage/database.ts';

export interface Budget {
  readonly limit: number;
  /** Seconds, from the first one on. */
  readonly window: number;
  /** Seconds between one and the next. */
  readonly apart?: number;
}

export type Spending = { readonly isAllowed: true } | { readonly isAllowed: false; readonly retryAfter: number };

/** $1 key, $2 limit, $3 window, $4 apart. No row comes back while the window is full or the last one is too near. */
const SPEND = {
  name: 'budget_spend',
  text: `insert into guess_counter as c (key, failures, window_ends_at, updated_at)
    values ($1, 1, now() + make_interval(secs => $3::float8), now())
    on conflict (key) do update set
      failures = case when c.window_ends_at <= now() then 1 else c.failures + 1 end,
      window_ends_at = case when c.window_ends_at <= now()
        then now() + make_interval(secs => $3::float8) else c.window_ends_at end,
      updated_at = now()
    where (c.window_ends_at <= now() or c.failures < $2::int)
      and ($4::float8 = 0 or c.updated_at <= now() - make_interval(secs => $4::float8))
    returning failures`,
};
const WAIT = {
  name: 'budget_wait',
  text: `select greatest(0,
      case when failures >= $2::int then extract(epoch from window_ends_at - now()) else 0 end,
      case when $3::float8 > 0 then extract(epoch from updated_at - now()) + $3::float8 else 0 end)::float8 as seconds
    from guess_counter where key = $1`,
};
const GIVE_BACK = {
  name: 'budget_give_back',
  // In one order everywhere: two that give back the same rows the other way round would wait for one another.
  text: `update guess_counter set failures = greatest(failures - 1, 0) where key in
    (select key from guess_counter where key = any($1::text[]) order by key for update)`,
};

export class Budgets {
  readonly #database: Database;
  readonly #switchedOff: boolean;
  readonly #siteFactor: number;

  /** @param parts.siteFactor for `spendNetwork`: how many times as much the /48 around an IPv6 network may as the network itself (requirements L10) */
  constructor(parts: { readonly database: Database; readonly switchedOff: boolean; readonly siteFactor?: number }) {
    this.#database = parts.database;
    this.#switchedOff = parts.switchedOff;
    this.#siteFactor = parts.siteFactor ?? 10;
  }

  /**
   * Counts one, unless there is none left.
   * @throws Unavailable when the counters cannot be written: then nothing is allowed
   */
  async spend(key: string, budget: Budget): Promise<Spending> {
    if (this.#switchedOff) return { isAllowed: true };
    const { limit, window, apart = 0 } = budget;
    const { rows } = await this.#database.sql.query<{ failures: number }>(SPEND, [key, limit, window, apart]);
    if (rows.length === 1) return { isAllowed: true };
    // At least one second: its time may have passed between the two statements.
    return { isAllowed: false, retryAfter: Math.max(1, await this.wait(key, budget)) };
  }

  /**
   * Counts one of a network, and for IPv6 one of the site around it: whoever owns a /48 has 65,536 networks to choose from.
   * @param name what is counted @throws Unavailable
   */
  async spendNetwork(name: string, network: string, budget: Budget): Promise<Spending> {
    const [key = '', site] = networkKeys(name, network);
    const spending = await this.spend(key, budget);
    if (!spending.isAllowed || site === undefined) return spending;
    const wide = await this.spend(site, { limit: budget.limit * this.#siteFactor, window: budget.window });
    if (!wide.isAllowed) await this.giveBack(key);
    return wide;
  }

  /** Seconds until one more is allowed; 0 is now. */
  async wait(key: string, budget: Budget): Promise<number> {
    if (this.#switchedOff) return 0;
    const { rows } = await this.#database.sql.query<{ seconds: number }>(WAIT, [key, budget.limit, budget.apart ?? 0]);
    return Math.ceil(rows[0]?.seconds ?? 0);
  }

  /** Takes one back that turned out well, and only that one: what went wrong before stays counted. */
  async giveBack(...keys: readonly string[]): Promise<void> {
    if (this.#switchedOff) return;
    await this.#database.sql.query(GIVE_BACK, [keys]);
  }
}

/** What is counted of a network: itself and the site around it, if it has one. For giving back. */
export function networkKeys(name: string, network: string): readonly string[] {
  const site = siteOf(network);
  return [`${name}:${network}`, ...(site === null ? [] : [`${name}:${site}`])];
}
