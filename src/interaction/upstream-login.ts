// Signing in at an upstream: the button that begins it, and the way back with a one-time ticket. A linked identity is a first factor like any
// other; an unknown one becomes part of an account only after that account was proven, or a new account where the operator allows it
// (requirements U2 to U4, U10, R1, F7).
import type { Context } from 'koa';
import { z } from 'zod';
import type { AccountRow } from '../account/accounts.ts';
import type { Proof } from '../credential/assurance.ts';
import { AppError, Forbidden } from '../errors.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { parseForm } from '../http/form.ts';
import type { UpstreamAccountModel } from '../http/page-model.ts';
import { telegramIdentity } from '../telegram/person.ts';
import { UpstreamFailure, type UpstreamIdentity } from '../upstream/adapter.ts';
import { type Decision, provenEmail } from '../upstream/linking.ts';
import { showUpstreamFailure } from '../upstream/routes.ts';
import { isUnchanged } from '../upstream/transaction.ts';
import { TELEGRAM_IDENTITIES, type Upstream } from '../upstream/upstreams.ts';
import { type Interaction, origin, text } from './interaction.ts';
import { noteLastWay } from './last-way.ts';
import { wantsOtherAccount } from './login.ts';
import type { MailedParts } from './mailed.ts';
import { takeArrival } from './mini-app.ts';
import { completeFirstFactor, type SignInParts } from './sign-in.ts';
import { beginApproval, takeApproval } from './telegram.ts';
import { takeWidget } from './telegram-widget.ts';

const START_FORM = z.strictObject({ upstream: z.string().max(32) });
const CREATE_FORM = z.strictObject({ name: z.string().max(1000).optional() });
const EMPTY_FORM = z.strictObject({});

const NEWCOMER = 'upstream-newcomer';
/** Seconds. */
const NEWCOMER_TTL = 900;
const HOUR = 3600;

type Parts = MailedParts & SignInParts;

/** An identity that is nobody's yet, while its person decides. */
interface Newcomer {
  readonly interaction: string;
  readonly browser: string;
  readonly upstream: string;
  /** Of the upstream as it was when it said who this is. */
  readonly revision?: string | null;
  readonly identity: UpstreamIdentity;
  readonly kind: Exclude<Decision['kind'], 'known' | 'automatic'>;
  /** The only account it may become part of; null where that is not decided. */
  readonly accountId: string | null;
}

/** The button of an upstream. */
export async function submitUpstream(ctx: Context, parts: Parts, interaction: Interaction): Promise<void> {
  const form = parseForm(ctx, START_FORM);
  const upstream = interaction.upstreams.find((one) => one.id === form.upstream);
  if (upstream) await startUpstream(ctx, parts, interaction, upstream);
  else toPrompt(ctx, interaction);
}

/** The upstream that the app asks to go to at once, unless the person came back from there. */
export function findHinted(ctx: Context, { details, upstreams, pendingLink }: Interaction): Upstream | null {
  if (ctx.query['choose'] !== undefined || pendingLink !== null) return null;
  const hint = text(details.params['idp_hint']);
  return upstreams.find((one) => one.id === hint) ?? null;
}

/** A name without a password, of a domain whose people sign in elsewhere: where that is, among the upstreams that the app shows. */
export function findTypedUpstream(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
): { readonly upstream: Upstream; readonly login: string } | null {
  const { body = {} } = ctx.request as { body?: Record<string, unknown> };
  const login = typeof body['login'] === 'string' ? body['login'].trim().slice(0, 254) : '';
  if (body['password'] !== '' || isAgain(interaction)) return null;
  const upstream = parts.upstreams.findByEmail(login);
  return upstream && interaction.upstreams.includes(upstream) ? { upstream, login } : null;
}

