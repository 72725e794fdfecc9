// `npm ci` on a fresh clone needs a lock file that is complete for every platform, names no registry and pins what package.json pins.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { complete, findMissing, LOCK_FILE, type LockedPackages } from '../support/lock-file.ts';

const { packages } = JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as { readonly packages: LockedPackages };
const product = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

const broken: LockedPackages = {
  'node_modules/a': {
    version: '1.0.0',
    dev: true,
    optionalDependencies: { 'a-linux-x64-musl': '1.0.0', 'a-win32-x64': '1.0.0' },
  },
  'node_modules/a-win32-x64': { version: '1.0.0' },
};

describe('the lock file', () => {
  it('knows every optional dependency of every package', () => {
    assert.deepEqual(findMissing(packages), [], 'run npm run lock');
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

describe('an incomplete lock file', () => {
  it('is found', () => {
    assert.deepEqual(findMissing(broken), [{ name: 'a-linux-x64-musl', version: '1.0.0', neededBy: 'node_modules/a' }]);
  });

  it('is completed by what the name of the package says about its platform', () => {
    const whole = complete(broken);
    assert.deepEqual(Object.keys(whole), [
      'node_modules/a',
      'node_modules/a-linux-x64-musl',
      'node_modules/a-win32-x64',
    ]);
    assert.deepEqual(whole['node_modules/a-linux-x64-musl'], {
      ...{ version: '1.0.0', cpu: ['x64'], dev: true, libc: ['musl'], optional: true, os: ['linux'] },
    });
    assert.deepEqual(findMissing(whole), []);
  });

  it('is left alone where a name does not say its platform', () => {
    const unclear = { 'node_modules/a': { version: '1.0.0', optionalDependencies: { 'a-native': '1.0.0' } } };
    assert.throws(() => complete(unclear), /a-native does not say its platform/);
  });
});
