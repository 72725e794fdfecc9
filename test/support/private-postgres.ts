// A PostgreSQL server of a test's own, which may be stopped and started while others use the machine's. PostgreSQL refuses to run as root,
// so there it runs as the account `postgres` that its Debian package makes.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

export interface PrivatePostgres {
  readonly url: string;
  /** Ends it at once, as a crash or a fail-over would. */
  crash(): void;
  start(): void;
  /** Ends it and removes its files. */
  remove(): void;
}

/** Where initdb and pg_ctl lie; Debian keeps them off the path. */
function findPrograms(): string | undefined {
  const [newest] = globSync('/usr/lib/postgresql/*/bin/pg_ctl').toSorted().toReversed();
  return newest?.replace(/\/pg_ctl$/, '');
}

const isRoot = process.getuid?.() === 0;

/** Why no server can be started here; undefined when it can. */
export function privatePostgresMissing(): string | undefined {
  if (findPrograms() === undefined) return 'there are no PostgreSQL programs below /usr/lib/postgresql';
  if (isRoot && spawnSync('runuser', ['-u', 'postgres', '--', 'true']).status !== 0) {
    return 'this is root, and there is no account postgres to run PostgreSQL as';
  }
  return undefined;
}

export async function startPrivatePostgres(): Promise<PrivatePostgres> {
  const programs = findPrograms() ?? '';
  const run = (program: string, args: readonly string[]): void => {
    const command = [join(programs, program), ...args];
    const whole = isRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command;
    // pg_ctl leaves the server with its own outputs: a pipe would never end.
    execFileSync(whole[0] ?? '', whole.slice(1), { stdio: 'ignore', cwd: '/' });
  };
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-postgres-'));
  chmodSync(folder, 0o700);
  if (isRoot) {
    const id = (what: string) => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }));
    chownSync(folder, id('-u'), id('-g'));
  }
  const data = join(folder, 'data');
  const port = await freePort();
  run('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']);
  const options = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
  const start = (): void => run('pg_ctl', ['-D', data, '-w', '-l', join(folder, 'log'), '-o', options, 'start']);
  const stop = (): void => run('pg_ctl', ['-D', data, '-w', '-m', 'immediate', 'stop']);
  start();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    crash: stop,
    start,
    remove() {
      try {
        stop();
      } catch {
        // It was not running any more.
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
