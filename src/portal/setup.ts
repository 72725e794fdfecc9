// The first administrator: by a link that works once and for an hour, never "whoever comes first". Whoever takes the one row of setup_state
// wins; from then on the page is gone. Afterwards the same browser may register the first client, once.

import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Roles } from '../access/roles.ts';
import type { Accounts } from '../account/accounts.ts';
import { parseEmail, parseUsername } from '../account/sign-in-name.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clients } from '../client/clients.ts';
import { clientSnippet } from '../client/snippet.ts';
import type { Passwords } from '../credential/password.ts';
import { passwordRules } from '../credential/password-rules.ts';
import { AppError, Conflict, NotFound } from '../errors.ts';
import { type CookieNaming, ensureBrowserId, findBrowserId } from '../http/browser.ts';
import { clientNetwork } from '../http/client-address.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { SetupModel } from '../http/page-model.ts';
import { requestId } from '../http/request-id.ts';
import type { Database } from '../storage/database.ts';
import type { OneTime } from '../storage/one-time.ts';

const LINK = 'setup-link';
const FIRST_CLIENT = 'first-client';
const HOUR = 3600;

const FORM = z.strictObject({
  email: z.string().max(1000),
  name: z.string().max(1000).optional(),
  username: z.string().max(1000).optional(),
  new_password: z.string(),
});
const CLIENT_FORM = z.strictObject({
  name: z.string().max(1000),
  redirect_uri: z.string().max(2048),
  application_type: z.enum(['web', 'spa', 'native']),
});

export interface SetupParts {
  readonly database: Database;
  readonly oneTime: OneTime;
  readonly accounts: Accounts;
  readonly passwords: Passwords;
  readonly roles: Roles;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly naming: CookieNaming;
  readonly issuer: string;
}

/** A fresh link for the first administrator. @param ttl seconds @throws Conflict `already-set-up` */
export async function createSetupLink(
  parts: Pick<SetupParts, 'oneTime' | 'roles' | 'issuer'>,
  ttl: number,
): Promise<string> {
  if (await parts.roles.isSetUp()) {
    throw new Conflict('There is an administrator already. Use: account create --role super-admin', {
      code: 'already-set-up',
    });
  }
  return `${parts.issuer}/setup/${await parts.oneTime.put(LINK, {}, { ttl })}`;
}

export function setupRoutes(parts: SetupParts): Router {
  const router = new Router();
  const body = formBody();
  router.get('/setup', async (ctx) => {
    await refuseWhenDone(parts);
    showStage(ctx, parts, { stage: 'invalid' }, 200);
  });
  router.get('/setup/:token', async (ctx) => {
    await refuseWhenDone(parts);
    const isGood = (await parts.oneTime.find(LINK, String(ctx.params['token']))) !== null;
    showStage(ctx, parts, { stage: isGood ? 'form' : 'invalid' }, isGood ? 200 : 410);
  });
  router.post('/setup/:token', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await submitSetup(ctx, parts);
  });
  router.get('/setup/first-client/:ticket', async (ctx) => {
    const ticket = await parts.oneTime.find<Ticket>(FIRST_CLIENT, String(ctx.params['ticket']));
    const isOurs = ticket !== null && ticket.browser === findBrowserId(ctx, parts.naming);
    if (!isOurs) throw new NotFound(undefined, { code: 'link-used' });
    showStage(ctx, parts, { stage: 'done', firstClient: { action: ctx.path } });
  });
  router.post('/setup/first-client/:ticket', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await submitFirstClient(ctx, parts);
  });
  return router;
}

interface Ticket {
  readonly browser: string;
  readonly accountId: string;
}

