// One act on many accounts: ticked in the list, asked about on a page of its own with the reason, and done one by one. Each has its own transaction,
// in which both sides' rights are read anew, so that one refusal stops no other; the last page says what became of each. What was asked is a record of
// the server that is taken once: a second click finds what the first one did.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { requirePermission } from '../../access/authority.ts';
import type { Permission } from '../../access/permission.ts';
import { MOST_NOTE } from '../../audit/audit.ts';
import { AppError, InvalidRequest, NotFound } from '../../errors.ts';
import { csrfField, formBody, parseForm } from '../../http/form.ts';
import type { AdminAccountsBulkModel, FormProblems } from '../../http/page-model.ts';
import type { OneTime } from '../../storage/one-time.ts';
import { type AccountActionParts, permissionFor, runAccountAction } from './account-actions.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { causeBy, seeOther } from './admin-request.ts';
import { draftNewPasswordMail, type NewPasswordMailParts } from './new-password-mail.ts';

const HOME = '/admin/accounts';
const BULK = `${HOME}/bulk`;
export const BULK_ACTIONS = ['disable', 'enable', 'sign-out', 'reset'] as const;
type BulkAction = (typeof BULK_ACTIONS)[number];

const MOST_ACCOUNTS = 100;
/** Seconds: for the question, and for reading the answer. */
const TTL = 3600;
/** What waits for the answer, what is being done, and what became of it: each under the same value. */
const [ASKED, BEGUN, DONE] = ['bulk-asked', 'bulk-begun', 'bulk-done'] as const;
const NO_PROBLEMS: FormProblems = { fields: {} };

const BOX = /^account_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
/** Boxes have a field each, since a field that is repeated is refused. */
const CHOICE_FORM = z.object({ act: z.enum(BULK_ACTIONS) }).catchall(z.literal('on'));
const FORM = z.strictObject({ reason: z.string().max(5000) });

/** Why one was left as it is, in words of the page. */
export const REFUSALS: readonly string[] = [
  ...['account-state', 'rank', 'own-account', 'last-super-admin', 'last-organization-owner'],
  ...['account-not-found', 'permission-missing', 'too-many-requests'],
];

interface Asked {
  readonly actorId: string;
  readonly act: BulkAction;
  readonly ids: readonly string[];
}

interface Done extends Asked {
  /** In the order of `ids`: a code of REFUSALS, `other`, or null for done. */
  readonly refusals: readonly (string | null)[];
}

export interface AdminAccountsBulkParts extends AdminDoorParts, AccountActionParts, NewPasswordMailParts {
  readonly oneTime: OneTime;
}

/** What the list offers to somebody with these permissions. */
export function offeredBulkActions(permissions: ReadonlySet<Permission>): readonly BulkAction[] {
  return BULK_ACTIONS.filter((act) => permissions.has(permissionFor(act)));
}

export function adminAccountsBulkRoutes(parts: AdminAccountsBulkParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, prove, change } = adminDoors(parts, HOME);
  // It only leads to the question, so the fresh proof is asked for there: what was ticked is not lost on the way to it.
  const ask = look('accounts:read', (ctx, who) => askFor(ctx, parts, who));
  router.post(BULK, body, async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await ask(ctx);
  });
  router.get(
    `${BULK}/:ticket`,
    prove('accounts:read', (ctx, who) => show(ctx, parts, who)),
  );
  router.post(
    `${BULK}/:ticket`,
    body,
    change('accounts:read', (ctx, who) => submit(ctx, parts, who)),
  );
  return router;
}

async function askFor(ctx: RouterContext, parts: AdminAccountsBulkParts, who: Administrator): Promise<void> {
  const { act, ...boxes } = parseForm(ctx, CHOICE_FORM);
  requirePermission(who.authority, permissionFor(act));
  const ids = Object.keys(boxes).map((name) => BOX.exec(name)?.[1]);
  if (ids.length > MOST_ACCOUNTS || !ids.every((id) => id !== undefined)) {
    throw new InvalidRequest('The form has a field that we do not know, or too many of them.', {
      code: 'unexpected-field',
    });
  }
  if (ids.length === 0) {
    const errors = { summary: 'admin_bulk.none', fields: {} };
    showAdminPage(ctx, parts, who, 'admin-accounts-bulk', modelOf('nothing', act, '', { errors }), { status: 422 });
    return;
  }
  const { accountId: actorId } = who.authority;
  const ticket = await parts.oneTime.put(ASKED, { actorId, act, ids } satisfies Asked, { ttl: TTL, subject: actorId });
  seeOther(ctx, `${BULK}/${ticket}`);
}

