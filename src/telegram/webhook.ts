// Where Telegram posts updates, and its Gateway reports. The secret that it sends with each is compared before a byte of the body is read; what is understood or not
// is answered with 200, and only what failed here is asked for again.
import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import { isEqual } from '../crypto/random.ts';
import { AppError, InvalidRequest, NotFound } from '../errors.ts';
import type { Gateway } from './gateway.ts';
import type { Update } from './updates.ts';

/** Bytes. */
const MOST = 1024 * 1024;
const UPDATE = z.looseObject({ update_id: z.number().int().nonnegative() });

interface WebhookParts {
  /** Undefined where updates do not come this way: then nothing is here. */
  readonly secret: string | undefined;
  handle(update: Update): Promise<void>;
  readonly gateway: Gateway | null;
}

export function webhookRoutes(parts: WebhookParts): Router {
  const router = new Router();
  router.post('/telegram/webhook', async (ctx) => {
    if (parts.secret === undefined) throw new NotFound();
    if (!isEqual(ctx.get('x-telegram-bot-api-secret-token'), parts.secret)) {
      throw new AppError('telegram-webhook-secret', 401, 'This is for Telegram only.');
    }
    const update = UPDATE.safeParse(parse(await read(ctx)));
    if (!update.success) throw new InvalidRequest('This is no update.', { code: 'telegram-update' });
    await parts.handle(update.data);
    ctx.status = 200;
    ctx.body = {};
  });
  router.post('/telegram/gateway', async (ctx) => {
    if (parts.gateway === null) throw new NotFound();
    const [signature, timestamp] = [ctx.get('x-request-signature'), ctx.get('x-request-timestamp')];
    if (!(await parts.gateway.report(await read(ctx), signature, timestamp))) {
      throw new AppError('telegram-gateway-signature', 401, 'This is for Telegram only.');
    }
    ctx.status = 200;
    ctx.body = {};
  });
  return router;
}

/** @throws AppError 413 */
async function read(ctx: Context): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST) throw new AppError('too-large', 413, 'This is more than an update can be.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
