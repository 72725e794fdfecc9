// What goes with every change of credentials, in its transaction: a row of the audit, and a mail to the account's own address with a way to
// say "it was not me" (requirements M2). It decides about no change.
import type { Context } from 'koa';
import type { Audit, Origin } from '../audit/audit.ts';
import { asker } from '../http/asker.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import type { Asker, Factor, Notice } from '../notification/message.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';

/** Leads to the page with the button that ends all sessions and starts recovery. */
export const NOT_ME = 'not-me';
/** Milliseconds: later a notice is news to nobody. */
const NOTICE_LIFE = 24 * 3600 * 1000;

export interface ChangeNoticeParts extends TellParts {
  readonly pages: Pages;
}

interface TellParts {
  readonly audit: Audit;
  readonly notifications: Notifications;
  readonly oneTime: OneTime;
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

export interface Change {
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
  const origin = {
    network: clientNetwork(ctx),
    userAgent: ctx.get('user-agent') || undefined,
    requestId: requestId(ctx),
  };
  const from = { origin, asked: asker(ctx), locale: parts.pages.locale(ctx) };
  await tellOwner(parts, em, owner, change, from);
}

/** The same for a change that no browser asked for. @param from who did; `locale` is for an owner who has none */
export async function tellOwner(
  parts: TellParts,
  em: EntityManager,
  owner: Owner,
  change: Change,
  from: { readonly origin?: Origin; readonly asked: Asker; readonly locale: string },
): Promise<void> {
  const { action, ...notice } = change;
  const actor = { kind: 'account', id: owner.id } as const;
  const { origin } = from;
  await parts.audit.record({ actor, action, target: actor, ...(origin ? { origin } : {}), reason: change.factor }, em);
  if (owner.email === null) return;
  const subject = { ttl: parts.notMeTtl, subject: owner.id, em };
  const token = await parts.oneTime.put(NOT_ME, { accountId: owner.id }, subject);
  await parts.notifications.send(em, {
    kind: 'notice',
    ...{ to: owner.email, accountId: owner.id, zone: owner.zoneinfo },
    locale: owner.locale ?? from.locale,
    expiresAt: new Date(Date.now() + NOTICE_LIFE),
    model: { ...notice, asked: from.asked, path: `/not-me/${token}` },
  });
}
