// The browser's own cookie: a random value that ties forms, tickets and links to the browser that asked for them. It signs nobody in.
import type { Context } from 'koa';
import { randomToken } from '../crypto/random.ts';

const VALUE = /^[A-Za-z0-9_-]{43}$/;
const YEAR = 365 * 24 * 60 * 60;

export interface CookieNaming {
  /** With an https issuer cookies are `Secure` and carry the `__Host-` prefix (requirements B1). */
  readonly isSecure: boolean;
}

/** The full name of a cookie with path `/`. */
export function cookieName(name: string, naming: CookieNaming): string {
  return naming.isSecure ? `__Host-${name}` : name;
}

/** Sets one of our cookies: HttpOnly, Lax, for the whole origin. @param maxAge seconds; undefined ends with the browser */
export function setCookie(ctx: Context, name: string, value: string, naming: CookieNaming, maxAge?: number): void {
  ctx.cookies.set(cookieName(name, naming), value, {
    httpOnly: true,
    sameSite: 'lax',
    path: '/',
    secure: naming.isSecure,
    signed: false,
    overwrite: true,
    ...(maxAge === undefined ? {} : { maxAge: maxAge * 1000 }),
  });
}

export function clearCookie(ctx: Context, name: string, naming: CookieNaming): void {
  ctx.cookies.set(cookieName(name, naming), null, {
    path: '/',
    secure: naming.isSecure,
    signed: false,
    overwrite: true,
  });
}

export function readCookie(ctx: Context, name: string, naming: CookieNaming): string | undefined {
  return ctx.cookies.get(cookieName(name, naming), { signed: false });
}

/** This browser's id, or undefined for one that has shown us no cookie yet. */
export function findBrowserId(ctx: Context, naming: CookieNaming): string | undefined {
  const value = readCookie(ctx, 'latchkey_browser', naming);
  return value !== undefined && VALUE.test(value) ? value : undefined;
}

/** This browser's id; a new one is set with the answer. */
export function ensureBrowserId(ctx: Context, naming: CookieNaming): string {
  const known = findBrowserId(ctx, naming);
  if (known !== undefined) return known;
  const fresh = randomToken();
  setCookie(ctx, 'latchkey_browser', fresh, naming, YEAR);
  return fresh;
}
