// One line for each request, with chosen fields: no query, no cookies, and of the path only what is not a secret.
import type { Middleware } from 'koa';
import type { Log } from '../log.ts';
import { clientNetwork } from './client-address.ts';
import { requestId } from './request-id.ts';

/** Segments that look like identifiers (links, interactions, tickets) are secrets or names of people's things: they stay out. */
function loggablePath(path: string): string {
  return path
    .slice(0, 500)
    .split('/')
    .map((segment) => (/^[\w.-]*$/.test(segment) && segment.length < 20 ? segment : '…'))
    .join('/');
}

export function requestLog(log: Log): Middleware {
  return (ctx, next) => {
    const startedAt = performance.now();
    ctx.res.setHeader('X-Request-Id', requestId(ctx));
    ctx.res.once('close', () => {
      // At three in the morning failures must stand out; what went well is there when it is asked for.
      const isFailure = ctx.res.statusCode >= 500;
      if (!isFailure && !log.isLevelEnabled('debug')) return;
      const fields = {
        requestId: requestId(ctx),
        method: ctx.method,
        path: loggablePath(ctx.path),
        status: ctx.res.statusCode,
        ms: Math.round(performance.now() - startedAt),
        network: clientNetwork(ctx),
        ...(ctx.res.writableFinished ? {} : { aborted: true }),
      };
      if (isFailure) log.warn(fields, 'request');
      else log.debug(fields, 'request');
    });
    return next();
  };
}
