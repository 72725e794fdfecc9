// What goes with every change of credentials, in its transaction: a row of the audit, and a mail to the account's own address with a way to
// say "it was not me" (requirements M2). It decides about no change.
import type { Context } from 'koa';
import type { Audit } from '../audit/audit.ts';
import { asker } from '../http/asker.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import type { Factor, Notice } from '../notification/message.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';

const NOT_ME = 'not-me';
/** Milliseconds: later a notice is news to nobody. */
const NOTICE_LIFE = 24 * 3600 * 1000;

export interface ChangeNoticeParts {
  readonly audit: Audit;
  readonly notifications: Notifications;
  readonly oneTime: OneTime;
  readonly pages: Pages;
  /** Seconds for which "it was not me" works. */
  readonly notMeTtl: number;
}

/** Whose credentials they are. */
interface Owner {
  readonly id: string;
  readonly email: string | null;
  readonly locale: string | null;
  readonly zoneinfo: string | null;
}

interface Change {
  /** For the audit. */
  readonly action: string;
  readonly what: Notice;
  readonly factor?: Factor;
  /** What the person calls it. */
  readonly name?: string;
  /** Recovery codes that are left. */
  readonly remaining?: number;
}

export async function tellOfChange(
  ctx: Context,
  parts: ChangeNoticeParts,
  em: EntityManager,
  owner: Owner,
  change: Change,
): Promise<void> {
  const { action, ...notice } = change;
  const origin = {
    network: clientNetwork(ctx),
    userAgent: ctx.get('user-agent') || undefined,
    requestId: requestId(ctx),
  };
  const actor = { kind: 'account', id: owner.id } as const;
  await parts.audit.record({ actor, action, target: actor, origin, reason: change.factor }, em);
  if (owner.email === null) return;
  const subject = { ttl: parts.notMeTtl, subject: owner.id, em };
  const token = await parts.oneTime.put(NOT_ME, { accountId: owner.id }, subject);
  await parts.notifications.send(em, {
    kind: 'notice',
    ...{ to: owner.email, accountId: owner.id, zone: owner.zoneinfo },
    locale: owner.locale ?? parts.pages.locale(ctx),
    expiresAt: new Date(Date.now() + NOTICE_LIFE),
    model: { ...notice, asked: asker(ctx), path: `/not-me/${token}` },
  });
}
