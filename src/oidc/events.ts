// What the engine tells us, turned into the audit and the log. Tokens are not audited one by one: only what a person or an operator would want
// to be told of. A listener must never throw: it would be the request's error.
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider';
import type { Audit, AuditRecord } from '../audit/audit.ts';
import { clientNetwork } from '../http/client-address.ts';
import { requestId } from '../http/request-id.ts';
import { type Log, serializeError } from '../log.ts';

interface Parts {
  readonly audit: Audit;
  readonly log: Log;
  readonly retryAfter: (error: unknown) => number | undefined;
}

export function recordEvents(provider: Provider, parts: Parts): void {
  const { audit, log } = parts;
  const record = (ctx: KoaContextWithOIDC, event: Omit<AuditRecord, 'origin'>): void => {
    const origin = {
      network: clientNetwork(ctx),
      userAgent: ctx.get('user-agent') || undefined,
      requestId: requestId(ctx),
    };
    audit.record({ ...event, origin }).catch((error: unknown) => {
      log.error({ requestId: requestId(ctx), action: event.action, err: serializeError(error) }, 'audit failed');
    });
  };

  // Koa's own event, which the engine's types leave out.
  const koa = provider as unknown as NodeJS.EventEmitter;
  koa.on('error', (error: unknown, ctx?: KoaContextWithOIDC) => {
    log.error({ ...(ctx ? { requestId: requestId(ctx) } : {}), err: serializeError(error) }, 'request failed');
  });

  // Storage being away is not an error of the protocol: say so in a way that clients and proxies understand (RFC 9110, 15.6.4).
  provider.on('server_error', (ctx, error) => {
    const retryAfter = parts.retryAfter(error);
    if (retryAfter === undefined) {
      if (!ctx.response.is('html')) {
        log.error({ requestId: requestId(ctx), err: serializeError(error) }, 'protocol request failed');
      }
      return;
    }
    ctx.status = 503;
    ctx.set('Retry-After', String(retryAfter));
    if (!ctx.response.is('html')) {
      ctx.body = { error: 'temporarily_unavailable', error_description: 'try again in a moment' };
    }
    log.warn({ requestId: requestId(ctx), err: serializeError(error) }, 'storage is away');
  });

  provider.on('grant.error', (ctx, error) => {
    const { error_detail: detail } = error as { error_detail?: string };
    if (detail === undefined || !/already (used|consumed)/.test(detail)) return;
    const client = ctx.oidc.client?.clientId;
    record(ctx, {
      actor: client === undefined ? { kind: 'anonymous' } : { kind: 'client', id: client },
      action: 'token.replay',
      clientId: client,
      result: 'failure',
      reason: /refresh/.test(detail) ? 'refresh-token' : 'authorization-code',
    });
  });

  provider.on('end_session.success', (ctx) => {
    const subject = ctx.oidc.session?.accountId;
    if (subject === undefined) return;
    record(ctx, {
      actor: { kind: 'account', id: subject },
      action: 'session.end',
      target: { kind: 'account', id: subject },
      clientId: ctx.oidc.client?.clientId,
    });
  });
}
