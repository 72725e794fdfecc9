// "Did you mean …?" for a misspelt name.

/** The known name nearest to what was written, or undefined when none is near. Case, `_` and `-` do not count. */
export function findNearest(written: string, known: readonly string[]): string | undefined {
  const wanted = simplify(written.slice(0, 100));
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 4)) + 1;
  for (const name of known) {
    const distance = editDistance(wanted, simplify(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

function simplify(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}

/** Insertions, deletions and replacements that lead from one text to the other. */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
