// Signing in by phone: the number is typed, a code goes to the chat that proved it, and is typed here. A number that is nobody's gets the same
// answers in the same time. The code belongs to this browser and this sign-in, and is never a second factor.
import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import { maskPhone, parsePhone } from '../account/phone-number.ts';
import type { FoundPhoneCode, PhoneCodeDraft, PhoneCodeOutcome, PhoneCodeRefusal } from '../credential/phone-code.ts';
import { withFloor } from '../http/answer-time.ts';
import { asker } from '../http/asker.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { PhoneModel } from '../http/page-model.ts';
import { type Interaction, origin, type PhoneParts } from './interaction.ts';
import { linkUsed, type MailedParts, showGone, takeOrGone } from './mailed.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';

type Parts = MailedParts & SignInParts;

const NUMBER_FORM = z.strictObject({ phone: z.string().max(200), remember: z.literal('on').optional() });
const CODE_FORM = z.strictObject({ code: z.string().max(100) });
const EMPTY_FORM = z.strictObject({});
/** Codes asked for by one network. */
const NETWORK_BUDGET = { limit: 20, window: 900 };

/** What is sealed with the code. */
interface Content {
  readonly interaction: string;
  readonly remember: boolean;
}

interface Problem {
  readonly status: number;
  readonly summary: string;
  readonly field?: 'phone' | 'code';
  readonly retryAfter?: number;
}

export function showPhone(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  typed: { readonly phone: string; readonly remember: boolean } = { phone: '', remember: false },
  problem?: Problem,
): void {
  if (parts.phones === null) {
    toPrompt(ctx, interaction);
    return;
  }
  show(
    ctx,
    parts,
    interaction,
    {
      ...{ stage: 'number', action: `/interaction/${interaction.uid}/phone`, phone: typed.phone },
      ...{ remember: typed.remember, rememberDays: parts.rememberDays, code: null },
    },
    problem,
  );
}

export async function submitPhone(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  const form = parseForm(ctx, NUMBER_FORM);
  const { phones } = parts;
  if (phones === null) return toPrompt(ctx, interaction);
  const typed = { phone: form.phone.slice(0, 50), remember: form.remember === 'on' };
  const number = parsePhone(form.phone);
  if (number === null) {
    showPhone(ctx, parts, interaction, typed, { status: 422, summary: 'phone.problem.number', field: 'phone' });
    return;
  }
  const refusal = await beginPhoneCode(ctx, { ...parts, phones }, interaction, number, typed.remember);
  if (refusal === null) return;
  const { retryAfter } = refusal;
  showPhone(ctx, parts, interaction, typed, { status: 429, summary: 'phone.problem.often', retryAfter });
}

