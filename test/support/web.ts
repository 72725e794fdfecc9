// A Koa application of a few middlewares on a real port, for the web tools that need no more than that; and requests whose every header is
// chosen by the test.
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import Koa, { type Middleware } from 'koa';

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Every `Set-Cookie` line. */
  readonly cookies: readonly string[];
  readonly text: string;
}

export interface PlainRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Listens until the test is over. @returns the address without a path */
export async function serve(context: TestContext, middlewares: readonly Middleware[], proxyHops = 0): Promise<string> {
  const app = new Koa({ proxy: proxyHops > 0, maxIpsCount: proxyHops });
  app.silent = true;
  for (const middleware of middlewares) app.use(middleware);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** One request, nothing added and no redirect followed. */
export function send(url: string, options: PlainRequest = {}): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const { 'set-cookie': cookies = [], ...headers } = answer.headers;
          resolve({
            status: answer.statusCode ?? 0,
            headers: headers as Record<string, string | undefined>,
            cookies,
            text: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}
