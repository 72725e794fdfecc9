// The documentation against the product: links lead somewhere, settings and commands exist, samples agree with one another.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { settingNames, variableName } from '../../config/definitions.ts';
import { parseCommandLine } from '../../src/command/parse.ts';
import { anchors, codeBlocks, inlineCode, links } from './markdown.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const pages = globSync(['*.md', 'docs/**/*.md', 'src/README.md'], { cwd: ROOT });
/** Names of the image, the tests and the samples that begin like settings. */
const known = new Set(settingNames.flatMap((name) => [variableName(name), `${variableName(name)}_FILE`]));
const mentioned = (text: string) => new Set(text.match(/\bLATCHKEY_[A-Z][A-Z_]*[A-Z]\b/g));

describe('the documentation', () => {
  it('is read', () => {
    for (const page of ['README.md', 'docs/deployment.md', 'CONTRIBUTING.md']) assert.ok(pages.includes(page), page);
  });

  for (const page of pages) {
    it(`leads somewhere with every link of ${page}`, () => {
      for (const link of links(read(page)).filter((one) => !/^[a-z]+:/.test(one))) {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
        assert.ok(existsSync(join(ROOT, target)), `${page} leads to ${target}, which does not exist`);
        if (anchor !== undefined)
          assert.ok(anchors(read(target)).includes(anchor), `${target} has no heading #${anchor}`);
      }
    });

    it(`names only settings that exist in ${page}`, () => {
      for (const name of mentioned(read(page))) assert.ok(known.has(name), `${page} names ${name}`);
    });

    it(`shows only commands that exist in ${page}`, () => {
      const shown = [...inlineCode(read(page)), ...codeBlocks(read(page)).flatMap(({ text }) => text.split('\n'))];
      for (const line of shown) {
        const [, npmArgs, nodeArgs] = /(?:npm run latchkey -- (.+)|node src\/main\.ts (.+))$/.exec(line) ?? [];
        const args = (npmArgs ?? nodeArgs)?.replace(/ <<.*$/, '').split(' ');
        if (args === undefined || args.includes('COMMAND')) continue;
        const parsed = parseCommandLine(args);
        assert.ok(!('exitCode' in parsed), `${page} shows "${line}": ${'exitCode' in parsed ? parsed.stderr : ''}`);
      }
    });
  }

  it('names only scripts of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
    for (const page of pages) {
      for (const [, script = ''] of read(page).matchAll(/\bnpm run ([\w:]+)/g))
        assert.ok(script in scripts, `${page}: ${script}`);
    }
  });

  it('lists every page of docs in its index', () => {
    const index = links(read('docs/README.md'));
    const listed = globSync('*.md', { cwd: join(ROOT, 'docs') }).filter((page) => page !== 'README.md');
    assert.deepEqual(
      listed.filter((page) => !index.includes(page)),
      [],
    );
  });
});

describe('the samples of deploy', () => {
  const samples = ['deploy/Caddyfile', 'deploy/nginx.conf', 'deploy/traefik.yml'];

  for (const sample of samples) {
    it(`${sample} leads to the port of Latchkey and says how many proxies to trust`, () => {
      assert.match(read(sample), /(?:127\.0\.0\.1|latchkey):3000\b/);
      assert.match(read(sample), /LATCHKEY_TRUSTED_PROXIES=1\b/);
    });
  }

  it('name only settings that exist', () => {
    for (const file of [...samples, 'deploy/compose.env', 'docker-compose.yml', 'Dockerfile']) {
      for (const name of mentioned(read(file))) assert.ok(known.has(name), `${file} names ${name}`);
    }
  });

  it('ask for readiness where the proxy can', () => {
    assert.match(read('deploy/Caddyfile'), /health_uri \/readyz/);
    const traefik = parse(read('deploy/traefik.yml')) as {
      readonly http: {
        readonly services: { readonly latchkey: { readonly loadBalancer: { readonly healthCheck: object } } };
      };
    };
    assert.deepEqual(traefik.http.services.latchkey.loadBalancer.healthCheck, {
      path: '/readyz',
      interval: '2s',
      timeout: '2s',
    });
  });

  it('write the caller into nginx headers instead of passing on what the caller claims', () => {
    const nginx = read('deploy/nginx.conf');
    assert.match(nginx, /proxy_set_header X-Forwarded-For \$remote_addr;/);
    assert.match(nginx, /proxy_set_header X-Forwarded-Proto \$scheme;/);
    assert.doesNotMatch(nginx, /\$proxy_add_x_forwarded_for|\$http_x_forwarded/);
  });
});

describe('reading Markdown', () => {
  const page =
    '# A title, here\n[a](b.md#c) ![d](e.png) `npm x` <img src="f.png">\n\n```sh\nnpm [y](z)\n```\n\n## `g` and h\n';

  it('finds blocks, inline code, links and headings, each where it stands', () => {
    assert.deepEqual(codeBlocks(page), [{ language: 'sh', text: 'npm [y](z)' }]);
    assert.deepEqual(inlineCode(page), ['npm x', 'g']);
    assert.deepEqual(links(page), ['b.md#c', 'e.png', 'f.png']);
    assert.deepEqual(anchors(page), ['a-title-here', 'g-and-h']);
  });
});
