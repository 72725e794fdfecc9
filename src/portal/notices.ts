// Where notices go (requirements A12): by kind and channel, chosen with a fresh proof, and told on every channel, because somebody who wants to do harm
// would begin here. A kind that would reach nobody is refused.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { lockCredentials } from '../credential/credential-version.ts';
import { asker } from '../http/asker.ts';
import { formBody, parseForm } from '../http/form.ts';
import type { NoticeChoice, NoticeKind } from '../notification/notices.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, toProfile } from './profile-page.ts';

const NOTICES = `${PROFILE}/notices`;
const BOX = z.literal('on').optional();
const FORM = z.strictObject({ sign_in_mail: BOX, sign_in_telegram: BOX, change_mail: BOX, change_telegram: BOX });

export function noticesRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const { proven, submit } = portalDoors(parts, PROFILE);
  router.get(
    NOTICES,
    proven((ctx, session) => ask(ctx, parts, session)),
  );
  router.post(
    NOTICES,
    formBody(),
    submit((ctx, session) => save(ctx, parts, session)),
  );
  return router;
}

async function ask(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  const { reached } = await parts.notices.findChoice(parts.database.em(), session.account);
  if (reached.length > 1) await showProfile(ctx, parts, session, { stage: 'notices' });
  else toProfile(ctx);
}

async function save(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, FORM);
  const { account } = session;
  const signIn = { mail: form.sign_in_mail === 'on', telegram: form.sign_in_telegram === 'on' };
  const chosen: Partial<NoticeChoice> & Pick<NoticeChoice, 'change'> = {
    ...(parts.tellsOfNewDevices ? { 'sign-in': signIn } : {}),
    change: { mail: form.change_mail === 'on', telegram: form.change_telegram === 'on' },
  };
  const outcome = await parts.database.transaction(async (em) => {
    await lockCredentials(em, account.id);
    const owner = await parts.accounts.findByIdWithin(em, account.id);
    if (!owner) return 'same';
    const done = await parts.notices.choose(em, owner, chosen);
    if (done !== 'changed') return done;
    const target = { kind: 'account', id: account.id } as const;
    await parts.audit.record({ ...causeOf(ctx, account.id), action: 'account.notices', target }, em);
    const about = { what: 'notices-changed', asked: asker(ctx) } as const;
    await parts.notices.tell(em, { owner, about, locale: parts.pages.locale(ctx), isToAll: true });
    return done;
  });
  if (outcome !== 'none-left') {
    toProfile(ctx, outcome === 'changed' ? 'profile' : undefined);
    return;
  }
  // At the first box of each kind that has none ticked.
  const fields = {
    ...(chosen['sign-in'] && !isAny(chosen['sign-in']) ? { sign_in_mail: 'profile.problem.notices' } : {}),
    ...(isAny(chosen.change) ? {} : { change_mail: 'profile.problem.notices' }),
  };
  const errors = { summary: 'form.problem', fields };
  await showProfile(ctx, parts, session, { stage: 'notices', errors }, 422, chosen);
}

function isAny({ mail, telegram }: NoticeChoice[NoticeKind]): boolean {
  return mail || telegram;
}
