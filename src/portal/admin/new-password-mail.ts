// The mail by which somebody chooses a password because an administrator asked for it. Its link works in any browser; the code that belongs to
// every such secret goes nowhere and belongs to a browser that nobody has, so that whoever asked can do nothing with it.
import type { Context } from 'koa';
import type { AccountRow } from '../../account/accounts.ts';
import type { MailedSecrets } from '../../credential/mailed-secret.ts';
import { randomToken } from '../../crypto/random.ts';
import { TooManyRequests } from '../../errors.ts';
import type { Pages } from '../../http/page.ts';
import type { NewPasswordOccasion } from '../../notification/message.ts';
import type { Notifications } from '../../notification/notifications.ts';
import type { EntityManager } from '../../storage/database.ts';

/** Seconds: nobody waits in front of the mailbox for it. */
const LINK_TTL = 24 * 3600;

export interface NewPasswordMailParts {
  readonly mailed: MailedSecrets;
  readonly notifications: Notifications;
  readonly pages: Pages;
}

/** Writes the mail in the transaction of what it is about. */
type SendNewPasswordMail = (em: EntityManager, account: AccountRow) => Promise<void>;

/** Made before the transaction, because it takes time. @throws TooManyRequests for an address that got too many */
export async function draftNewPasswordMail(
  ctx: Context,
  parts: NewPasswordMailParts,
  email: string,
  occasion: NewPasswordOccasion,
): Promise<SendNewPasswordMail> {
  const draft = await parts.mailed.draft('reset', email.toLowerCase());
  if (!draft.isAllowed) throw new TooManyRequests(draft.retryAfter, 'This address has just got a mail of this kind.');
  return async (em, account) => {
    await parts.mailed.put(
      em,
      { ...draft, linkTtl: LINK_TTL },
      { accountId: account.id, browserId: randomToken(), content: { typed: email, interaction: null } },
    );
    await parts.notifications.send(em, {
      kind: 'new-password',
      ...{ to: account.email ?? email, accountId: account.id, zone: account.zoneinfo },
      locale: account.locale ?? parts.pages.locale(ctx),
      expiresAt: new Date(Date.now() + LINK_TTL * 1000),
      model: { path: `/link/${draft.linkToken}`, occasion },
    });
  };
}