export async function startUpstream(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  upstream: Upstream,
  loginHint = text(interaction.details.params['login_hint'])?.slice(0, 254),
): Promise<void> {
  if (upstream.door === 'bot') {
    await beginApproval(ctx, parts, interaction);
    return;
  }
  if (upstream.door === 'widget') {
    redirect(ctx, `/interaction/${interaction.uid}/telegram-widget`);
    return;
  }
  const { uid, uiLocales, clientId } = interaction;
  const backPath = promptPath(interaction);
  const attempt = { intent: 'sign-in', returnPath: `/interaction/${uid}/upstream`, backPath, clientId } as const;
  const hints = {
    loginHint: interaction.account?.email ?? loginHint,
    uiLocales: [parts.pages.locale(ctx, { uiLocales })],
    isFresh: isAgain(interaction),
  };
  try {
    await parts.transactions.begin(ctx, upstream, attempt, hints);
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    await auditFailure(ctx, parts, interaction, null, error.code, upstream);
    showUpstreamFailure(ctx, parts.pages, upstream.label, error, backPath);
  }
}

/** Back from the upstream. */
export async function finishUpstream(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  value: string,
): Promise<void> {
  const ticket = await parts.transactions.takeTicket(ctx, `/interaction/${interaction.uid}/upstream`, value);
  const upstream =
    ticket && interaction.upstreams.find((one) => one.id === ticket.upstream && isUnchanged(one, ticket));
  if (ticket && !upstream) await auditFailure(ctx, parts, interaction, null, 'upstream-off', { id: ticket.upstream });
  // A reload, the back button, or somebody else's address.
  if (ticket?.intent !== 'sign-in' || !upstream) toPrompt(ctx, interaction);
  else await receive(ctx, parts, interaction, upstream, ticket.identity);
}

/** The bot has its answer, and the browser that asked goes on. */
export async function submitApproval(ctx: Context, parts: Parts, interaction: Interaction, id: string): Promise<void> {
  const approver = await takeApproval(ctx, parts, interaction, id);
  if (approver === null) return;
  const door = interaction.upstreams.find((one) => one.door === 'bot');
  if (door && approver.person) await receive(ctx, parts, interaction, door, telegramIdentity(approver.person));
  else toPrompt(ctx, interaction);
}

/** Somebody who came from the Mini App, and whom nothing has to be asked any more. @returns false for anybody else */
export async function finishMiniApp(ctx: Context, parts: Parts, interaction: Interaction): Promise<boolean> {
  const door = interaction.upstreams.find((one) => one.identities === TELEGRAM_IDENTITIES);
  const person = door && ctx.query['choose'] === undefined ? await takeArrival(ctx, parts, interaction) : null;
  if (!door || person === null) return false;
  await receive(ctx, parts, interaction, door, telegramIdentity(person));
  return true;
}

/** Back from the legacy widget. */
export async function finishWidget(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  handle: string,
): Promise<void> {
  const door = interaction.upstreams.find((one) => one.door === 'widget');
  if (!door) return toPrompt(ctx, interaction);
  const person = await takeWidget(ctx, parts, interaction, handle);
  if (person !== null) await receive(ctx, parts, interaction, door, telegramIdentity(person));
}

/** Somebody came back: with an identity that is linked, or with one that is nobody's yet. */
async function receive(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  upstream: Upstream,
  identity: UpstreamIdentity,
): Promise<void> {
  const decision = await parts.linking.decide(upstream, identity);
  if (decision.kind === 'known') {
    await signIn(ctx, parts, interaction, upstream, identity, decision.account);
    return;
  }
  if (isAgain(interaction)) {
    await refuse(ctx, parts, interaction, null, 'upstream-other-account');
    return;
  }
  if (decision.kind === 'automatic' && decision.account.status === 'active') {
    // Linked to somebody meanwhile: then the next look finds them.
    await parts.linking.link(ctx, upstream, identity, decision.account);
    const next = await parts.linking.decide(upstream, identity);
    if (next.kind === 'known') return signIn(ctx, parts, interaction, upstream, identity, next.account);
  }
  const kind = decision.kind === 'automatic' ? 'prove' : decision.kind;
  if (kind === 'new' && makesAccounts(parts, upstream) && identity.name !== null) {
    await create(ctx, parts, interaction, upstream, identity, identity.name);
    return;
  }
  const newcomer: Newcomer = {
    ...{ interaction: interaction.uid, browser: ensureBrowserId(ctx, parts.naming), upstream: upstream.id },
    revision: upstream.revision,
    ...{ identity, kind, accountId: 'account' in decision ? decision.account.id : null },
  };
  const token = await parts.oneTime.put(NEWCOMER, newcomer, { ttl: NEWCOMER_TTL });
  redirect(ctx, `/interaction/${interaction.uid}/upstream-account/${token}`);
}

