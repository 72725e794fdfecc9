// The page that waits for an answer in the bot, for whoever asks: a sign-in, a second factor, the account portal. It shows the number, learns the
// answer by events, by asking or by its button, and hands on who approved. What that is good for is the asker's to say: an approval of one
// purpose and context counts for no other.
import { setTimeout as wait } from 'node:timers/promises';
import type { Context } from 'koa';
import { renderSVG } from 'uqr';
import type { Budgets } from '../credential/budget.ts';
import { TooManyRequests } from '../errors.ts';
import { asker } from '../http/asker.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { streamChanges } from '../http/event-stream.ts';
import type { FormTarget } from '../http/headers.ts';
import type { Pages } from '../http/page.ts';
import type { TelegramWaitModel } from '../http/page-model.ts';
import type { ApprovalFor, Approvals, Approver, PendingApproval } from './approvals.ts';
import type { Telegram } from './telegram.ts';

export interface ApprovalPageParts {
  /** Null where there is no bot. */
  readonly bot: { readonly telegram: Telegram; readonly approvals: Approvals } | null;
  readonly budgets: Budgets;
  readonly naming: CookieNaming;
  readonly pages: Pages;
}

/** Milliseconds for which a request waits until the question is with Telegram. */
const SEND_TIMEOUT = 4000;
/** Questions with a link, from one network. */
const NETWORK_BUDGET = { limit: 20, window: 900 };

/**
 * A question for the bot.
 * @param client whose name the bot says, or null for our own
 * @param chat whom the question goes to, in a chat that we know; without it the page shows a link
 * @returns null where there is no bot; `isSent` is false when nobody can be reached there
 */
export async function askInBot(
  ctx: Context,
  { bot, budgets, naming }: ApprovalPageParts,
  asked: ApprovalFor,
  client: string | null,
  chat?: { readonly telegramId: string; readonly trustDays: number | null },
): Promise<(PendingApproval & { readonly isSent: boolean }) | null> {
  if (bot === null) return null;
  const network = clientNetwork(ctx);
  // What goes to a chat is counted as a try of its account, and an office is not locked out by how many work there.
  const spending = chat ? null : await budgets.spendNetwork('telegram-approval', network, NETWORK_BUDGET);
  if (spending?.isAllowed === false) throw new TooManyRequests(spending.retryAfter);
  const question = { ...asked, client, ...asker(ctx), trustDays: chat?.trustDays ?? null };
  const begun = await bot.approvals.begin(question, ensureBrowserId(ctx, naming), chat?.telegramId);
  return { ...begun, isSent: chat === undefined || (await soon(bot.telegram.ask(begun.asked, chat.telegramId))) };
}

/** Telegram may be slow: then the page waits for it, not the request. */
async function soon(sending: Promise<boolean>): Promise<boolean> {
  const stop = new AbortController();
  const late = wait(SEND_TIMEOUT, true, { signal: stop.signal, ref: false }).catch(() => true);
  try {
    return await Promise.race([sending, late]);
  } finally {
    stop.abort();
  }
}

/** Null for any other browser, purpose or context. */
export async function findAsked(
  ctx: Context,
  { bot, naming }: ApprovalPageParts,
  asked: ApprovalFor,
  id: string,
): Promise<PendingApproval | null> {
  const found = await bot?.approvals.find(id, findBrowserId(ctx, naming));
  return found?.context === asked.context && found.purpose === asked.purpose ? found : null;
}

interface WaitPage extends Pick<TelegramWaitModel, 'client' | 'againAction' | 'otherWayUrl'> {
  /** Of the box beside the button that asks once more; it is ticked where it was. */
  readonly trustDays?: number | null;
  readonly uiLocales?: string | undefined;
  readonly accountLocale?: string | null;
  readonly account?: { readonly name: string; readonly email: string | null };
  readonly formTarget?: FormTarget;
}

export function showWait(ctx: Context, parts: ApprovalPageParts, approval: PendingApproval, page: WaitPage): void {
  const { client, againAction, otherWayUrl, trustDays = null, ...options } = page;
  const username = parts.bot?.telegram.username ?? null;
  const { handle } = approval;
  const url = username === null ? null : `https://t.me/${username}${handle === null ? '' : `?start=${handle}`}`;
  const model: TelegramWaitModel = {
    ...{ client, againAction, otherWayUrl },
    trust: trustDays === null ? null : { days: trustDays, isTicked: approval.trustDays !== null },
    action: ctx.path,
    purpose: approval.purpose,
    state: approval.state,
    number: approval.number,
    isInChat: handle === null,
    bot: url === null ? null : { url, name: `@${username ?? ''}`, qr: renderSVG(url) },
    minutes: Math.max(1, Math.round((approval.expiresAt.getTime() - Date.now()) / 60_000)),
  };
  parts.pages.show(ctx, 'telegram-wait', model, options);
}

/** What the page's module looks at; it tells this browser alone, and nothing that its page does not show. */
export async function sendAskedState(
  ctx: Context,
  parts: ApprovalPageParts,
  asked: ApprovalFor,
  id: string,
): Promise<void> {
  ctx.set('Cache-Control', 'no-store');
  ctx.body = { state: await stateOf(ctx, parts, asked, id) };
}

export function streamAskedState(ctx: Context, parts: ApprovalPageParts, asked: ApprovalFor, id: string): void {
  streamChanges(ctx, () => stateOf(ctx, parts, asked, id));
}

/**
 * The button, or the page by itself once the bot has its answer.
 * @returns who approved, once; null when the page has to say why it does not go on: then the browser was sent back to it
 */
export async function takeAsked(
  ctx: Context,
  { bot, naming }: ApprovalPageParts,
  asked: ApprovalFor,
  id: string,
): Promise<Approver | null> {
  const approver = (await bot?.approvals.take(id, findBrowserId(ctx, naming), asked)) ?? null;
  if (approver === null) {
    ctx.status = 303;
    ctx.redirect(ctx.path);
  }
  return approver;
}

async function stateOf(ctx: Context, parts: ApprovalPageParts, asked: ApprovalFor, id: string): Promise<string> {
  return (await findAsked(ctx, parts, asked, id))?.state ?? 'expired';
}
