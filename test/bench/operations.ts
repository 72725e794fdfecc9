// What is measured: each operation with what must be made before the clock runs.
import type { Load } from './load.ts';
import type { Ready } from './target.ts';

export interface Operation {
  readonly name: string;
  /** At most, in one measurement. */
  readonly most: number;
  /** Parallelism of its own; password hashes would only queue. */
  readonly parallel?: readonly number[];
  /** Only Latchkey has a sign-in page. */
  readonly isOurs?: boolean;
  /** @param count how often the work will be asked for, at most */
  prepare(load: Load, count: number): Promise<(lane: number) => Promise<void>>;
}

/** Refresh tokens rotate, so the list belongs to one server and is kept over all its measurements. */
export function operationsOf(ready: Ready): readonly Operation[] {
  const refreshTokens = [...ready.refreshTokens];
  const withToken = (use: (load: Load, token: string) => Promise<void>) => async (load: Load) => {
    const token = await load.exchange(await load.authorize());
    return () => use(load, token);
  };
  return [
    { name: 'discovery', most: 8000, prepare: async (load) => () => load.discovery() },
    { name: 'client_credentials', most: 8000, prepare: async (load) => () => load.clientCredentials() },
    { name: 'authorize, signed in', most: 5000, prepare: async (load) => async () => void (await load.authorize()) },
    {
      name: 'code exchange',
      most: 1000,
      prepare: async (load, count) => {
        const code = await fill(count, () => load.authorize());
        return async () => void (await load.exchange(code()));
      },
    },
    {
      name: 'refresh, rotation',
      most: 5000,
      prepare: async (load) => async (lane) => {
        refreshTokens[lane] = await load.refresh(refreshTokens[lane] ?? '');
      },
    },
    { name: 'introspection', most: 8000, prepare: withToken((load, token) => load.introspect(token)) },
    { name: 'userinfo', most: 8000, prepare: withToken((load, token) => load.userinfo(token)) },
    {
      name: 'password sign-in',
      most: 200,
      parallel: [1, 16],
      isOurs: true,
      prepare: async (load) => () => load.passwordSignIn(),
    },
  ];
}

/** One use each: taken from the end of a list that was filled before. */
async function fill(count: number, make: () => Promise<string>): Promise<() => string> {
  const values: string[] = [];
  while (values.length < count) {
    values.push(...(await Promise.all(Array.from({ length: Math.min(16, count - values.length) }, make))));
  }
  return () => values.pop() ?? '';
}
