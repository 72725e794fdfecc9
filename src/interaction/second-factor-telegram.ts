// The approval in the bot as second factor and for step-up (requirements F13): the question goes to the chat of the one Telegram account that this
// account is enrolled with, and counts for this interaction, this half of a sign-in and this browser. Each question is a try, taken back by the
// right answer, so that nobody who knows a password asks its owner until they press something (L5).
import type { Context } from 'koa';
import { z } from 'zod';
import { hashToken } from '../crypto/random.ts';
import { parseForm } from '../http/form.ts';
import {
  askInBot,
  findAsked,
  sendAskedState,
  showWait,
  streamAskedState,
  takeAsked,
} from '../telegram/approval-page.ts';
import type { ApprovalFor } from '../telegram/approvals.ts';
import { accountView, type Interaction } from './interaction.ts';
import {
  attemptMethod,
  auditFailure,
  findHalf,
  goOn,
  type Half,
  purposeOf,
  type SecondFactorParts,
  showSecondFactor,
  subjectOf,
  trustDaysOf,
} from './second-factor.ts';
import { trustBrowser } from './trusted-browser.ts';

const FORM = z.strictObject({ decision: z.literal('skip').optional(), trust: z.literal('on').optional() });
const EMPTY_FORM = z.strictObject({});

/** "Ask me in Telegram", and again after a no or too long a time. */
export async function submitFactorQuestion(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const form = parseForm(ctx, FORM);
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  if (form.decision === 'skip' && half.owed.isOptional) {
    await goOn(ctx, parts, interaction, token, half, null);
    return;
  }
  const enrolled = half.owed.methods.includes('telegram') ? await parts.telegramFactors.find(half.account.id) : null;
  if (enrolled === null) {
    await showSecondFactor(ctx, parts, interaction, token);
    return;
  }
  const attempt = await attemptMethod(ctx, parts, interaction, token, half, 'telegram');
  if (attempt === null) return;
  const client = interaction.client?.name ?? null;
  // It stays with the question, which says so in the bot: whoever answers agrees to it as well.
  const trustDays = form.trust === 'on' ? trustDaysOf(parts, half.owed) : null;
  const chat = { telegramId: enrolled.telegramId, trustDays };
  const begun = await askInBot(ctx, parts, askedFor(interaction, token, half), client, chat);
  if (begun?.isSent === true) {
    ctx.status = 303;
    ctx.redirect(`${pathOf(interaction, token)}/${begun.id}`);
    return;
  }
  await attempt.withdraw();
  const problem = { status: 503, key: 'second_factor.problem.telegram', method: 'telegram' } as const;
  await showSecondFactor(ctx, parts, interaction, token, problem);
}

export async function showFactorApproval(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  const approval = await findAsked(ctx, parts, askedFor(interaction, token, half), id);
  const path = pathOf(interaction, token);
  if (approval === null || approval.state === 'taken') {
    ctx.status = 303;
    ctx.redirect(path);
    return;
  }
  const { client, uiLocales } = interaction;
  showWait(ctx, parts, approval, {
    ...{ client, uiLocales, againAction: path, otherWayUrl: path.replace(/\/telegram$/, '') },
    trustDays: trustDaysOf(parts, half.owed),
    ...{ accountLocale: half.account.locale, account: accountView(half.account) },
  });
}

export async function sendFactorApprovalState(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findHalf(ctx, parts, interaction, token);
  if (half !== null) await sendAskedState(ctx, parts, askedFor(interaction, token, half), id);
}

export async function streamFactorApprovalState(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findHalf(ctx, parts, interaction, token);
  if (half !== null) streamAskedState(ctx, parts, askedFor(interaction, token, half), id);
}

/** The bot has its answer, and the browser that asked goes on. */
export async function submitFactorApproval(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const half = await findHalf(ctx, parts, interaction, token);
  if (half === null) return;
  const isOffered = half.owed.methods.includes('telegram');
  const approver = isOffered ? await takeAsked(ctx, parts, askedFor(interaction, token, half), id) : null;
  if (approver === null) {
    if (!isOffered) await showSecondFactor(ctx, parts, interaction, token);
    return;
  }
  // Enrolled with another Telegram account since it was asked.
  if (!(await parts.telegramFactors.verify(half.account.id, approver.telegramId))) {
    await auditFailure(ctx, parts, interaction, half, 'wrong-telegram');
    const problem = { status: 422, key: 'second_factor.problem.telegram-other', method: 'telegram' } as const;
    await showSecondFactor(ctx, parts, interaction, token, problem);
    return;
  }
  await parts.lockout.succeedFactor(subjectOf(ctx, parts, half));
  if (approver.trustDays !== null && trustDaysOf(parts, half.owed) !== null) {
    await trustBrowser(ctx, parts, half.account);
  }
  await goOn(ctx, parts, interaction, token, half, { method: 'telegram' });
}

function askedFor({ uid }: Interaction, token: string, half: Half): ApprovalFor {
  const purpose = purposeOf(half) === 'step-up' ? 'fresh-proof' : 'second-factor';
  return { purpose, context: `half:${uid}:${half.account.id}:${hashToken('half-signed-in', token)}` };
}

function pathOf({ uid }: Interaction, token: string): string {
  return `/interaction/${uid}/second-factor/${token}/telegram`;
}
