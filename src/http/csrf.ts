// Cross-site posting: a form must come from our own origin, by what the browser says of itself, and must carry a token that only a page
// shown to this browser contains. Both are asked, because either alone has had holes.
import type { Context } from 'koa';
import { isEqual, keyedHash } from '../crypto/random.ts';
import { Forbidden } from '../errors.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from './browser.ts';

export class Csrf {
  readonly #key: Uint8Array;
  readonly #origin: string;
  readonly #naming: CookieNaming;

  constructor(parts: { readonly key: Uint8Array; readonly issuer: string; readonly naming: CookieNaming }) {
    this.#key = parts.key;
    this.#origin = new URL(parts.issuer).origin;
    this.#naming = parts.naming;
  }

  /** The token for a form on the page that answers this request. */
  token(ctx: Context): string {
    return keyedHash(this.#key, 'form', ensureBrowserId(ctx, this.#naming));
  }

  /** @throws Forbidden `foreign-form` when the post does not come from a page of ours in this browser */
  check(ctx: Context, token: unknown): void {
    const browser = findBrowserId(ctx, this.#naming);
    const isOurs = this.#isSameOrigin(ctx) && typeof token === 'string' && browser !== undefined;
    if (!isOurs || !isEqual(token, keyedHash(this.#key, 'form', browser))) {
      throw new Forbidden('This form was not sent from our page. Open the page again and send it once more.', {
        code: 'foreign-form',
      });
    }
  }

  #isSameOrigin(ctx: Context): boolean {
    const site = ctx.get('sec-fetch-site');
    if (site !== '') return site === 'same-origin' || site === 'none';
    const origin = ctx.get('origin');
    // Programs that are not browsers send neither header, and no stranger's page can make a browser leave both out.
    return origin === '' || origin === this.#origin;
  }
}
