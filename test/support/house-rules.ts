// The rules of the house as functions over a path and its text, so that each can be shown to fail. They read syntax, not lines: a comment or
// a text that names what is forbidden breaks nothing.
import { posix } from 'node:path';
import { type ParseResult, parseSync, Visitor, type VisitorObject } from 'oxc-parser';

/** One file of the project, parsed once for all rules. */
export interface SourceFile {
  /** From the root of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly parsed: ParseResult;
}

/** Takes a file, answers what is wrong with it in words. */
export type Rule = (file: SourceFile) => readonly string[];

/**
 * What may import what, highest row first: a room imports only from rows below its own. `src/README.md` shows the same list and says why
 * it is finer than a sketch would be.
 */
export const LADDER: readonly (readonly string[])[] = [
  ['main'],
  ['command'],
  ['server'],
  ['app'],
  ['entities'],
  ['interaction', 'portal', 'api'],
  ['oidc', 'upstream', 'telegram'],
  ['account', 'credential', 'access', 'client', 'brand'],
  ['audit', 'notification'],
  ['http', 'storage'],
  ['crypto'],
  ['errors', 'log', 'metrics', 'config', 'migrations'],
];

/** @throws when it does not parse: rules that saw nothing must not pass */
export function readSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text);
  if (parsed.errors.length > 0) throw new Error(`${path} does not parse: ${parsed.errors[0]?.message}`);
  return { path, text, parsed };
}

/** Every relative import, re-export and dynamic import, types included, as a path from the root of the project. */
export function relativeImports({ path, text, parsed }: SourceFile): readonly string[] {
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const types = collect(parsed, (found) => ({
    TSImportType(node) {
      found(node.source.value);
    },
  }));
  const written = [
    ...types,
    ...staticImports.map((one) => one.moduleRequest.value),
    ...staticExports.flatMap((one) => one.entries.map((entry) => entry.moduleRequest?.value ?? '')),
    ...dynamicImports.map(
      (one) => /^(['"`])(.*)\1$/s.exec(text.slice(one.moduleRequest.start, one.moduleRequest.end))?.[2] ?? '',
    ),
  ];
  const relative = written.filter((one) => one.startsWith('.'));
  return [...new Set(relative)].map((one) => posix.join(posix.dirname(path), one));
}

/** Imports go down the ladder only; `config` and `migrations` know nothing of `src`, and scripts of pages only one another. Everybody may ask
 * `package.json` for the version. */
export const goesDown: Rule = (file) => {
  const from = roomOf(file.path);
  if (from === undefined) return file.path.startsWith('views/') ? staysInViews(file) : [];
  return relativeImports(file).flatMap((target) => {
    if (target === 'package.json') return [];
    const to = roomOf(target);
    if (to === undefined) return [`imports ${target}, which is no room of the ladder`];
    if (from === to) return [];
    const [own, other] = [rowOf(from), rowOf(to)];
    if (own === undefined) return [`lies in ${from}, which has no row in the ladder`];
    if (other === undefined) return [`imports ${target}, whose room ${to} has no row in the ladder`];
    if (own > other) return [];
    return [`imports ${target}: ${own === other ? 'sideways' : 'upward'} from ${from} to ${to}`];
  });
};

function staysInViews(file: SourceFile): readonly string[] {
  const strangers = relativeImports(file).filter((target) => !target.startsWith('views/'));
  return strangers.map((target) => `imports ${target}, but pages are served from views alone`);
}

/** @returns each ring once, as the paths along it */
export function findCycles(files: readonly SourceFile[]): readonly string[] {
  const imports = new Map(files.map((file) => [file.path, relativeImports(file)]));
  const done = new Set<string>();
  const rings: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) return void rings.push([...trail.slice(start), path].join(' → '));
    if (done.has(path)) return;
    for (const target of imports.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) walk(path, []);
  return rings;
}

/** The environment is read in `config` alone. */
export const leavesEnvironment: Rule = ({ path, parsed }) => {
  if (path.startsWith('config/')) return [];
  const said = 'reads process.env, which only config may';
  const imported = parsed.module.staticImports.some(
    ({ moduleRequest, entries }) =>
      /^(?:node:)?process$/.test(moduleRequest.value) && entries.some((entry) => entry.importName.name === 'env'),
  );
  const read = collect(parsed, (found) => ({
    MemberExpression(node) {
      const { object, property } = node;
      const isProcess =
        (object.type === 'Identifier' && object.name === 'process') ||
        (object.type === 'MemberExpression' && nameOf(object.property) === 'process');
      if (isProcess && nameOf(property) === 'env') found(said);
    },
    VariableDeclarator({ id, init }) {
      if (init?.type !== 'Identifier' || init.name !== 'process' || id.type !== 'ObjectPattern') return;
      if (id.properties.some((one) => one.type === 'Property' && nameOf(one.key) === 'env')) found(said);
    },
  }));
  return [...(imported ? [said] : []), ...read];
};

const VAGUE = /^(?:helper|util|utilitie|common|shared|manager|service|base|impl|misc)s?$/;
const WRONG_WORDS = /^(?:user|social|connector|strategy|plugin|federation|dashboard)s?$/;
/** Terms of HTTP and of the specifications that carry a word we do not use ourselves. */
const STANDARD_TERMS = /user[ -]?(?:agent|info|code|handle|verification|name)/gi;

/** Files are kebab-case and named after the one thing they hold; vague names hold everything. */
export const isNamedWell: Rule = ({ path, parsed }) => {
  const file = posix.basename(path);
  const inFolders = posix
    .dirname(path)
    .split('/')
    .filter((part) => part !== '.');
  const problems = inFolders
    .filter((part) => !/^\.?[a-z][a-z0-9-]*$/.test(part))
    .map((part) => `folder ${part} is not kebab-case`);
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:entity|test|d))?\.(?:ts|js)$/.test(file))
    problems.push(`${file} is not kebab-case`);
  const words = [...inFolders, file.replace(/\..*$/, '')].flatMap((part) => part.split('-'));
  for (const word of words) if (VAGUE.test(word)) problems.push(`"${word}" says nothing as a name of a file or folder`);
  for (const name of exportedNames(parsed)) {
    for (const word of wordsOf(name)) {
      if (VAGUE.test(word)) problems.push(`exports ${name}: "${word}" says nothing`);
      if (WRONG_WORDS.test(word)) problems.push(`exports ${name}: "${word}" is not our word for it`);
    }
  }
  return problems;
};

