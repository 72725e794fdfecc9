// Reads the whole project and holds it to the rules of the house; then shows that each rule can fail, because a rule that cannot is none.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  drawsFromCrypto,
  exportsByName,
  findCycles,
  findUnmirrored,
  finishesInOnePlace,
  goesDown,
  isNamedWell,
  isNoBarrel,
  knowsItsTypes,
  LADDER,
  leavesAccountsToTheirRoom,
  leavesContextAlone,
  leavesEnvironment,
  namesFilesInFull,
  opensWithComment,
  REGISTRY,
  type Rule,
  readSource,
} from './support/house-rules.ts';

const ROOT = join(import.meta.dirname, '..');
const PRODUCT = ['config/**/*.ts', 'src/**/*.ts', 'migrations/**/*.ts', 'views/**/*.js'];
const AROUND = ['test/**/*.ts', 'examples/**/*.ts'];
const read = (patterns: readonly string[]) =>
  globSync(patterns, { cwd: ROOT, exclude: ['**/node_modules/**'] })
    .map((path) => path.replaceAll('\\', '/'))
    .toSorted()
    .map((path) => readSource(path, readFileSync(join(ROOT, path), 'utf8')));

const product = read(PRODUCT);
const around = read(AROUND);
const everything = [...product, ...around];
/** A test of one file says by its path what lives there. */
const opening = everything.filter(({ path }) => !path.endsWith('.test.ts'));

const rules = {
  'imports only go down the ladder': { rule: goesDown, files: product },
  'relative imports name files in full': { rule: namesFilesInFull, files: everything },
  'the environment is read in config alone': { rule: leavesEnvironment, files: product },
  'files and exports have names that say something': { rule: isNamedWell, files: everything },
  'nothing is a default export': { rule: exportsByName, files: everything },
  'there are no barrels': { rule: isNoBarrel, files: everything },
  'nothing says any': { rule: knowsItsTypes, files: everything },
  'files open with a comment': { rule: opensWithComment, files: opening },
  'interactions finish in one place': { rule: finishesInOnePlace, files: product },
  'nothing draws from Math.random': { rule: drawsFromCrypto, files: product },
  'nothing is added to the context of Koa': { rule: leavesContextAlone, files: product },
  'the account entity stays in its room': { rule: leavesAccountsToTheirRoom, files: product },
};

