import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import Koa from 'koa';
import inject from 'light-my-request';
import { type Assets, createAssets } from '../../src/http/asset.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'views', 'assets');

describe('assets', () => {
  const dir = mkdtempSync(join(tmpdir(), 'latchkey-assets-'));
  const css = `body { margin: 0; }\n${'.a { color: red; }\n'.repeat(50)}`;
  let assets: Assets;
  let handle: ReturnType<Koa['callback']>;

  const request = (method: 'GET' | 'HEAD' | 'POST', url: string, headers: Record<string, string> = {}) =>
    inject((req, res) => void handle(req, res), { method, url, headers });

  before(() => {
    writeFileSync(join(dir, 'page.css'), css);
    writeFileSync(join(dir, 'page.js'), 'export {};\n');
    writeFileSync(join(dir, 'dot.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47]));
    assets = createAssets(dir);
    const app = new Koa();
    app.use(assets.middleware);
    app.use((ctx) => {
      ctx.body = 'somebody else';
      ctx.status = 202;
    });
    handle = app.callback();
  });
  after(() => rmSync(dir, { recursive: true }));

  it('have a hash of their content in their name', () => {
    assert.match(assets.url('page.css'), /^\/assets\/page\.[\w-]{12}\.css$/);
    const before = assets.url('page.css');
    assert.equal(createAssets(dir).url('page.css'), before);
    writeFileSync(join(dir, 'page.css'), `${css}\n`);
    assert.notEqual(createAssets(dir).url('page.css'), before);
    writeFileSync(join(dir, 'page.css'), css);
  });

  it('may be kept for ever', async () => {
    const answer = await request('GET', assets.url('page.css'));
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.body, css);
    assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(answer.headers['content-type'], 'text/css; charset=utf-8');
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['vary'], 'Accept-Encoding');
    assert.equal(answer.headers['content-length'], String(Buffer.byteLength(css)));
  });

  it('come compressed where the browser reads that', async () => {
    const br = await request('GET', assets.url('page.css'), { 'accept-encoding': 'gzip, br' });
    assert.equal(br.headers['content-encoding'], 'br');
    assert.equal(brotliDecompressSync(br.rawPayload).toString(), css);
    const gzip = await request('GET', assets.url('page.css'), { 'accept-encoding': 'gzip' });
    assert.equal(gzip.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(gzip.rawPayload).toString(), css);
    assert.notEqual(br.headers['etag'], gzip.headers['etag']);
    const image = await request('GET', assets.url('dot.png'), { 'accept-encoding': 'br' });
    assert.equal(image.headers['content-encoding'], undefined);
    assert.equal(image.headers['content-type'], 'image/png');
    assert.equal(image.rawPayload.length, 4);
  });

  it('are not sent again to who has them', async () => {
    const first = await request('GET', assets.url('page.js'));
    const again = await request('GET', assets.url('page.js'), { 'if-none-match': String(first.headers['etag']) });
    assert.equal(again.statusCode, 304);
    assert.equal(again.body, '');
    const other = await request('GET', assets.url('page.js'), { 'if-none-match': '"another"' });
    assert.equal(other.statusCode, 200);
  });

  it('answer HEAD without a body', async () => {
    const answer = await request('HEAD', assets.url('page.css'));
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.body, '');
    assert.equal(answer.headers['content-length'], String(Buffer.byteLength(css)));
  });

  it('let everything else pass: old hashes, plain names, other paths, other methods', async () => {
    const url = assets.url('page.css');
    for (const path of [
      '/assets/page.css',
      '/assets/page.AAAAAAAAAAAA.css',
      '/assets/',
      '/assets/../page.css',
      `${url}/`,
    ]) {
      assert.equal((await request('GET', path)).statusCode, 202, path);
    }
    assert.equal((await request('POST', url)).statusCode, 202);
  });

  it('stop the start when a page would name one that is not there', () => {
    assert.throws(() => assets.url('misspelt.css'), /no asset misspelt\.css/);
  });

  it('are only of types that we serve', () => {
    writeFileSync(join(dir, 'notes.txt'), 'x');
    try {
      assert.throws(() => createAssets(dir), /notes\.txt: not a type/);
    } finally {
      rmSync(join(dir, 'notes.txt'));
    }
  });

  it('of the product are all served', async () => {
    const own = createAssets();
    const app = new Koa();
    app.use(own.middleware);
    const names = readdirSync(FOLDER);
    assert.ok(names.length > 3);
    for (const name of names) {
      const answer = await inject((req, res) => void app.callback()(req, res), { method: 'GET', url: own.url(name) });
      assert.equal(answer.statusCode, 200, name);
      assert.deepEqual(answer.rawPayload, readFileSync(join(FOLDER, name)), name);
    }
  });
});