/** The parser's own enumeration cannot be imported where types are only stripped. */
const DEFAULT = /^Default$/;

/** No default export: a name is chosen once, where the thing is. */
export const exportsByName: Rule = ({ parsed }) => {
  const entries = parsed.module.staticExports.flatMap((one) => one.entries);
  const isDefault = entries.some(({ exportName }) => exportName.name === 'default' || DEFAULT.test(exportName.kind));
  return isDefault ? ['has a default export'] : [];
};

/** The one list of what a folder holds that others import: adapters register there. */
export const REGISTRY = 'src/upstream/adapters/index.ts';

/** No barrels: an import names the file where the thing is. A library's type may be handed on, so that one room alone knows the library. */
export const isNoBarrel: Rule = ({ path, parsed }) => {
  if (path === REGISTRY) return [];
  const problems = /(?:^|\/)index\.(?:ts|js)$/.test(path) ? [`only ${REGISTRY} may be an index`] : [];
  const handedOn = parsed.module.staticExports.some((one) =>
    one.entries.some((entry) => entry.moduleRequest?.value.startsWith('.')),
  );
  return handedOn ? [...problems, 'hands on exports of another file'] : problems;
};

export const knowsItsTypes: Rule = ({ parsed }) =>
  collect(parsed, (found) => ({
    TSAnyKeyword() {
      found('says any');
    },
  }));

/** The shortest opening that can say what lives in a file, in characters. */
const SHORTEST_OPENING = 20;

/** A file opens with one to three sentences that say what lives there. */
export const opensWithComment: Rule = ({ text, parsed }) => {
  const start = /^#!.*\n/.exec(text)?.[0].length ?? 0;
  const opening: string[] = [];
  let end = start;
  for (const comment of parsed.comments) {
    // A blank line ends the opening: what follows belongs to something else.
    if (comment.start < start || !/^\n?$/.test(text.slice(end, comment.start))) continue;
    opening.push(comment.value.trim());
    end = comment.end;
  }
  return opening.join(' ').length >= SHORTEST_OPENING
    ? []
    : ['does not open with a comment that says what lives there'];
};

/** A page finishes its prompt in one place, which checks that the sign-in is complete. */
export const finishesInOnePlace: Rule = ({ path, parsed }) => {
  if (path === 'src/interaction/result.ts') return [];
  return collect(parsed, (found) => ({
    Identifier(node) {
      if (node.name === 'interactionFinished')
        found('calls interactionFinished, which only src/interaction/result.ts may');
    },
    Literal(node) {
      if (node.value === 'interactionFinished') found('reaches for interactionFinished by its name');
    },
  }));
};

/** What can be guessed must not come from a generator that can be predicted. */
export const drawsFromCrypto: Rule = ({ parsed }) =>
  collect(parsed, (found) => ({
    MemberExpression({ object, property }) {
      if (object.type === 'Identifier' && object.name === 'Math' && nameOf(property) === 'random') {
        found('uses Math.random: src/crypto/random.ts has what is needed');
      }
    },
  }));

