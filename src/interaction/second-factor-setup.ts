// Setting up a second factor inside of a sign-in, where the policy demands one and the account has none (requirements F5). Until that is done
// the sign-in is half-way and nothing else works. A new passkey has to be used at once; a new authenticator app has just shown a code.
import type { Context } from 'koa';
import { renderSVG } from 'uqr';
import { z } from 'zod';
import type { Proof } from '../credential/assurance.ts';
import { tellOfChange } from '../credential/change-notice.ts';
import { InvalidRequest } from '../errors.ts';
import { ensureBrowserId } from '../http/browser.ts';
import { parseForm } from '../http/form.ts';
import type { SecondFactorSetupModel } from '../http/page-model.ts';
import { accountView, type Interaction } from './interaction.ts';
import type { Enrolment, Owed } from './owed.ts';
import { parseAnswer, spendOptions } from './passkey-login.ts';
import { botOf, type SecondFactorParts } from './second-factor.ts';
import { findHalfSignedIn, type HalfWay, halfWayPath, proceed, putHalfSignedIn, takeHalfSignedIn } from './sign-in.ts';

const FORM = z.strictObject({
  code: z.string().max(100).optional(),
  answer: z.string().max(30_000).optional(),
});

type State = Partial<Pick<SecondFactorSetupModel, 'stage' | 'codes' | 'errors'>>;
type OwedEnrolment = Extract<Owed, { readonly kind: 'enrolment' }>;

export async function showSetup(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  errors: SecondFactorSetupModel['errors'] = { fields: {} },
  chosen?: Enrolment,
): Promise<void> {
  const half = await findHalfSignedIn(ctx, parts, interaction, token);
  if (half?.owed.kind === 'nothing') {
    // Set up, and the page was opened once more: what is left is to go on.
    show(ctx, parts, interaction, token, half, { stage: 'codes' });
    return;
  }
  if (half?.owed.kind !== 'enrolment') {
    elsewhere(ctx, interaction, token, half);
    return;
  }
  const method = chosen ?? methodOf(ctx, parts, half.owed);
  const status = errors.summary === undefined && Object.keys(errors.fields).length === 0 ? 200 : 422;
  const authenticator = method === 'totp' ? await authenticatorOf(parts, half) : null;
  show(ctx, parts, interaction, token, half, { stage: method ?? 'choose', errors }, { status, authenticator });
}

export async function sendSetupOptions(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const half = await findHalfSignedIn(ctx, parts, interaction, token);
  if (half?.owed.kind !== 'enrolment') {
    elsewhere(ctx, interaction, token, half);
    return;
  }
  await spendOptions(ctx, parts);
  const who = { accountId: half.account.id, browserId: ensureBrowserId(ctx, parts.naming) };
  const { name, email } = accountView(half.account);
  ctx.body = await parts.passkeys.registrationOptions(who, 'way-in', { name: email ?? name, displayName: name });
}

export async function submitSetup(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const form = parseForm(ctx, FORM);
  const half = await findHalfSignedIn(ctx, parts, interaction, token);
  if (half === null) {
    elsewhere(ctx, interaction, token, half);
    return;
  }
  if (half.owed.kind !== 'enrolment') {
    // The codes were read.
    if (await takeHalfSignedIn(parts, token)) await proceed(ctx, parts, interaction, half.account, half.proven);
    else elsewhere(ctx, interaction, token, null);
    return;
  }
  const method = methodOf(ctx, parts, half.owed);
  // The approval in the bot is asked for and answered at addresses of its own: see second-factor-setup-telegram.ts.
  if (method === null || method === 'telegram') {
    throw new InvalidRequest('Choose what to set up.', { code: 'unexpected-field' });
  }
  const outcome =
    method === 'totp' ? await setUpTotp(ctx, parts, half, form) : await setUpPasskey(ctx, parts, half, form);
  if ('problem' in outcome) {
    await showSetup(ctx, parts, interaction, token, outcome.problem);
    return;
  }
  await finishSetup(ctx, parts, interaction, token, half, outcome.proofs);
}

/** Something is set up: the codes that stand in for it, and on. @param shown what was proven by setting it up */
export async function finishSetup(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  half: HalfWay,
  shown: readonly Proof[],
): Promise<void> {
  if (!(await takeHalfSignedIn(parts, token))) {
    elsewhere(ctx, interaction, token, null);
    return;
  }
  const { account, proven } = half;
  const proofs = [...proven.proofs, ...shown];
  if ((await parts.recoveryCodes.count(account.id)) > 0) {
    await proceed(ctx, parts, interaction, account, { ...proven, proofs });
    return;
  }
  const next = await putHalfSignedIn(ctx, parts, interaction, account, { ...proven, proofs });
  const codes = await parts.recoveryCodes.regenerate(account.id);
  show(ctx, parts, interaction, next, half, { stage: 'codes', codes });
}

