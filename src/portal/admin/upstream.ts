// One upstream that administrators keep: added, changed, turned on and off, moved and deleted. What the settings declare is looked at and changes
// there only. Its secret is typed in and never shown again.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { upstreamMembers } from '../../../config/declarations.ts';
import { NotFound } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminUpstreamModel, FormProblems } from '../../http/page-model.ts';
import { claimSources, type TakenClaim } from '../../upstream/claim-sources.ts';
import type { KeptUpstream, KeptUpstreams, Saving } from '../../upstream/kept-upstreams.ts';
import type { Upstream, UpstreamDeclaration, Upstreams } from '../../upstream/upstreams.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { auditUrl, showAdminPage } from './admin-page.ts';
import { causeBy, seeOther, wordsOf } from './admin-request.ts';

const HOME = '/admin/upstreams';
const NO_PROBLEMS: FormProblems = { fields: {} };
const DONE = ['saved', 'secret-dropped', 'on', 'off'] as const;

/** Where an app is registered at each kind of upstream; nobody but its people knows for an OpenID provider of one's own. */
const CONSOLES: Readonly<Record<string, string>> = {
  google: 'https://console.cloud.google.com/auth/clients',
  apple: 'https://developer.apple.com/account/resources/identifiers/list/serviceId',
  github: 'https://github.com/settings/developers',
  microsoft: 'https://entra.microsoft.com/',
  discord: 'https://discord.com/developers/applications',
  x: 'https://developer.x.com/en/portal/dashboard',
  telegram: 'https://t.me/BotFather',
};
const LABELS: Readonly<Record<string, string>> = {
  ...{ google: 'Google', apple: 'Apple', github: 'GitHub', microsoft: 'Microsoft', discord: 'Discord', x: 'X' },
  ...{ telegram: 'Telegram', oidc: 'OpenID Connect' },
};

const text = (most: number) => z.string().max(most).optional();
const box = z.literal('on').optional();
const FORM = z.strictObject({
  id: text(200),
  client_id: text(2000),
  secret: text(20_000),
  label: text(1000),
  issuer: text(2000),
  authorization_endpoint: text(2000),
  token_endpoint: text(2000),
  api_root: text(2000),
  tenant: text(1000),
  team_id: text(1000),
  key_id: text(1000),
  scopes: text(10_000),
  domains: text(20_000),
  trust_email: box,
  trust_second_factor: box,
  refresh_profile: box,
  keep_tokens: box,
});
const STATE_FORM = z.strictObject({ decision: z.enum(['on', 'off']) });
const MOVE_FORM = z.strictObject({ decision: z.enum(['up', 'down']), place: z.string().regex(/^\d{1,6}$/) });
const count = z.string().regex(/^\d{1,9}$/);
const DELETE_FORM = z.strictObject({ people: count, stranded: count, agreed: box });

/** The field that says what stands at a place of the declaration. */
const FIELDS: Readonly<Record<string, string>> = {
  ...{ clientId: 'client_id', teamId: 'team_id', keyId: 'key_id', clientSecret: 'secret', privateKey: 'secret' },
  ...{ endpoints: 'issuer', 'endpoints.issuer': 'issuer', 'endpoints.authorization': 'authorization_endpoint' },
  ...{ 'endpoints.token': 'token_endpoint', 'endpoints.api': 'api_root', 'id-taken': 'id' },
};

export interface AdminUpstreamParts extends AdminDoorParts {
  readonly upstreams: Upstreams;
  readonly keptUpstreams: KeptUpstreams;
  readonly pages: Pages;
  readonly issuer: string;
}

type Typed = z.infer<typeof FORM>;
type Form = AdminUpstreamModel['form'];
type Shown = Partial<Pick<AdminUpstreamModel, 'stage' | 'form' | 'errors' | 'reliance'>>;

