// Where upstreams send the browser back to. The answer is matched to the attempt that this browser began, the attempt is taken, and only then is
// the upstream asked anything. Nobody is signed in here: what was proven goes on as a ticket to the page that began it.
import Router, { type RouterContext } from '@koa/router';
import type { Context } from 'koa';
import type { Audit } from '../audit/audit.ts';
import { NotFound } from '../errors.ts';
import { clientNetwork } from '../http/client-address.ts';
import { formBody } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import { requestId } from '../http/request-id.ts';
import { UpstreamFailure, type UpstreamIdentity } from './adapter.ts';
import { failure } from './outgoing.ts';
import { isUnchanged, type Transaction, type Transactions } from './transaction.ts';
import type { Upstream, Upstreams } from './upstreams.ts';

/** What an answer may carry. Apple's `user` is the only one that no specification knows. */
const PARAMETERS = ['code', 'state', 'iss', 'error', 'error_description', 'user'];
/** As the settings allow them. */
const UPSTREAM_ID = /^[a-z][a-z0-9-]{0,31}$/;
/** Characters of one parameter. */
const MOST = 4000;

export interface UpstreamRoutesParts {
  readonly upstreams: Upstreams;
  readonly transactions: Transactions;
  readonly pages: Pages;
  readonly audit: Audit;
  readonly issuer: string;
}

export function upstreamRoutes(parts: UpstreamRoutesParts): Router {
  const router = new Router({ prefix: '/upstream/:id/callback' });
  router.get('/', (ctx) => receive(ctx, parts));
  // `form_post` is a cross-site post, which our Lax cookies do not come with: made into a navigation of our own it does nothing else, so it
  // needs no token either.
  router.post('/', formBody(), (ctx) => {
    const id = idOf(ctx);
    const { body = {} } = ctx.request as { body?: Record<string, unknown> };
    const answer = new URLSearchParams();
    for (const name of PARAMETERS) {
      const value = body[name];
      if (typeof value === 'string' && value.length <= MOST) answer.set(name, value);
    }
    ctx.status = 303;
    ctx.redirect(`/upstream/${id}/callback?${answer.toString()}`);
  });
  return router;
}

async function receive(ctx: RouterContext, parts: UpstreamRoutesParts): Promise<void> {
  const id = idOf(ctx);
  const upstream = parts.upstreams.find(id);
  const callback = readAnswer(ctx.search);
  if (upstream?.method === 'telegram' && callback && !callback.has('code') && !callback.has('error')) {
    await record(ctx, parts, id, null, 'redirect-not-registered');
    showUnregistered(ctx, parts);
    return;
  }
  const transaction = await parts.transactions.take(ctx, id, callback?.get('state') ?? null);
  if (!callback || !transaction) {
    if (!upstream) throw new NotFound(undefined, { code: 'page-not-found' });
    await record(ctx, parts, id, null, 'unknown-state');
    showGone(ctx, parts);
    return;
  }
  if (!upstream || !isUnchanged(upstream, transaction)) {
    await refuse(ctx, parts, id, transaction);
    return;
  }
  let identity: UpstreamIdentity;
  try {
    checkIssuer(upstream, callback.get('iss'));
    identity = await upstream.identify(callback, transaction.request);
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    await record(ctx, parts, id, transaction, error.code);
    showUpstreamFailure(ctx, parts.pages, upstream.label, error, transaction.backPath);
    return;
  }
  // It was asked for seconds: meanwhile somebody may have turned it off.
  const current = parts.upstreams.find(id);
  if (!current || !isUnchanged(current, transaction)) {
    await refuse(ctx, parts, id, transaction);
    return;
  }
  const kept = current.settings.keepTokens === true ? identity : { ...identity, tokens: null };
  const path = await parts.transactions.issueTicket(ctx, id, transaction, kept);
  ctx.status = 303;
  ctx.redirect(path);
}

