// Which client a sign-in was for, remembered by the browser for a day, so that a page left open or opened again can say so and lead back
// after the engine has forgotten it. It proves nothing and is used for nothing else.
import type { Context } from 'koa';
import type { Seal } from '../crypto/seal.ts';
import { type CookieNaming, readCookie, setCookie } from '../http/browser.ts';

const COOKIE = 'latchkey_trail';
const PURPOSE = 'trail';
const MOST = 5;
const DAY = 24 * 60 * 60;

type Entry = readonly [uid: string, clientId: string];

export class Trail {
  readonly #seal: Seal;
  readonly #naming: CookieNaming;

  constructor(parts: { readonly seal: Seal; readonly naming: CookieNaming }) {
    this.#seal = parts.seal;
    this.#naming = parts.naming;
  }

  note(ctx: Context, uid: string, clientId: string): void {
    const known = this.#read(ctx);
    if (known.some(([knownUid]) => knownUid === uid)) return;
    const entries = [[uid, clientId] as const, ...known].slice(0, MOST);
    setCookie(ctx, COOKIE, this.#seal.seal(PURPOSE, JSON.stringify(entries)).toString('base64url'), this.#naming, DAY);
  }

  findClientId(ctx: Context, uid: string): string | null {
    return this.#read(ctx).find(([knownUid]) => knownUid === uid)?.[1] ?? null;
  }

  #read(ctx: Context): readonly Entry[] {
    const value = readCookie(ctx, COOKIE, this.#naming);
    if (value === undefined || value.length > 3000) return [];
    try {
      return JSON.parse(this.#seal.openText(PURPOSE, Buffer.from(value, 'base64url'))) as Entry[];
    } catch {
      // Sealed with a secret that is gone: the browser simply remembers nothing.
      return [];
    }
  }
}