async function signIn(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  upstream: Upstream,
  identity: UpstreamIdentity,
  account: AccountRow,
): Promise<void> {
  if (account.status !== 'active') {
    await refuse(ctx, parts, interaction, account, 'upstream-account');
    return;
  }
  // Whoever is asked who they are does not become somebody else by it.
  if (isAgain(interaction) && interaction.account?.id !== account.id) {
    await refuse(ctx, parts, interaction, account, 'upstream-other-account');
    return;
  }
  await parts.linking.noteUse(upstream, identity, account);
  noteLastWay(ctx, parts.naming, upstream.id);
  const isTrustedForSecondFactor = upstream.settings.trustSecondFactor === true;
  const proof: Proof =
    upstream.method === 'telegram'
      ? { method: 'telegram', upstream: upstream.id }
      : { method: 'upstream', upstream: upstream.id, isTrustedForSecondFactor };
  await completeFirstFactor(ctx, parts, interaction, account, proof, false);
}

export async function showUpstreamAccount(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  token: string,
  problem?: { readonly name: string; readonly field?: string; readonly retryAfter?: number },
): Promise<void> {
  const found = await findNewcomer(ctx, parts, interaction, token);
  if (!found) {
    toPrompt(ctx, interaction);
    return;
  }
  const { identity, kind } = found.newcomer;
  const model: UpstreamAccountModel = {
    client: interaction.client,
    action: ctx.path.replace(/\/(?:link|create)$/, ''),
    upstream: found.upstream.label,
    identity: identity.email ?? identity.username ?? identity.name,
    kind,
    canCreate: canCreate(parts, found.upstream, found.newcomer),
    name: problem?.name ?? identity.name ?? '',
    backUrl: promptPath(interaction),
    ...(problem?.retryAfter === undefined ? {} : { retryAfter: problem.retryAfter }),
    errors: problem
      ? problem.field === undefined
        ? { summary: 'mailed.problem.wait', fields: {} }
        : { summary: 'form.problem', fields: { name: problem.field } }
      : { fields: {} },
  };
  const status = problem === undefined ? 200 : problem.retryAfter === undefined ? 422 : 429;
  if (problem?.retryAfter !== undefined) ctx.set('Retry-After', String(problem.retryAfter));
  parts.pages.show(ctx, 'upstream-account', model, { status, uiLocales: interaction.uiLocales });
}

/** "I have an account": its proof, by whatever way, makes the identity part of it. */
export async function submitUpstreamLink(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const found = await findNewcomer(ctx, parts, interaction, token);
  if (found && (await parts.oneTime.take(NEWCOMER, token)) !== null) {
    const { upstream, identity, accountId } = found.newcomer;
    await parts.linking.putPending(ctx, interaction.uid, { upstream, identity, accountId });
  }
  redirect(ctx, promptPath(interaction));
}

/** "I am new here". */
export async function submitUpstreamCreate(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  token: string,
): Promise<void> {
  const form = parseForm(ctx, CREATE_FORM);
  const found = await findNewcomer(ctx, parts, interaction, token);
  if (!found || !canCreate(parts, found.upstream, found.newcomer)) {
    await showUpstreamAccount(ctx, parts, interaction, token);
    return;
  }
  const name = form.name?.trim() ?? '';
  if (name.length > 255) {
    await showUpstreamAccount(ctx, parts, interaction, token, { name, field: 'register.problem.name' });
    return;
  }
  const budget = { limit: parts.limits.registrations, window: HOUR };
  const spending = await parts.budgets.spendNetwork('register', clientNetwork(ctx), budget);
  if (!spending.isAllowed) {
    await showUpstreamAccount(ctx, parts, interaction, token, { name, retryAfter: spending.retryAfter });
    return;
  }
  if ((await parts.oneTime.take(NEWCOMER, token)) === null) toPrompt(ctx, interaction);
  else await create(ctx, parts, interaction, found.upstream, found.newcomer.identity, name);
}

