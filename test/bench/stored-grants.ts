// Fills the stores with grants that nobody uses, each with a refresh token and whatever leads to them, in the form in which the grant adapter
// keeps them. Written by the stores themselves: a million by way of the engine would take longer than everything else here.
import { Redis } from 'ioredis';
import type { Sql } from '../../src/storage/sql.ts';

const REDIS_BATCH = 2000;
const SQL_BATCH = 5000;
const GRANT_BYTES = 288;
const TOKEN_BYTES = 416;

const FILL_REDIS = `
  local grant = string.rep('g', ${GRANT_BYTES})
  local token = string.rep('t', ${TOKEN_BYTES})
  local none = string.rep('-', 43)
  local day = 86400000
  local expiry = tonumber(ARGV[3]) + day
  for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local g = string.format('%s%041d', 'g-', n)
    local t = string.format('%s%041d', 't-', n)
    redis.call('SET', KEYS[1] .. 'artifact:{' .. g .. '}', 'L' .. grant, 'PX', day)
    redis.call('SET', KEYS[1] .. 'artifact:{' .. t .. '}', 'L' .. g .. none .. token, 'PX', day)
    redis.call('ZADD', KEYS[1] .. 'grant:{' .. g .. '}', expiry, t .. '-----------')
    redis.call('PEXPIRE', KEYS[1] .. 'grant:{' .. g .. '}', day)
    redis.call('ZADD', KEYS[1] .. 'account:{' .. g .. '}', expiry, 'Grant:' .. g)
    redis.call('PEXPIRE', KEYS[1] .. 'account:{' .. g .. '}', day)
  end`;

/** @param from and to: numbers of the grants, the first and the last */
export async function fillRedis(url: string, keyPrefix: string, from: number, to: number): Promise<void> {
  const redis = new Redis(url);
  try {
    for (let at = from; at <= to; at += REDIS_BATCH) {
      await redis.eval(FILL_REDIS, 1, keyPrefix, at, Math.min(to, at + REDIS_BATCH - 1), Date.now());
    }
  } finally {
    redis.disconnect();
  }
}

/** Takes away what a server has left, stored grants or not. */
export async function emptyRedis(url: string, keyPrefix: string): Promise<void> {
  const redis = new Redis(url);
  try {
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${keyPrefix}*`, 'COUNT', 5000);
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== '0');
  } finally {
    redis.disconnect();
  }
}

const key = (kind: string) =>
  `rtrim(translate(encode(sha256(convert_to('${kind}' || n, 'utf8')), 'base64'), '+/', '-_'), '=')`;

export async function fillSql(sql: Sql, from: number, to: number): Promise<void> {
  const statement = {
    name: 'bench_fill',
    text: `insert into oidc_artifact (key, model, grant_key, generation, account_id, session_key, sealed, expires_at)
      select ${key('g')}, 'Grant', null, 0, 'account-' || n, null, decode(repeat(md5(n::text), ${GRANT_BYTES / 16}), 'hex'),
        now() + interval '1 day' from generate_series($1::int, $2::int) n
      union all
      select ${key('t')}, 'RefreshToken', ${key('g')}, 0, null, ${key('s')},
        decode(repeat(md5(n::text), ${TOKEN_BYTES / 16}), 'hex'), now() + interval '1 day'
        from generate_series($1::int, $2::int) n`,
  };
  for (let at = from; at <= to; at += SQL_BATCH) await sql.query(statement, [at, Math.min(to, at + SQL_BATCH - 1)]);
}
