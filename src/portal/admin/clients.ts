// Clients for administrators: the list, a new one from a template, and what one of them is: its addresses, policy, secret and example, until it is
// deleted. What the settings declare is shown and changes there only. A secret is in the answer to the form that made it and nowhere else.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { clientMetadataSchema } from '../../client/client-metadata.ts';
import { CLIENT_TEMPLATES, metadataFrom } from '../../client/client-template.ts';
import { type Clients, needsSecret, type RegisteredClient } from '../../client/clients.ts';
import { redirectProblem } from '../../client/redirect-lint.ts';
import { clientSnippets } from '../../client/snippet.ts';
import { randomToken } from '../../crypto/random.ts';
import { InvalidRequest } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminClientModel, AdminClientsModel, FormProblems } from '../../http/page-model.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { auditUrl, showAdminPage } from './admin-page.ts';

const HOME = '/admin/clients';
const PAGE = 50;
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
const CREATE_FORM = z.strictObject({
  template: z.enum(CLIENT_TEMPLATES),
  name: z.string().max(1000),
  address: z.string().max(4000),
});
/** Seconds as typed; nothing for that of the deployment. */
const LIFE = z.string().max(20);
const UPDATE_FORM = z.strictObject({
  name: z.string().max(1000),
  redirect_uris: z.string().max(30_000),
  required_acr: z.enum(['', 'urn:latchkey:aal2', 'urn:latchkey:phr']),
  first_party: z.literal('on').optional(),
  upstreams: z.string().max(2000),
  role_audience: z.string().max(1000),
  ...{ access_token_ttl: LIFE, id_token_ttl: LIFE, refresh_token_ttl: LIFE, session_ttl: LIFE },
  post_logout_uris: z.string().max(30_000),
  backchannel_logout_uri: z.string().max(2100),
});
/** In the order of the form; each is a member of the metadata of the same name behind `latchkey_`. */
export const LIVES = ['access_token_ttl', 'id_token_ttl', 'refresh_token_ttl', 'session_ttl'] as const;
/** Seconds. */
const ROTATE_FORM = z.strictObject({ overlap: z.enum(['0', '86400', '604800']) });

export interface AdminClientsParts extends AdminDoorParts {
  readonly clients: Clients;
  readonly pages: Pages;
  readonly issuer: string;
}

type UpdateForm = z.infer<typeof UPDATE_FORM>;
type Shown = Partial<Pick<AdminClientModel, 'stage' | 'secret' | 'form' | 'errors'>>;

export function adminClientsRoutes(parts: AdminClientsParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = adminDoors(parts, HOME);
  const get = async (ctx: RouterContext) => parts.clients.get(String(ctx.params['id']));

  router.get(
    HOME,
    look('clients:read', (ctx, who) => showList(ctx, parts, who)),
  );
  router.post(
    HOME,
    body,
    change('clients:write', (ctx, who) => create(ctx, parts, who)),
  );
  router.get(
    `${HOME}/:id`,
    look('clients:read', async (ctx, who) => showOne(ctx, parts, who, await get(ctx))),
  );
  router.post(
    `${HOME}/:id`,
    body,
    change('clients:write', async (ctx, who) => update(ctx, parts, who, await get(ctx))),
  );
  router.post(
    `${HOME}/:id/secret`,
    body,
    change('clients:write', async (ctx, who) => {
      const { overlap } = parseForm(ctx, ROTATE_FORM);
      const client = await get(ctx);
      const secret = await parts.clients.rotateSecret(client.clientId, Number(overlap), causeOf(ctx, by(who)));
      showOne(ctx, parts, who, client, { secret });
    }),
  );
  router.get(
    `${HOME}/:id/delete`,
    look('clients:delete', async (ctx, who) => showOne(ctx, parts, who, await get(ctx), { stage: 'delete' })),
  );
  router.post(
    `${HOME}/:id/delete`,
    body,
    change('clients:delete', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const { clientId } = await get(ctx);
      await parts.clients.delete(clientId, causeOf(ctx, by(who)));
      redirect(ctx, `${HOME}?deleted`);
    }),
  );
  return router;
}

