// Tells the owner of an account that it was signed in to with a browser that was not used for it before (requirements S3, M2). The first
// sign-in of a new account is news to nobody, and an address that was never proven may be somebody else's.
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import { asker } from '../http/asker.ts';
import type { Notices } from '../notification/notices.ts';
import type { Database } from '../storage/database.ts';
import { type InteractionParts, origin } from './interaction.ts';

export interface NewDeviceParts extends InteractionParts {
  readonly database: Database;
  readonly notices: Notices;
  readonly tellsOfNewDevices: boolean;
}

/** To be called before the browser is remembered. @param isFirst whether nobody has signed in to this account before */
export async function tellOfNewDevice(
  ctx: Context,
  parts: NewDeviceParts,
  account: AccountRow,
  isFirst: boolean,
): Promise<void> {
  if (isFirst || parts.knownAccounts.list(ctx).includes(account.subject)) return;
  const actor = { kind: 'account', id: account.id } as const;
  await parts.database.transaction(async (em) => {
    await parts.audit.record({ actor, action: 'session.new-device', target: actor, origin: origin(ctx) }, em);
    if (!parts.tellsOfNewDevices) return;
    await parts.notices.tell(em, {
      owner: account,
      about: { what: 'new-device', asked: asker(ctx) },
      locale: parts.pages.locale(ctx),
    });
  });
}
