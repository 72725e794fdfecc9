// Where and how an account is signed in: one row for each session of the engine, with what the engine does not keep (device, address, how it
// was proven, first and last use). Whether a session lives is the engine's word alone: a row signs nobody in and keeps nobody out.
import { randomUUID } from 'node:crypto';
import { hashToken } from '../crypto/random.ts';
import type { Log } from '../log.ts';
import type { Sql } from '../storage/sql.ts';
import type { EngineSession } from './grant-view.ts';

export const MOST_DEVICE_NAME = 100;
const MOST_USER_AGENT = 300;
/** Sessions whose last use waits to be written. */
const MOST_WAITING = 10_000;
const KEEP_DAYS = 90;

/** As far as the request tells. */
export interface Device {
  readonly address: string;
  readonly userAgent: string;
}

export interface SignIn extends Device {
  readonly uid: string;
  /** The engine's account id. */
  readonly subject: string;
  /** What a native app calls the device. */
  readonly name: string | null;
  readonly methods: readonly string[];
  /** By which it began, as the rules of organizations name it; null leaves that as it is. */
  readonly way: string | null;
  readonly acr: string | null;
  /** Seconds since 1970, as all times of the engine. */
  readonly signedInAt: number;
  readonly expiresAt: number;
}

export interface BrowserSession {
  readonly id: string;
  readonly name: string | null;
  readonly address: string;
  readonly userAgent: string;
  readonly methods: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  /** The engine's, with the apps it was used for. */
  readonly engine: EngineSession;
}

interface Row extends Omit<BrowserSession, 'methods' | 'engine'> {
  readonly sessionKey: string;
  readonly methods: string;
}

