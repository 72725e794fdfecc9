// Back-channel logout (OIDC Back-Channel Logout 1.0) off the request path: the sign-out writes a row for each app and answers; a worker inside
// the process makes the token, delivers it, tries again a few times, and leaves the outcome in the row. Several processes share the work.
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client as EngineClient } from 'oidc-provider';
import { type Log, serializeError } from '../log.ts';
import type { Sql } from '../storage/sql.ts';
import type { Engine } from './engine.ts';

interface Delivery {
  readonly id: string;
  readonly clientId: string;
  readonly subject: string;
  readonly sid: string | null;
  readonly attempts: number;
}

/** Seconds after which a try is repeated; their number plus one is the number of tries (requirements M7). */
const DELAYS = [2, 8];
/** Seconds for which a claimed row belongs to the process that claimed it: longer than a try can take. */
const LEASE = 30;
/** Tries at once in one process. */
const AT_ONCE = 8;
const POLL_MS = 5000;

const ENQUEUE = {
  name: 'logout_delivery_enqueue',
  text: `insert into logout_delivery (id, client_id, subject, sid, next_attempt_at, created_at)
    values ($1, $2, $3, $4, now(), now())`,
};
const CLAIM = {
  name: 'logout_delivery_claim',
  text: `update logout_delivery set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => ${LEASE})
    where id in (select id from logout_delivery where state = 'waiting' and next_attempt_at <= now()
      order by next_attempt_at limit ${AT_ONCE} for update skip locked)
    returning id, client_id as "clientId", subject, sid, attempts`,
};
const FINISH = {
  name: 'logout_delivery_finish',
  text: `update logout_delivery set state = $2, last_status = $3, last_error = $4,
      next_attempt_at = now() + make_interval(secs => $5::float8),
      finished_at = case when $2 = 'waiting' then null else now() end
    where id = $1 and state = 'waiting'`,
};
const SWEEP = {
  name: 'logout_delivery_sweep',
  text: `delete from logout_delivery where id in (select id from logout_delivery
    where created_at < now() - interval '30 days' limit 1000)`,
};

export class LogoutDeliveries {
  readonly #sql: Sql;
  readonly #engine: Engine;
  readonly #fetch: typeof fetch;
  readonly #log: Log;
  #running: Promise<void> | undefined;
  #stop = new AbortController();
  #wake: (() => void) | undefined;

  constructor(parts: {
    readonly sql: Sql;
    readonly engine: Engine;
    readonly fetch: typeof fetch;
    readonly log: Log;
  }) {
    this.#sql = parts.sql;
    this.#engine = parts.engine;
    this.#fetch = parts.fetch;
    this.#log = parts.log;
  }

  /** @param subject the engine's account id @param sid the session as this client knows it */
  async enqueue(clientId: string, subject: string, sid: string | undefined): Promise<void> {
    await this.#sql.query(ENQUEUE, [randomUUID(), clientId, subject, sid ?? null]);
    this.#wake?.();
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Waits for what is being delivered; the rest stays for the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
  }

  async sweep(): Promise<void> {
    await this.#sql.query(SWEEP);
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const count = await this.#deliverSome().catch((error: unknown) => {
        this.#log.warn({ err: serializeError(error) }, 'back-channel logout has to wait');
        return 0;
      });
      if (count === AT_ONCE || signal.aborted) continue;
      await Promise.race([woken, wait(POLL_MS, undefined, { ref: false })]);
    }
  }

  async #deliverSome(): Promise<number> {
    const { rows } = await this.#sql.query<Delivery>(CLAIM);
    await Promise.all(rows.map((row) => this.#deliver(row)));
    return rows.length;
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { id, attempts } = delivery;
    let status: number | null = null;
    let problem: string | null = null;
    try {
      status = await this.#post(delivery);
      // Anything else means that the app did not end its session (2.8).
      if (status !== 200 && status !== 204) problem = `status ${status}`;
    } catch (error) {
      problem = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown';
    }
    const delay = DELAYS[attempts - 1];
    const state = problem === null ? 'delivered' : delay === undefined ? 'failed' : 'waiting';
    if (state === 'failed')
      this.#log.warn({ clientId: delivery.clientId, problem }, 'an app was not told of a sign-out');
    await this.#sql.query(FINISH, [id, state, status, problem, delay ?? 0]);
    if (state === 'waiting') setTimeout(() => this.#wake?.(), (delay ?? 0) * 1000).unref();
  }

  async #post({ clientId, subject, sid }: Delivery): Promise<number> {
    const { provider } = this.#engine;
    const client = await provider.Client.find(clientId);
    const address = client?.backchannelLogoutUri;
    if (!client || address === undefined) throw new Error('the client has no back-channel logout URI any more');
    const response = await this.#fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token: await this.#token(client, subject, sid) }),
    });
    await response.body?.cancel();
    return response.status;
  }

  /** Made at delivery, so that `iat` is fresh and the key is the one of now (Back-Channel Logout 1.0, 2.4). */
  async #token(client: EngineClient, subject: string, sid: string | null): Promise<string> {
    const { IdToken } = this.#engine.provider as unknown as { IdToken: LogoutTokenConstructor };
    const token = new IdToken({ sub: subject }, { client, ctx: undefined });
    token.mask = { sub: null };
    token.set('events', { 'http://schemas.openid.net/event/backchannel-logout': {} });
    token.set('jti', randomUUID());
    if (sid !== null) token.set('sid', sid);
    return token.issue({ use: 'logout' });
  }
}

/** The engine's own class, of whose uses the types know only the ID token. */
type LogoutTokenConstructor = new (
  claims: { sub: string },
  options: { client: EngineClient; ctx: undefined },
) => { mask: unknown; set(name: string, value: unknown): void; issue(options: { use: 'logout' }): Promise<string> };
