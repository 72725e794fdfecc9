// The cookie of a browser on which somebody rests the second factor (requirements F12): one for each account, random, and worth nothing in any
// other browser's hands once the account's credentials change. What it is good for is decided in owed.ts.
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import type { TrustedDevices } from '../credential/trusted-device.ts';
import { type CookieNaming, readCookie, setCookie } from '../http/browser.ts';
import type { KnownAccounts } from './known-accounts.ts';

interface Parts {
  readonly trustedDevices: TrustedDevices;
  readonly knownAccounts: KnownAccounts;
  readonly naming: CookieNaming;
}

export async function findTrust(ctx: Context, parts: Parts, account: AccountRow): Promise<boolean> {
  return parts.trustedDevices.isTrusted(account.id, readCookie(ctx, nameOf(parts, account), parts.naming));
}

/** After a second factor was proven and the box was ticked. */
export async function trustBrowser(ctx: Context, parts: Parts, account: AccountRow): Promise<void> {
  const value = await parts.trustedDevices.trust(account.id, account.credentialVersion);
  if (value !== null) setCookie(ctx, nameOf(parts, account), value, parts.naming, parts.trustedDevices.ttl);
}

/** It does not say whose it is. */
function nameOf({ knownAccounts }: Parts, account: AccountRow): string {
  return `latchkey_trust_${knownAccounts.handle(account.subject)}`;
}