async function show(
  ctx: RouterContext,
  parts: AdminAccountsBulkParts,
  who: Administrator,
  failed?: { readonly reason: string; readonly problem: string },
): Promise<void> {
  const ticket = ticketOf(ctx);
  const { accountId: actorId } = who.authority;
  const find = async <Kept extends Asked>(kind: string): Promise<Kept | null> => {
    const found = await parts.oneTime.find<Kept>(kind, ticket);
    return found?.actorId === actorId ? found : null;
  };
  const done = await find<Done>(DONE);
  const begun = done ?? (await find(BEGUN));
  const asked = begun ?? (await find(ASKED));
  if (!asked) throw new NotFound('There is nothing to do here, or it is too long ago.', { code: 'link-used' });
  const names = await parts.accounts.namesOf(asked.ids);
  const stage = done ? 'done' : begun ? 'begun' : 'question';
  const model = modelOf(stage, asked.act, `${BULK}/${ticket}`, {
    accounts: asked.ids.map((id, index) => ({
      ...{ id, url: `${HOME}/${id}`, name: names.get(id) ?? id },
      refusal: done?.refusals[index] ?? null,
    })),
    reason: failed?.reason ?? '',
    errors: failed ? { summary: 'form.problem', fields: { reason: failed.problem } } : NO_PROBLEMS,
  });
  showAdminPage(ctx, parts, who, 'admin-accounts-bulk', model, { status: failed ? 422 : 200 });
}

async function submit(ctx: RouterContext, parts: AdminAccountsBulkParts, who: Administrator): Promise<void> {
  const reason = parseForm(ctx, FORM).reason;
  const note = reason.trim();
  if (note === '' || note.length > MOST_NOTE) {
    const problem = note === '' ? 'admin_account.problem.reason' : 'admin_account.problem.long';
    await show(ctx, parts, who, { reason, problem });
    return;
  }
  const ticket = ticketOf(ctx);
  const { accountId: actorId } = who.authority;
  const asked = await parts.database.transaction(async (em) => {
    const taken = await parts.oneTime.takeWithin<Asked>(em, ASKED, ticket);
    // Somebody else's is as good as none; it stays theirs.
    if (taken !== null && taken.actorId !== actorId) throw new NotFound();
    if (taken) await parts.oneTime.putUnder(BEGUN, ticket, taken, { ttl: TTL, subject: actorId, em });
    return taken;
  });
  if (asked) {
    const refusals: (string | null)[] = [];
    try {
      for (const id of asked.ids) refusals.push(await runOne(ctx, parts, who, asked.act, id, note));
    } finally {
      // Also of what a failure of ours cut short: the rest was not done.
      const all = asked.ids.map((_id, index) => (index < refusals.length ? (refusals[index] ?? null) : 'other'));
      await parts.oneTime.putUnder(DONE, ticket, { ...asked, refusals: all }, { ttl: TTL, subject: actorId });
    }
  }
  seeOther(ctx, `${BULK}/${ticket}`);
}

/** @returns why it was refused, null when it was done */
async function runOne(
  ctx: RouterContext,
  parts: AdminAccountsBulkParts,
  who: Administrator,
  act: BulkAction,
  id: string,
  note: string,
): Promise<string | null> {
  try {
    const account = await parts.accounts.findById(id);
    if (!account) return 'account-not-found';
    const isMailed = act === 'reset' && account.email !== null && account.status === 'active';
    await runAccountAction(parts, act, {
      ...{ account, actorId: who.authority.accountId, cause: { ...causeBy(ctx, who), note } },
      form: { role: '', session: '', name: null, givenName: null, familyName: null },
      mail: isMailed ? await draftNewPasswordMail(ctx, parts, account.email, 'reset') : null,
      locale: parts.pages.locale(ctx),
    });
    return null;
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    return REFUSALS.includes(error.code) ? error.code : 'other';
  }
}

function ticketOf(ctx: RouterContext): string {
  return String(ctx.params['ticket']);
}

function modelOf(
  stage: AdminAccountsBulkModel['stage'],
  act: BulkAction,
  url: string,
  more: Partial<AdminAccountsBulkModel>,
): AdminAccountsBulkModel {
  return {
    stage,
    act,
    url,
    backUrl: HOME,
    accounts: [],
    mostReason: MOST_NOTE,
    reason: '',
    errors: NO_PROBLEMS,
    ...more,
  };
}
