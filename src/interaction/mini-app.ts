// Signing in inside of Telegram: a page for the web view of a Mini App posts what Telegram signed, and one press leads from there into an ordinary
// authorization request. No step needs a cookie, because Telegram Web shows the page in a frame that gets none: what was checked is bound to a
// one-time handle in the form. The press is asked because anybody can make a link to this page with data of their own in it, and would
// otherwise sign whoever follows it in as themselves.
import Router, { type RouterContext } from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import { TELEGRAM_ISSUER } from '../account/linked-identities.ts';
import { TooManyRequests } from '../errors.ts';
import { ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import { FRAMED_PAGE_POLICY, TELEGRAM_SCRIPT } from '../http/headers.ts';
import type { TelegramMiniAppModel } from '../http/page-model.ts';
import { clientView } from '../oidc/client-view.ts';
import type { SessionsAndGrants } from '../oidc/sessions-and-grants.ts';
import type { OneTime } from '../storage/one-time.ts';
import { checkInitData, type InitDataKey, type TelegramPerson } from '../telegram/signed-data.ts';
import type { UsedData } from '../telegram/used-data.ts';
import { plainText } from '../upstream/identity.ts';
import { TELEGRAM_IDENTITIES } from '../upstream/upstreams.ts';
import { type Interaction, origin } from './interaction.ts';
import type { MailedParts } from './mailed.ts';

const PATH = '/telegram/mini-app';
const LOGIN_PATH = '/telegram/login';
const PORTAL = '/account/sessions';
/** Longer than Telegram's own data, which is refused with its own reason. */
const DATA_FORM = z.strictObject({ init_data: z.string().max(10_000) });
const CONTINUE_FORM = z.strictObject({ handle: z.string().max(100) });
const NETWORK_BUDGET = { limit: 60, window: 900 };

const ENTRY = 'telegram-entry';
const ARRIVAL = 'telegram-arrival';
const LOGIN = 'telegram-login';
/** Seconds. */
const ENTRY_TTL = 300;
const ARRIVAL_TTL = 120;
const LOGIN_TTL = 120;
/** RFC 9126, 2.2, as the engine makes them. */
const PUSHED = 'urn:ietf:params:oauth:request_uri:';

export interface MiniAppParts extends MailedParts {
  readonly sessionsAndGrants: SessionsAndGrants;
  /** Null where there is no Mini App. */
  readonly miniApp: { readonly key: InitDataKey; readonly usedData: UsedData } | null;
  readonly portalClientId: string;
}

/** Whom Telegram vouched for, and what they wanted, between the two posts. */
interface Entry {
  readonly person: TelegramPerson;
  readonly start: Start;
}

/** Where the person goes, and for which client an answer of theirs counts there. */
interface Start {
  readonly clientId: string;
  readonly url: string;
}

export function miniAppRoutes(parts: MiniAppParts): Router {
  const router = new Router();
  const { miniApp } = parts;
  if (parts.bot !== null) addLogin(router, parts);
  if (miniApp === null) return router;
  router.get(PATH, (ctx) => show(ctx, parts, { state: 'open', scriptUrl: TELEGRAM_SCRIPT }));
  router.post(PATH, formBody(), async (ctx) => {
    parts.csrf.checkOrigin(ctx);
    await receiveData(ctx, parts, miniApp);
  });
  router.get(`${PATH}/continue`, (ctx) => show(ctx, parts, { state: 'over' }));
  router.post(`${PATH}/continue`, formBody(), async (ctx) => {
    parts.csrf.checkOrigin(ctx);
    await goOn(ctx, parts, ENTRY, parseForm(ctx, CONTINUE_FORM).handle);
  });
  return router;
}

/** What `/login` in the bot leads to. Whoever opens it, and Telegram's preview of it, only sees whose it is; one press uses it up. */
function addLogin(router: Router, parts: MiniAppParts): void {
  router.get(`${LOGIN_PATH}/:token`, async (ctx) => {
    const entry = await parts.oneTime.find<Entry>(LOGIN, String(ctx.params['token']));
    const model: TelegramMiniAppModel = {
      ...{ action: ctx.path, handle: null, client: null, scriptUrl: null },
      ...(entry === null ? { state: 'over', who: null } : { state: 'confirm', who: nameOf(entry.person) }),
    };
    parts.pages.show(ctx, 'telegram-mini-app', model, { status: entry === null ? 410 : 200 });
  });
  router.post(`${LOGIN_PATH}/:token`, formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    parseForm(ctx, z.strictObject({}));
    await goOn(ctx, parts, LOGIN, String(ctx.params['token']));
  });
}

