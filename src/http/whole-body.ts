// The body of a request in one piece. The engine walks over its requests piece by piece, and an iterator over a stream watches it with a dozen
// listeners, which cost more than all that is done with the form; here two of them collect what comes.
import { IncomingMessage } from 'node:http';

/** Bytes: beyond what anything of ours takes; whoever reads refuses it then. */
const MOST = 128 * 1024;

/** For `http.createServer`. */
export class WholeBodyRequest extends IncomingMessage {
  /** Whether the reader stops early or not, the connection goes on. */
  override iterator(_options?: { readonly destroyOnReturn?: boolean }): NodeJS.AsyncIterator<Buffer> {
    return new WholeBody(this);
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
    let length = 0;
    const onData = (piece: Buffer): void => {
      pieces.push(piece);
      length += piece.length;
      if (length > MOST) finish();
    };
    const finish = (): void => {
      leave();
      resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, length));
    };
    const fail = (cause?: Error): void => {
      leave();
      reject(cause ?? new Error('the request broke off'));
    };
    const leave = (): void => {
      request.off('data', onData).off('end', finish).off('error', fail).off('close', fail);
      if (!request.readableEnded) request.pause();
    };
    request.on('data', onData).on('end', finish).on('error', fail).on('close', fail);
  });
}
