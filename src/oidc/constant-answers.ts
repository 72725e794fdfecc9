// What the engine answers to everybody alike: its metadata (OIDC Discovery 4, RFC 8414) and its public keys. Both stay the same for as long as one
// engine is in place, so each is made by the engine once and handed out from memory afterwards, with a tag for those who have it already.
import type { Context, Middleware } from 'koa';
import { hashToken } from '../crypto/random.ts';

/** By the names that the engine has for the routes. */
const ROUTES: ReadonlyMap<string, string> = new Map([
  ['/.well-known/openid-configuration', 'discovery'],
  ['/.well-known/oauth-authorization-server', 'discovery'],
  ['/jwks', 'jwks'],
]);

interface Answer {
  readonly body: Buffer;
  readonly type: string;
  readonly tag: string;
}

/** The engine's name for the route of such an answer. */
export function constantRoute(path: string): string | undefined {
  return ROUTES.get(path);
}

/** One for each engine. */
export function constantAnswers(): Middleware {
  const answers = new Map<string, Answer>();
  return (ctx, next) => {
    if ((ctx.method !== 'GET' && ctx.method !== 'HEAD') || !ROUTES.has(ctx.path)) return next();
    const known = answers.get(ctx.path);
    if (known) {
      repeat(ctx, known);
      return undefined;
    }
    return next().then(() => {
      const { body } = ctx as { body: unknown };
      if (ctx.status !== 200 || typeof body !== 'object' || body === null) return;
      const text = JSON.stringify(body);
      const tag = `"${hashToken('answer', text).slice(0, 16)}"`;
      const answer = { body: Buffer.from(text), type: String(ctx.res.getHeader('content-type')), tag };
      answers.set(ctx.path, answer);
      repeat(ctx, answer);
    });
  };
}

/** As the engine does: any script may read it, from anywhere. */
function repeat(ctx: Context, { body, type, tag }: Answer): void {
  const { res } = ctx;
  res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Allow-Origin', ctx.get('Origin') || '*');
  // To be asked again each time: a key that was published must be found by whoever needs it.
  res.setHeader('Cache-Control', 'no-cache');
  res.setHeader('ETag', tag);
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  res.setHeader('Content-Type', type);
  ctx.body = body;
}
