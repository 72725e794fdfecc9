// The page about the person: name, language and time zone. Its other half, the e-mail address, has a file of its own.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import { THEMES } from '../http/theme.ts';
import { emailChangeRoutes } from './email-change.ts';
import { portalDoors } from './fresh-proof.ts';
import { noticesRoutes } from './notices.ts';
import { phoneRoutes } from './phone.ts';
import { pictureRoutes } from './picture.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, TIME_ZONES, toProfile } from './profile-page.ts';

const FORM = z.strictObject({
  name: z.string().max(1000),
  locale: z.string().max(35),
  zone: z.string().max(100),
  theme: z.enum(['', ...THEMES]),
});
const LONGEST_NAME = 255;

export function profileRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const { seen } = portalDoors(parts, PROFILE);
  router.get(
    PROFILE,
    seen((ctx, session) => showProfile(ctx, parts, session)),
  );
  const save = seen((ctx, session) => submitProfile(ctx, parts, session));
  router.post(PROFILE, formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await save(ctx);
  });
  router.use(emailChangeRoutes(parts).routes());
  router.use(noticesRoutes(parts).routes());
  router.use(phoneRoutes(parts).routes());
  router.use(pictureRoutes(parts).routes());
  return router;
}

async function submitProfile(ctx: RouterContext, parts: ProfileParts, session: PortalSession): Promise<void> {
  const form = parseForm(ctx, FORM);
  const { account } = session;
  const name = form.name.trim();
  const isZone = form.zone !== '' && (TIME_ZONES.includes(form.zone) || form.zone === account.zoneinfo);
  const zoneinfo = isZone ? form.zone : null;
  const locale = parts.languages.find(({ tag }) => tag === form.locale)?.tag ?? null;
  const theme = form.theme === '' ? null : form.theme;
  if (name.length > LONGEST_NAME) {
    const errors = { summary: 'form.problem', fields: { name: 'register.problem.name' } };
    await showProfile(
      ctx,
      parts,
      session,
      { name: form.name, locale: form.locale, zone: form.zone, theme: form.theme, errors },
      422,
    );
    return;
  }
  await parts.accounts.updateProfile(
    account.id,
    { name: name === '' ? null : name, locale, zoneinfo, theme },
    causeOf(ctx, account.id),
  );
  // The answer leads to a page of this browser: it shows the choice at once, also where the row is read from memory.
  parts.pages.honourTheme(ctx, { theme });
  toProfile(ctx, 'profile');
}
