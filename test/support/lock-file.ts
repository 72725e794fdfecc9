// The lock file, complete for every platform. npm leaves out what the registry of the moment does not offer, which is enough for `npm ci` to
// refuse it everywhere; `npm run lock` after an install enters such packages by name, version and platform.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export type LockedPackages = Readonly<Record<string, LockedPackage>>;

export const LOCK_FILE = join(import.meta.dirname, '../../package-lock.json');

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];

interface MissingPackage {
  readonly name: string;
  readonly version: string;
  /** Where the package lies that names it. */
  readonly neededBy: string;
}

/** What a package may use on some platform and the lock file does not know. */
export function findMissing(packages: LockedPackages): readonly MissingPackage[] {
  return Object.entries(packages).flatMap(([neededBy, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !(`node_modules/${name}` in packages) && !(`${neededBy}/node_modules/${name}` in packages))
      .map(([name, version]) => ({ name, version, neededBy })),
  );
}

/**
 * Everything that is missing, entered in the order npm uses.
 * @throws when a name does not say its platform: then it has to be entered by hand
 */
export function complete(packages: LockedPackages): LockedPackages {
  const added = findMissing(packages).map(({ name, version, neededBy }) => {
    const parts = (name.split('/').at(-1) ?? '').split('-');
    const system = parts.find((part) => SYSTEMS.includes(part));
    const processor = parts.find((part) => PROCESSORS.includes(part));
    if (system === undefined || processor === undefined) throw new Error(`${name} does not say its platform`);
    const libc = parts.some((part) => part.startsWith('musl')) ? 'musl' : 'glibc';
    const hasLibc = system === 'linux' && parts.some((part) => /^(?:musl|gnu)/.test(part));
    const entry = {
      version,
      cpu: [processor],
      ...(packages[neededBy]?.dev === true ? { dev: true } : {}),
      ...(hasLibc ? { libc: [libc] } : {}),
      optional: true,
      os: [system],
    };
    return [`node_modules/${name}`, entry] as const;
  });
  return Object.fromEntries([...Object.entries(packages), ...added].toSorted(([a], [b]) => a.localeCompare(b, 'en')));
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync(LOCK_FILE, 'utf8')) as { readonly packages: LockedPackages };
  const missing = findMissing(lock.packages);
  writeFileSync(LOCK_FILE, `${JSON.stringify({ ...lock, packages: complete(lock.packages) }, null, 2)}\n`);
  process.stdout.write(`${missing.length} packages entered.\n`);
}
