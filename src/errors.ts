// The errors that stop a request. Koa and oidc-provider use the same field names, so http/error-page.ts writes all of them, as a page or
// as JSON. What a person can reasonably do wrong on a form is not an error: it is a returned outcome that renders the form again.

interface AppErrorOptions {
  /** Never shown to anybody; goes to the log. */
  readonly cause?: unknown;
  /** Which input was wrong, by its wire name. */
  readonly field?: string;
  /** Seconds after which it is worth trying again (RFC 9110, 10.2.3). */
  readonly retryAfter?: number;
}

export class AppError extends Error {
  /** Stable and kebab-case: pages carry it as `data-error`, JSON as `error`. */
  readonly code: string;
  readonly status: number;
  /** Whether `message` is meant for the person at the other end. */
  readonly expose: boolean;
  readonly field: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: string, status: number, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.expose = status < 500;
    this.field = options.field;
    this.retryAfter = options.retryAfter;
  }
}

export class InvalidRequest extends AppError {
  constructor(message: string, options: AppErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'invalid-request', 400, message, options);
  }
}

export class Forbidden extends AppError {
  constructor(message = 'This is not allowed.', options: AppErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'forbidden', 403, message, options);
  }
}

export class NotFound extends AppError {
  constructor(message = 'There is nothing here.', options: AppErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'not-found', 404, message, options);
  }
}

export class Conflict extends AppError {
  constructor(message: string, options: AppErrorOptions & { readonly code?: string } = {}) {
    super(options.code ?? 'conflict', 409, message, options);
  }
}

export class TooManyRequests extends AppError {
  /** @param retryAfter seconds */
  constructor(retryAfter: number, message = 'Too many attempts.', options: AppErrorOptions = {}) {
    super('too-many-requests', 429, message, { ...options, retryAfter });
  }
}

/** Something we need is away (database, Redis, hashing queue); always 503 with Retry-After. */
export class Unavailable extends AppError {
  constructor(
    message = 'This is not available right now.',
    options: AppErrorOptions & { readonly code?: string } = {},
  ) {
    super(options.code ?? 'unavailable', 503, message, { retryAfter: 5, ...options });
  }
}