/** A code on its way, and the page that waits for it. @param number E.164 @returns null when the browser was sent there */
export async function beginPhoneCode(
  ctx: Context,
  parts: Parts & { readonly phones: PhoneParts },
  interaction: Interaction,
  number: string,
  remember: boolean,
): Promise<PhoneCodeRefusal | null> {
  const draft = await sendCode(ctx, parts, interaction, number, remember, false);
  if (!draft.isAllowed) return draft;
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/phone/${draft.requestId}`);
  return null;
}

export async function showPhoneCode(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  requestId: string,
  problem?: Problem,
): Promise<void> {
  const found = await findWaiting(ctx, parts, interaction, requestId);
  if (found === null || parts.phones === null) {
    if (problem) showGone(ctx, parts, interaction);
    else toPrompt(ctx, interaction);
    return;
  }
  const action = `/interaction/${interaction.uid}/phone/${requestId}`;
  const { codes } = parts.phones;
  show(
    ctx,
    parts,
    interaction,
    {
      ...{ stage: 'code', action, phone: maskPhone(found.number), remember: null, rememberDays: parts.rememberDays },
      code: {
        digits: codes.digits,
        minutes: Math.max(1, Math.round((found.expiresAt.getTime() - Date.now()) / 60_000)),
        resend: { action: `${action}/resend`, wait: await codes.wait(found.number) },
      },
    },
    problem,
  );
}

/** Another code to the same number; it takes the place of the last one. */
export async function resendPhoneCode(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await findWaiting(ctx, parts, interaction, requestId);
  const { phones } = parts;
  if (found === null || phones === null) {
    showGone(ctx, parts, interaction);
    return;
  }
  const draft = await sendCode(ctx, { ...parts, phones }, interaction, found.number, found.content.remember, true);
  if (!draft.isAllowed) {
    const { retryAfter } = draft;
    await showPhoneCode(ctx, parts, interaction, requestId, {
      status: 429,
      summary: 'phone.problem.often',
      retryAfter,
    });
    return;
  }
  ctx.status = 303;
  ctx.redirect(`/interaction/${interaction.uid}/phone/${draft.requestId}`);
}

export async function submitPhoneCode(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  requestId: string,
): Promise<void> {
  const { code } = parseForm(ctx, CODE_FORM);
  const { phones } = parts;
  if (phones === null) return toPrompt(ctx, interaction);
  const waiting = await findWaiting(ctx, parts, interaction, requestId);
  let account: AccountRow | null = null;
  const request = { requestId, browserId: findBrowserId(ctx, parts.naming), network: clientNetwork(ctx), code };
  const outcome = await takeOrGone(
    phones.codes.take<Content>(request, async (em, { accountId, number, content }) => {
      // The number may have found another owner meanwhile.
      const isOwner = accountId !== null && (await phones.proven.isOwner(em, number, accountId));
      if (content.interaction !== interaction.uid || !isOwner) throw linkUsed();
      account = await parts.accounts.findByIdWithin(em, accountId);
    }),
  );
  const proven = account as AccountRow | null;
  if (outcome.kind === 'taken' && proven?.status === 'active') {
    await completeFirstFactor(ctx, parts, interaction, proven, { method: 'phone' }, outcome.secret.content.remember);
    return;
  }
  const accountId = waiting?.accountId ?? null;
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    ...(accountId === null ? {} : { target: { kind: 'account', id: accountId } as const }),
    ...{ action: 'session.start', clientId: interaction.clientId, origin: origin(ctx), result: 'failure' },
    reason: `phone-${outcome.kind === 'taken' ? 'account' : outcome.kind}`,
  });
  await showPhoneCode(ctx, parts, interaction, requestId, problemOf(outcome));
}

/** Row, event and message, or the time to wait. The same is done and waited for whether the number is somebody's or not. */
function sendCode(
  ctx: Context,
  parts: Parts & { readonly phones: PhoneParts },
  interaction: Interaction,
  number: string,
  remember: boolean,
  isResend: boolean,
): Promise<PhoneCodeDraft | PhoneCodeRefusal> {
  const { phones, budgets } = parts;
  return withFloor(parts.answerFloorMs, parts.answerJitterMs, async () => {
    const network = clientNetwork(ctx);
    const spending = await budgets.spendNetwork('phone-network', network, NETWORK_BUDGET);
    if (!spending.isAllowed) return spending;
    const draft = await phones.codes.draft(number);
    if (!draft.isAllowed) return draft;
    const owner = await phones.proven.find(number);
    // Asked for a number of nobody as well, so that it takes as long.
    const account = await parts.accounts.findByPhone(number);
    const active = account?.status === 'active' && account.id === owner?.accountId ? account : null;
    const accountId = active?.id ?? null;
    const browserId = ensureBrowserId(ctx, parts.naming);
    await parts.database.transaction(async (em) => {
      await phones.codes.put(em, draft, { accountId, browserId, content: { interaction: interaction.uid, remember } });
      await parts.audit.record(
        {
          actor: { kind: 'anonymous' },
          ...(accountId === null ? {} : { target: { kind: 'account', id: accountId } as const }),
          ...{ action: isResend ? 'phone-code.resend' : 'phone-code.issue', clientId: interaction.clientId },
          origin: origin(ctx),
        },
        em,
      );
    });
    if (owner !== null && active !== null) {
      const question = { client: interaction.client?.name ?? null, ...asker(ctx) };
      const { code } = draft;
      const { telegramId } = owner;
      phones.delivery.send({ number, telegramId, locale: active.locale, code, ttl: phones.codes.ttl, question });
    }
    return draft;
  });
}

async function findWaiting(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  requestId: string,
): Promise<FoundPhoneCode<Content> | null> {
  const found = (await parts.phones?.codes.find<Content>(requestId, findBrowserId(ctx, parts.naming))) ?? null;
  return found?.content.interaction === interaction.uid ? found : null;
}

function problemOf(outcome: PhoneCodeOutcome<Content>): Problem {
  if (outcome.kind === 'wait') {
    return { status: 429, summary: 'mailed.problem.wait', retryAfter: outcome.retryAfter };
  }
  const summary = outcome.kind === 'malformed' ? 'phone.problem.malformed' : 'phone.problem.wrong';
  return { status: 422, summary, field: 'code' };
}

function show(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  model: Omit<PhoneModel, 'client' | 'otherWayUrl' | 'errors'>,
  problem: Problem | undefined,
): void {
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  const { client, uid, uiLocales } = interaction;
  const whole: PhoneModel = {
    ...{ ...model, client, otherWayUrl: `/interaction/${uid}?choose=1` },
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem
      ? { summary: problem.summary, fields: problem.field === undefined ? {} : { [problem.field]: '' } }
      : { fields: {} },
  };
  parts.pages.show(ctx, 'phone', whole, { status: problem?.status ?? 200, uiLocales });
}

function toPrompt(ctx: Context, { uid }: Interaction): void {
  ctx.status = 303;
  ctx.redirect(`/interaction/${uid}?choose=1`);
}