type SetUp =
  | { readonly proofs: readonly Proof[] }
  | { readonly problem: { readonly summary: string; readonly fields: Readonly<Record<string, string>> } };

async function setUpTotp(
  ctx: Context,
  parts: SecondFactorParts,
  { account }: HalfWay,
  form: z.infer<typeof FORM>,
): Promise<SetUp> {
  const outcome = await parts.totp.confirm(account.id, form.code ?? '', (em) =>
    tellOfChange(ctx, parts, em, account, { action: 'factor.add', what: 'factor-added', factor: 'totp' }),
  );
  if (outcome === 'confirmed') return { proofs: [{ method: 'totp' }] };
  return { problem: { summary: 'form.problem', fields: { code: 'security.problem.code' } } };
}

async function setUpPasskey(
  ctx: Context,
  parts: SecondFactorParts,
  { account }: HalfWay,
  form: z.infer<typeof FORM>,
): Promise<SetUp> {
  const who = { accountId: account.id, browserId: ensureBrowserId(ctx, parts.naming) };
  const outcome = await parts.passkeys.register(who, parseAnswer(form.answer ?? ''), undefined, (em, { name }) =>
    tellOfChange(ctx, parts, em, account, { action: 'factor.add', what: 'factor-added', factor: 'passkey', name }),
  );
  // Making one is not using it: what is claimed of the sign-in is proven by a signature.
  if (outcome.kind === 'registered') return { proofs: [] };
  const summary = outcome.kind === 'known' ? 'security.problem.passkey-known' : 'security.problem.passkey';
  return { problem: { summary, fields: {} } };
}

/** A secret that waits for its first code, the same one while it waits. */
async function authenticatorOf(parts: SecondFactorParts, { account }: HalfWay) {
  const label = account.email ?? account.username ?? account.name ?? account.subject;
  const setUp = (await parts.totp.findPending(account.id, label)) ?? (await parts.totp.begin(account.id, label));
  return { secret: setUp.secret, qr: renderSVG(setUp.uri, { border: 2 }) };
}

/** What was chosen; null while there is a choice. */
function methodOf(ctx: Context, parts: SecondFactorParts, owed: OwedEnrolment): Enrolment | null {
  const choices = choicesOf(parts, owed);
  return choices.find((one) => one === ctx.query['method']) ?? (choices.length === 1 ? (choices[0] ?? null) : null);
}

function choicesOf(parts: SecondFactorParts, { choices }: OwedEnrolment): readonly Enrolment[] {
  return choices.filter((one) => one !== 'passkey' || parts.passkeys.isAvailable);
}

function show(
  ctx: Context,
  parts: SecondFactorParts,
  interaction: Interaction,
  token: string,
  half: HalfWay,
  state: State,
  more: { readonly status?: number; readonly authenticator?: SecondFactorSetupModel['authenticator'] } = {},
): void {
  const { account, owed } = half;
  const { stage = 'choose' } = state;
  const choices = owed.kind === 'enrolment' ? choicesOf(parts, owed) : [];
  const path = `/interaction/${interaction.uid}/second-factor-setup/${token}`;
  const model: SecondFactorSetupModel = {
    client: interaction.client,
    stage,
    action: actionOf(path, stage),
    choices: choices.filter((one) => one !== stage).map((one) => ({ method: one, url: `${path}?method=${one}` })),
    authenticator: more.authenticator ?? null,
    optionsUrl: stage === 'passkey' ? `${path}/options` : null,
    bot: stage === 'telegram' ? botOf(parts) : null,
    isTelegramLinked: owed.kind === 'enrolment' && owed.isTelegramLinked,
    codes: [],
    switchAction: `/interaction/${interaction.uid}/switch`,
    errors: { fields: {} },
    ...state,
  };
  parts.pages.show(ctx, 'second-factor-setup', model, {
    status: more.status ?? 200,
    uiLocales: interaction.uiLocales,
    accountLocale: account.locale,
    account: accountView(account),
  });
}

function actionOf(path: string, stage: SecondFactorSetupModel['stage']): string {
  if (stage === 'telegram') return `${path}/telegram`;
  return stage === 'codes' || stage === 'choose' ? path : `${path}?method=${stage}`;
}

export function elsewhere(ctx: Context, interaction: Interaction, token: string, half: HalfWay | null): void {
  ctx.status = 303;
  ctx.redirect(half === null ? `/interaction/${interaction.uid}` : halfWayPath(interaction, token, half.owed));
}
