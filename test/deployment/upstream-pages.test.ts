// The pages on upstreams against the product: every kind has one, what it shows can be pasted and makes an adapter, and the callback URL, the
// codes and the refusals that it names are those of the product.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { declarations, readDeclarations } from '../../config/declarations.ts';
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts';
import { createAdapter } from '../../src/upstream/adapters/index.ts';
import { folder } from '../config/loading.ts';
import { codeBlocks, inlineCode } from './markdown.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const kinds = declarations.upstreams.items.map(({ shape }) => shape.kind.value);
/** Telegram's page tells of the bot as well. */
const pageOf = (kind: string) => (kind === 'telegram' ? 'docs/telegram.md' : `docs/upstreams/${kind}.md`);
const fetch = createGuardedFetch({ privateNetworkHosts: [] });
const PEM = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });

/** The example of a page: the first block that declares upstreams, wherever it is indented to. */
function exampleOf(page: string): string {
  const [, indent = '', block = ''] = /^( *)```yaml\n((?: *)upstreams:\n[\s\S]*?)^ *```$/m.exec(read(page)) ?? [];
  return block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
}

describe('the pages on upstreams', () => {
  it('are one for every kind, and none for anything else', () => {
    const pages = globSync('docs/upstreams/*.md', { cwd: ROOT }).map((path) => basename(path, '.md'));
    assert.deepEqual(pages.toSorted(), kinds.filter((kind) => kind !== 'telegram').toSorted());
  });

  for (const kind of kinds) {
    const page = pageOf(kind);

    it(`show in ${page} what can be pasted, and the callback URL that belongs to it`, (context) => {
      const secrets = [...exampleOf(page).matchAll(/\/run\/secrets\/(\S+)/g)].map(([, name = '']) => name);
      assert.ok(secrets.length > 0);
      const files = secrets.map((name) => [name, name.endsWith('.p8') ? PEM.toString() : 'secret']);
      const given = parse(exampleOf(page).replaceAll('/run/secrets/', '')) as { readonly upstreams: unknown };
      const cwd = folder(context, Object.fromEntries(files) as Record<string, string>);
      const { declared, secrets: taken, problems } = readDeclarations(new Map([['upstreams', given.upstreams]]), cwd);
      assert.deepEqual(problems, []);
      const [upstream, ...others] = declared.upstreams;
      assert.ok(upstream !== undefined && others.length === 0);
      assert.equal(upstream.kind, kind);
      const adapter = createAdapter(upstream, { fetch, secret: taken.upstreamSecrets[upstream.id] });
      assert.equal(adapter?.id, upstream.id);
      const lines = read(page)
        .split('\n')
        .map((line) => line.trim());
      assert.ok(lines.includes(`https://id.example.com/upstream/${upstream.id}/callback`));
    });

    it(`name in ${page} only codes that people can meet`, () => {
      const codes = inlineCode(read('docs/upstreams.md')).filter((text) => /^upstream-[a-z-]+$/.test(text));
      assert.ok(codes.length > 5);
      const named = read(page).match(/`upstream-[a-z-]+`/g) ?? [];
      for (const code of named) assert.ok(codes.includes(code.slice(1, -1)), `${page} names ${code}`);
    });
  }

  it('quote refusals as they are said', () => {
    const said = readDeclarations(
      new Map([
        [
          'upstreams',
          [
            { id: 'a', kind: 'apple', clientId: 'c', teamId: 'x', keyId: 'x', privateKey: 'x' },
            { id: 'm', kind: 'microsoft', clientId: 'c', clientSecret: 's' },
            { id: 'g', kind: 'github', clientId: 'c', clientSecret: 's', endpoints: { api: 'https://a.example' } },
          ],
        ],
      ]),
      '/nonexistent',
    ).problems.map(({ name, wrong }) => `${name.replace(/^\w+\[\d\]/, 'upstreams[0]')}: ${wrong}`);
    const key = readDeclarations(
      new Map([
        [
          'upstreams',
          [{ id: 'a', kind: 'apple', clientId: 'c', teamId: 'ABCDE12345', keyId: 'FGHIJ67890', privateKey: 'x' }],
        ],
      ]),
      '/nonexistent',
    ).problems.map(({ name, wrong }) => `${name}File: ${wrong}`);
    const quoted = kinds
      .flatMap((kind) => inlineCode(read(pageOf(kind))))
      .filter((text) => /^upstreams\[0\].*: /.test(text));
    assert.ok(quoted.length > 3);
    for (const text of quoted)
      assert.ok(
        [...said, ...key].some((one) => one.startsWith(text)),
        `nobody says ${text}`,
      );
  });

  it('show no block that is not read', () => {
    for (const kind of kinds.filter((one) => one !== 'telegram'))
      assert.equal(codeBlocks(read(pageOf(kind))).filter(({ language }) => language === 'yaml').length, 1);
  });
});
