// How much the bot listens to one person: a burst, then a few a minute. In memory, because it protects time and no secret; what can be guessed
// is decided by a single answer.

const BURST = 20;
/** Milliseconds for one more. */
const REFILL = 3000;
/** People at once; beyond that the ones who were silent longest are forgotten. */
const MOST_PEOPLE = 10_000;

export class Pace {
  readonly #people = new Map<string, { tokens: number; at: number }>();

  /** Counts one update. @param now milliseconds */
  allows(person: string, now = Date.now()): boolean {
    const known = this.#people.get(person) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, known.tokens + Math.max(0, now - known.at) / REFILL);
    this.#people.delete(person);
    this.#people.set(person, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    if (this.#people.size > MOST_PEOPLE) this.#forgetOldest();
    return tokens >= 1;
  }

  #forgetOldest(): void {
    const { value } = this.#people.keys().next();
    if (value !== undefined) this.#people.delete(value);
  }
}
