// The body of a request in one piece. The engine walks over its requests piece by piece, and an iterator over a stream watches it with a dozen
// listeners, which cost more than all that is done with the form; here two of them collect what comes. Only a body that says beforehand how small
// it is: nobody sends more than that, and every other one is for its reader to stop.
import { IncomingMessage } from 'node:http';

/** Bytes: more than any form. */
const MOST = 128 * 1024;

/** For `http.createServer`. */
export class WholeBodyRequest extends IncomingMessage {
  /** Whether the reader of a small body stops early or not, the connection goes on. */
  override iterator(options?: { readonly destroyOnReturn?: boolean }): NodeJS.AsyncIterator<Buffer> {
    // What is no number is not smaller either; the parser of HTTP has refused it.
    const isSmall = Number(this.headers['content-length'] ?? Number.NaN) <= MOST;
    return isSmall ? new WholeBody(this) : super.iterator(options);
  }
}

/** One piece, then nothing. A request that breaks off throws. */
class WholeBody implements NodeJS.AsyncIterator<Buffer> {
  readonly #request: IncomingMessage;
  #isRead = false;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#isRead) return Promise.resolve({ done: true, value: undefined });
    this.#isRead = true;
    return readWhole(this.#request).then((value) => ({ done: false, value }));
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): NodeJS.AsyncIterator<Buffer> {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function readWhole(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const onData = (piece: Buffer): void => void pieces.push(piece);
    const finish = (): void => {
      leave();
      resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces));
    };
    const fail = (cause?: Error): void => {
      leave();
      reject(cause ?? new Error('the request broke off'));
    };
    const leave = (): void => {
      request.off('data', onData).off('end', finish).off('error', fail).off('close', fail);
    };
    request.on('data', onData).on('end', finish).on('error', fail).on('close', fail);
  });
}
