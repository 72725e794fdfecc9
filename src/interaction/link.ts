// Where mailed links lead. Opening one, by whoever and however often, only shows what it is for; one button acts. A link opened in another
// browser than the one that asked signs nobody in and makes no account with what somebody else typed: it says where to go on (requirements R6,
// C7). A new password may be set anywhere: whoever opens that link chooses it.
import Router, { type RouterContext } from '@koa/router';
import { findBrowserId } from '../http/browser.ts';
import { csrfField, formBody } from '../http/form.ts';
import type { LinkModel } from '../http/page-model.ts';
import type { SignInContent } from './mail-code.ts';
import { linkUsed } from './mailed.ts';
import {
  finishReset,
  type ResetContent,
  type ResetParts,
  readNewPassword,
  setPassword,
  showNewPassword,
} from './reset.ts';
import { confirmRegistration, type RegisterParts, type RegistrationContent } from './verify.ts';

type Content = SignInContent | ResetContent | RegistrationContent;

/** The pages behind links need what the pages do that asked for them. */
export type LinkParts = ResetParts & RegisterParts;

export function linkRoutes(parts: LinkParts): Router {
  const router = new Router();
  router.get('/link/:token', async (ctx) => {
    const token = String(ctx.params['token']);
    const found = await parts.mailed.find<Content>(token, findBrowserId(ctx, parts.naming));
    switch (found?.purpose) {
      case 'reset':
        showNewPassword(ctx, parts, ctx.path);
        return;
      case 'sign-in': {
        const { interaction } = found.content as SignInContent;
        const action = found.isSameBrowser ? `/interaction/${interaction}/mail-link` : null;
        showLink(ctx, parts, { purpose: 'sign-in', action, token, isDone: false });
        return;
      }
      case 'verify-email': {
        const { interaction } = found.content as RegistrationContent;
        const isWaiting = (await parts.engine.provider.Interaction.find(interaction)) !== undefined;
        const action = isWaiting ? `/interaction/${interaction}/verify-link` : ctx.path;
        const shown = found.isSameBrowser ? { action, token: isWaiting ? token : null } : { action: null, token: null };
        showLink(ctx, parts, { purpose: 'verify-email', ...shown, isDone: false });
        return;
      }
      case 'email-change': {
        const action = found.isSameBrowser ? '/account/profile/email/link' : null;
        showLink(ctx, parts, { purpose: 'email-change', action, token: action && token, isDone: false });
        return;
      }
      case 'membership': {
        const action = found.isSameBrowser ? '/account/organizations/join/link' : null;
        showLink(ctx, parts, { purpose: 'membership', action, token: action && token, isDone: false });
        return;
      }
      default:
        throw linkUsed();
    }
  });
  router.post('/link/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    const found = await parts.mailed.find<Content>(token, findBrowserId(ctx, parts.naming));
    if (found?.purpose === 'reset') await submitReset(ctx, parts, token, found.accountId);
    else if (found?.purpose === 'verify-email') await submitVerification(ctx, parts, token);
    else throw linkUsed();
  });
  return router;
}

async function submitReset(
  ctx: RouterContext,
  parts: ResetParts,
  token: string,
  accountId: string | null,
): Promise<void> {
  const hash = await readNewPassword(ctx, parts, ctx.path, accountId);
  if (hash === null) return;
  let isChanged = false;
  const outcome = await parts.mailed.takeByLink<ResetContent>('reset', token, undefined, async (em, secret) => {
    isChanged = secret.accountId !== null && (await setPassword(ctx, parts, em, secret.accountId, hash));
  });
  if (outcome.kind !== 'taken' || !isChanged || outcome.secret.accountId === null) {
    throw linkUsed();
  }
  await finishReset(ctx, parts, outcome.secret.accountId, outcome.secret.content.interaction);
}

/** In the browser that registered, after what it came from is over: there is nothing to go on with but the account. */
async function submitVerification(ctx: RouterContext, parts: LinkParts, token: string): Promise<void> {
  const registration = confirmRegistration(ctx, parts);
  const browserId = findBrowserId(ctx, parts.naming);
  // Elsewhere it would make an account with a password of whoever typed this address, by the hand of the one who reads its mail.
  if (browserId === undefined) throw linkUsed();
  const outcome = await parts.mailed.takeByLink<RegistrationContent>(
    ...(['verify-email', token, browserId, registration.alongside] as const),
  );
  if (outcome.kind !== 'taken' || registration.account() === null) throw linkUsed();
  showLink(ctx, parts, { purpose: 'verify-email', action: null, token: null, isDone: true });
}

function showLink(ctx: RouterContext, parts: ResetParts, model: LinkModel): void {
  parts.pages.show(ctx, 'link-confirm', model);
}
