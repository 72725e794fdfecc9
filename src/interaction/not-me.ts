// "It was not me": the page behind that link in every notice. Opening it changes nothing; its button ends all sessions and tokens of the account
// and starts recovery: with a mail for a new password, and in the chats with what to look at. No chat ever gets a link for a new password: where a
// chat is the second factor, it would be the first one as well.

import Router, { type RouterContext } from '@koa/router';
import type { AccountRow } from '../account/accounts.ts';
import { codedMessage } from '../credential/mailed-page.ts';
import { asker } from '../http/asker.ts';
import { csrfField, formBody } from '../http/form.ts';
import type { NotMeModel } from '../http/page-model.ts';
import { NOT_ME } from '../notification/notices.ts';
import type { EntityManager } from '../storage/database.ts';
import { origin } from './interaction.ts';
import { beginMailed, linkUsed } from './mailed.ts';
import type { ResetContent, ResetParts } from './reset.ts';

export function notMeRoutes(parts: ResetParts): Router {
  const router = new Router();
  router.get('/not-me/:token', async (ctx) => {
    const found = await parts.oneTime.find<{ accountId: string }>(NOT_ME, String(ctx.params['token']));
    if (!found) throw linkUsed();
    show(ctx, parts, { action: ctx.path, isDone: false, recovery: await recoveryOf(parts, found.accountId) });
  });
  router.post('/not-me/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    const found = await parts.oneTime.find<{ accountId: string }>(NOT_ME, token);
    const account = found && (await parts.accounts.findById(found.accountId));
    if (!account) throw linkUsed();
    const cause = { actor: { kind: 'account', id: account.id } as const, origin: origin(ctx) };
    // First what may fail and may be done twice: when it does fail, the link still works.
    await parts.sessionsAndGrants.endAll(account, cause, 'not-me');
    const isFirst = await parts.database.transaction(async (em) => {
      if ((await parts.oneTime.takeWithin(em, NOT_ME, token)) === null) return false;
      await parts.mailed.revokeAll(em, account.id);
      if (account.status === 'active') await tellChats(ctx, parts, em, account);
      return true;
    });
    if (!isFirst) throw linkUsed();
    const { email } = account;
    if (email !== null && account.status === 'active') {
      const content: ResetContent = { typed: email, interaction: null };
      const to = {
        email,
        accountId: account.id,
        zone: account.zoneinfo,
        locale: account.locale ?? parts.pages.locale(ctx),
      };
      await beginMailed(ctx, parts, {
        // Counted apart: somebody who asks for resets all the time must not use up this one.
        ...({ purpose: 'reset', address: `not-me:${account.id}`, account, content } as const),
        message: (draft, path) => codedMessage(ctx, 'reset', to, draft, path),
      });
    }
    show(ctx, parts, { action: '', isDone: true, recovery: await recoveryOf(parts, account.id) });
  });
  return router;
}

/** By what the account can be brought back; whoever has the link is told, because the link went to its owner. */
async function recoveryOf(parts: ResetParts, accountId: string): Promise<NotMeModel['recovery']> {
  const account = await parts.accounts.findById(accountId);
  if (account?.email) return 'mail';
  return (await parts.notices.findChats(parts.database.em(), accountId)).length > 0 ? 'telegram' : 'sign-in';
}

/** What to look at now, whoever it was: the link leads to the ways in, behind a sign-in. */
async function tellChats(ctx: RouterContext, parts: ResetParts, em: EntityManager, owner: AccountRow): Promise<void> {
  const about = { what: 'recovery-started', asked: asker(ctx) } as const;
  const path = '/account/security';
  await parts.notices.tell(em, { owner, about, path, locale: parts.pages.locale(ctx), isMailed: true, isToAll: true });
}

function show(ctx: RouterContext, parts: ResetParts, model: NotMeModel): void {
  parts.pages.show(ctx, 'not-me', model, { formTarget: 'self' });
}
