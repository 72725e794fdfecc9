// Invitations for administrators: who was asked, to which roles, and whether they came. One is made, sent again and taken back under the rule of
// ranks of its roles. The link itself is in the mail and nowhere else.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { type Invitations, invitationState } from '../../access/invitations.ts';
import { parseEmail } from '../../account/sign-in-name.ts';
import { AppError } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminInvitationsModel, FormProblems } from '../../http/page-model.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';
import { causeBy, parameterOf, seeOther } from './admin-request.ts';

const HOME = '/admin/invitations';
const PAGE = 50;
const NO_PROBLEMS: FormProblems = { fields: {} };
const EMPTY_FORM = z.strictObject({});
const CREATE_FORM = z.strictObject({
  email: z.string().max(1000),
  role: z.string().max(100),
  locale: z.string().max(35),
});
/** What somebody can do wrong on the form, by the code of the refusal. */
const PROBLEMS: Readonly<Record<string, 'email' | 'role'>> = {
  'email-taken': 'email',
  'already-invited': 'email',
  rank: 'role',
  'permission-missing': 'role',
  'unknown-role': 'role',
};

export interface AdminInvitationsParts extends AdminDoorParts {
  readonly invitations: Invitations;
  readonly languages: readonly { readonly tag: string; readonly name: string }[];
  readonly pages: Pages;
}

type Form = z.infer<typeof CREATE_FORM>;
interface Failed {
  readonly form: Form;
  readonly errors: FormProblems;
}

export function adminInvitationsRoutes(parts: AdminInvitationsParts): Router {
  const router = new Router();
  const body = formBody();
  const { look, change } = adminDoors(parts, HOME);
  const inviter = (who: Administrator) => ({ kind: 'account', id: who.session.account.id }) as const;

  router.get(
    HOME,
    look('invitations:write', (ctx, who) => showList(ctx, parts, who)),
  );
  router.post(
    HOME,
    body,
    change('invitations:write', async (ctx, who) => {
      const form = parseForm(ctx, CREATE_FORM);
      const email = parseEmail(form.email);
      if (email === null) {
        const fields = { email: 'admin_invitations.problem.invalid-email' };
        await showList(ctx, parts, who, { form, errors: { summary: 'form.problem', fields } });
        return;
      }
      const { account } = who.session;
      const locale = parts.languages.find(({ tag }) => tag === form.locale)?.tag ?? account.locale ?? 'en';
      const input = { email, roles: form.role === '' ? [] : [form.role], locale, inviterName: account.name };
      try {
        await parts.invitations.create(input, inviter(who), causeBy(ctx, who));
      } catch (error) {
        const field = error instanceof AppError ? PROBLEMS[error.code] : undefined;
        if (field === undefined || !(error instanceof AppError)) throw error;
        const fields = { [field]: `admin_invitations.problem.${error.code}` };
        await showList(ctx, parts, who, { form, errors: { summary: 'form.problem', fields } });
        ctx.status = error.status === 403 ? 403 : 200;
        return;
      }
      seeOther(ctx, `${HOME}?sent`);
    }),
  );
  router.post(
    `${HOME}/:id/resend`,
    body,
    change('invitations:write', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      await parts.invitations.resend(String(ctx.params['id']), inviter(who), causeBy(ctx, who));
      seeOther(ctx, `${HOME}?sent`);
    }),
  );
  router.post(
    `${HOME}/:id/revoke`,
    body,
    change('invitations:write', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      await parts.invitations.revoke(String(ctx.params['id']), inviter(who), causeBy(ctx, who));
      seeOther(ctx, `${HOME}?revoked`);
    }),
  );
  return router;
}

async function showList(
  ctx: RouterContext,
  parts: AdminInvitationsParts,
  who: Administrator,
  failed?: Failed,
): Promise<void> {
  const found = await parts.invitations.page({ after: parameterOf(ctx, 'after'), limit: PAGE + 1 });
  const shown = found.slice(0, PAGE);
  const last = found.length > PAGE ? shown.at(-1) : undefined;
  const roles = [...(await parts.roles.definitions()).values()];
  const { account } = who.session;
  const model: AdminInvitationsModel = {
    invitations: shown.map((one) => {
      const state = invitationState(one);
      const isOpen = state === 'open' || state === 'expired';
      return {
        id: one.id,
        email: one.email,
        roles: one.roles.map((id) => roles.find((role) => role.id === id)?.name ?? id),
        state,
        expiresAt: one.expiresAt.toISOString(),
        resendUrl: isOpen ? `${HOME}/${one.id}/resend` : null,
        revokeUrl: isOpen ? `${HOME}/${one.id}/revoke` : null,
      };
    }),
    zone: account.zoneinfo,
    nextUrl: last ? `${HOME}?${new URLSearchParams({ after: last.id })}` : null,
    roles: roles.filter(({ rank }) => rank <= who.authority.rank).map(({ id, name }) => ({ id, name })),
    mailLanguages: parts.languages.map(({ tag, name }) => ({ tag, name })),
    form: failed?.form ?? { email: '', role: '', locale: account.locale ?? parts.pages.locale(ctx) },
    done: ctx.query['sent'] === undefined ? (ctx.query['revoked'] === undefined ? null : 'revoked') : 'sent',
    errors: failed?.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-invitations', model);
}
