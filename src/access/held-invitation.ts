// The invitation that a browser has accepted and not used yet: sealed in a cookie, because the form that uses it belongs to a sign-in that begins
// only afterwards. It proves nothing but that the link was opened here.
import type { Context } from 'koa';
import type { Seal } from '../crypto/seal.ts';
import { type CookieNaming, clearCookie, readCookie, setCookie } from '../http/browser.ts';
import type { Invitations, OpenInvitation } from './invitations.ts';

const COOKIE = 'latchkey_invitation';
const PURPOSE = 'held-invitation';
const DAY = 24 * 60 * 60;

interface Held {
  readonly token: string;
  /** The form was not shown yet. */
  readonly isNew: boolean;
}

export class HeldInvitations {
  readonly #invitations: Invitations;
  readonly #seal: Seal;
  readonly #naming: CookieNaming;

  constructor(parts: { readonly invitations: Invitations; readonly seal: Seal; readonly naming: CookieNaming }) {
    this.#invitations = parts.invitations;
    this.#seal = parts.seal;
    this.#naming = parts.naming;
  }

  /** @param isNew whether the next sign-in page leads to the form for a new account by itself */
  hold(ctx: Context, token: string, isNew = true): void {
    this.#write(ctx, { token, isNew });
  }

  /** Whether there may be one; `find` knows. */
  has(ctx: Context): boolean {
    return this.#read(ctx) !== null;
  }

  /** Null when there is none, or when it is worth nothing any more. */
  async find(ctx: Context): Promise<OpenInvitation | null> {
    const held = this.#read(ctx);
    return held && this.#invitations.find(held.token);
  }

  /** Whether the form is still to be shown by itself; true once. */
  takeNews(ctx: Context): boolean {
    const held = this.#read(ctx);
    if (!held?.isNew) return false;
    this.#write(ctx, { ...held, isNew: false });
    return true;
  }

  forget(ctx: Context): void {
    if (this.has(ctx)) clearCookie(ctx, COOKIE, this.#naming);
  }

  #write(ctx: Context, held: Held): void {
    setCookie(ctx, COOKIE, this.#seal.seal(PURPOSE, JSON.stringify(held)).toString('base64url'), this.#naming, DAY);
  }

  #read(ctx: Context): Held | null {
    const value = readCookie(ctx, COOKIE, this.#naming);
    if (value === undefined || value.length > 1000) return null;
    try {
      return JSON.parse(this.#seal.openText(PURPOSE, Buffer.from(value, 'base64url'))) as Held;
    } catch {
      // Sealed with a secret that is gone.
      return null;
    }
  }
}
