// Server-sent events for pages that wait for something elsewhere. A stream is short: the browser opens the next one by itself, so that none
// keeps a process from stopping. Where too many are open the page asks now and then instead.
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import { Unavailable } from '../errors.ts';

/** Milliseconds for which one stream lasts, between two looks, and before the browser comes again. */
const LASTS = 20_000;
const EVERY = 1000;
const AGAIN = 1000;
/** In one process. */
const MOST_STREAMS = 500;

let open = 0;

/**
 * Tells what `look` answers, whenever it changes.
 * @param look a short word for what is so now
 * @throws Unavailable when too many streams are open
 */
export function streamChanges(ctx: Context, look: () => Promise<string>): void {
  if (open >= MOST_STREAMS) throw new Unavailable('Too many pages wait at the moment.', { retryAfter: 5 });
  open += 1;
  const stream = Readable.from(changes(look));
  stream.once('close', () => {
    open -= 1;
  });
  ctx.status = 200;
  ctx.type = 'text/event-stream';
  ctx.set('Cache-Control', 'no-store');
  // Some proxies collect what is sent in small pieces.
  ctx.set('X-Accel-Buffering', 'no');
  ctx.body = stream;
}

async function* changes(look: () => Promise<string>): AsyncGenerator<string> {
  yield `retry: ${AGAIN}\n\n`;
  const end = Date.now() + LASTS;
  for (let told: string | undefined; Date.now() < end; ) {
    const now = await look();
    if (now !== told) yield `data: ${now}\n\n`;
    told = now;
    await wait(EVERY, undefined, { ref: false });
  }
}
