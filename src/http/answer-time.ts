// Answers that must not tell by their time whether an account exists take at least a floor plus a random bit (requirements L6).
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

/** Runs `work` and answers not before the floor has passed, also when it throws. @param floorMs milliseconds @param jitterMs milliseconds */
export async function withFloor<T>(floorMs: number, jitterMs: number, work: () => Promise<T>): Promise<T> {
  const floor = wait(floorMs + (jitterMs > 0 ? randomInt(jitterMs + 1) : 0));
  try {
    return await work();
  } finally {
    await floor;
  }
}
