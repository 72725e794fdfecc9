// `npm ci` on a fresh clone needs a lock file that is complete for every platform. npm leaves a platform's package out when the registry does not
// offer it at that moment, and `npm ci` then refuses everywhere: this test says so before a newcomer does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Packages = Readonly<Record<string, Locked>>;

const ROOT = join(import.meta.dirname, '../..');
const readJson = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const { packages } = readJson('package-lock.json') as { readonly packages: Packages };
const product = readJson('package.json') as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

/** What a package may use on some platform and the lock file does not know. */
function findMissing(locked: Packages): readonly string[] {
  return Object.entries(locked).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !(`node_modules/${name}` in locked) && !(`${path}/node_modules/${name}` in locked))
      .map((name) => `${path} needs ${name}`),
  );
}

describe('the lock file', () => {
  it('knows every optional dependency of every package', () => {
    assert.deepEqual(findMissing(packages), []);
  });

  it('is found incomplete when one is gone', () => {
    const broken: Packages = { 'node_modules/a': { version: '1.0.0', optionalDependencies: { 'a-darwin': '1.0.0' } } };
    assert.deepEqual(findMissing(broken), ['node_modules/a needs a-darwin']);
  });

  it('names no place to download from, so that any registry serves it', () => {
    assert.deepEqual(
      Object.values(packages).flatMap(({ resolved }) => resolved ?? []),
      [],
    );
  });

  it('holds the exact versions of package.json', () => {
    const wanted = { ...product.dependencies, ...product.devDependencies };
    for (const [name, version] of Object.entries(wanted)) {
      assert.match(version, /^\d+\.\d+\.\d+[-+.\w]*$/, `${name} is not pinned`);
      assert.equal(packages[`node_modules/${name}`]?.version, version);
    }
  });

  it('has no package with an install script that package.json does not decide on', () => {
    const withScript = Object.entries(packages).filter(([, one]) => one.hasInstallScript === true);
    const names = withScript.map(([path]) => path.replace(/^.*node_modules\//, ''));
    assert.deepEqual(
      names.filter((name) => !(name in product.allowScripts)),
      [],
    );
  });
});
