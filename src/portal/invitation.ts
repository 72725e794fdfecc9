// Where the link of an invitation leads. Opening it, by whoever and however often, only shows what it is for; its button begins a sign-in, in which
// the form for the new account comes first, or for an organization leads whoever has an account to the question whether to join. The invitation
// itself is taken with the proof of its address.
import Router from '@koa/router';
import { z } from 'zod';
import type { HeldInvitations } from '../access/held-invitation.ts';
import type { Invitations, OpenInvitation } from '../access/invitations.ts';
import { NotFound } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { LinkModel } from '../http/page-model.ts';
import { JOIN, ORGANIZATIONS } from './membership.ts';
import type { PortalSessions } from './portal-session.ts';

/** Into an organization with an account that is there, or with a new one. */
const FORM = z.strictObject({ way: z.enum(['sign-in', 'register']).optional() });

export function invitationRoutes(parts: {
  readonly invitations: Invitations;
  readonly heldInvitations: HeldInvitations;
  readonly sessions: PortalSessions;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly registration: 'open' | 'invite' | 'closed';
}): Router {
  const router = new Router();
  const mayRegister = parts.registration !== 'closed';
  /** @throws NotFound for one that is used, taken back or too old, and one for a new account where nobody registers at all */
  const get = async (token: string): Promise<OpenInvitation> => {
    const found = await parts.invitations.find(token);
    if (!found || (found.organization === null && !mayRegister)) throw new NotFound(undefined, { code: 'link-used' });
    return found;
  };
  router.get('/invitation/:token', async (ctx) => {
    const { organization } = await get(String(ctx.params['token']));
    const session = organization && (await parts.sessions.find(ctx));
    const account = session && {
      name: session.account.name ?? session.account.username ?? session.account.email ?? '',
      email: session.account.email,
    };
    const model: LinkModel = {
      ...{ purpose: 'invitation', action: ctx.path, token: null, isDone: false },
      ...(organization
        ? { organization: { name: organization.name, memberRole: organization.role, mayRegister, account } }
        : {}),
    };
    parts.pages.show(ctx, 'link-confirm', model, { accountLocale: session?.account.locale });
  });
  router.post('/invitation/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    const { organization } = await get(token);
    const { way } = parseForm(ctx, FORM);
    if (organization !== null && (way !== 'register' || !mayRegister)) {
      parts.heldInvitations.hold(ctx, token, false);
      // Its door asks who it is, where nobody is signed in.
      ctx.status = 303;
      ctx.redirect(JOIN);
      return;
    }
    parts.heldInvitations.hold(ctx, token);
    await parts.sessions.start(ctx, organization === null ? '/account' : ORGANIZATIONS, { isFresh: true });
  });
  return router;
}
