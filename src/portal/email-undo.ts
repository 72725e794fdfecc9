// Where the old address takes a change of address back. Opening the link changes nothing; its button gives the account its old address again, ends all
// sessions and tokens, and starts recovery with a mail to that address: somebody else has been inside.
import Router, { type RouterContext } from '@koa/router';
import { EmailTaken } from '../account/email-changes.ts';
import { lockCredentials } from '../credential/credential-version.ts';
import { codedMessage } from '../credential/mailed-page.ts';
import { NotFound } from '../errors.ts';
import { ensureBrowserId } from '../http/browser.ts';
import { csrfField, formBody } from '../http/form.ts';
import type { LinkModel } from '../http/page-model.ts';
import type { SessionsAndGrants } from '../oidc/sessions-and-grants.ts';
import { causeOf } from './portal-session.ts';
import { type ProfileParts } from './profile-page.ts';

export interface EmailUndoParts extends ProfileParts {
  readonly sessionsAndGrants: SessionsAndGrants;
}

export function emailUndoRoutes(parts: EmailUndoParts): Router {
  const router = new Router();
  const gone = () => new NotFound(undefined, { code: 'link-used' });
  router.get('/email-undo/:token', async (ctx) => {
    if ((await parts.emailChanges.findUndoAccount(String(ctx.params['token']))) === null) throw gone();
    show(ctx, parts, { action: ctx.path, isDone: false });
  });
  router.post('/email-undo/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    const accountId = await parts.emailChanges.findUndoAccount(token);
    if (accountId === null) throw gone();
    const cause = causeOf(ctx, accountId);
    const email = await parts.database
      .transaction(async (em) => {
        await lockCredentials(em, accountId);
        const restored = await parts.emailChanges.undo(em, token, cause);
        if (restored === null) return null;
        await parts.mailed.revokeAll(em, accountId);
        await parts.accounts.noteSignOut(accountId, em);
        return restored;
      })
      .catch((error: unknown) => {
        if (error instanceof EmailTaken) return null;
        throw error;
      });
    if (email === null) throw gone();
    parts.accounts.forgetRecent();
    const account = await parts.accounts.findById(accountId);
    if (account?.status !== 'active') throw gone();
    await parts.sessionsAndGrants.endAll(account, cause, 'email-undo');
    await startRecovery(ctx, parts, account.id, email);
    show(ctx, parts, { action: null, isDone: true });
  });
  return router;
}

/** Counted apart: somebody who asks for resets all the time must not use up this one. */
async function startRecovery(
  ctx: RouterContext,
  parts: EmailUndoParts,
  accountId: string,
  email: string,
): Promise<void> {
  const draft = await parts.mailed.draft('reset', `email-undo:${accountId}`);
  const account = await parts.accounts.findById(accountId);
  if (!draft.isAllowed || !account) return;
  const browserId = ensureBrowserId(ctx, parts.naming);
  const to = { email, accountId, zone: account.zoneinfo, locale: account.locale ?? parts.pages.locale(ctx) };
  await parts.database.transaction(async (em) => {
    await parts.mailed.put(em, draft, { accountId, browserId, content: { typed: email, interaction: null } });
    await parts.notifications.send(em, codedMessage(ctx, 'reset', to, draft, undefined));
  });
}

function show(ctx: RouterContext, parts: EmailUndoParts, state: Pick<LinkModel, 'action' | 'isDone'>): void {
  const model: LinkModel = { purpose: 'email-undo', token: null, ...state };
  parts.pages.show(ctx, 'link-confirm', model, { formTarget: 'self' });
}
