// How the product looks, as administrators chose it: one row at most. The logo is public.
import { Migration } from '@mikro-orm/migrations';

export class Brand extends Migration {
  override up(): void {
    this.addSql(`
      create table brand (
        id boolean primary key default true check (id),
        name text,
        accent text,
        logo bytea,
        logo_type text,
        logo_key text,
        changed_at timestamptz not null
      )`);
  }
}
