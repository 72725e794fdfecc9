// Where the link of an invitation leads. Opening it, by whoever and however often, only shows what it is for; its button begins a sign-in, in which
// the form for the new account comes first. The invitation itself is taken with the proof of its address.
import Router from '@koa/router';
import type { HeldInvitations } from '../access/held-invitation.ts';
import type { Invitations } from '../access/invitations.ts';
import { NotFound } from '../errors.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { LinkModel } from '../http/page-model.ts';
import type { PortalSessions } from './portal-session.ts';

export function invitationRoutes(parts: {
  readonly invitations: Invitations;
  readonly heldInvitations: HeldInvitations;
  readonly sessions: PortalSessions;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly registration: 'open' | 'invite' | 'closed';
}): Router {
  const router = new Router();
  /** @throws NotFound for one that is used, taken back or too old, and where nobody registers at all */
  const check = async (token: string): Promise<void> => {
    const found = parts.registration === 'closed' ? null : await parts.invitations.find(token);
    if (!found) throw new NotFound(undefined, { code: 'link-used' });
  };
  router.get('/invitation/:token', async (ctx) => {
    await check(String(ctx.params['token']));
    const model: LinkModel = { purpose: 'invitation', action: ctx.path, token: null, isDone: false };
    parts.pages.show(ctx, 'link-confirm', model);
  });
  router.post('/invitation/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    await check(token);
    parts.heldInvitations.hold(ctx, token);
    await parts.sessions.start(ctx, '/account', { isFresh: true });
  });
  return router;
}
