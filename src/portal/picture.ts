// The picture of a profile: uploaded, taken away, and served. What is served was put together by us, as nothing but a picture, and could do nothing
// in a browser if it were something else.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { MOST_PICTURE_BYTES, readPicture } from '../account/picture-file.ts';
import { NotFound, TooManyRequests } from '../errors.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import { uploadBody } from '../http/upload.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, toProfile } from './profile-page.ts';

const PICTURE = `${PROFILE}/picture`;
const UPLOADS = { limit: 30, window: 3600 };
const UPLOAD_FORM = z.strictObject({ picture: z.instanceof(File) });
const EMPTY_FORM = z.strictObject({});

export function pictureRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const { seen } = portalDoors(parts, PROFILE);
  router.post(PICTURE, uploadBody(MOST_PICTURE_BYTES), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    await seen((_, session) => upload(ctx, parts, session, parseForm(ctx, UPLOAD_FORM).picture))(ctx);
  });
  router.post(`${PICTURE}/remove`, formBody(), async (ctx) => {
    parts.csrf.check(ctx, csrfField(ctx));
    parseForm(ctx, EMPTY_FORM);
    await seen(async (_, { account }) => {
      await parts.pictures.remove(account.id, causeOf(ctx, account.id));
      toProfile(ctx, 'profile');
    })(ctx);
  });
  router.get('/pictures/:id', async (ctx) => {
    const found = await parts.pictures.find(String(ctx.params['id']));
    if (!found) throw new NotFound(undefined, { code: 'page-not-found' });
    ctx.type = found.type;
    ctx.set('Content-Security-Policy', "default-src 'none'; sandbox");
    // Apps show it on their own pages. Not for long, so that it goes when it is taken away.
    ctx.set('Cross-Origin-Resource-Policy', 'cross-origin');
    ctx.set('Cache-Control', 'public, max-age=3600');
    ctx.body = found.content;
  });
  return router;
}

async function upload(ctx: RouterContext, parts: ProfileParts, session: PortalSession, file: File): Promise<void> {
  const { id } = session.account;
  const spending = await parts.budgets.spend(`picture:${id}`, UPLOADS);
  if (!spending.isAllowed) throw new TooManyRequests(spending.retryAfter);
  const picture = readPicture(Buffer.from(await file.arrayBuffer()));
  if (!picture) {
    const errors = { summary: 'form.problem', fields: { picture: 'profile.problem.picture' } };
    await showProfile(ctx, parts, session, { errors }, 422);
    return;
  }
  await parts.pictures.set(id, picture, causeOf(ctx, id));
  toProfile(ctx, 'profile');
}
