// The one way to answer with a page: security headers for its kind, language, form token and request id around a view. Rooms above give it a
// page's name and a plain model.
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { type CookieNaming, readCookie, setCookie } from './browser.ts';
import type { Csrf } from './csrf.ts';
import { contentSecurityPolicy, type FormTarget } from './headers.ts';
import type { Locales } from './locale.ts';
import type { Navigation } from './page-model.ts';
import { requestId } from './request-id.ts';
import { readTheme, rememberTheme, type Theme } from './theme.ts';
import type { View } from './view.ts';

const LOCALE_COOKIE = 'latchkey_locale';
const YEAR = 365 * 24 * 60 * 60;

interface ShowOptions {
  readonly status?: number;
  /** Space-separated tags from the request, as `ui_locales` brings them (OIDC Core 3.1.2.1). */
  readonly uiLocales?: string | undefined;
  readonly accountLocale?: string | null | undefined;
  /** Where forms of the page may lead in the end; only pages that never leave our origin say `self`. */
  readonly formTarget?: FormTarget;
  /** Shown in the corner of pages that belong to somebody. */
  readonly account?: { readonly name: string; readonly email: string | null } | null;
  /** The other pages of a portal. */
  readonly navigation?: Navigation;
  /** For the page that says why no cookie can be set: its forms would lead nowhere. */
  readonly setsNoCookie?: boolean;
}

export class Pages {
  readonly #view: View;
  readonly #locales: Locales;
  readonly #csrf: Csrf;
  readonly #naming: CookieNaming;
  /** By request, those whose account is known. */
  readonly #themes = new WeakMap<IncomingMessage, Theme | null>();

  constructor(parts: {
    readonly view: View;
    readonly locales: Locales;
    readonly csrf: Csrf;
    readonly naming: CookieNaming;
  }) {
    this.#view = parts.view;
    this.#locales = parts.locales;
    this.#csrf = parts.csrf;
    this.#naming = parts.naming;
  }

  show(ctx: Context, page: string, model: object, options: ShowOptions = {}): void {
    const known = this.#themes.get(ctx.req);
    const html = this.#view.render(page, model, {
      theme: known === undefined ? readTheme(ctx, this.#naming) : known,
      locale: this.locale(ctx, options),
      csrf: options.setsNoCookie ? '' : this.#csrf.token(ctx),
      requestId: requestId(ctx),
      path: ctx.path,
      account: options.account ?? null,
      navigation: options.navigation ?? null,
    });
    ctx.status = options.status ?? 200;
    ctx.type = 'html';
    ctx.set('Content-Security-Policy', contentSecurityPolicy(options.formTarget ?? 'anywhere'));
    ctx.set('Cache-Control', 'no-store');
    ctx.body = html;
  }

  /** The language of the answer; malformed and unknown tags are skipped. */
  locale(ctx: Context, options: Pick<ShowOptions, 'uiLocales' | 'accountLocale'> = {}): string {
    return this.#locales.pick({
      ...(options.uiLocales === undefined ? {} : { uiLocales: options.uiLocales }),
      ...optional('cookie', readCookie(ctx, LOCALE_COOKIE, this.#naming)),
      ...optional('account', options.accountLocale ?? undefined),
      ...optional('acceptLanguage', ctx.get('accept-language') || undefined),
    });
  }

  /**
   * From here on the pages of this request look as the account chose it, and this browser remembers it for its next sign-in. For whoever finds
   * out whose request it is.
   */
  honourTheme(ctx: Context, account: { readonly theme: Theme | null }): void {
    this.#themes.set(ctx.req, account.theme);
    rememberTheme(ctx, account.theme, this.#naming);
  }

  /** A translated sentence outside of a view. */
  text(ctx: Context, key: string, values: Record<string, string | number> = {}): string {
    return this.#locales.t(this.locale(ctx))(key, values);
  }

  /** Remembers the language a person chose in the footer. Unknown tags are ignored. */
  rememberLocale(ctx: Context, tag: string): void {
    if (this.#locales.available.some((one) => one.tag === tag)) setCookie(ctx, LOCALE_COOKIE, tag, this.#naming, YEAR);
  }
}

function optional<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, string>);
}
