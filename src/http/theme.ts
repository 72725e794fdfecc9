// Light or dark: what an account chose, and what this browser remembers of it for the pages on which nobody is known yet. The cookie holds the
// theme and nothing else, so it tells nobody who was here.
import type { Context } from 'koa';
import { type CookieNaming, clearCookie, readCookie, setCookie } from './browser.ts';

export const THEMES = ['light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const COOKIE = 'latchkey_theme';
const YEAR = 365 * 24 * 60 * 60;

/** Null follows the system. */
export function readTheme(ctx: Context, naming: CookieNaming): Theme | null {
  const value = readCookie(ctx, COOKIE, naming);
  return THEMES.find((one) => one === value) ?? null;
}

/** @param theme null forgets it */
export function rememberTheme(ctx: Context, theme: Theme | null, naming: CookieNaming): void {
  if (readCookie(ctx, COOKIE, naming) === (theme ?? undefined)) return;
  if (theme === null) clearCookie(ctx, COOKIE, naming);
  else setCookie(ctx, COOKIE, theme, naming, YEAR);
}
