// The proven phone number: it is taken away here, with a fresh proof and after a question. It is proven in the bot alone.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { formBody, parseForm } from '../http/form.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, toProfile } from './profile-page.ts';

const PHONE = `${PROFILE}/phone`;
const EMPTY_FORM = z.strictObject({});

export function phoneRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const { proven, submit } = portalDoors(parts, PROFILE);
  router.get(
    PHONE,
    proven((ctx, session) => ask(ctx, parts, session)),
  );
  router.post(
    PHONE,
    formBody(),
    submit((ctx, session) => remove(ctx, parts, session)),
  );
  return router;
}

async function ask(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  if ((await parts.provenPhones.findOfAccount(session.account.id)) === null) toProfile(ctx);
  else await showProfile(ctx, parts, session, { stage: 'phone' });
}

async function remove(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  parseForm(ctx, EMPTY_FORM);
  const { id } = session.account;
  const removed = await parts.provenPhones.remove(id, causeOf(ctx, id));
  toProfile(ctx, removed === null ? undefined : 'phone');
}
