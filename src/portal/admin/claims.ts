// What an account would get at a client (requirements Y5): chosen by a form, shown and written into the audit trail. Nobody is signed in by it, and
// whoever stands above the administrator is not shown.
import Router, { type RouterContext } from '@koa/router';
import type { ResourceDeclaration } from '../../../config/declarations.ts';
import { requirePermission, requireRank } from '../../access/authority.ts';
import type { AccountRow, Accounts } from '../../account/accounts.ts';
import type { Audit } from '../../audit/audit.ts';
import type { Clients } from '../../client/clients.ts';
import { AppError, TooManyRequests } from '../../errors.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminClaimsModel, FormProblems } from '../../http/page-model.ts';
import type { ClaimPreview, ClaimPreviews } from '../../oidc/claim-preview.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/claims';
const SCOPE = 'openid profile email';
/** Of one administrator: each is a look at what somebody's apps are told. */
const LOOKS = { limit: 300, window: 3600 };
const NOTHING: Answer = { problems: {}, found: null };

export interface AdminClaimsParts extends AdminDoorParts {
  readonly accounts: Accounts;
  readonly clients: Clients;
  readonly claimPreviews: ClaimPreviews;
  readonly resources: readonly ResourceDeclaration[];
  readonly audit: Audit;
  readonly pages: Pages;
}

export function adminClaimsRoutes(parts: AdminClaimsParts): Router {
  const router = new Router();
  const { look } = adminDoors(parts, HOME);
  router.get(
    HOME,
    look('clients:read', async (ctx, who) => {
      requirePermission(who.authority, 'accounts:read');
      const form = {
        account: parameter(ctx, 'account'),
        client: parameter(ctx, 'client'),
        scope: parameter(ctx, 'scope') || SCOPE,
        resource: parameter(ctx, 'resource'),
      };
      // Links from other pages fill one field in and ask nothing.
      const isAsked = ctx.query['scope'] !== undefined || (form.account !== '' && form.client !== '');
      const { problems, found } = isAsked ? await answer(ctx, parts, who, form) : NOTHING;
      const summary = Object.keys(problems).length > 0 ? { summary: 'form.problem' } : {};
      const model: AdminClaimsModel = {
        form,
        resources: parts.resources.map(({ id, name }) => ({ id, name })),
        preview: found === null ? null : modelOf(found),
        errors: { ...summary, fields: problems },
      };
      showAdminPage(ctx, parts, who, 'admin-claims', model);
    }),
  );
  return router;
}

interface Answer {
  readonly problems: FormProblems['fields'];
  readonly found: Found | null;
}

interface Found {
  readonly account: AccountRow;
  readonly clientId: string;
  readonly clientName: string;
  readonly preview: ClaimPreview;
}

async function answer(
  ctx: RouterContext,
  parts: AdminClaimsParts,
  who: Administrator,
  form: AdminClaimsModel['form'],
): Promise<Answer> {
  const spending = await parts.budgets.spend(`claims-preview:${who.session.account.id}`, LOOKS);
  if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
  const account = form.account === '' ? null : await parts.accounts.get(form.account).catch(unlessMissing);
  const client = form.client === '' ? null : await parts.clients.find(form.client);
  const isResource = form.resource === '' || parts.resources.some(({ id }) => id === form.resource);
  if (account === null || client === null || !isResource) {
    return {
      problems: {
        ...(account === null ? { account: 'admin_claims.problem.account' } : {}),
        ...(client === null ? { client: 'admin_claims.problem.client' } : {}),
        ...(isResource ? {} : { resource: 'admin_claims.problem.resource' }),
      },
      found: null,
    };
  }
  const { clientId, metadata } = client;
  const event = {
    ...causeOf(ctx, who.session.account.id),
    ...{ action: 'claims.preview', target: { kind: 'account', id: account.id }, clientId },
  };
  try {
    requireRank(who.authority, await parts.roles.authority(account.id));
  } catch (error) {
    await parts.audit.record({ ...event, result: 'failure', reason: 'rank' });
    throw error;
  }
  // Before anything is shown: a look that cannot be written down is none.
  await parts.audit.record(event);
  const resource = form.resource === '' ? null : form.resource;
  const preview = await parts.claimPreviews.preview({ account, client, scope: form.scope, resource });
  return { problems: {}, found: { account, clientId, clientName: metadata.client_name ?? clientId, preview } };
}

function modelOf({ account, clientId, clientName, preview }: Found): NonNullable<AdminClaimsModel['preview']> {
  const { tokens } = preview;
  return {
    client: { name: clientName, url: `/admin/clients/${encodeURIComponent(clientId)}` },
    account: { name: account.name ?? account.username ?? account.email ?? account.id, email: account.email },
    stops: preview.stops,
    steps: preview.steps,
    leftOut: preview.leftOut,
    scopes: preview.scopes,
    methods: preview.methods,
    tokens:
      tokens === null
        ? null
        : {
            algorithm: tokens.algorithm,
            hasRefreshToken: tokens.hasRefreshToken,
            reasons: tokens.reasons,
            idToken: written(tokens.idToken),
            userinfo: tokens.userinfo === null ? null : written(tokens.userinfo),
            accessToken: {
              ...tokens.accessToken,
              payload: tokens.accessToken.payload === null ? null : written(tokens.accessToken.payload),
            },
          },
  };
}

function written(payload: object): string {
  return JSON.stringify(payload, null, 2);
}

function unlessMissing(error: unknown): null {
  if (error instanceof AppError && error.code === 'account-not-found') return null;
  throw error;
}

/** One parameter of the address; nothing where it is missing, repeated or too long to be meant. */
function parameter(ctx: RouterContext, name: string): string {
  const value = ctx.query[name];
  return typeof value === 'string' && value.length <= 500 && !value.includes('\0') ? value.trim() : '';
}
