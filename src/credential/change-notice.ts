// What goes with every change of credentials, in its transaction: a row of the audit, and a notice to the account's owner with a way to say
// "it was not me" (requirements M2). It decides about no change.
import type { Context } from 'koa';
import type { Audit, Origin } from '../audit/audit.ts';
import { asker } from '../http/asker.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import type { Asker, Factor, Notice } from '../notification/message.ts';
import type { Addressee, NoticeChat, Notices } from '../notification/notices.ts';
import type { EntityManager } from '../storage/database.ts';

export interface ChangeNoticeParts extends TellParts {
  readonly pages: Pages;
}

interface TellParts {
  readonly audit: Audit;
  readonly notices: Notices;
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
  /** The owner's chats before one was taken away. */
  readonly chats?: readonly NoticeChat[];
}

export async function tellOfChange(
  ctx: Context,
  parts: ChangeNoticeParts,
  em: EntityManager,
  owner: Addressee,
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
  owner: Addressee,
  change: Change,
  from: { readonly origin?: Origin; readonly asked: Asker; readonly locale: string },
): Promise<void> {
  const { action, chats, ...about } = change;
  const actor = { kind: 'account', id: owner.id } as const;
  const { origin, asked, locale } = from;
  await parts.audit.record({ actor, action, target: actor, ...(origin ? { origin } : {}), reason: change.factor }, em);
  await parts.notices.tell(em, { owner, about: { ...about, asked }, locale, ...(chats ? { chats } : {}) });
}
