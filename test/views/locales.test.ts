import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { errors } from 'oidc-provider';
import { ERROR_CODES } from '../../src/http/error-text.ts';
import { composedKeys } from './composed-keys.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const LOCALES = join(ROOT, 'views', 'locales');
const COMPLETE = ['en', 'ru'];
const PLURAL = /_(?:zero|one|two|few|many|other)$/;

type Sentences = Readonly<Record<string, string>>;

function filesBelow(folder: string, extension: string): readonly { readonly path: string; readonly content: string }[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(extension))
    .map((path) => ({ path: join(folder, path), content: readFileSync(join(ROOT, folder, path), 'utf8') }));
}

const languages = new Map<string, Sentences>(
  readdirSync(LOCALES).map((file) => [
    basename(file, '.json'),
    JSON.parse(readFileSync(join(LOCALES, file), 'utf8')) as Sentences,
  ]),
);
const english = languages.get('en') ?? {};
const views = filesBelow('views', '.ejs');
const sources = filesBelow('src', '.ts');

const baseOf = (key: string): string => key.replace(PLURAL, '');
const basesOf = (sentences: Sentences): ReadonlySet<string> => new Set(Object.keys(sentences).map(baseOf));
const known = basesOf(english);
const composed = new Set(
  Object.entries(composedKeys).flatMap(([key, names]) => names.map((name) => key.replace('*', name))),
);
const sections = new Set([...known].map((key) => key.split('.')[0] ?? ''));

/** Texts in quotes that look like a key: their first part is one of ours. */
function literals(content: string): readonly string[] {
  return [...content.matchAll(/'([a-z_]+\.[\w.-]+)'/g)]
    .map(([, text]) => text ?? '')
    .filter((text) => sections.has(text.split('.')[0] ?? '') && !/\.(?:js|css|svg|ts)$/.test(text));
}

/** Keys that are put together, with a star for what is filled in. */
function patterns(content: string): readonly string[] {
  return [...content.matchAll(/`([a-z_]+\.[^`\s]*\$\{[^`]*)`/g)]
    .map(([, text]) => (text ?? '').replaceAll(/\$\{[^}]*\}/g, '*'))
    .filter((text) => sections.has(text.split('.')[0] ?? ''));
}

/** Keys that code says: as the argument of a call, as the problem of a field, or as the summary of a form. */
function keysInSource(content: string): readonly string[] {
  const uses = [
    /\btext\(\s*ctx,\s*'([^']+)'/g,
    /\bt\([^()]*\)\(\s*'([^']+)'/g,
    /\bfields\[[^\]]+\]\s*=\s*'([^']+)'/g,
    /\bsummary:\s*'([^']+)'/g,
  ];
  return uses.flatMap((use) => [...content.matchAll(use)].map(([, key]) => key ?? ''));
}

describe('translations', () => {
  it('has every key that a view names', () => {
    const missing = views.flatMap(({ path, content }) =>
      literals(content)
        .filter((key) => !known.has(key))
        .map((key) => `${path}: ${key}`),
    );
    assert.deepEqual(missing, []);
  });

  it('has every key that code names', () => {
    const used = sources.flatMap(({ path, content }) => keysInSource(content).map((key) => ({ path, key })));
    assert.ok(used.length > 5, 'the search finds the keys that are known to be there');
    assert.deepEqual(
      used.filter(({ key }) => !known.has(key)),
      [],
    );
  });

  it('has every key that is put together, and every such place is declared', () => {
    const found = new Set([...views, ...sources].flatMap(({ content }) => patterns(content)));
    assert.deepEqual([...found].toSorted(), Object.keys(composedKeys).toSorted());
    assert.deepEqual(
      [...composed].filter((key) => !known.has(key)),
      [],
    );
  });

  it('has no key that nobody uses', () => {
    const used = new Set([...composed, ...[...views, ...sources].flatMap(({ content }) => literals(content))]);
    assert.deepEqual(
      [...known].filter((key) => !used.has(key)),
      [],
    );
  });

  it('has words only for error codes that exist', () => {
    const own = sources
      .filter(({ path }) => !path.endsWith('error-text.ts'))
      .flatMap(({ content }) => [...content.matchAll(/'([a-z]+(?:-[a-z]+)*)'/g)].map(([, code]) => code ?? ''));
    const engine = Object.values(errors).map((kind) => {
      const error = new (kind as unknown as new (text: string) => { error?: string })('');
      return (error.error ?? '').replaceAll('_', '-');
    });
    // The engine's word for a fault of our own has no class of its own.
    const existing = new Set([...own, ...engine, 'server-error']);
    assert.deepEqual(
      ERROR_CODES.filter((code) => !existing.has(code)),
      [],
    );
  });
});

