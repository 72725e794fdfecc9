// How the product looks, for administrators: name, accent colour and logo, tried side by side in light, dark and from right to left before they
// are saved. What the environment or YAML say is shown and changes there only.
import Router, { type RouterContext } from '@koa/router';
import { z } from 'zod';
import type { Brand } from '../../brand/brand.ts';
import { contrast, paletteOf, parseColor } from '../../brand/color.ts';
import { MOST_LOGO_BYTES, readLogo } from '../../brand/logo.ts';
import { formBody, parseForm } from '../../http/form.ts';
import type { Pages } from '../../http/page.ts';
import type { AdminBrandModel, FormProblems } from '../../http/page-model.ts';
import { uploadBody } from '../../http/upload.ts';
import { causeOf } from '../portal-session.ts';
import { type AdminDoorParts, type Administrator, adminDoors } from './admin-door.ts';
import { showAdminPage } from './admin-page.ts';

const HOME = '/admin/settings/brand';
const NO_PROBLEMS: FormProblems = { fields: {} };
const MOST_NAME = 60;
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const EMPTY_FORM = z.strictObject({});
const LOOK_FORM = z.strictObject({
  /** Left out where the settings say it. */
  name: z.string().max(1000).optional(),
  accent: z.string().max(100).optional(),
  decision: z.enum(['preview', 'save']),
});
const LOGO_FORM = z.strictObject({ logo: z.instanceof(File) });

export interface AdminBrandParts extends AdminDoorParts {
  readonly brand: Brand;
  readonly pages: Pages;
}

interface Shown {
  readonly name?: string;
  readonly accent?: string;
  readonly errors?: FormProblems;
  readonly status?: number;
}

export function adminBrandRoutes(parts: AdminBrandParts): Router {
  const router = new Router();
  const { brand } = parts;
  const { look, change } = adminDoors(parts, HOME);
  const done = (ctx: RouterContext): void => {
    ctx.status = 303;
    ctx.redirect(`${HOME}?saved`);
  };

  router.get(
    HOME,
    look('settings:read', async (ctx, who) => show(ctx, parts, who)),
  );
  router.post(
    HOME,
    formBody(),
    change('settings:write', async (ctx, who) => {
      const form = parseForm(ctx, LOOK_FORM);
      const name = brand.isNameFixed ? brand.name : (form.name ?? '').trim();
      const typed = (brand.isAccentFixed ? (brand.accent ?? '') : (form.accent ?? '')).trim();
      const accent = typed === '' ? null : parseColor(typed);
      const fields = {
        ...([...name].length > MOST_NAME || STEERING.test(name) ? { name: 'admin_brand.problem.name' } : {}),
        ...(typed !== '' && accent === null ? { accent: 'admin_brand.problem.accent' } : {}),
      };
      if (Object.keys(fields).length > 0) {
        show(ctx, parts, who, { name, accent: typed, status: 422, errors: { summary: 'form.problem', fields } });
      } else if (form.decision === 'preview') {
        show(ctx, parts, who, { name, accent: accent ?? '' });
      } else {
        const chosen = {
          name: brand.isNameFixed || name === '' ? null : name,
          accent: brand.isAccentFixed ? null : accent,
        };
        await brand.save(chosen, causeOf(ctx, who.session.account.id));
        done(ctx);
      }
    }),
  );
  router.post(
    `${HOME}/logo`,
    uploadBody(MOST_LOGO_BYTES),
    change('settings:write', async (ctx, who) => {
      const { logo } = parseForm(ctx, LOGO_FORM);
      const bytes = Buffer.from(await logo.arrayBuffer());
      const found = readLogo(bytes);
      if (typeof found === 'string') {
        const errors = { summary: 'form.problem', fields: { logo: `admin_brand.problem.logo_${found}` } };
        show(ctx, parts, who, { status: 422, errors });
        return;
      }
      await brand.saveLogo({ ...found, bytes }, causeOf(ctx, who.session.account.id));
      done(ctx);
    }),
  );
  router.post(
    `${HOME}/logo/delete`,
    formBody(),
    change('settings:write', async (ctx, who) => {
      parseForm(ctx, EMPTY_FORM);
      await brand.saveLogo(null, causeOf(ctx, who.session.account.id));
      done(ctx);
    }),
  );
  return router;
}

function show(ctx: RouterContext, parts: AdminBrandParts, who: Administrator, shown: Shown = {}): void {
  const { brand } = parts;
  const typed = shown.accent ?? brand.accent ?? '';
  const accent = parseColor(typed);
  const palette = accent === null ? null : paletteOf(accent);
  const model: AdminBrandModel = {
    name: shown.name ?? brand.name,
    accent: typed,
    isNameFixed: brand.isNameFixed,
    isAccentFixed: brand.isAccentFixed,
    canWrite: who.authority.permissions.has('settings:write'),
    logoUrl: brand.logoUrl,
    styleUrl: accent === null ? null : `/assets/accent-preview.1-${accent.slice(1)}.css`,
    contrasts:
      palette === null
        ? null
        : {
            light: palette.light.accent,
            lightRatio: ratio(palette.light.accent, '#ffffff'),
            dark: palette.dark.accent,
            darkRatio: ratio(palette.dark.accent, '#181e1c'),
            isCorrected: palette.light.accent !== accent || palette.dark.accent !== accent,
          },
    isSaved: ctx.query['saved'] !== undefined,
    errors: shown.errors ?? NO_PROBLEMS,
  };
  showAdminPage(ctx, parts, who, 'admin-brand', model, { status: shown.status ?? 200 });
}

function ratio(one: string, other: string): number {
  return Math.round(contrast(one, other) * 10) / 10;
}
