// What the pages for administrators read of a request, and how a form that did its work answers.
import type { RouterContext } from '@koa/router';
import type { Cause } from '../../audit/audit.ts';
import { causeOf } from '../portal-session.ts';
import type { Administrator } from './admin-door.ts';

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
export function parameterOf(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= 200 && !value.includes('\0') ? value : '';
}

export function causeBy(ctx: RouterContext, who: Administrator): Cause {
  return causeOf(ctx, who.session.account.id);
}

export function seeOther(ctx: RouterContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}

/** What stands between spaces or line ends, each once. */
export function wordsOf(text: string): readonly string[] {
  return [...new Set(text.split(/\s+/).filter((word) => word !== ''))];
}
