// What we hold about somebody, handed out to them as a file, and the deletion of the account: both behind a fresh proof (requirements A15, S6). The
// deletion signs out everywhere at once; a mail tells until when it can be taken back, and its link changes nothing before its button.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Accounts } from '../account/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import { AppError, NotFound } from '../errors.ts';
import { asker } from '../http/asker.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { DataModel, DeleteModel, LinkModel } from '../http/page-model.ts';
import type { Notices } from '../notification/notices.ts';
import type { AccountDeletions } from '../oidc/account-deletions.ts';
import type { PersonalData } from '../oidc/personal-data.ts';
import { type FreshProofParts, portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';

const DATA = '/account/data';
const DELETE = '/account/delete';
const EMPTY_FORM = z.strictObject({});
const DAY = 86_400;

export interface OwnDataParts extends FreshProofParts {
  readonly accounts: Accounts;
  readonly personalData: PersonalData;
  readonly deletions: AccountDeletions;
  readonly notices: Notices;
  readonly audit: Audit;
  readonly pages: Pages;
}

export function ownDataRoutes(parts: OwnDataParts): Router {
  const router = new Router();
  const body = formBody();
  const data = portalDoors(parts, DATA);
  const deletion = portalDoors(parts, DELETE);
  router.get(
    DATA,
    data.seen(async (ctx, session) => showData(ctx, parts, session)),
  );
  // The proof comes first, so that the button that follows is the last thing to do.
  router.get(
    `${DATA}/export`,
    data.proven(async (ctx, session) => showData(ctx, parts, session, 'export')),
  );
  router.post(
    `${DATA}/export`,
    body,
    portalDoors(parts, `${DATA}/export`).submit((ctx, session) => handOut(ctx, parts, session)),
  );
  router.get(
    DELETE,
    deletion.proven(async (ctx, session) => showDelete(ctx, parts, session)),
  );
  router.post(
    DELETE,
    body,
    deletion.submit((ctx, session) => remove(ctx, parts, session)),
  );
  router.get('/account-restore/:token', async (ctx) => {
    if ((await parts.deletions.findUndo(String(ctx.params['token']))) === null) throw linkUsed();
    showRestore(ctx, parts, { action: ctx.path, isDone: false });
  });
  router.post('/account-restore/:token', body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    parseForm(ctx, EMPTY_FORM);
    const token = String(ctx.params['token']);
    const accountId = await parts.deletions.findUndo(token);
    if (accountId === null || !(await parts.deletions.undo(token, causeOf(ctx, accountId)))) throw linkUsed();
    showRestore(ctx, parts, { action: null, isDone: true });
  });
  return router;
}

function linkUsed(): NotFound {
  return new NotFound(undefined, { code: 'link-used' });
}

function daysOf(parts: OwnDataParts): number {
  return Math.max(1, Math.round(parts.deletions.grace / DAY));
}

function showData(
  ctx: RouterContext,
  parts: OwnDataParts,
  { account }: PortalSession,
  stage: DataModel['stage'] = 'overview',
): void {
  const model: DataModel = { stage, days: daysOf(parts) };
  parts.pages.show(ctx, 'account-data', model, {
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

async function handOut(ctx: RouterContext, parts: OwnDataParts, { account }: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const target = { kind: 'account', id: account.id } as const;
  await parts.audit.record({ ...causeOf(ctx, account.id), action: 'account.export', target });
  const found = await parts.personalData.export(account.id);
  ctx.type = 'application/json';
  ctx.set('Content-Disposition', 'attachment; filename="account.json"');
  ctx.set('Cache-Control', 'no-store');
  ctx.body = `${JSON.stringify({ exported_at: new Date(), ...found }, null, 2)}\n`;
}

function showDelete(
  ctx: RouterContext,
  parts: OwnDataParts,
  { account }: PortalSession,
  state: Partial<DeleteModel> = {},
  status = 200,
): void {
  const model: DeleteModel = {
    isDone: false,
    days: daysOf(parts),
    purgeAt: null,
    hasMail: account.email !== null,
    zone: account.zoneinfo,
    errors: { fields: {} },
    ...state,
  };
  parts.pages.show(ctx, 'account-delete', model, {
    status,
    formTarget: 'self',
    accountLocale: account.locale,
    account: { name: account.name ?? account.username ?? account.email ?? '', email: account.email },
  });
}

/** Who must not leave yet, by the code of the refusal. */
const LAST_OWNER: Readonly<Record<string, string>> = {
  'last-super-admin': 'delete.problem.last_owner',
  'last-organization-owner': 'delete.problem.last_organization_owner',
};

async function remove(ctx: RouterContext, parts: OwnDataParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { account } = session;
  const cause = causeOf(ctx, account.id);
  try {
    const purgeAt = await parts.deletions.request(account, cause, async (em, path, deletionAt) => {
      await parts.notices.tell(em, {
        owner: account,
        about: { what: 'deletion-started', asked: asker(ctx), deletionAt: deletionAt.toISOString() },
        locale: parts.pages.locale(ctx),
        ...{ path, expiresAt: deletionAt },
      });
    });
    showDelete(ctx, parts, session, { isDone: true, purgeAt: purgeAt.toISOString() });
  } catch (error) {
    const summary = error instanceof AppError ? LAST_OWNER[error.code] : undefined;
    if (summary === undefined || !(error instanceof AppError)) throw error;
    const target = { kind: 'account', id: account.id } as const;
    const refusal = { action: 'account.delete-request', target, result: 'failure', reason: error.code } as const;
    await parts.audit.record({ ...cause, ...refusal });
    showDelete(ctx, parts, session, { errors: { summary, fields: {} } }, 409);
  }
}

function showRestore(ctx: RouterContext, parts: OwnDataParts, state: Pick<LinkModel, 'action' | 'isDone'>): void {
  const model: LinkModel = { purpose: 'deletion-undo', token: null, ...state };
  parts.pages.show(ctx, 'link-confirm', model, { formTarget: 'self' });
}
