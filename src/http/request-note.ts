// What parts of the house remember about a request, kept on the request itself. The table of a WeakMap is looked through at each collection of
// garbage and grows until a full one comes: three of them with an entry for each request were a tenth of a token request.
import type { IncomingMessage } from 'node:http';

/** One kind of note, which only its maker can read. */
export class RequestNote<Value> {
  readonly #key = Symbol('note');

  get(request: IncomingMessage): Value | undefined {
    return (request as unknown as Record<symbol, Value | undefined>)[this.#key];
  }

  set(request: IncomingMessage, value: Value): void {
    (request as unknown as Record<symbol, Value | undefined>)[this.#key] = value;
  }
}