const RECORD = {
  name: 'browser_session_record',
  text: `insert into browser_session (id, account_id, session_key, name, address, user_agent, methods, acr, created_at, signed_in_at,
      last_used_at, expires_at, way)
    select $1::uuid, id, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, now(), to_timestamp($9::float8), now(),
      to_timestamp($10::float8), $11::text
    from account where subject = $2
    on conflict (session_key) do update set name = coalesce(excluded.name, browser_session.name), address = excluded.address,
      user_agent = excluded.user_agent, methods = excluded.methods, acr = excluded.acr, signed_in_at = excluded.signed_in_at,
      last_used_at = excluded.last_used_at, expires_at = excluded.expires_at, way = coalesce(excluded.way, browser_session.way)`,
};
const FIND_WAY = { name: 'browser_session_way', text: 'select way from browser_session where session_key = $1' };
/** A session from before there were rows. */
const ADOPT = {
  name: 'browser_session_adopt',
  text: `insert into browser_session (id, account_id, session_key, address, user_agent, methods, created_at, signed_in_at, last_used_at,
      expires_at)
    select $1::uuid, $2::uuid, $3::text, 'unknown', '', '', to_timestamp($4::float8), to_timestamp($4::float8), to_timestamp($4::float8),
      to_timestamp($5::float8)
    on conflict (session_key) do nothing`,
};
const LIST = {
  name: 'browser_session_list',
  text: `select id, session_key as "sessionKey", name, address, user_agent as "userAgent", methods,
      floor(extract(epoch from created_at) * 1000)::float8 as "createdAt",
      floor(extract(epoch from last_used_at) * 1000)::float8 as "lastUsedAt"
    from browser_session where account_id = $1 and session_key = any($2::text[])`,
};
const FIND_KEY = {
  name: 'browser_session_key',
  text: 'select session_key as "sessionKey" from browser_session where account_id = $1 and id = $2::uuid',
};
const RENAME = {
  name: 'browser_session_rename',
  text: 'update browser_session set name = $3 where account_id = $1 and id = $2::uuid',
};
const SEEN = {
  name: 'browser_session_seen',
  text: `with seen as (select * from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[])
        as t (session_key, address, user_agent, used_at, expires_at)),
      old as (select session_key, address, user_agent from browser_session
        where session_key = any($1::text[]) and ended_at is null order by session_key for update)
    update browser_session s set last_used_at = greatest(s.last_used_at, to_timestamp(seen.used_at)), address = seen.address,
      user_agent = seen.user_agent, expires_at = greatest(s.expires_at, to_timestamp(seen.expires_at))
    from seen join old using (session_key)
    where s.session_key = seen.session_key
    returning s.id, old.address <> seen.address as "isNewAddress", old.user_agent <> seen.user_agent as "isNewUserAgent"`,
};
const END = {
  name: 'browser_session_end',
  text: `update browser_session set ended_at = now() where session_key in
    (select session_key from browser_session where session_key = $1 and ended_at is null order by session_key for update)`,
};
const END_ALL = {
  name: 'browser_session_end_all',
  text: `update browser_session set ended_at = now() where session_key in (select session_key from browser_session
    where account_id = $1 and ended_at is null and session_key <> $2 order by session_key for update)`,
};
const SWEEP = {
  name: 'browser_session_sweep',
  text: `delete from browser_session where session_key in (select session_key from browser_session
    where expires_at < now() - interval '${KEEP_DAYS} days' order by session_key limit 1000 for update)`,
};
const ALIVE = 'select count(*)::int as count from browser_session where ended_at is null and expires_at > now()';
const COUNT_ALIVE = { name: 'browser_session_count', text: ALIVE };
const NOTE_DAY = {
  name: 'session_day_note',
  text: `insert into session_day (day, most) select (now() at time zone 'utc')::date, count from (${ALIVE}) as alive
    on conflict (day) do update set most = greatest(session_day.most, excluded.most)`,
};
const FORGET_DAYS = {
  name: 'session_day_forget',
  text: `delete from session_day where day < (now() at time zone 'utc')::date - ${KEEP_DAYS}`,
};
const LIST_DAYS = {
  name: 'session_day_list',
  text: `select day::text as day, most as count from session_day where day > (now() at time zone 'utc')::date - $1::int order by 1`,
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface Use extends Device {
  readonly usedAt: number;
  readonly expiresAt: number;
}

export class BrowserSessions {
  readonly #sql: Sql;
  readonly #log: Log;
  /** Uses that were not written yet, by key: a use costs no round trip. */
  #waiting = new Map<string, Use>();

  constructor(parts: { readonly sql: Sql; readonly log: Log }) {
    this.#sql = parts.sql;
    this.#log = parts.log;
  }

  /** After a sign-in or a step-up. */
  async record(signIn: SignIn): Promise<void> {
    const { subject, uid, name, address, userAgent, methods, acr, way, signedInAt, expiresAt } = signIn;
    await this.#sql.query(RECORD, [
      ...[randomUUID(), subject, keyOf(uid), deviceName(name), address, plain(userAgent).slice(0, MOST_USER_AGENT)],
      ...[methods.join(' '), acr, signedInAt, expiresAt, way],
    ]);
  }

  /** By which way a session began; null for one from before that was noted. @param uid of the engine */
  async findWay(uid: string): Promise<string | null> {
    return (await this.#sql.query<{ way: string | null }>(FIND_WAY, [keyOf(uid)])).rows[0]?.way ?? null;
  }

  /** Remembers that a session was used; `flush` writes it. @param expiresAt seconds since 1970 */
  noteUse(uid: string, device: Device, expiresAt: number): void {
    if (this.#waiting.size >= MOST_WAITING) return;
    const userAgent = plain(device.userAgent).slice(0, MOST_USER_AGENT);
    this.#waiting.set(keyOf(uid), { address: device.address, userAgent, usedAt: Date.now() / 1000, expiresAt });
  }

  /** Writes the uses since the last time, all in one statement. */
  async flush(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting = new Map();
    const column = <Value>(of: (use: Use) => Value): Value[] => waiting.map(([, use]) => of(use));
    const { rows } = await this.#sql.query<{ id: string; isNewAddress: boolean; isNewUserAgent: boolean }>(SEEN, [
      waiting.map(([key]) => key),
      ...[column((use) => use.address), column((use) => use.userAgent)],
      ...[column((use) => use.usedAt), column((use) => use.expiresAt)],
    ]);
    // A signal for whoever reads logs, and no reason to sign anybody out (requirements S5).
    for (const { id, isNewAddress, isNewUserAgent } of rows) {
      if (isNewAddress || isNewUserAgent)
        this.#log.info({ session: id, isNewAddress, isNewUserAgent }, 'a session moved');
    }
  }

  /** Rows for the engine's living sessions of an account, the last used first. */
  async list(accountId: string, living: readonly EngineSession[]): Promise<readonly BrowserSession[]> {
    await this.flush();
    const byKey = new Map(living.map((session) => [keyOf(session.uid), session]));
    let rows = await this.#rows(accountId, [...byKey.keys()]);
    const missing = [...byKey].filter(([key]) => !rows.some((row) => row.sessionKey === key));
    for (const [key, { signedInAt, expiresAt }] of missing) {
      await this.#sql.query(ADOPT, [randomUUID(), accountId, key, signedInAt ?? Date.now() / 1000, expiresAt]);
    }
    if (missing.length > 0) rows = await this.#rows(accountId, [...byKey.keys()]);
    return rows
      .flatMap(({ sessionKey, methods, ...row }) => {
        const engine = byKey.get(sessionKey);
        return engine ? [{ ...row, methods: methods.split(' ').filter(Boolean), engine }] : [];
      })
      .toSorted((left, right) => right.lastUsedAt - left.lastUsedAt);
  }

  /** Whether this account has or had such a session. @param id of its row */
  async find(accountId: string, id: string): Promise<{ readonly isOf: (session: EngineSession) => boolean } | null> {
    if (!UUID.test(id)) return null;
    const { rows } = await this.#sql.query<{ sessionKey: string }>(FIND_KEY, [accountId, id]);
    const [row] = rows;
    return row ? { isOf: (session) => keyOf(session.uid) === row.sessionKey } : null;
  }

  /** @param name empty for what the browser says of itself @returns false when the account has no such session */
  async rename(accountId: string, id: string, name: string): Promise<boolean> {
    if (!UUID.test(id)) return false;
    return (await this.#sql.query(RENAME, [accountId, id, deviceName(name)])).count === 1;
  }

  /** Marks a session as ended; ending it is the engine's part. */
  async noteEnd(uid: string): Promise<void> {
    this.#waiting.delete(keyOf(uid));
    await this.#sql.query(END, [keyOf(uid)]);
  }

  /** Marks all sessions of an account as ended. @param exceptUid the engine's id of the one that stays */
  async noteEndOfAll(accountId: string, exceptUid?: string): Promise<void> {
    await this.#sql.query(END_ALL, [accountId, exceptUid === undefined ? '' : keyOf(exceptUid)]);
  }

  /** Sessions that live now, of all accounts. */
  async countAlive(): Promise<number> {
    return (await this.#sql.query<{ count: number }>(COUNT_ALIVE)).rows[0]?.count ?? 0;
  }

  /** Keeps the most of the day (UTC): what lived earlier cannot be counted later. */
  async noteDay(): Promise<void> {
    await this.#sql.query(NOTE_DAY);
  }

  /** The most sessions that lived at once, of the last days on which they were counted. */
  async listDays(days: number): Promise<readonly { readonly day: string; readonly count: number }[]> {
    return (await this.#sql.query<{ day: string; count: number }>(LIST_DAYS, [days])).rows;
  }

  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
    await this.#sql.query(FORGET_DAYS);
  }

  async #rows(accountId: string, keys: readonly string[]): Promise<readonly Row[]> {
    return (await this.#sql.query<Row>(LIST, [accountId, keys])).rows;
  }
}

/** The same key that the engine's storage knows a session by. */
function keyOf(uid: string): string {
  return hashToken('session-uid', uid);
}

/** One line of up to 100 characters; null for nothing. */
function deviceName(text: string | null): string | null {
  const line = text === null ? '' : [...plain(text.slice(0, 1000)).trim()].slice(0, MOST_DEVICE_NAME).join('');
  return line === '' ? null : line;
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}
