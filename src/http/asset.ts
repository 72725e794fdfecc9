// Style sheets, scripts and images of our pages. Each is served under a name that contains a hash of its content, so that browsers may keep
// it for ever and never hold an old one against a new page.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Middleware } from 'koa';

const ASSETS = join(import.meta.dirname, '..', '..', 'views', 'assets');
const PREFIX = '/assets/';
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};
/** Images are compressed already. */
const COMPRESSIBLE = new Set(['.css', '.js', '.svg']);

type Encoding = 'identity' | 'gzip' | 'br';

interface Asset {
  readonly type: string;
  readonly hash: string;
  readonly bodies: Readonly<Partial<Record<Encoding, Buffer>>>;
}

export interface Assets {
  /** The path of a file of the folder. @throws Error for a file that is not there: a misspelt name must not reach a page */
  url(name: string): string;
  /** Answers the paths that `url` gives and lets everything else pass, also a path with an old hash. */
  readonly middleware: Middleware;
}

/** Reads and compresses every file of the folder once. @param dir flat, only types that we serve */
export function createAssets(dir = ASSETS): Assets {
  const urls = new Map<string, string>();
  const byPath = new Map<string, Asset>();
  for (const name of readdirSync(dir)) {
    const extension = extname(name);
    const type = TYPES[extension];
    if (type === undefined) throw new Error(`${join(dir, name)}: not a type of file that is served`);
    const content = readFileSync(join(dir, name));
    const hash = createHash('sha256').update(content).digest('base64url').slice(0, 12);
    const path = `${PREFIX}${name.slice(0, -extension.length)}.${hash}${extension}`;
    const compressed = COMPRESSIBLE.has(extension)
      ? { gzip: gzipSync(content, { level: 9 }), br: brotliCompressSync(content) }
      : {};
    urls.set(name, path);
    byPath.set(path, { type, hash, bodies: { identity: content, ...compressed } });
  }

  return {
    url(name) {
      const url = urls.get(name);
      if (url === undefined) throw new Error(`no asset ${name}`);
      return url;
    },
    middleware: (ctx, next) => {
      const asset = ctx.method === 'GET' || ctx.method === 'HEAD' ? byPath.get(ctx.path) : undefined;
      if (!asset) return next();
      // Our order and not the browser's: all of them name the smaller one last.
      const encoding =
        (['br', 'gzip'] as const).find((one) => asset.bodies[one] && ctx.acceptsEncodings(one)) ?? 'identity';
      ctx.status = 200;
      ctx.set({
        'Cache-Control': 'public, max-age=31536000, immutable',
        'X-Content-Type-Options': 'nosniff',
        Vary: 'Accept-Encoding',
        ETag: `"${asset.hash}-${encoding}"`,
      });
      if (ctx.fresh) {
        ctx.status = 304;
        return undefined;
      }
      ctx.type = asset.type;
      if (encoding !== 'identity') ctx.set('Content-Encoding', encoding);
      ctx.body = asset.bodies[encoding];
      return undefined;
    },
  };
}
