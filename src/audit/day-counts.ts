// How many events there were on each day (UTC), by action and result. Events are counted in the transaction that chains them, which passes each one
// exactly once; so numbers are a moment behind, and reading them costs the same with a million events as with ten.
import type { Database, EntityManager } from '../storage/database.ts';

export interface DayCount {
  /** `2026-11-21`. */
  readonly day: string;
  readonly action: string;
  readonly result: 'success' | 'failure';
  readonly count: number;
}

/** Counts what was just chained. @param from the last place in the chain before it @param to the last one of it */
export async function countChained(em: EntityManager, from: string, to: string): Promise<void> {
  await em.execute(
    `insert into audit_day (day, action, result, count)
     select (at at time zone 'utc')::date, action, result, count(*) from audit_event where seq > ? and seq <= ? group by 1, 2, 3
     on conflict (day, action, result) do update set count = audit_day.count + excluded.count`,
    [from, to],
  );
}

/** Forgets days of which no event is left. */
export async function forgetDays(em: EntityManager, retentionDays: number): Promise<void> {
  await em.execute(`delete from audit_day where day < ((now() - make_interval(days => ?)) at time zone 'utc')::date`, [
    retentionDays,
  ]);
}

export class DayCounts {
  readonly #database: Database;

  constructor(parts: { readonly database: Database }) {
    this.#database = parts.database;
  }

  /** Of the last days, today included; days without an event are left out. */
  async list(actions: readonly string[], days: number): Promise<readonly DayCount[]> {
    const marks = actions.map(() => '?').join(', ');
    const rows = await this.#database.em().execute<DayCount[]>(
      `select day::text as day, action, result, count::float8 as count from audit_day
       where day > (now() at time zone 'utc')::date - ?::int and action in (${marks}) order by audit_day.day`,
      [days, ...actions],
    );
    return rows;
  }
}
