// Mails with a link and a code that the sign-in pages send: drafted, stored and queued in one transaction. For an address that has no account
// the same work is done and nothing is sent, so that neither answer nor time tells.
import type { Context } from 'koa';
import type { AccountRow } from '../account/accounts.ts';
import type { Budgets } from '../credential/budget.ts';
import type { MailDraft, MailedSecrets, MailPurpose, MailRefusal } from '../credential/mailed-secret.ts';
import { NotFound } from '../errors.ts';
import { ensureBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Message } from '../notification/message.ts';
import { NOT_ME, type Notices } from '../notification/notices.ts';
import type { Notifications } from '../notification/notifications.ts';
import type { Database, EntityManager } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';
import type { Transactions } from '../upstream/transaction.ts';
import { type Interaction, type InteractionParts, origin } from './interaction.ts';

export interface MailedParts extends InteractionParts {
  readonly database: Database;
  readonly oneTime: OneTime;
  readonly mailed: MailedSecrets;
  readonly notifications: Notifications;
  readonly notices: Notices;
  readonly budgets: Budgets;
  readonly transactions: Transactions;
  readonly issuer: string;
  /** How often one network may ask for mails, and register, within an hour. */
  readonly limits: { readonly mailRequests: number; readonly registrations: number };
  /** Seconds for which "it was not me" works. */
  readonly notMeTtl: number;
}

const HOUR = 3600;

interface Request {
  readonly purpose: MailPurpose;
  /** As typed; counted in lower case. */
  readonly address: string;
  readonly account: AccountRow | null;
  readonly content: object;
  /** Asked for again with the button on the page that waits for the code. */
  readonly isResend?: boolean;
  /** What commits with it. */
  readonly alongside?: (em: EntityManager) => Promise<void>;
  /** What is sent, if anything. */
  readonly message: (draft: MailDraft, notMePath: string | undefined) => Message | null;
}

/** Draft, row and mail, or the time to wait. The same statements run whether anything is sent or not. */
export async function beginMailed(
  ctx: Context,
  parts: MailedParts,
  request: Request,
): Promise<MailDraft | MailRefusal> {
  const budget = { limit: parts.limits.mailRequests, window: HOUR };
  const spending = await parts.budgets.spendNetwork('mail-network', clientNetwork(ctx), budget);
  if (!spending.isAllowed) return spending;
  const draft = await parts.mailed.draft(request.purpose, request.address.trim().toLowerCase().slice(0, 254));
  if (!draft.isAllowed) return draft;
  const browserId = ensureBrowserId(ctx, parts.naming);
  const accountId = request.account?.id ?? null;
  await parts.database.transaction(async (em) => {
    await request.alongside?.(em);
    await parts.mailed.put(em, draft, { accountId, browserId, content: request.content });
    const path = request.account ? await notMePath(em, parts, request.account.id) : undefined;
    const message = request.message(draft, path);
    const { isResend = false } = request;
    if (message) await parts.notifications.send(em, { ...message, isResend });
    await parts.audit.record(
      {
        actor: { kind: 'anonymous' },
        ...(accountId === null ? {} : { target: { kind: 'account', id: accountId } as const }),
        ...{ action: isResend ? 'mail-code.resend' : 'mail-code.issue', origin: origin(ctx), reason: request.purpose },
      },
      em,
    );
  });
  return draft;
}

async function notMePath(
  em: EntityManager,
  parts: Pick<MailedParts, 'oneTime' | 'notMeTtl'>,
  accountId: string,
): Promise<string> {
  const link = { ttl: parts.notMeTtl, subject: accountId, em };
  return `/not-me/${await parts.oneTime.put(NOT_ME, { accountId }, link)}`;
}

/** The proof was right, but what it was for is not there any more: thrown where it is taken, so that nothing is taken. */
export function linkUsed(): NotFound {
  return new NotFound(undefined, { code: 'link-used' });
}

/** The outcome of taking a proof; one that is worth nothing is told like one that is gone. */
export async function takeOrGone<Outcome>(taking: Promise<Outcome>): Promise<Outcome | { readonly kind: 'gone' }> {
  try {
    return await taking;
  } catch (error) {
    if (error instanceof NotFound && error.code === 'link-used') return { kind: 'gone' };
    throw error;
  }
}

/** One page for a link or code that is wrong, used, replaced, too old or not this browser's, with the way back to the sign-in page. */
export function showGone(ctx: Context, parts: InteractionParts, interaction: Interaction): void {
  const nextSteps = [{ label: parts.pages.text(ctx, 'link.back'), url: `/interaction/${interaction.uid}` }];
  const model = { code: 'link-used', client: interaction.client, nextSteps, details: null };
  parts.pages.show(ctx, 'error', model, { status: 410, uiLocales: interaction.uiLocales });
}
