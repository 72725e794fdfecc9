// The accounts that have signed in with this browser: for the account chooser, and so that a flood of guesses from elsewhere cannot keep their
// owner out. Sealed in a cookie; it names accounts and signs nobody in.
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import { isEqual, keyedHash } from '../crypto/random.ts';
import type { Seal } from '../crypto/seal.ts';
import { type CookieNaming, readCookie, setCookie } from '../http/browser.ts';

const COOKIE = 'latchkey_accounts';
const PURPOSE = 'known-accounts';
const MOST = 5;
const YEAR = 365 * 24 * 60 * 60;

/** Subject and credential version: after a change of credentials a browser has to prove itself again. */
type Entry = readonly [subject: string, credentialVersion: number];

export class KnownAccounts {
  readonly #seal: Seal;
  readonly #keys: readonly [Uint8Array, ...Uint8Array[]];
  readonly #naming: CookieNaming;

  constructor(parts: { readonly seal: Seal; readonly naming: CookieNaming }) {
    this.#seal = parts.seal;
    this.#keys = parts.seal.deriveKeys('known account handles');
    this.#naming = parts.naming;
  }

  /** Subjects, the last used first. */
  list(ctx: Context): readonly string[] {
    return this.#read(ctx).map(([subject]) => subject);
  }

  isKnown(ctx: Context, account: AccountRow): boolean {
    return this.#read(ctx).some(
      ([subject, version]) => subject === account.subject && version === account.credentialVersion,
    );
  }

  remember(ctx: Context, account: AccountRow): void {
    const others = this.#read(ctx).filter(([subject]) => subject !== account.subject);
    this.#write(ctx, [[account.subject, account.credentialVersion] as const, ...others]);
  }

  forget(ctx: Context, subject: string): void {
    this.#write(
      ctx,
      this.#read(ctx).filter(([known]) => known !== subject),
    );
  }

  /** What the chooser's form carries instead of the subject. */
  handle(subject: string): string {
    return handleOf(this.#keys[0], subject);
  }

  /** Whether a form that was shown before, or before the master secret changed, means this account. */
  isHandleOf(subject: string, handle: string): boolean {
    return this.#keys.some((key) => isEqual(handleOf(key, subject), handle));
  }

  #write(ctx: Context, entries: readonly Entry[]): void {
    const sealed = this.#seal.seal(PURPOSE, JSON.stringify(entries.slice(0, MOST)));
    setCookie(ctx, COOKIE, sealed.toString('base64url'), this.#naming, YEAR);
  }

  #read(ctx: Context): readonly Entry[] {
    const value = readCookie(ctx, COOKIE, this.#naming);
    if (value === undefined || value.length > 3000) return [];
    try {
      return JSON.parse(this.#seal.openText(PURPOSE, Buffer.from(value, 'base64url'))) as Entry[];
    } catch {
      // Sealed with a secret that is gone: the browser is new to us.
      return [];
    }
  }
}

function handleOf(key: Uint8Array, subject: string): string {
  return keyedHash(key, subject).slice(0, 22);
}
