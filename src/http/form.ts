// Reading forms: urlencoded, small, every field named by a strict schema. Only on our own routes, never in front of the engine.
import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { AppError, InvalidRequest } from '../errors.ts';

/** More than any of our forms needs, less than anything that hurts. */
const MOST_BYTES = '32kb';

/** Parses the body of a post. @throws AppError 413 when it is too large, InvalidRequest when it is broken */
export function formBody(): Middleware {
  const parse = bodyParser({
    enableTypes: ['form'],
    formLimit: MOST_BYTES,
    encoding: 'utf-8',
    onError: (error) => {
      const { status } = error as { status?: unknown };
      if (status === 413) {
        throw new AppError('too-large', 413, 'This is more than the form can take.', { cause: error });
      }
      throw new InvalidRequest('The form could not be read.', { code: 'broken-form', cause: error });
    },
  });
  return parse;
}

/**
 * The fields of a form by its schema, with the CSRF field taken out.
 * @throws InvalidRequest `unexpected-field` for unknown, missing or repeated fields: pages of ours never send such a form
 */
export function parseForm<Schema extends z.ZodType>(ctx: Context, schema: Schema): z.infer<Schema> {
  const { body } = ctx.request as { body?: unknown };
  const fields = { ...(typeof body === 'object' && body !== null ? body : {}) } as Record<string, unknown>;
  delete fields['csrf'];
  const parsed = schema.safeParse(fields);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path[0];
    throw new InvalidRequest('The form has a field that we do not know, or one is missing.', {
      code: 'unexpected-field',
      ...(typeof field === 'string' ? { field } : {}),
    });
  }
  return parsed.data;
}

/** The CSRF token of the form, before its schema is known. */
export function csrfField(ctx: Context): unknown {
  const { body } = ctx.request as { body?: { csrf?: unknown } };
  return body?.csrf;
}