export function adminUpstreamRoutes(parts: AdminUpstreamParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = adminDoors(parts, HOME);
  const { keptUpstreams } = parts;
  const kindOf = (ctx: RouterContext): string => {
    const kind = String(ctx.params['kind']);
    if (!upstreamMembers.has(kind)) throw notThere();
    return kind;
  };
  const getKept = async (ctx: RouterContext): Promise<KeptUpstream> => {
    await keptUpstreams.refresh();
    const kept = keptUpstreams.find(String(ctx.params['id']));
    if (!kept) throw notThere();
    return kept;
  };

  router.get(
    `${HOME}/new`,
    look('upstreams:write', async (ctx, who) => showKinds(ctx, parts, who)),
  );
  router.get(
    `${HOME}/new/:kind`,
    look('upstreams:write', async (ctx, who) => showNew(ctx, parts, who, kindOf(ctx))),
  );
  router.post(
    `${HOME}/new/:kind`,
    body,
    change('upstreams:write', async (ctx, who) => {
      const [kind, typed] = [kindOf(ctx), parseForm(ctx, FORM)];
      const id = (typed.id ?? '').trim();
      const saving = await keptUpstreams.create({ ...rawOf(kind, typed), id, kind }, causeBy(ctx, who));
      if (saving.kind === 'saved') seeOther(ctx, `${pathOf(id)}?done=saved`);
      else showNew(ctx, parts, who, kind, { form: formOf(typed), errors: problemsOf(saving) });
    }),
  );
  router.get(
    `${HOME}/:id`,
    look('upstreams:read', async (ctx, who) => {
      // What the settings say goes before what is kept here under the same id, which is found all the same to be deleted.
      await keptUpstreams.refresh();
      const id = String(ctx.params['id']);
      const kept = keptUpstreams.find(id);
      const declared = parts.upstreams.find(id);
      if (kept) await showKept(ctx, parts, who, kept);
      else if (declared?.door === 'redirect') showDeclared(ctx, parts, who, declared);
      else throw notThere();
    }),
  );
  router.post(
    `${HOME}/:id`,
    body,
    change('upstreams:write', async (ctx, who) => {
      const typed = parseForm(ctx, FORM.omit({ id: true }));
      const kept = await getKept(ctx);
      const raw = rawOf(kept.declaration.kind, typed);
      const saving = await keptUpstreams.update(kept.id, raw, causeBy(ctx, who));
      if (saving.kind === 'saved') {
        seeOther(ctx, `${pathOf(kept.id)}?done=${saving.isSecretDropped ? 'secret-dropped' : 'saved'}`);
      } else {
        const form = { ...formOf(typed), id: kept.id };
        await showKept(ctx, parts, who, kept, { form, errors: problemsOf(saving) });
      }
    }),
  );
  router.post(
    `${HOME}/:id/state`,
    body,
    change('upstreams:write', async (ctx, who) => {
      const { decision } = parseForm(ctx, STATE_FORM);
      const kept = await getKept(ctx);
      const isDone = await keptUpstreams.turn(kept.id, decision === 'on', causeBy(ctx, who));
      if (isDone) seeOther(ctx, `${pathOf(kept.id)}?done=${decision}`);
      else await showKept(ctx, parts, who, kept, { errors: { summary: 'admin_upstream.incomplete', fields: {} } });
    }),
  );
  router.post(
    `${HOME}/:id/move`,
    body,
    change('upstreams:write', async (ctx, who) => {
      const { decision, place } = parseForm(ctx, MOVE_FORM);
      const { id } = await getKept(ctx);
      await keptUpstreams.move(id, decision, Number(place), causeBy(ctx, who));
      seeOther(ctx, HOME);
    }),
  );
  router.get(
    `${HOME}/:id/delete`,
    look('upstreams:write', async (ctx, who) => showKept(ctx, parts, who, await getKept(ctx), { stage: 'delete' })),
  );
  router.post(
    `${HOME}/:id/delete`,
    body,
    change('upstreams:write', async (ctx, who) => {
      const form = parseForm(ctx, DELETE_FORM);
      const kept = await getKept(ctx);
      const told = { people: Number(form.people), stranded: Number(form.stranded) };
      // Whoever takes ways in away has said so; where there is nobody, there is nothing to say.
      const agreed = form.agreed === 'on' ? told : { people: 0, stranded: 0 };
      const reliance = await keptUpstreams.delete(kept.id, agreed, causeBy(ctx, who));
      if (reliance === null) seeOther(ctx, `${HOME}?deleted`);
      else {
        const errors = { summary: 'form.problem', fields: { agreed: 'admin_upstream.problem.agreed' } };
        await showKept(ctx, parts, who, kept, { stage: 'delete', reliance, errors });
      }
    }),
  );
  return router;
}

function showKinds(ctx: RouterContext, parts: AdminUpstreamParts, who: Administrator): void {
  showAdminPage(ctx, parts, who, 'admin-upstream', {
    ...emptyModel(),
    stage: 'kinds',
    kinds: [...upstreamMembers.keys()].map((kind) => ({
      ...{ kind, label: LABELS[kind] ?? kind, icon: kind === 'oidc' ? null : kind, url: `${HOME}/new/${kind}` },
    })),
  } satisfies AdminUpstreamModel);
}

