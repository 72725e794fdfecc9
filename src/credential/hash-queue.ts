// The one queue for slow hashes. They run on Node's thread pool, which DNS and file reads need too: at most a few run at once, a bounded
// number waits, and whoever comes after that is asked to come back.
import { Unavailable } from '../errors.ts';

/** Runs at most `atOnce` jobs at a time and lets at most `waiting` others wait. */
export class HashQueue {
  readonly #atOnce: number;
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(atOnce: number, waiting: number) {
    this.#atOnce = atOnce;
    this.#most = waiting;
  }

  /** @throws Unavailable `busy` when too many wait */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#most) {
        throw new Unavailable('Too many people are signing in right now.', { code: 'busy', retryAfter: 2 });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed over rather than given back, so that nobody who comes later slips in between.
      if (next) next();
      else this.#running -= 1;
    }
  }
}
