// All page routers as one middleware. Each router tries its patterns one after another; what goes to the engine, which is nearly everything, is
// recognised by its path and passes them by.
import type Router from '@koa/router';
import type { Middleware } from 'koa';

/** A pattern without parameters, or the plain segment that one with parameters begins with. */
const PLAIN = /^(?:\/[\w.-]*)+$/;
const BEGINNING = /^\/([\w.-]+)\//;

/** In this order. */
export function pageRoutes(routers: readonly Router[]): Middleware {
  const layers = routers.flatMap((router) => [router.routes() as Middleware, router.allowedMethods() as Middleware]);
  const all = compose(layers);
  const isOurs = recognise(routers.flatMap((router) => router.stack.map((layer) => layer.path)));
  return (ctx, next): unknown => (isOurs(ctx.path) ? all(ctx, next) : next());
}

/** Whether one of the patterns can match a path; rather yes than no. */
function recognise(patterns: readonly (string | RegExp)[]): (path: string) => boolean {
  const paths = new Set<string>();
  const beginnings = new Set<string>();
  for (const pattern of patterns) {
    const text = String(pattern);
    const beginning = BEGINNING.exec(text)?.[1];
    if (PLAIN.test(text)) paths.add(normal(text));
    else if (beginning === undefined) return () => true;
    else beginnings.add(beginning.toLowerCase());
  }
  return (path) => {
    const found = normal(path);
    return paths.has(found) || beginnings.has(found.slice(1, endOfSegment(found)));
  };
}

/** Routers care neither for case nor for a slash at the end. */
function normal(path: string): string {
  const lower = path.toLowerCase();
  return lower.length > 1 && lower.endsWith('/') ? lower.slice(0, -1) : lower;
}

function endOfSegment(path: string): number {
  const at = path.indexOf('/', 1);
  return at < 0 ? path.length : at;
}

function compose(layers: readonly Middleware[]): Middleware {
  return (ctx, next) => {
    const run = (index: number): Promise<unknown> => {
      const layer = layers[index];
      return layer === undefined ? next() : (layer(ctx, () => run(index + 1)) as Promise<unknown>);
    };
    return run(0);
  };
}