/** Koa's own fields that a handler may set. */
const KOA_FIELDS = new Set(
  'body status message length type lastModified etag headerSent respond method url path query querystring search cookies'.split(
    ' ',
  ),
);

/** Parsed input is a local variable: nothing is added to Koa's context or its type. */
export const leavesContextAlone: Rule = ({ parsed }) =>
  collect(parsed, (found) => ({
    TSModuleDeclaration({ id }) {
      if (id.type === 'Literal' && /^(?:koa|@koa\/.*|@types\/koa.*)$/.test(id.value))
        found(`adds to the types of ${id.value}`);
    },
    TSInterfaceDeclaration({ id }) {
      if (/^(?:DefaultContext|DefaultState|ExtendableContext|BaseContext)$/.test(id.name))
        found(`declares Koa's ${id.name}`);
    },
    AssignmentExpression({ left }) {
      if (left.type !== 'MemberExpression') return;
      const [owner, field] = [left.object, nameOf(left.property)];
      if (owner.type === 'Identifier' && owner.name === 'ctx' && !KOA_FIELDS.has(field)) found(`sets ctx.${field}`);
      if (owner.type === 'MemberExpression' && isContext(owner.object) && nameOf(owner.property) === 'state') {
        found(`keeps ${field} in ctx.state`);
      }
    },
  }));

/** Node runs what is written: a relative import names an existing kind of file, ending included. */
export const namesFilesInFull: Rule = (file) => {
  if (file.path.endsWith('.js')) return [];
  const wrong = relativeImports(file).filter((target) => !/\.(?:ts|json)$/.test(target));
  return wrong.map((target) => `imports ${target}, which does not end in .ts`);
};

/** Only `accounts.ts` queries accounts, so the entity stays in its room; the list of entities hands it to storage. */
export const leavesAccountsToTheirRoom: Rule = ({ path, parsed }) => {
  if (path.startsWith('src/account/') || path === 'src/entities.ts') return [];
  const values = parsed.module.staticImports.filter(
    ({ moduleRequest, entries }) =>
      moduleRequest.value.endsWith('/account.entity.ts') && entries.some((entry) => !entry.isType),
  );
  return values.length > 0
    ? ['imports the account entity: src/account/accounts.ts is the only file that queries accounts']
    : [];
};

/** A test of one file lies where that file lies. @param paths every file of the project */
export function findUnmirrored(paths: readonly string[]): readonly string[] {
  const known = new Set(paths);
  return paths.flatMap((path) => {
    const [, tested = ''] = /^test\/(.+)\.test\.ts$/.exec(path) ?? [];
    if (rowOf(tested.split('/')[0] ?? '') === undefined) return [];
    const source = sourceOf(tested);
    return known.has(source) ? [] : [`${path}: there is no ${source}`];
  });
}

/** The room or top-level file of `src` that a path belongs to; `config` and `migrations` count as rooms. */
function roomOf(path: string): string | undefined {
  const [top, ...rest] = path.split('/');
  if (top === 'config' || top === 'migrations') return top;
  if (top !== 'src') return undefined;
  return rest[0]?.replace(/\.ts$/, '');
}

/** Where the file lies that `test/<tested>.test.ts` is about. */
function sourceOf(tested: string): string {
  return /^(?:config|migrations)\//.test(tested) ? `${tested}.ts` : `src/${tested}.ts`;
}

/** 0 is the lowest row. */
function rowOf(room: string): number | undefined {
  const index = LADDER.findIndex((row) => row.includes(room));
  return index === -1 ? undefined : LADDER.length - 1 - index;
}

function collect(parsed: ParseResult, listen: (found: (problem: string) => void) => VisitorObject): readonly string[] {
  const problems: string[] = [];
  new Visitor(listen((problem) => problems.push(problem))).visit(parsed.program);
  return problems;
}

function nameOf(node: { readonly type: string; readonly name?: unknown; readonly value?: unknown }): string {
  return String(node.name ?? node.value ?? '');
}

function isContext(node: { readonly type: string; readonly name?: unknown }): boolean {
  return node.type === 'Identifier' && node.name === 'ctx';
}

function exportedNames(parsed: ParseResult): readonly string[] {
  const entries = parsed.module.staticExports.flatMap((one) => one.entries);
  // What a library is called is not ours to choose.
  return entries.flatMap((entry) => (entry.moduleRequest === null ? (entry.exportName.name ?? []) : []));
}

function wordsOf(name: string): readonly string[] {
  const apart = name
    .replaceAll('_', ' ')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(STANDARD_TERMS, ' ');
  return apart.toLowerCase().split(' ').filter(Boolean);
}
