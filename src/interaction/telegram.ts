// Signing in by an approval in the bot: this page shows the way to the bot and a number, the bot asks for that number, and this browser alone
// may go on with the answer, by a post. The bot's link signs in neither who opens it nor who sent it.
import type { Context } from 'koa';
import { renderSVG } from 'uqr';
import { z } from 'zod';
import type { Budgets } from '../credential/budget.ts';
import { TooManyRequests } from '../errors.ts';
import { asker } from '../http/asker.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { streamChanges } from '../http/event-stream.ts';
import { parseForm } from '../http/form.ts';
import type { TelegramWaitModel } from '../http/page-model.ts';
import type { Approver, PendingApproval } from '../telegram/approvals.ts';
import { type Interaction, type InteractionParts, origin } from './interaction.ts';

type Parts = InteractionParts & { readonly budgets: Budgets };

const EMPTY_FORM = z.strictObject({});
/** Questions to the bot from one network. */
const NETWORK_BUDGET = { limit: 20, window: 900 };

/** A question for the bot, and the page that waits for its answer. */
export async function beginApproval(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  const { bot, budgets, naming } = parts;
  if (bot === null) return toPrompt(ctx, interaction);
  const network = clientNetwork(ctx);
  const spending = await budgets.spendNetwork('telegram-approval', network, NETWORK_BUDGET);
  if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
  const { browser, system, place } = asker(ctx);
  const client = interaction.client?.name ?? null;
  const { id } = await bot.approvals.begin(
    {
      ...({ purpose: 'sign-in', client, browser, system, place } as const),
      ...{ network, context: contextOf(interaction) },
    },
    ensureBrowserId(ctx, naming),
  );
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/telegram/${id}`);
}

/** "Try again", after a no or too long a time. */
export async function submitAgain(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  await beginApproval(ctx, parts, interaction);
}

export async function showApproval(ctx: Context, parts: Parts, interaction: Interaction, id: string): Promise<void> {
  const approval = await find(ctx, parts, interaction, id);
  if (parts.bot === null || approval === null || approval.state === 'taken') {
    toPrompt(ctx, interaction);
    return;
  }
  const { username } = parts.bot.telegram;
  const url = approval.handle === null || username === null ? null : botLink(username, approval.handle);
  const model: TelegramWaitModel = {
    client: interaction.client,
    action: ctx.path,
    state: approval.state,
    number: approval.number,
    bot: url === null ? null : { url, name: `@${username ?? ''}`, qr: renderSVG(url) },
    minutes: Math.max(1, Math.round((approval.expiresAt.getTime() - Date.now()) / 60_000)),
    againAction: `/interaction/${interaction.uid}/telegram`,
    otherWayUrl: `/interaction/${interaction.uid}?choose=1`,
  };
  parts.pages.show(ctx, 'telegram-wait', model, { uiLocales: interaction.uiLocales });
}

/** What the page's module looks at; it tells this browser alone, and nothing that its page does not show. */
export async function sendApprovalState(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  id: string,
): Promise<void> {
  ctx.set('Cache-Control', 'no-store');
  ctx.body = { state: await stateOf(ctx, parts, interaction, id) };
}

export function streamApprovalState(ctx: Context, parts: Parts, interaction: Interaction, id: string): void {
  streamChanges(ctx, () => stateOf(ctx, parts, interaction, id));
}

/**
 * The button, or the page by itself once the bot has its answer.
 * @returns who approved; null when the page has to say why it does not go on
 */
export async function takeApproval(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  id: string,
): Promise<Approver | null> {
  parseForm(ctx, EMPTY_FORM);
  const browserId = findBrowserId(ctx, parts.naming);
  const approver = (await parts.bot?.approvals.take(id, browserId, contextOf(interaction))) ?? null;
  if (approver === null) {
    ctx.status = 303;
    ctx.redirect(ctx.path);
    return null;
  }
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    action: 'telegram.take-approval',
    clientId: interaction.clientId,
    origin: origin(ctx),
  });
  return approver;
}

function botLink(username: string, payload: string): string {
  return `https://t.me/${username}?start=${payload}`;
}

async function find(ctx: Context, parts: Parts, interaction: Interaction, id: string): Promise<PendingApproval | null> {
  const found = await parts.bot?.approvals.find(id, findBrowserId(ctx, parts.naming));
  return found?.context === contextOf(interaction) ? found : null;
}

async function stateOf(ctx: Context, parts: Parts, interaction: Interaction, id: string): Promise<string> {
  return (await find(ctx, parts, interaction, id))?.state ?? 'expired';
}

function contextOf({ uid }: Interaction): string {
  return `interaction:${uid}`;
}

function toPrompt(ctx: Context, { uid }: Interaction): void {
  ctx.status = 303;
  ctx.redirect(`/interaction/${uid}?choose=1`);
}
