// Approval in the bot, set up inside of a sign-in that needs a second factor (requirements F5, F13): by an answer of the Telegram account that is
// asked from then on. It is the one that is linked with the account, or becomes linked with it. Never after a sign-in by Telegram itself (F8),
// and it ends nothing that is still owed: what comes next is asked anew.
import type { Context } from 'koa';
import { z } from 'zod';
import { tellOfChange } from '../credential/change-notice.ts';
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
import type { ApprovalFor, Approver } from '../telegram/approvals.ts';
import { telegramIdentity } from '../telegram/person.ts';
import { accountView, type Interaction, origin } from './interaction.ts';
import type { SecondFactorParts } from './second-factor.ts';
import { elsewhere, finishSetup, showSetup } from './second-factor-setup.ts';
import { findHalfSignedIn, type HalfWay } from './sign-in.ts';

const EMPTY_FORM = z.strictObject({});

/** "Ask me in Telegram", and again after a no or too long a time. */
export async function submitSetupQuestion(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const half = await findEnrolling(ctx, parts, interaction, token);
  if (half === null) return;
  // By the link, though the chat may be known: pressing Start is what makes it one that we may write to.
  const begun = await askInBot(ctx, parts, askedFor(interaction, token, half), null);
  ctx.status = 303;
  ctx.redirect(begun === null ? pathOf(interaction, token) : `${pathOf(interaction, token)}/telegram/${begun.id}`);
}

export async function showSetupApproval(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findEnrolling(ctx, parts, interaction, token);
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
    ...{ client, uiLocales, againAction: `${path}/telegram`, otherWayUrl: path },
    ...{ accountLocale: half.account.locale, account: accountView(half.account) },
  });
}

export async function sendSetupApprovalState(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findEnrolling(ctx, parts, interaction, token);
  if (half !== null) await sendAskedState(ctx, parts, askedFor(interaction, token, half), id);
}

export async function streamSetupApprovalState(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  const half = await findEnrolling(ctx, parts, interaction, token);
  if (half !== null) streamAskedState(ctx, parts, askedFor(interaction, token, half), id);
}

/** The bot has its answer, and the browser that asked goes on. */
export async function submitSetupApproval(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  id: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const half = await findEnrolling(ctx, parts, interaction, token);
  if (half === null) return;
  const approver = await takeAsked(ctx, parts, askedFor(interaction, token, half), id);
  if (approver === null) return;
  const reason = await enrol(ctx, parts, interaction, half, approver);
  if (reason === 'enrolled') {
    parts.accounts.forgetRecent();
    // The account that is asked from now on has just answered.
    await finishSetup(ctx, parts, interaction, token, half, [{ method: 'telegram' }]);
    return;
  }
  const actor = { kind: 'account', id: half.account.id } as const;
  const failure = { actor, action: 'factor.add', target: actor, result: 'failure', reason } as const;
  await parts.audit.record({ ...failure, clientId: interaction.clientId, origin: origin(ctx) });
  const summary = 'second_factor_setup.problem.telegram';
  await showSetup(ctx, parts, interaction, token, { summary, fields: {} }, 'telegram');
}

async function enrol(
  ctx: Context,
  parts: SecondFactorParts,
  { upstreams }: Interaction,
  { account }: HalfWay,
  { telegramId, person }: Approver,
): Promise<'enrolled' | 'not-linked' | 'only-way'> {
  const door = parts.upstreams.list().find((one) => one.door === 'bot');
  if (!door || person === null) return 'not-linked';
  return parts.factors.enrolTelegram(
    account.id,
    telegramId,
    async (em) => {
      // Something else was set up meanwhile: what is changed now needs that.
      if ((await parts.factors.overview(account.id, em)).secondFactors.length > 0) return null;
      const mayLink = upstreams.includes(door);
      return parts.linking.findOwnWithin(ctx, em, door, telegramIdentity(person), account, mayLink);
    },
    (em) => tellOfChange(ctx, parts, em, account, { action: 'factor.add', what: 'factor-added', factor: 'telegram' }),
  );
}

/** A sign-in that owes the set-up, as far as this may be it; null when the browser was sent to where it belongs. */
async function findEnrolling(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<HalfWay | null> {
  const half = await findHalfSignedIn(ctx, parts, interaction, token);
  if (half?.owed.kind === 'enrolment' && half.owed.choices.includes('telegram')) return half;
  elsewhere(ctx, interaction, token, half);
  return null;
}

function askedFor({ uid }: Interaction, token: string, { account }: HalfWay): ApprovalFor {
  return { purpose: 'enrolment', context: `set-up:${uid}:${account.id}:${hashToken('half-signed-in', token)}` };
}

function pathOf({ uid }: Interaction, token: string): string {
  return `/interaction/${uid}/second-factor-setup/${token}`;
}
