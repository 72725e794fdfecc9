// What processes cost, read from /proc: processor time and resident memory. On a system without it there is nothing to tell.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Of one tick of processor time, in milliseconds. */
const TICK_MS = 1000 / ticksPerSecond();

/** Milliseconds that all processes of this name have used so far, the ended ones of PostgreSQL included; undefined when there is none. */
export function cpuOf(name: 'redis-server' | 'postgres'): number | undefined {
  let ticks: number | undefined;
  for (const pid of listed('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = readText(`/proc/${pid}/stat`);
    const end = stat.lastIndexOf(')');
    if (stat.slice(stat.indexOf('(') + 1, end) !== name) continue;
    const fields = stat
      .slice(end + 2)
      .split(' ')
      .map(Number);
    // utime and stime, and those of children that were waited for.
    ticks = (ticks ?? 0) + [11, 12, 13, 14].reduce((sum, at) => sum + (fields[at] ?? 0), 0);
  }
  return ticks === undefined ? undefined : ticks * TICK_MS;
}

/** Bytes. */
export function residentMemory(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? Number.NaN) * 1024;
}

function ticksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  } catch {
    return 100;
  }
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A process may be gone by the time it is looked at. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
