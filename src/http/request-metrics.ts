// How long requests take, by the route that answered them. A route is its pattern, or the name that the engine has for it.
import type { Context, Middleware } from 'koa';
import type { Metrics } from '../metrics.ts';

interface Routed {
  /** Of @koa/router. */
  readonly _matchedRoute?: string | RegExp;
  /** Of the engine. */
  readonly oidc?: { readonly route?: string };
}

export function requestMetrics(metrics: Metrics): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    ctx.res.once('close', () => {
      // Streams stay open on purpose.
      if (ctx.res.getHeader('content-type')?.toString().startsWith('text/event-stream') === true) return;
      metrics.noteRequest(routeOf(ctx), ctx.method, ctx.res.statusCode, (performance.now() - startedAt) / 1000);
    });
    await next();
  };
}

function routeOf(ctx: Context): string {
  const { _matchedRoute: pattern, oidc } = ctx as unknown as Routed;
  if (typeof oidc?.route === 'string') return `engine:${oidc.route}`;
  if (typeof pattern === 'string') return pattern;
  if (ctx.path === '/livez' || ctx.path === '/readyz') return ctx.path;
  return ctx.path.startsWith('/assets/') ? '/assets' : 'other';
}