function showNew(
  ctx: RouterContext,
  parts: AdminUpstreamParts,
  who: Administrator,
  kind: string,
  shown: Shown = {},
): void {
  const form = shown.form ?? { ...formOf({}), id: kind === 'oidc' ? '' : kind };
  const model: AdminUpstreamModel = {
    ...{ ...emptyModel(), stage: 'new', kind, label: LABELS[kind] ?? kind, action: `${HOME}/new/${kind}` },
    ...{ members: upstreamMembers.get(kind) ?? [], canWrite: true, consoleUrl: CONSOLES[kind] ?? null },
    callbackUrl: `${parts.issuer}/upstream/ID/callback`,
    ...{ form, errors: shown.errors ?? NO_PROBLEMS },
  };
  showAdminPage(ctx, parts, who, 'admin-upstream', model, { status: statusOf(model) });
}

async function showKept(
  ctx: RouterContext,
  parts: AdminUpstreamParts,
  who: Administrator,
  kept: KeptUpstream,
  shown: Shown = {},
): Promise<void> {
  const { id, declaration, isOn, hasSecret, upstream } = kept;
  const model: AdminUpstreamModel = {
    ...shownOf(parts, declaration, upstream),
    ...{ stage: shown.stage ?? 'detail', source: 'database', isOn, hasSecret, isComplete: upstream !== null },
    isOverridden: parts.upstreams.isFixed(id),
    // A test by its id would ask the one of the settings.
    testUrl: upstream === null || parts.upstreams.isFixed(id) ? null : `${pathOf(id)}/test`,
    canWrite: who.authority.permissions.has('upstreams:write'),
    auditUrl: auditUrl(who, { target: id }),
    reliance: shown.reliance ?? (await parts.keptUpstreams.reliance(id)),
    done: DONE.find((one) => one === ctx.query['done']) ?? null,
    form: shown.form ?? stored(declaration),
    errors: shown.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-upstream', model, { status: statusOf(model) });
}

function showDeclared(ctx: RouterContext, parts: AdminUpstreamParts, who: Administrator, upstream: Upstream): void {
  showAdminPage(ctx, parts, who, 'admin-upstream', {
    ...shownOf(parts, upstream.settings, upstream),
    ...{ source: 'yaml', isOn: true, isComplete: true, testUrl: `${pathOf(upstream.id)}/test` },
    auditUrl: auditUrl(who, { target: upstream.id }),
    form: stored(upstream.settings),
  } satisfies AdminUpstreamModel);
}

/** What the page says of any upstream that is there. */
function shownOf(
  parts: AdminUpstreamParts,
  declaration: UpstreamDeclaration,
  upstream: Upstream | null,
): AdminUpstreamModel {
  const { id, kind } = declaration;
  return {
    ...{ ...emptyModel(), stage: 'detail', id, kind, label: upstream?.label ?? declaration.label ?? id },
    ...{ action: pathOf(id), members: upstreamMembers.get(kind) ?? [] },
    ...{ consoleUrl: CONSOLES[kind] ?? null, callbackUrl: `${parts.issuer}/upstream/${id}/callback` },
    claims: claimSources(kind).map(([claim, from]) => ({ claim, from, when: whenOf(claim, declaration) })),
  };
}

/** What becomes of what it says (requirements U2, U3, U7). */
function whenOf(claim: TakenClaim, { kind, trustEmail, refreshProfile }: UpstreamDeclaration) {
  if (claim === 'subject') return 'key';
  if (claim === 'email') return trustEmail === true ? 'verified' : 'shown';
  if (claim === 'username') return 'shown';
  if (claim === 'locale' || refreshProfile !== true || kind === 'apple') return 'created';
  return 'always';
}

function emptyModel(): AdminUpstreamModel {
  return {
    ...{ stage: 'detail', id: null, label: '', kind: '', source: 'database', action: HOME, kinds: [], members: [] },
    ...{ isOn: false, isOverridden: false, isComplete: false, canWrite: false, hasSecret: false },
    ...{
      callbackUrl: '',
      testUrl: null,
      consoleUrl: null,
      claims: [],
      auditUrl: null,
      reliance: { people: 0, stranded: 0 },
      done: null,
    },
    ...{ form: formOf({}), errors: NO_PROBLEMS },
  };
}

/** As the settings would say it; what is left empty is left out. */
function rawOf(kind: string, typed: Typed): Record<string, unknown> {
  const members = upstreamMembers.get(kind) ?? [];
  const line = (value: string | undefined): string | undefined => {
    const trimmed = value?.trim();
    return trimmed === '' ? undefined : trimmed;
  };
  const words = (value: string | undefined): readonly string[] | undefined => {
    const found = wordsOf(value ?? '');
    return found.length === 0 ? undefined : found;
  };
  // What a browser makes of the line ends of a key.
  const secret = line(typed.secret)?.replaceAll('\r\n', '\n');
  const all: Readonly<Record<string, unknown>> = {
    ...{ clientId: line(typed.client_id), label: line(typed.label), scopes: words(typed.scopes) },
    ...{ tenant: line(typed.tenant), teamId: line(typed.team_id), keyId: line(typed.key_id) },
    domains: words(typed.domains?.toLowerCase()),
    endpoints: given({
      ...{ issuer: line(typed.issuer), authorization: line(typed.authorization_endpoint) },
      ...{ token: line(typed.token_endpoint), api: line(typed.api_root) },
    }),
    ...{ clientSecret: secret, privateKey: secret },
    ...{ trustEmail: isTicked(typed.trust_email), trustSecondFactor: isTicked(typed.trust_second_factor) },
    ...{ refreshProfile: isTicked(typed.refresh_profile), keepTokens: isTicked(typed.keep_tokens) },
  };
  return given(Object.fromEntries(members.map((name) => [name, all[name]]))) ?? {};
}

function isTicked(value: 'on' | undefined): true | undefined {
  return value === 'on' ? true : undefined;
}

/** Without what was left out; undefined when nothing is left. */
function given(all: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const left = Object.entries(all).filter(([, value]) => value !== undefined);
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function formOf(typed: Typed): Form {
  const { id = '', issuer = '', label = '', tenant = '', scopes = '', domains = '' } = typed;
  return {
    ...{ id, issuer, label, tenant, scopes, domains },
    ...{ clientId: typed.client_id ?? '', teamId: typed.team_id ?? '', keyId: typed.key_id ?? '' },
    authorizationEndpoint: typed.authorization_endpoint ?? '',
    ...{ tokenEndpoint: typed.token_endpoint ?? '', apiRoot: typed.api_root ?? '' },
    ...{ trustEmail: typed.trust_email === 'on', trustSecondFactor: typed.trust_second_factor === 'on' },
    ...{ refreshProfile: typed.refresh_profile === 'on', keepTokens: typed.keep_tokens === 'on' },
  };
}

function stored(declaration: UpstreamDeclaration): Form {
  const { id, clientId, label = '', tenant = '', teamId = '', keyId = '', endpoints = {} } = declaration;
  return {
    ...{ id, clientId, label, tenant, teamId, keyId },
    ...{ issuer: endpoints.issuer ?? '', authorizationEndpoint: endpoints.authorization ?? '' },
    ...{ tokenEndpoint: endpoints.token ?? '', apiRoot: endpoints.api ?? '' },
    ...{ scopes: (declaration.scopes ?? []).join(' '), domains: (declaration.domains ?? []).join('\n') },
    ...{ trustEmail: declaration.trustEmail === true, trustSecondFactor: declaration.trustSecondFactor === true },
    ...{ refreshProfile: declaration.refreshProfile === true, keepTokens: declaration.keepTokens === true },
  };
}

function problemsOf({ wrong, isSecretDropped }: Extract<Saving, { readonly kind: 'refused' }>): FormProblems {
  const sentence = (place: string): string => {
    if (place === 'clientSecret' && isSecretDropped) return 'admin_upstream.problem.secret-dropped';
    return `admin_upstream.problem.${place === 'id-taken' ? place : fieldOf(place)}`;
  };
  const places = wrong
    .filter((place) => place !== 'too-many')
    .map((place): readonly [string, string] => [fieldOf(place), sentence(place)]);
  const isFull = wrong.includes('too-many');
  return {
    summary: isFull ? 'admin_upstream.problem.too-many' : 'form.problem',
    // The first of several problems of a field is the one to mend first.
    fields: Object.fromEntries(places.toReversed()),
  };
}

/** Of several in a list, the list. */
function fieldOf(place: string): string {
  return FIELDS[place] ?? FIELDS[place.replace(/\.\d.*$/, '')] ?? place.replace(/\..*$/, '');
}

function statusOf({ errors }: AdminUpstreamModel): number {
  return errors.summary === undefined ? 200 : 422;
}

export function pathOf(id: string): string {
  return `${HOME}/${encodeURIComponent(id)}`;
}

function notThere(): NotFound {
  return new NotFound(undefined, { code: 'page-not-found' });
}
