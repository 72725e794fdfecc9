// Tells the owner of an account by mail that it was signed in to with a browser that was not used for it before (requirements S3, M2). The first
// sign-in of a new account is news to nobody, and an address that was never proven may be somebody else's.
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import { asker } from '../http/asker.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { Database } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import { type InteractionParts, origin } from './interaction.ts';
import { notMePath } from './mailed.ts';

/** Milliseconds: later it is news to nobody. */
const NOTICE_LIFE = 24 * 3600 * 1000;

export interface NewDeviceParts extends InteractionParts {
  readonly database: Database;
  readonly oneTime: OneTime;
  readonly notifications: Notifications;
  /** Seconds for which "it was not me" works. */
  readonly notMeTtl: number;
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
  const { id, email, emailVerified } = account;
  const actor = { kind: 'account', id } as const;
  await parts.database.transaction(async (em) => {
    await parts.audit.record({ actor, action: 'session.new-device', target: actor, origin: origin(ctx) }, em);
    if (!parts.tellsOfNewDevices || email === null || !emailVerified) return;
    await parts.notifications.send(em, {
      kind: 'notice',
      ...{ to: email, accountId: id, zone: account.zoneinfo, locale: account.locale ?? parts.pages.locale(ctx) },
      expiresAt: new Date(Date.now() + NOTICE_LIFE),
      model: { what: 'new-device', asked: asker(ctx), path: await notMePath(em, parts, id) },
    });
  });
}
