// What the process counts for its operator, in the form of Prometheus. Labels are words of our own code: never an address, a name, an id or
// anything that came with a request; a word that is not known is counted as `other`, and of those that may be new there are only so many.
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Ways to prove oneself (credential/assurance.ts), as the audit names them. */
const PROOFS = new Set([
  ...['password', 'totp', 'recovery-code', 'passkey', 'mail', 'phone', 'telegram', 'upstream', 'trusted-device'],
]);
/** Different values of a label whose words come from many places of the code. */
const MOST_VALUES = 100;
const WORD = /^[a-z][a-z0-9.-]{0,59}$/;
/** Seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface SignIn {
  readonly action: string;
  readonly result?: 'success' | 'failure';
  readonly reason?: string | undefined;
}

interface Backlog {
  readonly queued: number;
  /** Milliseconds since 1970. */
  readonly oldestAt: number | null;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #reasons = new Set<string>();
  readonly #http = new RequestTimes();
  readonly #signIns = new Counter({
    name: 'latchkey_sign_ins_total',
    help: 'Sign-ins and step-ups that were completed, by what was proven first and second.',
    labelNames: ['kind', 'method', 'second'],
    registers: [this.#registry],
  });
  readonly #failures = new Counter({
    name: 'latchkey_sign_in_failures_total',
    help: 'Sign-ins and step-ups that failed, by reason.',
    labelNames: ['kind', 'reason'],
    registers: [this.#registry],
  });
  readonly #updates = new Counter({
    name: 'latchkey_telegram_updates_total',
    help: 'Updates of the bot, by kind and what became of them.',
    labelNames: ['kind', 'result'],
    registers: [this.#registry],
  });
  readonly #calls = new Counter({
    name: 'latchkey_telegram_calls_total',
    help: 'Calls to the Bot API, by method and result.',
    labelNames: ['method', 'result'],
    registers: [this.#registry],
  });
  readonly #gateway = new Counter({
    name: 'latchkey_telegram_gateway_messages_total',
    help: 'Messages handed to the Telegram Gateway, by result.',
    labelNames: ['result'],
    registers: [this.#registry],
  });
  readonly #gatewayCost = new Counter({
    name: 'latchkey_telegram_gateway_cost_dollars_total',
    help: 'What the Telegram Gateway said that its messages cost; what it gives back for undelivered ones is not taken off.',
    registers: [this.#registry],
  });
  readonly #breaker = new Gauge({
    name: 'latchkey_telegram_breaker_open',
    help: '1 while the bot does not call Telegram because it failed too often.',
    registers: [this.#registry],
  });

  constructor() {
    this.#registry.registerMetric(this.#http as unknown as Metric);
  }

  /** @param cost US dollars */
  noteGateway(result: 'ok' | 'refused' | 'away' | 'capped', cost: number): void {
    this.#gateway.inc({ result });
    if (cost > 0) this.#gatewayCost.inc(cost);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Memory, processor, event loop and the like. */
  followProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** @param read asked at each look; while it fails the numbers are left out, not made up */
  followOutbox(read: () => Promise<Backlog>): void {
    this.#follow('latchkey_outbox_queued', 'Mails that wait to be sent.', async () => (await read()).queued);
    this.#follow('latchkey_outbox_oldest_seconds', 'Age of the oldest mail that waits; 0 when none does.', async () => {
      const { oldestAt } = await read();
      return oldestAt === null ? 0 : Math.max(0, (Date.now() - oldestAt) / 1000);
    });
  }

  followChatOutbox(read: () => Promise<number>): void {
    this.#follow('latchkey_telegram_notices_queued', 'Security notices that wait for their Telegram chats.', read);
  }

  /** @param route a pattern or a name of ours, never the path that was asked for @param seconds from first to last byte */
  noteRequest(route: string, method: string, status: number, seconds: number): void {
    this.#http.note(route, METHODS.has(method) ? method : 'other', Math.trunc(status / 100), seconds);
  }

  /** An event of the audit; what is no sign-in is passed by. */
  noteEvent({ action, result = 'success', reason = '' }: SignIn): void {
    if (action !== 'session.start' && action !== 'session.step-up') return;
    const kind = action === 'session.start' ? 'sign-in' : 'step-up';
    if (result === 'failure') {
      this.#failures.inc({ kind, reason: this.#known(reason) });
      return;
    }
    const [method = '', second] = reason.split('+');
    this.#signIns.inc({ kind, method: proof(method), second: second === undefined ? 'none' : proof(second) });
  }

  noteUpdate(
    kind: 'message' | 'callback_query' | 'my_chat_member' | 'other',
    result: 'done' | 'repeated' | 'failed',
  ): void {
    this.#updates.inc({ kind, result });
  }

  /** @param method as our code calls it */
  noteCall(method: string, result: 'ok' | 'refused' | 'slowed' | 'away'): void {
    this.#calls.inc({ method, result });
  }

  noteBreaker(isOpen: boolean): void {
    this.#breaker.set(isOpen ? 1 : 0);
  }

  /** The exposition that Prometheus reads. */
  async print(): Promise<string> {
    return this.#registry.metrics();
  }

  #follow(name: string, help: string, read: () => Promise<number>): void {
    const gauge = new Gauge({
      ...{ name, help, registers: [this.#registry] },
      async collect() {
        try {
          gauge.set(await read());
        } catch {
          gauge.remove();
        }
      },
    });
  }

  #known(word: string): string {
    if (this.#reasons.has(word)) return word;
    if (!WORD.test(word) || this.#reasons.size >= MOST_VALUES) return 'other';
    this.#reasons.add(word);
    return word;
  }
}

interface RequestTime {
  readonly labels: Readonly<Record<'route' | 'method' | 'status', string>>;
  /** How many took at most as long as each bucket says and longer than the one before; the last has no end. */
  readonly counts: number[];
  sum: number;
}

/**
 * The histogram of requests. Prom-client's own takes labels apart and sorts and joins them at each request, which was more than everything else
 * that is done about one here; it reads this one when it is asked for the numbers.
 */
class RequestTimes {
  readonly name = 'latchkey_http_request_duration_seconds';
  readonly help = 'Time to answer, by route, method and class of status.';
  readonly type = 'histogram';
  readonly #times = new Map<string, RequestTime>();

  note(route: string, method: string, statusClass: number, seconds: number): void {
    const key = `${statusClass}${method} ${route}`;
    let time = this.#times.get(key);
    if (!time) {
      time = { labels: { route, method, status: `${statusClass}xx` }, counts: BUCKETS.map(() => 0).concat(0), sum: 0 };
      this.#times.set(key, time);
    }
    let at = 0;
    while (seconds > (BUCKETS[at] ?? Infinity)) at += 1;
    time.counts[at] = (time.counts[at] ?? 0) + 1;
    time.sum += seconds;
  }

  /** Asked by the registry. */
  get() {
    const { name, help, type } = this;
    const values = [...this.#times.values()].flatMap(({ labels, counts, sum }) => {
      let count = 0;
      const buckets = counts.map((one, at) => {
        count += one;
        return { metricName: `${name}_bucket`, labels: { le: String(BUCKETS[at] ?? '+Inf'), ...labels }, value: count };
      });
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
    return Promise.resolve({ name, help, type, values, aggregator: 'sum' });
  }
}

function proof(word: string): string {
  return PROOFS.has(word) ? word : 'other';
}
