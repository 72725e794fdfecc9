// Finds what a Compose file takes from its surroundings (Compose specification, "Interpolation").

interface Variable {
  readonly name: string;
  /** `:?` refuses an empty value, `:-` replaces it, an empty text takes it. */
  readonly operator: string;
  readonly rest: string;
}

/** In the order in which they stand there; comments do not count. */
export function variables(compose: string): readonly Variable[] {
  const read = compose.replace(/^\s*#.*$/gm, '').replaceAll('$$', '');
  return [...read.matchAll(/\$(?:\{(\w+)(?:(:?[-?+])([^}]*))?\}|(\w+))/g)].map(([, braced, operator, rest, bare]) => ({
    name: braced ?? bare ?? '',
    operator: operator ?? '',
    rest: rest ?? '',
  }));
}