/** The account, its identity, and on with the sign-in. An address is stored only when it was proven to somebody we trust (R6, R11). */
async function create(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  upstream: Upstream,
  identity: UpstreamIdentity,
  name: string,
): Promise<void> {
  const email = upstream.settings.trustEmail === true ? provenEmail(identity) : null;
  const { givenName, familyName, picture, locale } = identity;
  const input = {
    ...{ hasIdentity: true, isVerified: email !== null, sourceClientId: interaction.clientId },
    ...{ name: name || undefined, givenName: givenName ?? undefined, familyName: familyName ?? undefined },
    ...{ email: email ?? undefined, picture: picture ?? undefined },
    locale: locale ?? parts.pages.locale(ctx, interaction),
  };
  const cause = { actor: { kind: 'anonymous' }, origin: origin(ctx) } as const;
  let account: AccountRow | null = null;
  try {
    account = await parts.linking.create(upstream, identity, (em) => parts.accounts.create(input, cause, em));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'email-taken')) throw error;
  }
  // Somebody was faster, with this identity or with its address: what holds now is found by looking again.
  if (account === null) await receive(ctx, parts, interaction, upstream, identity);
  else await signIn(ctx, parts, interaction, upstream, identity, account);
}

async function findNewcomer(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  token: string,
): Promise<{ readonly newcomer: Newcomer; readonly upstream: Upstream } | null> {
  const newcomer = await parts.oneTime.find<Newcomer>(NEWCOMER, token);
  const upstream =
    newcomer && interaction.upstreams.find((one) => one.id === newcomer.upstream && isUnchanged(one, newcomer));
  const isOurs = newcomer?.interaction === interaction.uid && newcomer.browser === findBrowserId(ctx, parts.naming);
  return newcomer && upstream && isOurs ? { newcomer, upstream } : null;
}

/** Not where its address is somebody's: that would be a second account by another name. */
function canCreate(parts: Parts, upstream: Upstream, { kind }: Newcomer): boolean {
  return kind !== 'prove' && makesAccounts(parts, upstream);
}

/** Each way has its own switch (R10). */
function makesAccounts({ registration, registrationRules }: Parts, { method }: Upstream): boolean {
  return registration === 'open' && registrationRules[method === 'telegram' ? 'byTelegram' : 'byUpstream'];
}

/** Somebody is signed in and proves it again. */
function isAgain(interaction: Interaction): boolean {
  return interaction.account !== null && !wantsOtherAccount(interaction);
}

async function refuse(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  account: AccountRow | null,
  code: 'upstream-account' | 'upstream-other-account',
): Promise<void> {
  await auditFailure(ctx, parts, interaction, account, account ? `account-${account.status}` : code);
  const error = new Forbidden(undefined, { code });
  const nextSteps = [{ label: parts.pages.text(ctx, 'upstream.back'), url: promptPath(interaction) }];
  parts.pages.show(
    ctx,
    'error',
    { code: error.code, client: interaction.client, nextSteps, details: null },
    { status: error.status, uiLocales: interaction.uiLocales },
  );
}

async function auditFailure(
  ctx: Context,
  parts: Parts,
  interaction: Interaction,
  account: AccountRow | null,
  reason: string,
  upstream?: Pick<Upstream, 'id'>,
): Promise<void> {
  const target = account ? { kind: 'account', id: account.id } : upstream && { kind: 'upstream', id: upstream.id };
  await parts.audit.record({
    actor: account ? { kind: 'account', id: account.id } : { kind: 'anonymous' },
    action: 'session.start',
    ...(target ? { target } : {}),
    ...{ clientId: interaction.clientId, origin: origin(ctx), result: 'failure', reason },
  });
}

/** The sign-in page, which then does not lead on to an upstream by itself. */
function promptPath({ uid }: Interaction): string {
  return `/interaction/${uid}?choose=1`;
}

function toPrompt(ctx: Context, interaction: Interaction): void {
  redirect(ctx, promptPath(interaction));
}

function redirect(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