for (const [tag, sentences] of languages) {
  describe(`the language ${tag}`, () => {
    if (COMPLETE.includes(tag)) {
      it('lacks nothing', () => {
        const own = basesOf(sentences);
        assert.deepEqual(
          [...known].filter((key) => !own.has(key)),
          [],
        );
      });
    }

    it('has nothing that English lacks', () => {
      assert.deepEqual(
        [...basesOf(sentences)].filter((key) => !known.has(key)),
        [],
      );
    });

    it('has each plural form that its grammar asks for, and no other', () => {
      const wanted = [...new Intl.PluralRules(tag).resolvedOptions().pluralCategories].toSorted();
      const plurals = new Set(
        Object.keys(sentences)
          .filter((key) => PLURAL.test(key))
          .map(baseOf),
      );
      assert.ok(plurals.size > 0);
      for (const base of plurals) {
        const forms = Object.keys(sentences)
          .filter((key) => PLURAL.test(key) && baseOf(key) === base)
          .map((key) => key.slice(base.length + 1));
        assert.deepEqual(forms.toSorted(), wanted, base);
      }
    });

    it('says the number in every form that stands for more than one', () => {
      const rules = new Intl.PluralRules(tag);
      const counts = Map.groupBy(
        Array.from({ length: 1000 }, (_, count) => count),
        (count) => rules.select(count),
      );
      for (const [key, text] of Object.entries(sentences)) {
        const form = PLURAL.exec(key)?.[0].slice(1) as Intl.LDMLPluralRule | undefined;
        if (form === undefined || !english[`${baseOf(key)}_other`]?.includes('{{count}}')) continue;
        if ((counts.get(form)?.length ?? 0) > 1) assert.match(text, /\{\{count\}\}/, key);
      }
    });

    it('fills in what English fills in', () => {
      const placeholders = (text: string): readonly string[] =>
        [...text.matchAll(/\{\{(.*?)\}\}/g)].map(([, name]) => name ?? '').toSorted();
      for (const [key, text] of Object.entries(sentences)) {
        const original = english[key] ?? english[`${baseOf(key)}_other`] ?? '';
        // A form for exactly one or two may say the number in words.
        const isCounted = PLURAL.test(key);
        const relevant = (names: readonly string[]) => names.filter((name) => !isCounted || name !== 'count');
        assert.deepEqual(relevant(placeholders(text)), relevant(placeholders(original)), key);
      }
    });

    it('is plain text: no markup, no empty sentence, no space at its ends', () => {
      for (const [key, text] of Object.entries(sentences)) {
        assert.doesNotMatch(text, /[<>]|&\w+;|\$t\(/, key);
        assert.equal(text, text.trim(), key);
        assert.notEqual(text, '', key);
      }
    });

    it('ends every change of direction that it begins, and nests none', () => {
      for (const [key, text] of Object.entries(sentences)) {
        assert.doesNotMatch(text, /[\u202a-\u202e]/, `${key}: isolates only`);
        const outside = text.replaceAll(/[\u2066-\u2068][^\u2066-\u2069]*\u2069/g, '');
        assert.doesNotMatch(outside, /[\u2066-\u2069]/, key);
      }
    });

    it('has the marks of its own script', () => {
      // In Arabic letters, a comma, semicolon or question mark of Latin stands out, and other digits than those of codes cannot be compared.
      for (const [key, text] of Object.entries(sentences)) {
        assert.doesNotMatch(text, /\p{Script=Arabic}\s*[,;?]|[\u0660-\u0669\u06f0-\u06f9]/u, key);
      }
    });
  });
}
