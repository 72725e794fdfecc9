// Where mailed links lead. Opening one, by whoever and however often, only shows what it is for; one button acts. A link opened in another
// browser than the one that asked signs nobody in: it says where to go on (requirements C7).
import Router, { type RouterContext } from '@koa/router';
import { NotFound } from '../errors.ts';
import { findBrowserId } from '../http/browser.ts';
import { csrfField, formBody } from '../http/form.ts';
import type { LinkModel } from '../http/page-model.ts';
import type { SignInContent } from './mail-code.ts';
import { confirmRegistration, type RegistrationContent } from './register.ts';
import {
  finishReset,
  type ResetContent,
  type ResetParts,
  readNewPassword,
  setPassword,
  showNewPassword,
} from './reset.ts';

type Content = SignInContent | ResetContent | RegistrationContent;

export function linkRoutes(parts: ResetParts): Router {
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
      case 'verify-email':
        showLink(ctx, parts, { purpose: 'verify-email', action: ctx.path, token: null, isDone: false });
        return;
      default:
        throw new NotFound(undefined, { code: 'link-used' });
    }
  });
  router.post('/link/:token', formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const token = String(ctx.params['token']);
    const found = await parts.mailed.find<Content>(token, findBrowserId(ctx, parts.naming));
    if (found?.purpose === 'reset') await submitReset(ctx, parts, token);
    else if (found?.purpose === 'verify-email') await submitVerification(ctx, parts, token);
    else throw new NotFound(undefined, { code: 'link-used' });
  });
  return router;
}

async function submitReset(ctx: RouterContext, parts: ResetParts, token: string): Promise<void> {
  const hash = await readNewPassword(ctx, parts, ctx.path);
  if (hash === null) return;
  let isChanged = false;
  const outcome = await parts.mailed.takeByLink<ResetContent>('reset', token, undefined, async (em, secret) => {
    isChanged = secret.accountId !== null && (await setPassword(ctx, parts, em, secret.accountId, hash));
  });
  if (outcome.kind !== 'taken' || !isChanged || outcome.secret.accountId === null) {
    throw new NotFound(undefined, { code: 'link-used' });
  }
  await finishReset(ctx, parts, outcome.secret.accountId, outcome.secret.content.interaction);
}

async function submitVerification(ctx: RouterContext, parts: ResetParts, token: string): Promise<void> {
  const registration = confirmRegistration(ctx, parts);
  const outcome = await parts.mailed.takeByLink<RegistrationContent>(
    'verify-email',
    token,
    undefined,
    registration.alongside,
  );
  if (outcome.kind !== 'taken' || registration.account() === null) throw new NotFound(undefined, { code: 'link-used' });
  // The proof says whose address it is, not who sits here: signing in is left to the browser that registered, or to the password.
  showLink(ctx, parts, { purpose: 'verify-email', action: null, token: null, isDone: true });
}

function showLink(ctx: RouterContext, parts: ResetParts, model: LinkModel): void {
  parts.pages.show(ctx, 'link-confirm', model);
}