/** @returns the path of a page that signs this person in to the account portal, once, within two minutes */
export async function createLoginPath(oneTime: OneTime, person: TelegramPerson, clientId: string): Promise<string> {
  const entry: Entry = { person, start: { clientId, url: PORTAL } };
  return `${LOGIN_PATH}/${await oneTime.put(LOGIN, entry, { ttl: LOGIN_TTL })}`;
}

/** Who arrived here from the Mini App a moment ago, for this client and in this browser; once. */
export async function takeArrival(
  ctx: Context,
  parts: MailedParts,
  { clientId }: Interaction,
): Promise<TelegramPerson | null> {
  const browser = findBrowserId(ctx, parts.naming);
  return browser === undefined ? null : parts.oneTime.take<TelegramPerson>(ARRIVAL, arrivalKey(browser, clientId));
}

async function receiveData(
  ctx: RouterContext,
  parts: MiniAppParts,
  { key, usedData }: NonNullable<MiniAppParts['miniApp']>,
): Promise<void> {
  const spending = await parts.budgets.spendNetwork('telegram-mini-app', clientNetwork(ctx), NETWORK_BUDGET);
  if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
  const form = parseForm(ctx, DATA_FORM);
  const outcome = checkInitData(form.init_data, key);
  if (outcome.kind !== 'valid') {
    await record(ctx, parts, outcome.kind);
    const isOld = outcome.kind === 'stale';
    show(ctx, parts, { state: isOld ? 'stale' : 'invalid' }, isOld ? 410 : 403);
    return;
  }
  if (!(await usedData.use(outcome.fingerprint, outcome.expiresAt))) {
    await record(ctx, parts, 'used');
    show(ctx, parts, { state: 'stale' }, 410);
    return;
  }
  const start = await findStart(parts, outcome.startParam);
  if (start === null) {
    await record(ctx, parts, 'unknown-start');
    show(ctx, parts, { state: 'over' }, 410);
    return;
  }
  await record(ctx, parts, null, start.clientId);
  const { person } = outcome;
  const handle = await parts.oneTime.put(ENTRY, { person, start } satisfies Entry, { ttl: ENTRY_TTL });
  const client = clientView(await parts.engine.provider.Client.find(start.clientId));
  const isOurs = start.clientId === parts.portalClientId;
  show(ctx, parts, {
    action: `${PATH}/continue`,
    state: 'confirm',
    handle,
    who: nameOf(person),
    client: isOurs ? null : client,
  });
}

/** The press: from here on it is an ordinary request of an ordinary client. */
async function goOn(ctx: RouterContext, parts: MiniAppParts, kind: string, handle: string): Promise<void> {
  const entry = await parts.oneTime.take<Entry>(kind, handle);
  if (entry === null) {
    await record(ctx, parts, 'used');
    show(ctx, parts, { state: 'over' }, 410);
    return;
  }
  const { person, start } = entry;
  await endOtherSession(ctx, parts, person);
  const key = arrivalKey(ensureBrowserId(ctx, parts.naming), start.clientId);
  await parts.oneTime.take(ARRIVAL, key);
  await parts.oneTime.putUnder(ARRIVAL, key, person, { ttl: ARRIVAL_TTL });
  ctx.status = 303;
  ctx.redirect(start.url);
}