/** Turned off, deleted or changed after the browser had been sent there. */
async function refuse(
  ctx: RouterContext,
  parts: UpstreamRoutesParts,
  id: string,
  transaction: Transaction,
): Promise<void> {
  await record(ctx, parts, id, transaction, 'upstream-off');
  const nextSteps = [{ label: parts.pages.text(ctx, 'upstream.back'), url: transaction.backPath }];
  parts.pages.show(ctx, 'error', { code: 'upstream-off', nextSteps, details: null }, { status: 410 });
}

/** An id that can be one; nothing is said of whether it is. @throws NotFound */
function idOf(ctx: RouterContext): string {
  const id = String(ctx.params['id']);
  if (!UPSTREAM_ID.test(id)) throw new NotFound(undefined, { code: 'page-not-found' });
  return id;
}

/** Each parameter once and short; null for anything else. */
function readAnswer(search: string): URLSearchParams | null {
  const given = new URLSearchParams(search);
  const answer = new URLSearchParams();
  for (const name of PARAMETERS) {
    const values = given.getAll(name);
    if (values.length > 1 || (values[0]?.length ?? 0) > MOST) return null;
    if (values[0] !== undefined) answer.set(name, values[0]);
  }
  return answer;
}

/** RFC 9207, 2.4: an answer of somebody else never reaches a token endpoint of this one. @throws UpstreamFailure */
function checkIssuer({ id, expectedIssuer }: Upstream, told: string | null): void {
  if (told === null || expectedIssuer === null) return;
  if (URL.parse(told)?.href === URL.parse(expectedIssuer)?.href) return;
  throw failure('exchange', new Error(`upstream ${id}: the answer names another issuer`));
}

/** Whose fault it is, and the way back. Also for pages that could not even send the browser there. */
export function showUpstreamFailure(
  ctx: Context,
  pages: Pages,
  label: string,
  error: UpstreamFailure,
  backPath: string,
): void {
  const model = {
    code: error.code,
    title: pages.text(ctx, error.step === 'denied' ? 'upstream.denied.title' : 'upstream.failed.title', {
      upstream: label,
    }),
    text: pages.text(ctx, `upstream.${textOf(error)}.text`, { upstream: label }),
    nextSteps: [{ label: pages.text(ctx, 'upstream.back'), url: backPath }],
    details: null,
  };
  pages.show(ctx, 'error', model, { status: error.status });
}

function textOf({ step }: UpstreamFailure): 'denied' | 'unreachable' | 'failed' {
  return step === 'denied' || step === 'unreachable' ? step : 'failed';
}

/** Used, too old, begun in another browser, or never begun: there is nothing to go back to but our own page. */
function showGone(ctx: RouterContext, parts: UpstreamRoutesParts): void {
  const nextSteps = [{ label: parts.pages.text(ctx, 'error.home'), url: '/' }];
  parts.pages.show(ctx, 'error', { code: 'upstream-gone', nextSteps, details: null }, { status: 410 });
}

/** Telegram puts its answer where no server can see it when it does not know our address. The attempt stays as it was. */
function showUnregistered(ctx: RouterContext, parts: UpstreamRoutesParts): void {
  const nextSteps = [{ label: parts.pages.text(ctx, 'error.home'), url: '/' }];
  const operatorHint =
    `The redirect URI ${parts.issuer}${ctx.path} is not registered in BotFather: open Bot Settings, Web Login of this ` +
    'bot and add it to the allowed URLs, exactly as it stands here.';
  parts.pages.show(ctx, 'error', { code: 'upstream-setting', nextSteps, details: null, operatorHint }, { status: 502 });
}

async function record(
  ctx: RouterContext,
  parts: UpstreamRoutesParts,
  id: string,
  transaction: Transaction | null,
  reason: string,
): Promise<void> {
  const account = transaction?.account;
  await parts.audit.record({
    actor: account ? { kind: 'account', id: account.id } : { kind: 'anonymous' },
    action: transaction?.intent === 'link' ? 'identity.link' : 'session.start',
    target: { kind: 'upstream', id },
    clientId: transaction?.clientId,
    origin: { network: clientNetwork(ctx), userAgent: ctx.get('user-agent') || undefined, requestId: requestId(ctx) },
    result: 'failure',
    reason,
  });
}
