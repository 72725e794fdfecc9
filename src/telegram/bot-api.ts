// The way to Telegram's Bot API: over the operator's proxy if there is one, in bounded time, tried again where that is safe, obeying
// `retry_after`, and not at all for a while after it failed five times. Errors never carry the address, which contains the bot's token.
import { setTimeout as wait } from 'node:timers/promises';
import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { Bot, GrammyError, HttpError, type Transformer } from 'grammy';
import type { ApiError } from 'grammy/types';
import { Agent, type Dispatcher, fetch as undiciFetch } from 'undici';
import { proxyDispatcher } from '../http/outgoing-proxy.ts';
import type { Metrics } from '../metrics.ts';

/** Milliseconds (requirements M7). */
const CONNECT_TIMEOUT = 5000;
const TIMEOUT = 10_000;
/** Seconds: how long Telegram may keep a question for updates open, and how long the whole call may then take. */
export const LONG_POLL = 20;
const WHOLE_POLL = 30;
/** Milliseconds before the second and third try. */
const PAUSES = [1000, 4000];
/** Seconds: what asks for more is given up; nobody waits for it any more. */
const LONGEST_RETRY_AFTER = 30;
const FAILURES = 5;
const HALF_OPEN_AFTER = 30_000;

export interface BotApiOptions {
  readonly token: string;
  /** A local Bot API server instead of Telegram's. */
  readonly apiRoot: string | undefined;
  /** `http:`, `https:` or `socks5:`. */
  readonly proxy: string | undefined;
  readonly metrics?: Metrics;
  /** Calls come from a queue that tries again by itself: each is made once. */
  readonly isQueued?: boolean;
  /** Milliseconds between tries, and until a Telegram that was given up is tried again; for tests. */
  readonly pauses?: readonly number[];
  readonly halfOpenAfter?: number;
}

/** A bot that has said nothing yet. */
export function createBotApi(options: BotApiOptions): Bot {
  const { token, apiRoot, proxy, isQueued = false, metrics } = options;
  const { pauses = PAUSES, halfOpenAfter = HALF_OPEN_AFTER } = options;
  const dispatcher = dispatcherFor(proxy);
  const send = (input: unknown, init: unknown = {}) => {
    const { signal, ...rest } = init as { readonly signal?: EventTarget & { readonly aborted: boolean } };
    return undiciFetch(input as string, { ...rest, signal: nativeSignal(signal), dispatcher, redirect: 'error' });
  };
  const bot = new Bot(token, {
    client: {
      ...(apiRoot === undefined ? {} : { apiRoot }),
      timeoutSeconds: WHOLE_POLL,
      canUseWebhookReply: () => false,
      sensitiveLogs: false,
      fetch: send,
      baseFetchConfig: {},
    },
  });
  bot.api.config.use(bounded(), ...(isQueued ? [] : [persistent(pauses, halfOpenAfter, metrics)]), counted(metrics));
  return bot;
}

/** The framework brings an AbortSignal of its own make, which fetch refuses. */
function nativeSignal(signal: (EventTarget & { readonly aborted: boolean }) | undefined): AbortSignal {
  const controller = new AbortController();
  if (signal?.aborted) controller.abort();
  signal?.addEventListener('abort', () => controller.abort(), { once: true });
  return controller.signal;
}

function dispatcherFor(proxy: string | undefined): Dispatcher {
  const headersTimeout = WHOLE_POLL * 1000;
  if (proxy === undefined) return new Agent({ connect: { timeout: CONNECT_TIMEOUT }, headersTimeout });
  return proxyDispatcher(proxy, headersTimeout);
}

/** Whether a call failed at Telegram or on the way, not for what it said. */
export function isTelegramAway(error: unknown): boolean {
  return (
    error instanceof HttpError ||
    error instanceof BrokenCircuitError ||
    (error instanceof GrammyError && (error.error_code >= 500 || error.error_code === 429))
  );
}

/** Somebody who blocked the bot, deleted the account or never pressed Start. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof GrammyError && error.error_code === 403;
}

/** What became of a message of a queue that was not taken: whether it may be tried again, and when Telegram wants that (seconds). */
export function failureOf(error: unknown): {
  readonly kind: 'unreachable' | 'refused' | 'later';
  readonly code: string;
  readonly retryAfter?: number;
} {
  if (!(error instanceof GrammyError)) return { kind: 'later', code: 'no-answer' };
  const { error_code: status, parameters } = error;
  const code = `telegram-${status}`;
  if (isUnreachable(error)) return { kind: 'unreachable', code };
  if (status === 429) return { kind: 'later', code, retryAfter: parameters.retry_after ?? 1 };
  // What is wrong with the token is the operator's to mend, and does not make the message wrong.
  return { kind: isTelegramAway(error) || status === 401 || status === 404 ? 'later' : 'refused', code };
}

/** Only the question for updates may stay open. */
function bounded(): Transformer {
  return (previous, method, payload, signal) => {
    if (method === 'getUpdates') return previous(method, payload, signal);
    const limit = AbortSignal.timeout(TIMEOUT);
    const both = signal ? AbortSignal.any([signal as AbortSignal, limit]) : limit;
    return previous(method, payload, both as typeof signal);
  };
}

/** A Telegram that is away or overloaded. */
class Away extends Error {
  readonly answer: ApiError;

  constructor(answer: ApiError) {
    super('Telegram is away');
    this.answer = answer;
  }
}

/** Each call once, however often it was tried. */
function counted(metrics: Metrics | undefined): Transformer {
  return async (previous, method, payload, signal) => {
    try {
      const answer = await previous(method, payload, signal);
      const code = answer.ok ? 0 : answer.error_code;
      metrics?.noteCall(method, answer.ok ? 'ok' : code === 429 ? 'slowed' : code >= 500 ? 'away' : 'refused');
      return answer;
    } catch (error) {
      metrics?.noteCall(method, 'away');
      throw error;
    }
  };
}

function persistent(pauses: readonly number[], halfOpenAfter: number, metrics: Metrics | undefined): Transformer {
  const breaker = circuitBreaker(handleAll, { halfOpenAfter, breaker: new ConsecutiveBreaker(FAILURES) });
  metrics?.noteBreaker(false);
  breaker.onStateChange((state) => metrics?.noteBreaker(state === CircuitState.Open));
  return async (previous, method, payload, signal) => {
    // Polling has a pace of its own.
    if (method === 'getUpdates') return previous(method, payload, signal);
    for (let attempt = 0; ; attempt += 1) {
      const pause = pauses[attempt];
      try {
        const answer = await breaker.execute(async () => {
          const given = await previous(method, payload, signal);
          if (!given.ok && given.error_code >= 500) throw new Away(given);
          return given;
        });
        const retryAfter = answer.ok || answer.error_code !== 429 ? undefined : (answer.parameters?.retry_after ?? 1);
        if (retryAfter === undefined || pause === undefined || retryAfter > LONGEST_RETRY_AFTER) return answer;
        await wait(retryAfter * 1000, undefined, { ref: false });
      } catch (error) {
        if (pause === undefined || error instanceof BrokenCircuitError) {
          if (error instanceof Away) return error.answer;
          throw error;
        }
        await wait(pause, undefined, { ref: false });
      }
    }
  };
}