describe('the project', () => {
  for (const [name, { rule, files }] of Object.entries(rules)) {
    it(`keeps the rule: ${name}`, () => {
      assert.ok(files.length > 50, `only ${files.length} files were read`);
      assert.deepEqual(
        files.flatMap((file) => rule(file).map((problem) => `${file.path} ${problem}`)),
        [],
      );
    });
  }

  it('has no import cycle', () => {
    assert.deepEqual(findCycles(everything), []);
  });

  it('has every test of one file where that file lies', () => {
    assert.deepEqual(findUnmirrored(everything.map((file) => file.path)), []);
  });

  it('shows the ladder of the rules in src/README.md', () => {
    const map = readFileSync(join(ROOT, 'src/README.md'), 'utf8');
    const [, shown = ''] = /```ladder\n([\s\S]*?)```/.exec(map) ?? [];
    const rows = shown
      .trim()
      .split('\n')
      .map((line) =>
        line
          .replace(/^\s*\d+/, '')
          .trim()
          .split(/\s+/),
      );
    assert.deepEqual(rows, LADDER);
  });

  it('has one line for every room in src/README.md', () => {
    const map = readFileSync(join(ROOT, 'src/README.md'), 'utf8');
    const rooms = new Set(product.flatMap(({ path }) => /^src\/([^/]+)\//.exec(path)?.[1] ?? []));
    assert.deepEqual(
      [...rooms].filter((room) => !map.includes(`\`${room}/\``)),
      [],
    );
  });
});

describe('each rule of the house can fail', () => {
  const broken: readonly {
    readonly rule: Rule;
    readonly cases: readonly [why: string, path: string, text: string, said: RegExp][];
  }[] = [
    {
      rule: goesDown,
      cases: [
        ['an upward import', 'src/http/x.ts', `import { a } from '../oidc/keys.ts';`, /upward from http to oidc/],
        [
          'a sideways import',
          'src/account/x.ts',
          `import { a } from '../client/clients.ts';`,
          /sideways from account to client/,
        ],
        ['a type from above', 'src/http/x.ts', `import type { A } from '../oidc/keys.ts';`, /upward/],
        ['a type written in place', 'src/http/x.ts', `let a: import('../oidc/keys.ts').A;`, /upward/],
        ['an import made while running', 'src/http/x.ts', `await import('../oidc/keys.ts');`, /upward/],
        ['an export handed on from above', 'src/http/x.ts', `export { a } from '../oidc/keys.ts';`, /upward/],
        [
          'an import of the composition root',
          'src/portal/x.ts',
          `import { a } from '../app.ts';`,
          /upward from portal to app/,
        ],
        ['config that knows src', 'config/x.ts', `import { a } from '../src/log.ts';`, /sideways from config to log/],
        ['a migration that knows src', 'migrations/x.ts', `import { a } from '../src/crypto/random.ts';`, /upward/],
        [
          'src that knows a test',
          'src/http/x.ts',
          `import { a } from '../../test/support/x.ts';`,
          /no room of the ladder/,
        ],
        [
          'a room that nobody has placed',
          'src/billing/x.ts',
          `import { a } from '../log.ts';`,
          /billing, which has no row/,
        ],
        ['an import of such a room', 'src/main.ts', `import { a } from './billing/x.ts';`, /billing has no row/],
        [
          'a page script that knows src',
          'views/assets/x.js',
          `import { a } from '../../src/log.ts';`,
          /served from views alone/,
        ],
      ],
    },
    {
      rule: namesFilesInFull,
      cases: [
        ['a built ending', 'src/http/x.ts', `import { a } from './y.js';`, /does not end in .ts/],
        ['no ending', 'src/http/x.ts', `import { a } from './y';`, /does not end in .ts/],
      ],
    },
    {
      rule: leavesEnvironment,
      cases: [
        ['a plain read', 'src/http/x.ts', `const a = process.env['A'];`, /reads process.env/],
        ['a computed read', 'src/http/x.ts', `const a = process['env'].A;`, /reads process.env/],
        ['a read through the global object', 'src/http/x.ts', 'const a = globalThis.process.env;', /reads process.env/],
        ['a read by pattern', 'src/http/x.ts', 'const { env } = process;', /reads process.env/],
        ['a read by import', 'migrations/x.ts', `import { env } from 'node:process';`, /reads process.env/],
      ],
    },
    {
      rule: isNamedWell,
      cases: [
        ['a vague file', 'src/http/helpers.ts', '', /"helpers" says nothing/],
        ['a vague part of a file', 'src/http/cookie-utils.ts', '', /"utils" says nothing/],
        ['a vague folder', 'src/shared/cookie.ts', '', /"shared" says nothing/],
        ['a file in camel case', 'src/http/clientAddress.ts', '', /not kebab-case/],
        ['a folder in camel case', 'src/oneTime/x.ts', '', /folder oneTime/],
        ['a vague export', 'src/http/x.ts', 'export class CookieManager {}', /"manager" says nothing/],
        [
          'a vague export of a value',
          'src/http/x.ts',
          'const cookieHelper = 1; export { cookieHelper };',
          /"helper" says nothing/,
        ],
        ['a word of others', 'src/account/x.ts', 'export function findUser() {}', /"user" is not our word/],
      ],
    },
    {
      rule: exportsByName,
      cases: [
        ['a default export', 'src/http/x.ts', 'export default 1;', /default export/],
        ['a default class', 'src/http/x.ts', 'export default class A {}', /default export/],
        ['a renamed one', 'src/http/x.ts', 'const a = 1; export { a as default };', /default export/],
      ],
    },
    {
      rule: isNoBarrel,
      cases: [
        ['an index', 'src/http/index.ts', '', /may be an index/],
        ['a list of exports', 'src/http/x.ts', `export * from './y.ts';`, /hands on/],
        ['one export handed on', 'src/http/x.ts', `export { a } from './y.ts';`, /hands on/],
      ],
    },
    {
      rule: knowsItsTypes,
      cases: [
        ['an annotation', 'src/http/x.ts', 'let a: any;', /says any/],
        ['a cast deep inside', 'src/http/x.ts', 'const a = b as Record<string, any>;', /says any/],
      ],
    },
    {
      rule: opensWithComment,
      cases: [
        ['an import first', 'src/http/x.ts', `import 'node:fs';\n// What lives in this file and why.`, /does not open/],
        ['a comment that says nothing', 'src/http/x.ts', '// Cookies.\nconst a = 1;', /does not open/],
        [
          'a comment of something else',
          'src/http/x.ts',
          '\n\n\n/** Reads a cookie of this name. */\nconst a = 1;',
          /does not open/,
        ],
      ],
    },
    {
      rule: finishesInOnePlace,
      cases: [
        [
          'a call',
          'src/portal/x.ts',
          'await provider.interactionFinished(req, res, {});',
          /only src\/interaction\/result.ts/,
        ],
        ['a call by name', 'src/portal/x.ts', `await provider['interactionFinished'](req, res, {});`, /by its name/],
        [
          'a call by pattern',
          'src/portal/x.ts',
          'const { interactionFinished } = provider;',
          /only src\/interaction\/result.ts/,
        ],
      ],
    },
    {
      rule: drawsFromCrypto,
      cases: [
        ['a call', 'src/http/x.ts', 'const a = Math.random();', /Math.random/],
        ['a call by name', 'src/http/x.ts', `const a = Math['random']();`, /Math.random/],
        ['the function handed on', 'src/http/x.ts', 'const draw = Math.random;', /Math.random/],
      ],
    },
    {
      rule: leavesContextAlone,
      cases: [
        [
          'a wider type',
          'src/http/x.ts',
          `declare module 'koa' { interface DefaultState { account: string } }`,
          /adds to the types of koa/,
        ],
        ['an interface of Koa', 'src/http/x.ts', 'interface ExtendableContext { account: string }', /declares Koa's/],
        ['a field', 'src/http/x.ts', 'ctx.account = 1;', /sets ctx.account/],
        ['a value in the state', 'src/http/x.ts', 'ctx.state.account = 1;', /keeps account in ctx.state/],
      ],
    },
    {
      rule: leavesAccountsToTheirRoom,
      cases: [
        [
          'a query elsewhere',
          'src/portal/x.ts',
          `import { Account } from '../account/account.entity.ts';`,
          /only file that queries/,
        ],
      ],
    },
  ];

  for (const { rule, cases } of broken) {
    for (const [why, path, text, said] of cases) {
      it(`${rule.name} refuses ${why}`, () => {
        assert.match(rule(readSource(path, text)).join('\n'), said);
      });
    }
  }

  it('is shown for every rule', () => {
    assert.deepEqual(new Set(broken.map(({ rule }) => rule)), new Set(Object.values(rules).map(({ rule }) => rule)));
  });

  it('findCycles finds a ring of two, of three and of one, and of types alone', () => {
    const ring = (...paths: string[]) =>
      paths.map((path, index) => readSource(path, `import type { A } from './${paths[(index + 1) % paths.length]}';`));
    assert.deepEqual(findCycles(ring('a.ts', 'b.ts')), ['a.ts → b.ts → a.ts']);
    assert.deepEqual(findCycles(ring('a.ts', 'b.ts', 'c.ts')), ['a.ts → b.ts → c.ts → a.ts']);
    assert.deepEqual(findCycles(ring('a.ts')), ['a.ts → a.ts']);
  });

  it('findUnmirrored finds a test whose source is gone', () => {
    assert.deepEqual(findUnmirrored(['test/http/gone.test.ts']), [
      'test/http/gone.test.ts: there is no src/http/gone.ts',
    ]);
    assert.deepEqual(findUnmirrored(['test/config/gone.test.ts']), [
      'test/config/gone.test.ts: there is no config/gone.ts',
    ]);
  });

  it('a file that does not parse is an error, not a file without faults', () => {
    assert.throws(() => readSource('src/http/x.ts', 'const = ;'), /does not parse/);
  });
});

describe('the rules of the house allow', () => {
  const allowed: readonly [rule: Rule, why: string, path: string, text: string][] = [
    [goesDown, 'an import from below', 'src/oidc/x.ts', `import { a } from '../crypto/random.ts';`],
    [goesDown, 'an import inside the room', 'src/oidc/x.ts', `import { a } from './keys.ts';`],
    [goesDown, 'the version of the product', 'config/x.ts', `import a from '../package.json' with { type: 'json' };`],
    [goesDown, 'page scripts that share a module', 'views/assets/x.js', `import { a } from './y.js';`],
    [leavesEnvironment, 'its read in config', 'config/x.ts', 'const a = process.env;'],
    [
      leavesEnvironment,
      'a comment about it',
      'src/http/x.ts',
      '// process.env is read in config\nconst a = "process.env";',
    ],
    [
      isNamedWell,
      'terms of the standards',
      'src/http/user-agent.ts',
      'export const userAgent = 1; export const USER_CODE = 2;',
    ],
    [isNoBarrel, 'a type of a library', 'src/storage/x.ts', `export type { EntityManager } from '@mikro-orm/core';`],
    [
      isNamedWell,
      'what a library is called',
      'src/storage/x.ts',
      `export type { EntityManager } from '@mikro-orm/core';`,
    ],
    [isNoBarrel, 'the list of adapters', REGISTRY, `export * from './google.ts';`],
    [knowsItsTypes, 'the word in a text', 'src/http/x.ts', 'const a = "any";'],
    [
      opensWithComment,
      'a first line for the shell',
      'src/main.ts',
      '#!/usr/bin/env node\n// The process entry of the product.\n',
    ],
    [
      opensWithComment,
      'an opening over several lines',
      'src/x.ts',
      '// What lives in here,\n// and why.\nconst a = 1;',
    ],
    [finishesInOnePlace, 'the one place', 'src/interaction/result.ts', 'provider.interactionFinished();'],
    [
      leavesContextAlone,
      'what Koa lets a handler set',
      'src/http/x.ts',
      'ctx.status = 404; ctx.body = {}; ctx.respond = false;',
    ],
    [leavesAccountsToTheirRoom, 'a type', 'src/oidc/x.ts', `import type { A } from '../account/account.entity.ts';`],
    [
      leavesAccountsToTheirRoom,
      'the list of entities',
      'src/entities.ts',
      `import { A } from './account/account.entity.ts';`,
    ],
  ];

  for (const [rule, why, path, text] of allowed) {
    it(`${rule.name}: ${why}`, () => {
      assert.deepEqual(rule(readSource(path, text)), []);
    });
  }
});