async function showList(
  ctx: RouterContext,
  parts: AdminClientsParts,
  who: Administrator,
  failed?: { readonly form: z.infer<typeof CREATE_FORM>; readonly errors: FormProblems },
): Promise<void> {
  const [query, after] = [parameter(ctx, 'q'), parameter(ctx, 'after')];
  const found = await parts.clients.page({ query, after, limit: PAGE + 1 });
  const shown = found.slice(0, PAGE);
  const next = found.length > PAGE ? (shown.at(-1)?.clientId ?? '') : null;
  const model: AdminClientsModel = {
    query,
    clients: shown.map((client) => ({
      id: client.clientId,
      name: client.metadata.client_name ?? client.clientId,
      url: pathOf(client.clientId),
      isDeclared: client.source === 'yaml',
    })),
    nextUrl: next === null ? null : `${HOME}?${new URLSearchParams({ q: query, after: next })}`,
    create: who.authority.permissions.has('clients:write')
      ? { templates: CLIENT_TEMPLATES, ...(failed?.form ?? { template: 'web', name: '', address: '' }) }
      : null,
    isDeleted: ctx.query['deleted'] !== undefined,
    errors: failed?.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-clients', model);
}

async function create(ctx: RouterContext, parts: AdminClientsParts, who: Administrator): Promise<void> {
  const form = parseForm(ctx, CREATE_FORM);
  const [name, address] = [form.name.trim(), form.address.trim()];
  const wrong = form.template === 'machine' ? null : redirectProblem(address, form.template === 'native');
  const fields = {
    ...(name === '' ? { name: 'admin_client.problem.name' } : {}),
    ...(wrong === null ? {} : { address: `admin_client.redirect.${wrong}` }),
  };
  if (Object.keys(fields).length > 0) {
    await showList(ctx, parts, who, { form, errors: { summary: 'form.problem', fields } });
    return;
  }
  try {
    const metadata = metadataFrom(form.template, name, address);
    const { client, secret } = await parts.clients.create(metadata, causeOf(ctx, by(who)));
    showOne(ctx, parts, who, client, { secret: secret ?? null });
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    await showList(ctx, parts, who, { form, errors: { summary: error.message, fields: {} } });
  }
}

async function update(
  ctx: RouterContext,
  parts: AdminClientsParts,
  who: Administrator,
  client: RegisteredClient,
): Promise<void> {
  const form = parseForm(ctx, UPDATE_FORM);
  const uris = words(form.redirect_uris);
  const isNative = client.metadata.application_type === 'native';
  const wrong = uris.map((uri) => redirectProblem(uri, isNative)).find((one) => one !== null);
  const wrongAfter = words(form.post_logout_uris)
    .map((uri) => redirectProblem(uri, isNative))
    .find((one) => one !== null);
  const backchannel = form.backchannel_logout_uri.trim();
  const wrongBack = backchannel === '' ? null : redirectProblem(backchannel, false);
  const fields = {
    ...(form.name.trim() === '' ? { name: 'admin_client.problem.name' } : {}),
    ...(wrong === undefined ? {} : { redirect_uris: `admin_client.redirect.${wrong}` }),
    ...(wrongAfter === undefined ? {} : { post_logout_uris: `admin_client.redirect.${wrongAfter}` }),
    ...(wrongBack === null ? {} : { backchannel_logout_uri: `admin_client.redirect.${wrongBack}` }),
    ...Object.fromEntries(
      LIVES.flatMap((life) => (isLife(life, form[life]) ? [] : [[life, 'admin_client.problem.ttl']])),
    ),
  };
  const again = (errors: FormProblems): void => showOne(ctx, parts, who, client, { form: typed(form), errors });
  if (Object.keys(fields).length > 0) {
    again({ summary: 'form.problem', fields });
    return;
  }
  try {
    await parts.clients.update(client.clientId, changeOf(form, uris), causeOf(ctx, by(who)));
    redirect(ctx, `${pathOf(client.clientId)}?changed`);
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    again({ summary: error.message, fields: {} });
  }
}

/** Whether it is what the metadata take; the bounds are theirs. */
function isLife(life: (typeof LIVES)[number], text: string): boolean {
  const number = text.trim();
  return (
    number === '' ||
    (/^\d{1,8}$/.test(number) && clientMetadataSchema.shape[`latchkey_${life}`].safeParse(Number(number)).success)
  );
}

/** What is left empty is taken out of the metadata. */
function changeOf(form: UpdateForm, uris: readonly string[]): Record<string, unknown> {
  const upstreams = words(form.upstreams);
  const afterLogout = words(form.post_logout_uris);
  const orNull = (text: string): string | null => (text.trim() === '' ? null : text.trim());
  return {
    client_name: form.name.trim(),
    redirect_uris: uris,
    post_logout_redirect_uris: afterLogout.length === 0 ? null : afterLogout,
    backchannel_logout_uri: orNull(form.backchannel_logout_uri),
    latchkey_required_acr: orNull(form.required_acr),
    latchkey_first_party: form.first_party === 'on' ? true : null,
    latchkey_upstreams: upstreams.length === 0 ? null : upstreams,
    latchkey_role_audience: orNull(form.role_audience),
    ...Object.fromEntries(
      LIVES.map((life) => [`latchkey_${life}`, orNull(form[life]) === null ? null : Number(form[life])]),
    ),
  };
}

function showOne(
  ctx: RouterContext,
  parts: AdminClientsParts,
  who: Administrator,
  client: RegisteredClient,
  shown: Shown = {},
): void {
  const { clientId, metadata } = client;
  const { permissions } = who.authority;
  const isDeclared = client.source === 'yaml';
  const secret = shown.secret ?? null;
  const model: AdminClientModel = {
    id: clientId,
    name: metadata.client_name ?? clientId,
    action: pathOf(clientId),
    stage: shown.stage ?? 'detail',
    isDeclared,
    canWrite: !isDeclared && permissions.has('clients:write'),
    canDelete: !isDeclared && permissions.has('clients:delete'),
    hasSecret: needsSecret(metadata),
    secret,
    isNative: metadata.application_type === 'native',
    snippets: clientSnippets({
      issuer: parts.issuer,
      metadata: { ...metadata, client_id: clientId },
      ...(secret === null ? {} : { clientSecret: secret }),
    }),
    tryUrl: tryUrl(parts.issuer, client),
    authMethod: metadata.token_endpoint_auth_method ?? 'client_secret_basic',
    grantTypes: (metadata.grant_types ?? ['authorization_code']).join(', '),
    isChanged: ctx.query['changed'] !== undefined,
    auditUrls: { changes: auditUrl(who, { target: clientId }), uses: auditUrl(who, { client: clientId }) },
    form: shown.form ?? stored(client),
    errors: shown.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-client', model);
}

/**
 * A request as the app would send it, to its own registered address and to no other. Nobody has the verifier, so that the code which comes of it is
 * good for nothing.
 */
function tryUrl(issuer: string, { clientId, metadata }: RegisteredClient): string | null {
  const [redirectUri] = metadata.redirect_uris ?? [];
  const isForPeople = (metadata.grant_types ?? ['authorization_code']).includes('authorization_code');
  // Such clients push their requests first, which only they can.
  const isPushed = metadata.require_pushed_authorization_requests === true || metadata.latchkey_profile !== undefined;
  if (redirectUri === undefined || !isForPeople || isPushed) return null;
  const params = new URLSearchParams({
    ...{ client_id: clientId, response_type: 'code', redirect_uri: redirectUri, scope: 'openid profile email' },
    ...{ state: 'test-sign-in', code_challenge: randomToken(), code_challenge_method: 'S256' },
  });
  return `${issuer}/auth?${params}`;
}

function stored({ metadata }: RegisteredClient): AdminClientModel['form'] {
  return {
    name: metadata.client_name ?? '',
    redirectUris: (metadata.redirect_uris ?? []).join('\n'),
    requiredAcr: metadata.latchkey_required_acr ?? '',
    isFirstParty: metadata.latchkey_first_party === true,
    upstreams: (metadata.latchkey_upstreams ?? []).join(' '),
    roleAudience: metadata.latchkey_role_audience ?? '',
    lives: Object.fromEntries(LIVES.map((name) => [name, String(metadata[`latchkey_${name}`] ?? '')])),
    postLogoutUris: (metadata.post_logout_redirect_uris ?? []).join('\n'),
    backchannelLogoutUri: metadata.backchannel_logout_uri ?? '',
  };
}

function typed(form: UpdateForm): AdminClientModel['form'] {
  return {
    name: form.name,
    redirectUris: form.redirect_uris,
    requiredAcr: form.required_acr,
    isFirstParty: form.first_party === 'on',
    upstreams: form.upstreams,
    roleAudience: form.role_audience,
    lives: Object.fromEntries(LIVES.map((name) => [name, form[name]])),
    postLogoutUris: form.post_logout_uris,
    backchannelLogoutUri: form.backchannel_logout_uri,
  };
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function by(who: Administrator): string {
  return who.session.account.id;
}

/** A client_id can be nearly anything that is visible. */
function pathOf(clientId: string): string {
  return `${HOME}/${encodeURIComponent(clientId)}`;
}

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
function parameter(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= 200 && !value.includes('\0') ? value : '';
}

function redirect(ctx: RouterContext, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}