async function submitSetup(ctx: RouterContext, parts: SetupParts): Promise<void> {
  const token = String(ctx.params['token']);
  await refuseWhenDone(parts);
  if ((await parts.oneTime.find(LINK, token)) === null) {
    showStage(ctx, parts, { stage: 'invalid' }, 410);
    return;
  }
  const form = parseForm(ctx, FORM);
  const name = form.name?.trim() || undefined;
  const username = form.username?.trim() || undefined;
  const email = parseEmail(form.email);
  const fields: Record<string, string> = {};
  if (email === null) fields['email'] = 'setup.problem.email';
  if (username !== undefined && parseUsername(username) === null) fields['username'] = 'setup.problem.username';
  if (name !== undefined && name.length > 255) fields['name'] = 'setup.problem.name';
  const problem = await parts.passwords.findProblemAnywhere(form.new_password, { email, username });
  if (problem) fields['new_password'] = `password.problem.${problem}`;
  const typed = { email: form.email, name: form.name ?? '', username: form.username ?? '' };
  if (email === null || Object.keys(fields).length > 0) {
    const password = { password: form.new_password, context: { email, username } };
    const rules = passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values), password);
    showStage(ctx, parts, { stage: 'form', ...typed, rules, fields }, 422);
    return;
  }
  // Hashing takes its time: outside of the transaction.
  const hash = await parts.passwords.hash(form.new_password);
  const cause = {
    actor: { kind: 'anonymous' } as const,
    origin: { network: clientNetwork(ctx), userAgent: ctx.get('user-agent'), requestId: requestId(ctx) },
  };
  let accountId: string;
  try {
    accountId = await parts.database.transaction(async (em) => {
      if (!(await parts.roles.claimSetup(em))) throw new Gone();
      if ((await parts.oneTime.takeWithin(em, LINK, token)) === null) throw new Gone();
      const account = await parts.accounts.create({ email, username, name, isVerified: true }, cause, em);
      await parts.passwords.set(em, account.id, hash);
      await parts.roles.assign(em, account.id, 'super-admin', cause);
      await parts.audit.record({ ...cause, action: 'setup.complete', target: { kind: 'account', id: account.id } }, em);
      return account.id;
    });
  } catch (error) {
    if (error instanceof Gone) {
      showStage(ctx, parts, { stage: 'closed' }, 410);
      return;
    }
    if (error instanceof AppError && error.field !== undefined && error.status < 500) {
      showStage(ctx, parts, { stage: 'form', ...typed, fields: { [error.field]: `setup.problem.${error.code}` } }, 422);
      return;
    }
    throw error;
  }
  const ticket = { browser: ensureBrowserId(ctx, parts.naming), accountId } satisfies Ticket;
  ctx.status = 303;
  ctx.redirect(
    `/setup/first-client/${await parts.oneTime.put(FIRST_CLIENT, ticket, { ttl: HOUR, subject: accountId })}`,
  );
}

async function submitFirstClient(ctx: RouterContext, parts: SetupParts): Promise<void> {
  const value = String(ctx.params['ticket']);
  const seen = await parts.oneTime.find<Ticket>(FIRST_CLIENT, value);
  if (seen === null || seen.browser !== findBrowserId(ctx, parts.naming))
    throw new NotFound(undefined, { code: 'link-used' });
  const form = parseForm(ctx, CLIENT_FORM);
  const isPublic = form.application_type !== 'web';
  const metadata = {
    client_name: form.name.trim() || 'My app',
    redirect_uris: [form.redirect_uri.trim()],
    application_type: form.application_type === 'native' ? 'native' : 'web',
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: isPublic ? 'none' : 'client_secret_basic',
  };
  const ticket = await parts.oneTime.take<Ticket>(FIRST_CLIENT, value);
  if (!ticket) throw new NotFound(undefined, { code: 'link-used' });
  try {
    const created = await parts.clients.create(metadata, { actor: { kind: 'account', id: ticket.accountId } });
    const { clientId } = created.client;
    const secret = created.secret === undefined ? {} : { clientSecret: created.secret };
    const snippet = clientSnippet({ issuer: parts.issuer, metadata: created.client.metadata, ...secret });
    showStage(ctx, parts, {
      stage: 'done',
      created: { clientId, clientSecret: created.secret ?? null, snippet, issuer: parts.issuer },
    });
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    // The form is given back with a fresh ticket: a mistake in a redirect URI must not cost the offer.
    const again = await parts.oneTime.put(FIRST_CLIENT, ticket, { ttl: HOUR, subject: ticket.accountId });
    const model = {
      stage: 'done',
      firstClient: { action: `/setup/first-client/${again}`, name: form.name, redirectUri: form.redirect_uri },
      fields: { redirect_uri: error.message },
    } as const;
    showStage(ctx, parts, model, 422);
  }
}

/** Somebody else was faster. */
class Gone extends Error {}

/** @throws NotFound once an administrator exists: the page is gone for ever */
async function refuseWhenDone(parts: SetupParts): Promise<void> {
  if (await parts.roles.isSetUp()) throw new NotFound('Set-up is done.', { code: 'setup-closed' });
}

type Stage = Pick<SetupModel, 'stage'> & Partial<SetupModel> & { readonly fields?: Record<string, string> };

function showStage(ctx: RouterContext, parts: SetupParts, stage: Stage, status = 200): void {
  const { fields = {}, ...rest } = stage;
  const seen = `${ctx.protocol}://${ctx.get('host').slice(0, 200)}`;
  const model: SetupModel = {
    action: ctx.path,
    email: '',
    name: '',
    username: '',
    issuer: parts.issuer,
    seenOrigin: seen,
    issuerMatches: seen === new URL(parts.issuer).origin,
    minLength: parts.passwords.minLength,
    rules: passwordRules(parts.passwords, (key, values) => parts.pages.text(ctx, key, values)),
    firstClient: null,
    created: null,
    errors: { ...(Object.keys(fields).length > 0 ? { summary: 'form.problem' } : {}), fields },
    ...rest,
  };
  parts.pages.show(ctx, 'setup', model, { status, formTarget: 'self' });
}
