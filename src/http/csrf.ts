// Cross-site posting: a form must come from our own origin, by what the browser says of itself, and must carry a token that only a page
// shown to this browser contains. Both are asked, because either alone has had holes.
import type { Context } from 'koa';
import { isEqual, keyedHash } from '../crypto/random.ts';
import { Forbidden } from '../errors.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from './browser.ts';

export class Csrf {
  readonly #keys: readonly [Uint8Array, ...Uint8Array[]];
  readonly #origin: string;
  readonly #naming: CookieNaming;

  /** @param parts.keys the first makes tokens, all are recognised: a form that was opened before a rotation can be sent */
  constructor(parts: {
    readonly keys: readonly [Uint8Array, ...Uint8Array[]];
    readonly issuer: string;
    readonly naming: CookieNaming;
  }) {
    this.#keys = parts.keys;
    this.#origin = new URL(parts.issuer).origin;
    this.#naming = parts.naming;
  }

  /** The token for a form on the page that answers this request. */
  token(ctx: Context): string {
    return keyedHash(this.#keys[0], 'form', ensureBrowserId(ctx, this.#naming));
  }

  /** @throws Forbidden `foreign-form` when the post does not come from a page of ours in this browser */
  check(ctx: Context, token: unknown): void {
    const browser = findBrowserId(ctx, this.#naming);
    const isOurs = this.#isSameOrigin(ctx) && typeof token === 'string' && browser !== undefined;
    if (!isOurs || !this.#keys.some((key) => isEqual(token, keyedHash(key, 'form', browser)))) {
      throw foreignForm();
    }
  }

  /**
   * For posts that need no cookie, since what they carry is signed or a one-time secret of the page they came from: only our own pages post.
   * @throws Forbidden `foreign-form`
   */
  checkOrigin(ctx: Context): void {
    if (!this.#isSameOrigin(ctx)) throw foreignForm();
  }

  #isSameOrigin(ctx: Context): boolean {
    const site = ctx.get('sec-fetch-site');
    if (site !== '') return site === 'same-origin' || site === 'none';
    const origin = ctx.get('origin');
    // Programs that are not browsers send neither header, and no stranger's page can make a browser leave both out.
    return origin === '' || origin === this.#origin;
  }
}

function foreignForm(): Forbidden {
  return new Forbidden('This form was not sent from our page. Open the page again and send it once more.', {
    code: 'foreign-form',
  });
}
