// Signing in by an approval in the bot: this page shows the way to the bot and a number, the bot asks for that number, and this browser alone
// may go on with the answer, by a post. The bot's link signs in neither who opens it nor who sent it.
import type { Context } from 'koa';
import { z } from 'zod';
import type { Budgets } from '../credential/budget.ts';
import { parseForm } from '../http/form.ts';
import {
  askInBot,
  findAsked,
  sendAskedState,
  showWait,
  streamAskedState,
  takeAsked,
} from '../telegram/approval-page.ts';
import type { ApprovalFor, Approver } from '../telegram/approvals.ts';
import { type Interaction, type InteractionParts, origin } from './interaction.ts';

type Parts = InteractionParts & { readonly budgets: Budgets };

const EMPTY_FORM = z.strictObject({});

/** A question for the bot, and the page that waits for its answer. */
export async function beginApproval(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  const begun = await askInBot(ctx, parts, signInOf(interaction), interaction.client?.name ?? null);
  if (begun === null) return toPrompt(ctx, interaction);
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/telegram/${begun.id}`);
}

/** "Try again", after a no or too long a time. */
export async function submitAgain(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  await beginApproval(ctx, parts, interaction);
}

export async function showApproval(ctx: Context, parts: Parts, interaction: Interaction, id: string): Promise<void> {
  const approval = await findAsked(ctx, parts, signInOf(interaction), id);
  if (approval === null || approval.state === 'taken') {
    toPrompt(ctx, interaction);
    return;
  }
  const { client, uid, uiLocales } = interaction;
  const page = { againAction: `/interaction/${uid}/telegram`, otherWayUrl: `/interaction/${uid}?choose=1` };
  showWait(ctx, parts, approval, { client, ...page, uiLocales });
}

export async function sendApprovalState(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  id: string,
): Promise<void> {
  await sendAskedState(ctx, parts, signInOf(interaction), id);
}

export function streamApprovalState(ctx: Context, parts: Parts, interaction: Interaction, id: string): void {
  streamAskedState(ctx, parts, signInOf(interaction), id);
}

/** @returns who approved; null when the page has to say why it does not go on */
export async function takeApproval(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  id: string,
): Promise<Approver | null> {
  parseForm(ctx, EMPTY_FORM);
  const approver = await takeAsked(ctx, parts, signInOf(interaction), id);
  if (approver === null) return null;
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    action: 'telegram.take-approval',
    clientId: interaction.clientId,
    origin: origin(ctx),
  });
  return approver;
}

function signInOf({ uid }: Interaction): ApprovalFor {
  return { purpose: 'sign-in', context: `interaction:${uid}` };
}

function toPrompt(ctx: Context, { uid }: Interaction): void {
  ctx.status = 303;
  ctx.redirect(`/interaction/${uid}?choose=1`);
}
