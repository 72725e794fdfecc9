// Where password managers go when somebody wants to change a password (RFC 8615; "A Well-Known URL for Changing Passwords"). The engine
// serves the other well-known addresses, OIDC Discovery and RFC 8414, itself.
import Router from '@koa/router';

const SECURITY_PAGE = '/account/security';

export function wellKnownRoutes(): Router {
  const router = new Router();
  router.get('/.well-known/change-password', (ctx) => {
    ctx.status = 302;
    ctx.redirect(SECURITY_PAGE);
  });
  return router;
}
