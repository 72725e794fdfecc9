// Where a request came from, as far as the record of what happened is concerned.
import type { Context } from 'koa';
import { clientNetwork } from './client-address.ts';
import { requestId } from './request-id.ts';

export function requestOrigin(ctx: Context): {
  readonly network: string;
  readonly userAgent: string | undefined;
  readonly requestId: string;
} {
  return { network: clientNetwork(ctx), userAgent: ctx.get('user-agent') || undefined, requestId: requestId(ctx) };
}
