// How the product looks: name, accent colour and logo. What the environment or YAML say holds; the rest is what an administrator chose, kept in the
// database and read again every moment by each process. It serves the logo and the colours as files of our own, because pages carry no style
// of their own. It does not know which pages or mails show them.
import type { Context, Middleware, Next } from 'koa';
import type { Audit, Cause } from '../audit/audit.ts';
import { hashToken } from '../crypto/random.ts';
import { asUnavailable, type Database } from '../storage/database.ts';
import { type Palette, paletteOf, styleOf } from './color.ts';
import type { Logo } from './logo.ts';

/** Of the style sheets: another number whenever the same colour comes to another sheet. */
const VERSION = 1;
const STYLE = new RegExp(`^/assets/accent(-preview)?\\.${VERSION}-([\\da-f]{6})\\.css$`);
const LOGO = /^\/assets\/logo\.([\w-]{16})\.(?:png|jpg|webp)$/;

interface Row {
  readonly name: string | null;
  readonly accent: string | null;
  readonly logoType: Logo['type'] | null;
  readonly logoKey: string | null;
}

const NOTHING: Row = { name: null, accent: null, logoType: null, logoKey: null };
const READ = {
  name: 'brand_read',
  text: 'select name, accent, logo_type as "logoType", logo_key as "logoKey" from brand',
};
const READ_LOGO = { name: 'brand_logo', text: 'select logo, logo_type as "logoType" from brand where logo_key = $1' };

export class Brand {
  readonly #database: Database;
  readonly #audit: Audit;
  readonly #fixed: { readonly name: string | null; readonly accent: string | null };
  readonly #defaultName: string;
  #row: Row = NOTHING;

  /** @param parts.fixed what the settings say, which nobody changes here */
  constructor(parts: {
    readonly database: Database;
    readonly audit: Audit;
    readonly fixed: { readonly name: string | null; readonly accent: string | null };
    readonly defaultName: string;
  }) {
    this.#database = parts.database;
    this.#audit = parts.audit;
    this.#fixed = parts.fixed;
    this.#defaultName = parts.defaultName;
  }

  get isNameFixed(): boolean {
    return this.#fixed.name !== null;
  }

  get isAccentFixed(): boolean {
    return this.#fixed.accent !== null;
  }

  get name(): string {
    return this.#fixed.name ?? this.#row.name ?? this.#defaultName;
  }

  /** As it was chosen; null for our own. */
  get accent(): string | null {
    return this.#fixed.accent ?? this.#row.accent;
  }

  get palette(): Palette | null {
    return this.accent === null ? null : paletteOf(this.accent);
  }

  get styleUrl(): string | null {
    return this.accent === null ? null : `/assets/accent.${VERSION}-${this.accent.slice(1)}.css`;
  }

  get logoUrl(): string | null {
    const { logoKey, logoType } = this.#row;
    if (logoKey === null || logoType === null) return null;
    return `/assets/logo.${logoKey}.${logoType === 'image/jpeg' ? 'jpg' : logoType.slice('image/'.length)}`;
  }

  /** Notices what another process has changed. */
  async refresh(): Promise<void> {
    const { rows } = await this.#database.sql.query<Row>(READ);
    this.#row = rows[0] ?? NOTHING;
  }

  /** Null stands for our own; what the settings say stays as it is. */
  async save(chosen: { readonly name: string | null; readonly accent: string | null }, cause: Cause): Promise<void> {
    await this.#write('name = excluded.name, accent = excluded.accent', 'name, accent', [chosen.name, chosen.accent], {
      cause,
      reason: 'look',
    });
  }

  /** @param logo null for none */
  async saveLogo(logo: (Logo & { readonly bytes: Buffer }) | null, cause: Cause): Promise<void> {
    const values = logo === null ? [null, null, null] : [logo.bytes, logo.type, keyOf(logo.bytes)];
    const set = 'logo = excluded.logo, logo_type = excluded.logo_type, logo_key = excluded.logo_key';
    await this.#write(set, 'logo, logo_type, logo_key', values, { cause, reason: logo === null ? 'no-logo' : 'logo' });
  }

  /** Answers the addresses of colours and logo, and lets everything else pass. */
  readonly middleware: Middleware = (ctx, next) => {
    const isOurs = ctx.path.startsWith('/assets/') && (ctx.method === 'GET' || ctx.method === 'HEAD');
    return isOurs ? this.#answer(ctx, next) : next();
  };

  async #answer(ctx: Context, next: Next): Promise<void> {
    const [, preview, digits] = STYLE.exec(ctx.path) ?? [];
    const [, key] = LOGO.exec(ctx.path) ?? [];
    if (digits !== undefined) {
      // Made from the address, so that every process has it, also one that has not heard of the change.
      ctx.body = styleOf(paletteOf(`#${digits}`), preview === undefined ? ':root' : '.brand-preview');
      ctx.type = 'text/css; charset=utf-8';
    } else if (key === undefined) {
      await next();
      return;
    } else {
      const { rows } = await this.#database.sql.query<{ logo: Uint8Array; logoType: Logo['type'] }>(READ_LOGO, [key]);
      const [found] = rows;
      if (!found) {
        await next();
        return;
      }
      ctx.body = Buffer.from(found.logo);
      ctx.type = found.logoType;
      ctx.set('Content-Security-Policy', "default-src 'none'; sandbox");
    }
    ctx.set({ 'Cache-Control': 'public, max-age=31536000, immutable', 'X-Content-Type-Options': 'nosniff' });
  }

  async #write(
    set: string,
    columns: string,
    values: readonly unknown[],
    { cause, reason }: { readonly cause: Cause; readonly reason: string },
  ): Promise<void> {
    try {
      await this.#database.transaction(async (em) => {
        await em.execute(
          `insert into brand (${columns}, changed_at) values (${values.map(() => '?').join(', ')}, now())
           on conflict (id) do update set ${set}, changed_at = now()`,
          [...values],
        );
        await this.#audit.record({ ...cause, action: 'settings.brand', reason }, em);
      });
    } catch (error) {
      throw asUnavailable(error);
    }
    await this.refresh();
  }
}

function keyOf(bytes: Buffer): string {
  return hashToken('logo', bytes.toString('base64')).slice(0, 16);
}
