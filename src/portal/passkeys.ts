// Passkeys and security keys of an account, managed by its owner: made, named, deleted. A browser is told afterwards which ones are left.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { tellOfChange } from '../credential/change-notice.ts';
import type { PasskeyKind, PasskeyView } from '../credential/passkey.ts';
import { NotFound } from '../errors.ts';
import { ensureBrowserId } from '../http/browser.ts';
import { formBody, parseForm } from '../http/form.ts';
import { removeFactor, showFirstCodes } from './factor-change.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { SECURITY, type SecurityParts, showSecurity, toSecurity } from './security-page.ts';

const ADD_FORM = z.strictObject({ name: z.string().max(1000), answer: z.string().max(30_000) });
const NAME_FORM = z.strictObject({ name: z.string().max(1000) });
const EMPTY_FORM = z.strictObject({});
const PASSKEYS = `${SECURITY}/passkeys`;

export function passkeyRoutes(parts: SecurityParts): Router {
  const router = new Router();
  const body = formBody();
  const { proven, submit } = portalDoors(parts, SECURITY);
  router.get(
    `${PASSKEYS}/add`,
    proven((ctx, session) => showAdd(ctx, parts, session)),
  );
  router.post(
    `${PASSKEYS}/options`,
    body,
    submit((ctx, session) => sendOptions(ctx, parts, session)),
  );
  router.post(
    `${PASSKEYS}/add`,
    body,
    submit((ctx, session) => add(ctx, parts, session)),
  );
  for (const [path, show, act] of [
    ['rename', showRename, rename],
    ['delete', showDelete, remove],
  ] as const) {
    router.get(
      `${PASSKEYS}/:id/${path}`,
      proven(async (ctx, session) => show(ctx, parts, session, await getPasskey(ctx, parts, session))),
    );
    router.post(
      `${PASSKEYS}/:id/${path}`,
      body,
      submit(async (ctx, session) => act(ctx, parts, session, await getPasskey(ctx, parts, session))),
    );
  }
  return router;
}

/** One of the account's own. @throws NotFound */
async function getPasskey(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<PasskeyView> {
  const passkeys = await parts.passkeys.list(session.account.id);
  const found = passkeys.find((one) => one.id === ctx.params['id']);
  if (!found) throw new NotFound(undefined, { code: 'page-not-found' });
  return found;
}

async function showAdd(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  problem?: string,
  name = '',
): Promise<void> {
  if (!parts.passkeys.isAvailable) throw new NotFound(undefined, { code: 'page-not-found' });
  const errors = problem === undefined ? { fields: {} } : { summary: problem, fields: {} };
  const passkey = { name, action: `${PASSKEYS}/add`, optionsUrl: `${PASSKEYS}/options` };
  await showSecurity(ctx, parts, session, { stage: 'passkey-add', passkey, errors }, problem === undefined ? 200 : 422);
}

async function sendOptions(ctx: RouterContext, parts: SecurityParts, { account }: PortalSession): Promise<void> {
  const kind: PasskeyKind = ctx.query['kind'] === 'second-factor' ? 'second-factor' : 'way-in';
  const who = { accountId: account.id, browserId: ensureBrowserId(ctx, parts.naming) };
  const name = account.email ?? account.username ?? account.name ?? account.subject;
  ctx.body = await parts.passkeys.registrationOptions(who, kind, { name, displayName: account.name ?? name });
}

async function add(ctx: RouterContext, parts: SecurityParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, ADD_FORM);
  const { account } = session;
  const who = { accountId: account.id, browserId: ensureBrowserId(ctx, parts.naming) };
  const outcome = await parts.passkeys.register(who, parse(form.answer), form.name, (em, { name }) =>
    tellOfChange(ctx, parts, em, account, { action: 'factor.add', what: 'factor-added', factor: 'passkey', name }),
  );
  if (outcome.kind !== 'registered') {
    const problem = outcome.kind === 'known' ? 'security.problem.passkey-known' : 'security.problem.passkey';
    await showAdd(ctx, parts, session, problem, form.name.slice(0, 100));
    return;
  }
  parts.accounts.forgetRecent();
  await showFirstCodes(ctx, parts, session, 'passkey');
}

async function showRename(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  { name }: PasskeyView,
): Promise<void> {
  const passkey = { name, action: ctx.path, optionsUrl: null };
  await showSecurity(ctx, parts, session, { stage: 'passkey-rename', passkey });
}

async function rename(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  { id }: PasskeyView,
): Promise<void> {
  const { name } = parseForm(ctx, NAME_FORM);
  const { account } = session;
  if (!(await parts.passkeys.rename(account.id, id, name))) {
    const passkey = { name: '', action: ctx.path, optionsUrl: null };
    const errors = { summary: 'form.problem', fields: { name: 'security.problem.name' } };
    await showSecurity(ctx, parts, session, { stage: 'passkey-rename', passkey, errors }, 422);
    return;
  }
  const target = { kind: 'account', id: account.id };
  await parts.audit.record({ ...causeOf(ctx, account.id), action: 'factor.rename', target, reason: 'passkey' });
  toSecurity(ctx, 'passkey');
}

async function showDelete(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  { name }: PasskeyView,
): Promise<void> {
  const confirmation = { what: 'passkey', action: ctx.path, name } as const;
  await showSecurity(ctx, parts, session, { stage: 'confirm', confirmation });
}

async function remove(
  ctx: RouterContext,
  parts: SecurityParts,
  session: PortalSession,
  { id, name }: PasskeyView,
): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  await removeFactor(ctx, parts, session, { kind: 'passkey', id }, { factor: 'passkey', name });
}

/** Nonsense is refused with everything else. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
