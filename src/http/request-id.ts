// One id for each request: in the answer, on error pages, in the log and in the audit, so that the four can be brought together.

import type { Context } from 'koa';
import { randomToken } from '../crypto/random.ts';
import { RequestNote } from './request-note.ts';

const ids = new RequestNote<string>();

/** The request's id, made on first use. Never taken from the request: a stranger must not choose what our log says. */
export function requestId(ctx: Context): string {
  const known = ids.get(ctx.req);
  if (known !== undefined) return known;
  const fresh = randomToken(9);
  ids.set(ctx.req, fresh);
  return fresh;
}
