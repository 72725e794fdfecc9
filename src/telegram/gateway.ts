// The Telegram Gateway: brings a code of ours to a phone number for money, where the chat that proved the number cannot be reached. The code is
// made and checked by us; the Gateway only carries it. Each message is asked for once, because each costs, and no more than so many a day.
// Its reports (Gateway API, "Report delivery") are signed with the token, fresh, and move a delivery forward and nothing else.
import { createHash, createHmac } from 'node:crypto';
import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { z } from 'zod';
import type { Budgets } from '../credential/budget.ts';
import { isEqual } from '../crypto/random.ts';
import type { GuardedFetch } from '../http/guarded-fetch.ts';
import { type Log, serializeError } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Sql } from '../storage/sql.ts';

export const GATEWAY_ROOT = 'https://gatewayapi.telegram.org';
const DAY = 86_400;
/** Seconds by which the time of a report may differ from ours. */
const FRESH = 300;
/** Seconds: what the Gateway takes for `ttl`. */
const SHORTEST = 30;
const LONGEST = 3600;
/** So many failures in a row, and for so many milliseconds nobody tries. */
const FAILURES = 5;
const PAUSE = 30_000;

const ANSWER = z.looseObject({
  ok: z.boolean(),
  result: z.looseObject({ request_id: z.string().min(1).max(200), request_cost: z.number().optional() }).optional(),
});
const REPORT = z.looseObject({
  request_id: z.string().min(1).max(200),
  delivery_status: z.looseObject({ status: z.enum(['sent', 'delivered', 'read', 'expired', 'revoked']) }).optional(),
});

const NOTE = {
  name: 'gateway_note',
  text: `insert into telegram_gateway_delivery (request_id, state, created_at, updated_at) values ($1, 'sent', now(), now())
    on conflict do nothing`,
};
/** Reports come twice and in any order: `sent` is never a step forward, and what is over stays over. */
const MOVE = {
  name: 'gateway_move',
  text: `update telegram_gateway_delivery set state = $2, updated_at = now()
    where request_id = $1 and (state = 'sent' and $2 <> 'sent' or state = 'delivered' and $2 = 'read')`,
};
const SWEEP = {
  name: 'gateway_sweep',
  text: `delete from telegram_gateway_delivery where request_id in (select request_id from telegram_gateway_delivery
    where created_at < now() - interval '7 days' limit 1000)`,
};

export interface GatewayParts {
  readonly token: string;
  /** The address below which its methods are. */
  readonly root: string;
  readonly fetch: GuardedFetch;
  readonly sql: Sql;
  readonly budgets: Budgets;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where it reports to; undefined where it could not reach us. */
  readonly reportUrl: string | undefined;
  /** Messages within a day, for everybody together. */
  readonly dailyLimit: number;
}

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #key: Buffer;
  readonly #breaker = circuitBreaker(handleAll, { halfOpenAfter: PAUSE, breaker: new ConsecutiveBreaker(FAILURES) });

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#key = createHash('sha256').update(parts.token).digest();
  }

  /** @param number E.164 @param ttl seconds @returns whether the Gateway took it; nothing is thrown for what goes wrong there */
  async send(number: string, code: string, ttl: number): Promise<boolean> {
    const { budgets, dailyLimit, log, metrics, sql } = this.#parts;
    const spending = await budgets.spend('gateway-day', { limit: dailyLimit, window: DAY });
    if (!spending.isAllowed) {
      metrics.noteGateway('capped', 0);
      log.warn({ dailyLimit }, 'no more messages through the Telegram Gateway today: see telegram.gatewayDailyLimit');
      return false;
    }
    try {
      const answer = await this.#breaker.execute(() => this.#call(number, code, ttl));
      const taken = answer.ok ? answer.result : undefined;
      metrics.noteGateway(taken === undefined ? 'refused' : 'ok', taken?.request_cost ?? 0);
      if (taken === undefined) return false;
      await sql.query(NOTE, [taken.request_id]);
      return true;
    } catch (error) {
      metrics.noteGateway('away', 0);
      log.warn({ err: serializeError(error) }, 'the Telegram Gateway cannot be reached');
      return false;
    }
  }

  /**
   * A report, as it arrived.
   * @param signature of the header, hex @param timestamp of the header, seconds since 1970
   * @returns false when it is not the Gateway's, or too old
   */
  async report(body: string, signature: string, timestamp: string, now = Date.now() / 1000): Promise<boolean> {
    const expected = createHmac('sha256', this.#key).update(`${timestamp}\n${body}`).digest('hex');
    if (!isEqual(signature, expected)) return false;
    if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > FRESH) return false;
    const report = REPORT.safeParse(parse(body));
    const status = report.data?.delivery_status?.status;
    // Signed, and of no use to us: the Gateway need not send it again.
    if (report.success && status !== undefined) {
      await this.#parts.sql.query(MOVE, [report.data.request_id, status]);
    }
    return true;
  }

  async sweep(): Promise<void> {
    await this.#parts.sql.query(SWEEP);
  }

  async #call(number: string, code: string, ttl: number): Promise<z.infer<typeof ANSWER>> {
    const { fetch, token, root, reportUrl } = this.#parts;
    const response = await fetch(`${root.replace(/\/$/, '')}/sendVerificationMessage`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        phone_number: number,
        code,
        ttl: Math.min(LONGEST, Math.max(SHORTEST, ttl)),
        ...(reportUrl === undefined ? {} : { callback_url: reportUrl }),
      }),
    });
    const text = await response.text();
    if (response.status >= 500) throw new Error(`status ${response.status}`);
    return ANSWER.parse(parse(text));
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
