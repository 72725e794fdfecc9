// How long requests take, by the route that answered them. A route is its pattern, or the name that the engine has for it.
import type { Context, Middleware } from 'koa';
import type { Metrics } from '../metrics.ts';

interface Routed {
  /** Of @koa/router. */
  readonly _matchedRoute?: string | RegExp;
  /** Of the engine, whose routes have names. */
  readonly routerName?: string;
}

/** @param nameOf the engine's name for a path that is answered in its place */
export function requestMetrics(metrics: Metrics, nameOf: (path: string) => string | undefined): Middleware {
  return (ctx, next) => {
    const startedAt = performance.now();
    ctx.res.once('close', () => {
      // Streams stay open on purpose.
      if (String(ctx.res.getHeader('content-type')).startsWith('text/event-stream')) return;
      metrics.noteRequest(routeOf(ctx, nameOf), ctx.method, ctx.res.statusCode, (performance.now() - startedAt) / 1000);
    });
    return next();
  };
}

function routeOf(ctx: Context, nameOf: (path: string) => string | undefined): string {
  const { _matchedRoute: pattern, routerName: name = nameOf(ctx.path) } = ctx as unknown as Routed;
  if (typeof name === 'string') return `engine:${name}`;
  if (typeof pattern === 'string') return pattern;
  if (ctx.path === '/livez' || ctx.path === '/readyz') return ctx.path;
  return ctx.path.startsWith('/assets/') ? '/assets' : 'other';
}
