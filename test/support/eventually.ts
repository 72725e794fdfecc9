// For what happens behind a request, not in it: asked again until it is so, with an end that is far beyond any machine's slowness.
import { setTimeout as wait } from 'node:timers/promises';

const PATIENCE_MS = 20_000;
const PAUSE_MS = 20;

/** Repeats an assertion until it holds. @throws what it threw last */
export async function eventually<T>(assertion: () => Promise<T> | T): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await wait(PAUSE_MS);
  }
}
