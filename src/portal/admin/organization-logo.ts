// The logo of an organization: uploaded by those who own it, taken away, and served to everybody who has its address. What is served was put together
// by us, as nothing but a picture.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Organization } from '../../access/organizations.ts';
import { readPicture } from '../../account/picture-file.ts';
import { MOST_LOGO_BYTES, readLogo } from '../../brand/logo.ts';
import { NotFound } from '../../errors.ts';
import { formBody, parseForm } from '../../http/form.ts';
import { uploadBody } from '../../http/upload.ts';
import { causeBy, seeOther } from './admin-request.ts';
import { by, ORGANIZATIONS, type OrganizationDoorParts, organizationDoors, pathOf } from './organization-door.ts';

const LOGO = `${ORGANIZATIONS}/:id/logo`;
const EMPTY_FORM = z.strictObject({});
const LOGO_FORM = z.strictObject({ logo: z.instanceof(File) });

export function organizationLogoRoutes(parts: OrganizationDoorParts): Router {
  const router = new Router();
  const { change } = organizationDoors(parts);
  const { organizations } = parts;
  const get = (ctx: RouterContext): Promise<Organization> => organizations.get(String(ctx.params['id']));
  router.post(
    LOGO,
    uploadBody(MOST_LOGO_BYTES),
    change(async (ctx, who) => {
      const { logo } = parseForm(ctx, LOGO_FORM);
      const organization = await get(ctx);
      const bytes = Buffer.from(await logo.arrayBuffer());
      const kind = readLogo(bytes);
      // Small and one of ours, and put together anew without what does not draw it.
      const picture = typeof kind === 'string' ? null : readPicture(bytes);
      if (picture === null) {
        const problem = typeof kind === 'string' ? kind : 'broken';
        seeOther(ctx, `${pathOf(organization)}?logo=${problem}`);
        return;
      }
      await organizations.saveLogo(organization.id, picture, by(who), causeBy(ctx, who));
      seeOther(ctx, `${pathOf(organization)}?changed`);
    }),
  );
  router.post(
    `${LOGO}/delete`,
    formBody(),
    change(async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      const organization = await get(ctx);
      await organizations.saveLogo(organization.id, null, by(who), causeBy(ctx, who));
      seeOther(ctx, `${pathOf(organization)}?changed`);
    }),
  );
  router.get('/organization-logos/:logo', async (ctx) => {
    const found = await organizations.findLogo(String(ctx.params['logo']));
    if (!found) throw new NotFound(undefined, { code: 'page-not-found' });
    ctx.type = found.type;
    ctx.set({
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'X-Content-Type-Options': 'nosniff',
      // Another logo has another address.
      'Cache-Control': 'public, max-age=31536000, immutable',
    });
    ctx.body = found.content;
  });
  return router;
}
