// A small server on the loopback interface that shows every page in every state with sample data: `node test/views/preview.ts` and open the
// address that it prints; templates, styles and sentences are then read afresh on each request. The browser tests use it, too.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import ejs from 'ejs';
import Koa from 'koa';
import { createAssets } from '../../src/http/asset.ts';
import { securityHeaders } from '../../src/http/headers.ts';
import { createLocales } from '../../src/http/locale.ts';
import { createView } from '../../src/http/view.ts';
import { findSamplePlace } from './sample.ts';
import { ada, everyAdminPage, samples } from './samples.ts';

export interface Preview {
  readonly origin: string;
  close(): Promise<void>;
}

/** Everything that is read from views. */
function readViews() {
  ejs.clearCache();
  const locales = createLocales();
  const assets = createAssets();
  const view = createView({
    ...{ locales, assets, productName: 'Latchkey', issuer: 'https://id.example.com' },
    findPlace: findSamplePlace,
  });
  return { locales, assets, view };
}

/** `/<sample>?locale=ru` is a page, `/` the list of them. @param options.isLive reads changed files; port 0 takes a free one */
export async function startPreview(options: { readonly port: number; readonly isLive: boolean }): Promise<Preview> {
  const { port, isLive } = options;
  let views = readViews();
  const app = new Koa();
  app.use(securityHeaders());
  app.use((ctx, next) => views.assets.middleware(ctx, next));
  app.use((ctx, next) => {
    if (!ctx.path.startsWith('/assets/')) return next();
    // Colours and logos of a brand come from the database, which a sample does not have.
    ctx.type = 'css';
    ctx.body = '';
    return undefined;
  });
  app.use((ctx, next) => {
    if (!ctx.path.endsWith('/events')) return next();
    // Nothing happens in a sample, and nobody asks again.
    ctx.type = 'text/event-stream';
    ctx.body = 'retry: 3600000\n\n';
    return undefined;
  });
  app.use((ctx) => {
    const sample = samples.find(({ name }) => ctx.path === `/${name}`);
    ctx.type = 'html';
    if (!sample) {
      ctx.body = samples.map(({ name }) => `<p><a href="/${name}">${name}</a>`).join('\n');
      return;
    }
    if (isLive) views = readViews();
    ctx.body = views.view.render(sample.page, sample.model, {
      locale: views.locales.pick({ uiLocales: String(ctx.query['locale'] ?? '') }),
      csrf: 'form-token',
      requestId: 'Zk3vX0aWm2bT',
      path: ctx.path,
      account: sample.isSignedIn ? ada : null,
      navigation: sample.isAdmin ? everyAdminPage(`/${sample.name}`) : null,
    });
  });
  const server: Server = createServer(app.callback());
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (import.meta.main) {
  const { origin } = await startPreview({ port: 4400, isLive: true });
  console.log(origin);
}
