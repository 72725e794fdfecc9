// Serves the files of the app, as any web server could, with the content policy that it needs. The app itself is app.js, in the browser.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', PORT = '3003' } = process.env;
const own = (name: string): string => join(import.meta.dirname, name);
const library = new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts'));

const files: Readonly<Record<string, readonly [type: string, read: () => Promise<string>]>> = {
  '/': ['text/html', () => readFile(own('index.html'), 'utf8')],
  '/silent.html': ['text/html', () => readFile(own('silent.html'), 'utf8')],
  '/app.js': ['text/javascript', () => readFile(own('app.js'), 'utf8')],
  '/silent.js': ['text/javascript', () => readFile(own('silent.js'), 'utf8')],
  '/session.js': ['text/javascript', () => readFile(own('session.js'), 'utf8')],
  '/oidc-client-ts.js': ['text/javascript', () => readFile(library, 'utf8')],
  '/settings.json': ['application/json', async () => JSON.stringify({ issuer: ISSUER, clientId: CLIENT_ID })],
};

// Whatever gets into the page by mistake runs nothing, and sends tokens nowhere but to the issuer.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  `connect-src 'self' ${ISSUER}`,
  `frame-src 'self' ${ISSUER}`,
  "frame-ancestors 'self'",
  'img-src data:',
  "base-uri 'none'",
].join('; ');

const server = createServer((req, res) => {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost');
  const file = files[pathname];
  if (!file) {
    res.writeHead(404).end();
    return;
  }
  const [type, read] = file;
  read().then(
    (text) => {
      const headers = {
        'Content-Security-Policy': policy,
        'Cache-Control': 'no-store',
        'Referrer-Policy': 'no-referrer',
      };
      res.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, ...headers }).end(text);
    },
    () => res.writeHead(500).end(),
  );
});
server.listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`The app is ready: http://localhost:${PORT}/\n`));
