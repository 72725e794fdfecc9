// Reading a form with a file: multipart, small, with the same strict schema as every other form. Only on our own routes that take a file.
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { AppError, InvalidRequest } from '../errors.ts';

/** Beside the file: the other fields, and what stands between them. */
const REST = 10_000;

/**
 * Parses the body of a post. A file is a `File` among the fields.
 * @param mostBytes of the file @throws AppError 413 when it is too large, InvalidRequest when it is broken
 */
export function uploadBody(mostBytes: number): Middleware {
  const most = mostBytes + REST;
  return async (ctx, next) => {
    const type = ctx.get('content-type');
    if (!/^multipart\/form-data\b/i.test(type)) throw broken();
    const body = await readAll(ctx.req, most);
    if (body === null) throw new AppError('too-large', 413, 'This is more than the form can take.');
    let data: FormData;
    try {
      data = await new Response(body, {
        headers: { 'content-type': type },
      }).formData();
    } catch (cause) {
      throw broken(cause);
    }
    const fields: Record<string, unknown> = {};
    for (const [name, value] of data) {
      // Whoever repeats a field means something that we do not know.
      fields[name] = Object.hasOwn(fields, name) ? [fields[name], value] : value;
    }
    (ctx.request as { body?: unknown }).body = fields;
    await next();
  };
}

/** Null when it is more than `most` bytes. What is left is let pass then: a browser that is cut off while it sends shows no answer. */
function readAll(request: IncomingMessage, most: number): Promise<Uint8Array<ArrayBuffer> | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (work: () => void): void => {
      request.off('data', take).off('end', finish).off('error', fail).off('close', fail);
      work();
    };
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= most) chunks.push(chunk);
      else end(() => resolve(request.resume() && null));
    };
    const finish = (): void => end(() => resolve(new Uint8Array(Buffer.concat(chunks))));
    const fail = (cause?: unknown): void => end(() => reject(broken(cause)));
    request.on('data', take).on('end', finish).on('error', fail).on('close', fail);
  });
}

function broken(cause?: unknown): InvalidRequest {
  return new InvalidRequest('The form could not be read.', { code: 'broken-form', cause });
}