/** Telegram's app has one web view for all its accounts: whoever used it before is somebody else, and must not be who the app is told of. */
async function endOtherSession(ctx: Context, parts: MiniAppParts, person: TelegramPerson): Promise<void> {
  const session = await parts.engine.provider.Session.get(ctx);
  if (session.accountId === undefined) return;
  const signedIn = await parts.accounts.findBySubject(session.accountId);
  const key = { upstream: TELEGRAM_IDENTITIES, issuer: TELEGRAM_ISSUER, subject: person.id };
  const own = await parts.linking.findAccountId(key);
  if (signedIn === null || signedIn.id === own) return;
  const cause = { actor: { kind: 'account', id: signedIn.id }, origin: origin(ctx), reason: 'other-account' } as const;
  await parts.sessionsAndGrants.endEngineSession(signedIn, session.uid, cause);
}

/**
 * `r-<end of a request_uri>` is a pushed request (RFC 9126), which only its client could make; `c-<client_id>` is the client's own start page
 * (OIDC Core 4); nothing at all is the account portal.
 */
async function findStart(parts: MiniAppParts, startParam: string | null): Promise<Start | null> {
  if (startParam === null || startParam === '') return { clientId: parts.portalClientId, url: PORTAL };
  const [, kind, value = ''] = /^([rc])-([A-Za-z0-9_-]{1,200})$/.exec(startParam) ?? [];
  const { provider } = parts.engine;
  if (kind === 'r') {
    const pushed = await provider.PushedAuthorizationRequest.find(value);
    const clientId = pushed === undefined ? null : clientIdOf(pushed.request);
    if (clientId === null) return null;
    const query = new URLSearchParams({ client_id: clientId, request_uri: `${PUSHED}${value}` });
    return { clientId, url: `/auth?${query.toString()}` };
  }
  if (kind !== 'c') return null;
  const client = await provider.Client.find(value);
  const url = URL.parse(client?.['initiateLoginUri'] ?? '');
  if (url === null) return null;
  url.searchParams.set('iss', parts.issuer);
  return { clientId: value, url: url.href };
}

/** The engine keeps what was pushed as an unsigned token of its own making. */
function clientIdOf(request: string): string | null {
  const [, payload = ''] = request.split('.');
  const { client_id: clientId } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { client_id?: unknown };
  return typeof clientId === 'string' ? clientId : null;
}

function nameOf({ firstName, lastName, username }: TelegramPerson): string {
  const name = plainText([firstName, lastName].filter(Boolean).join(' '), 100);
  return name ?? (username === null ? 'Telegram' : `@${username}`);
}

function show(
  ctx: Context,
  parts: MiniAppParts,
  model: Partial<TelegramMiniAppModel> & Pick<TelegramMiniAppModel, 'state'>,
  status = 200,
): void {
  const full: TelegramMiniAppModel = { action: PATH, handle: null, who: null, client: null, scriptUrl: null, ...model };
  parts.pages.show(ctx, 'telegram-mini-app', full, { status });
  // Telegram Web opens it in a frame.
  ctx.remove('X-Frame-Options');
  ctx.set('Content-Security-Policy', FRAMED_PAGE_POLICY);
}

async function record(ctx: Context, parts: MiniAppParts, reason: string | null, clientId?: string): Promise<void> {
  await parts.audit.record({
    actor: { kind: 'anonymous' },
    action: 'telegram.mini-app',
    origin: origin(ctx),
    ...(clientId === undefined ? {} : { clientId }),
    ...(reason === null ? {} : { result: 'failure', reason }),
  });
}

/** The browser's id alone has more than enough bits, and cannot hold a space. */
function arrivalKey(browser: string, clientId: string): string {
  return `${browser} ${clientId}`;
}
