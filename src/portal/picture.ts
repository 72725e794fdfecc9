// The picture of a profile: uploaded, taken away, and served. What is served was put together by us, as nothing but a picture, and could do nothing
// in a browser if it were something else.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import { MOST_PICTURE_BYTES, readPicture } from '../account/picture-file.ts';
import { AppError, InvalidRequest, NotFound, TooManyRequests } from '../errors.ts';
import { csrfField, formBody, parseForm } from '../http/form.ts';
import { portalDoors } from './fresh-proof.ts';
import { causeOf, type PortalSession } from './portal-session.ts';
import { PROFILE, type ProfileParts, showProfile, toProfile } from './profile-page.ts';

const PICTURE = `${PROFILE}/picture`;
/** Boundaries and the form's token come on top of the file. */
const MOST_BODY = MOST_PICTURE_BYTES + 8192;
const UPLOADS = { limit: 30, window: 3600 };
const EMPTY_FORM = z.strictObject({});

export function pictureRoutes(parts: ProfileParts): Router {
  const router = new Router();
  const { seen } = portalDoors(parts, PROFILE);
  router.post(PICTURE, async (ctx) => {
    const form = await readUpload(ctx);
    parts.csrf.check(ctx, form.get('csrf'));
    await seen((_, session) => upload(ctx, parts, session, form))(ctx);
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

/** @throws AppError 413 when it is too large, InvalidRequest when it is no form with a file */
async function readUpload(ctx: RouterContext): Promise<FormData> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The connection stays, so that the answer still finds its way.
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY) {
      ctx.req.resume();
      throw new AppError('too-large', 413, 'This is more than the form can take.');
    }
    chunks.push(chunk);
  }
  const broken = (cause?: unknown) =>
    new InvalidRequest('The form could not be read.', { code: 'broken-form', ...(cause ? { cause } : {}) });
  const type = ctx.get('content-type');
  if (!type.startsWith('multipart/form-data;')) throw broken();
  try {
    return await new Response(Buffer.concat(chunks), { headers: { 'content-type': type } }).formData();
  } catch (error) {
    throw broken(error);
  }
}

async function upload(ctx: RouterContext, parts: ProfileParts, session: PortalSession, form: FormData): Promise<void> {
  const names = [...form.keys()].toSorted();
  const file = form.get('picture');
  if (names.join(' ') !== 'csrf picture' || !(file instanceof File)) {
    throw new InvalidRequest('The form has a field that we do not know, or one is missing.', {
      code: 'unexpected-field',
    });
  }
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
