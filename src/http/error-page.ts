// Every error of our own routes and of Koa ends here and becomes a page for people or JSON for programs, with a stable code and the request
// id, and without anything that was not meant to be shown. Protocol errors are written by the engine and drawn by oidc/pages.ts.
import type { Context, Middleware } from 'koa';
import { AppError, NotFound, Unavailable } from '../errors.ts';
import { type Log, serializeError } from '../log.ts';
import type { Pages } from './page.ts';
import { requestId } from './request-id.ts';

export interface ErrorPageParts {
  readonly pages: Pages;
  readonly log: Log;
  /** Turns errors of drivers that are away into Unavailable. */
  readonly asUnavailable: (error: unknown) => unknown;
  readonly trustedProxies: number;
}

/** Outermost but for the log: catches, logs what is ours to mend, answers; and answers 404 where nobody did. */
export function errorPages(parts: ErrorPageParts): Middleware {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status === 404 && (ctx.body === undefined || ctx.body === null) && ctx.respond !== false) {
        throw new NotFound('This page does not exist.', { code: 'page-not-found' });
      }
    } catch (caught) {
      writeError(ctx, toAppError(ctx, parts, caught), parts);
    }
  };
}

/** Answers with an error, as a page or as JSON by what the request asks for. */
function writeError(ctx: Context, error: AppError, parts: Pick<ErrorPageParts, 'pages' | 'log'>): void {
  if (error.status >= 500) {
    parts.log.error({ requestId: requestId(ctx), code: error.code, err: serializeError(error) }, 'request failed');
  }
  if (error.retryAfter !== undefined) ctx.set('Retry-After', String(error.retryAfter));
  ctx.set('Cache-Control', 'no-store');
  if (ctx.accepts('html', 'json') === 'json' || ctx.path.startsWith('/api/')) {
    ctx.status = error.status;
    ctx.body = {
      error: error.code,
      error_description: error.expose || error.status === 503 ? error.message : 'Something went wrong on our side.',
      request_id: requestId(ctx),
      ...(error.field === undefined ? {} : { field: error.field }),
    };
    return;
  }
  const model = {
    code: error.code,
    nextSteps: [{ label: parts.pages.text(ctx, 'error.home'), url: '/' }],
    details: error.expose ? { error: error.code, description: error.message } : null,
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    ...(error instanceof SetupError ? { operatorHint: error.message } : {}),
  };
  parts.pages.show(ctx, 'error', model, { status: error.status, setsNoCookie: error instanceof SetupError });
}

/** Something an administrator must change: shown in full, because nobody else can mend it. */
class SetupError extends AppError {}

function toAppError(ctx: Context, parts: ErrorPageParts, caught: unknown): AppError {
  const error = parts.asUnavailable(caught);
  if (error instanceof AppError) return error;
  const { status, message } = (error ?? {}) as { status?: unknown; message?: unknown };
  // The classic of a first day behind a proxy: cookies must be Secure, and the proxy does not say that it speaks https.
  if (typeof message === 'string' && message.startsWith('Cannot send secure cookie')) {
    const seen = ctx.get('x-forwarded-proto') || 'none';
    return new SetupError(
      'missing-forwarded-proto',
      500,
      `The issuer is https, but this request arrived as plain http (X-Forwarded-Proto: ${seen.slice(0, 20)}; ` +
        `LATCHKEY_TRUSTED_PROXIES: ${parts.trustedProxies}). Let the proxy send X-Forwarded-Proto: https and set ` +
        'LATCHKEY_TRUSTED_PROXIES to the number of proxies in front.',
      { cause: caught },
    );
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new AppError(codeOf(status), status, 'The request could not be understood.', { cause: caught });
  }
  if (status === 503) return new Unavailable(undefined, { cause: caught });
  return new AppError('internal', 500, 'Something went wrong on our side.', { cause: caught });
}

function codeOf(status: number): string {
  const known: Record<number, string> = {
    401: 'not-signed-in',
    403: 'forbidden',
    404: 'page-not-found',
    405: 'method-not-allowed',
    413: 'too-large',
    414: 'too-long',
    415: 'unsupported-media-type',
    429: 'too-many-requests',
  };
  return known[status] ?? 'invalid-request';
}
