// Which way in this browser used last, for a badge on the sign-in page. It names a method or an upstream, never a person.
import type { Context } from 'koa';
import type { Proof } from '../credential/assurance.ts';
import { type CookieNaming, readCookie, setCookie } from '../http/browser.ts';

const COOKIE = 'latchkey_last_way';
const YEAR = 365 * 24 * 60 * 60;
const VALUE = /^[a-z][a-z0-9-]{0,31}$/;

/** @param way a method as the sign-in page knows it, or the id of an upstream */
export function noteLastWay(ctx: Context, naming: CookieNaming, way: string): void {
  setCookie(ctx, COOKIE, way, naming, YEAR);
}

/** The page's word for what was shown first; undefined where it is noted elsewhere. */
export function wayOf(first: Proof | undefined): string | undefined {
  const ways: Partial<Record<Proof['method'], string>> = {
    password: 'password',
    mail: 'mail-code',
    phone: 'phone',
    passkey: 'passkey',
  };
  return first && ways[first.method];
}

export function findLastWay(ctx: Context, naming: CookieNaming): string | undefined {
  const value = readCookie(ctx, COOKIE, naming);
  return value !== undefined && VALUE.test(value) ? value : undefined;
}
