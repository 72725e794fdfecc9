// The start page at `/`, the language switch of every page's footer, and what a browser finds at well-known places.
import Router from '@koa/router';
import { z } from 'zod';
import type { Roles } from '../access/roles.ts';
import type { Accounts } from '../account/accounts.ts';
import type { Csrf } from '../http/csrf.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import type { Pages } from '../http/page.ts';
import type { HomeModel } from '../http/page-model.ts';
import { safeReturnPath } from '../http/return-path.ts';
import type { Engine } from '../oidc/engine.ts';
import { isSignedIn } from '../oidc/find-account.ts';

const LANGUAGE_FORM = z.strictObject({ locale: z.string().max(35), return_to: z.string().max(2000).optional() });

export function homeRoutes(parts: {
  readonly engine: Engine;
  readonly pages: Pages;
  readonly csrf: Csrf;
  readonly accounts: Accounts;
  readonly roles: Roles;
  readonly issuer: string;
}): Router {
  const router = new Router();

  router.get('/', async (ctx) => {
    const session = await parts.engine.provider.Session.get(ctx);
    const found = session.accountId === undefined ? null : await parts.accounts.findBySubject(session.accountId);
    const account = found && isSignedIn(found, session.loginTs) ? found : null;
    const view = account
      ? { name: account.name ?? account.username ?? account.email ?? '', email: account.email }
      : null;
    if (account) parts.pages.honourTheme(ctx, account);
    const authority = account ? await parts.roles.authority(account.id) : null;
    const model: HomeModel = {
      account: view,
      isAdministrator: authority !== null && authority.permissions.size > 0,
      issuer: parts.issuer,
      setupNeeded: !(await parts.roles.isSetUp()),
      discoveryUrl: `${parts.issuer}/.well-known/openid-configuration`,
      signOutUrl: '/session/end',
    };
    parts.pages.show(ctx, 'home', model, { account: view, accountLocale: account?.locale, formTarget: 'self' });
  });

  router.post('/language', formBody(), (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    const form = parseForm(ctx, LANGUAGE_FORM);
    parts.pages.rememberLocale(ctx, form.locale);
    ctx.status = 303;
    ctx.redirect(safeReturnPath(form.return_to));
  });

  return router;
}
