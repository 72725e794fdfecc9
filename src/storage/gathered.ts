// Questions of one turn of the event loop, asked together: whoever serves many requests at once asks the same kind of question many times over,
// and one statement that writes many rows costs little more than one about a single row, here, on the way and in the database. For reading, look
// at the plan first: a database that is given a list of keys may read a whole table.

/** So that nobody waits for long behind the others. */
const MOST = 100;

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathered<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<ReadonlyMap<string, Answer>>;
  readonly #keyOf: (question: Question) => string;
  readonly #isOutage: (error: unknown) => boolean;
  #waiting = new Map<string, Waiting<Question, Answer>>();

  /**
   * @param parts.ask is never given two questions with one key; what is not in its answer has none
   * @param parts.isOutage after such an error nothing is tried again
   */
  constructor(parts: {
    readonly ask: (questions: readonly Question[]) => Promise<ReadonlyMap<string, Answer>>;
    readonly keyOf: (question: Question) => string;
    readonly isOutage: (error: unknown) => boolean;
  }) {
    this.#ask = parts.ask;
    this.#keyOf = parts.keyOf;
    this.#isOutage = parts.isOutage;
  }

  ask(question: Question): Promise<Answer | undefined> {
    const key = this.#keyOf(question);
    // The second about the same thing must see what the first has done.
    if (this.#waiting.has(key) || this.#waiting.size >= MOST) this.#flush();
    return new Promise((resolve, reject) => {
      // Not at once: the other requests that came with the same turn are served by the callbacks that follow.
      if (this.#waiting.size === 0) setImmediate(() => this.#flush());
      this.#waiting.set(key, { question, resolve, reject });
    });
  }

  #flush(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    void this.#answer(waiting);
  }

  async #answer(waiting: ReadonlyMap<string, Waiting<Question, Answer>>): Promise<void> {
    try {
      const answers = await this.#ask([...waiting.values()].map(({ question }) => question));
      for (const [key, { resolve }] of waiting) resolve(answers.get(key));
    } catch (error) {
      // One of them alone may have been refused: each is asked by itself, and only that one fails.
      const isAlone = waiting.size === 1 || this.#isOutage(error);
      for (const [key, one] of waiting) {
        if (isAlone) one.reject(error);
        else void this.#answer(new Map([[key, one]]));
      }
    }
  }
}
