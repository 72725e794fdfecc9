// Upstreams that administrators add in the portal, beside those of the settings. A secret lies apart and names the address it was given for: it is
// never opened for another one.
import { Migration } from '@mikro-orm/migrations';

export class Upstreams extends Migration {
  override up(): void {
    this.addSql(`
      create table upstream (
        id text primary key,
        declaration jsonb not null,
        is_on boolean not null,
        place integer not null,
        revision uuid not null,
        created_at timestamptz not null,
        updated_at timestamptz not null
      )`);
    this.addSql(`
      create table upstream_secret (
        upstream_id text primary key references upstream (id) on delete cascade,
        target text not null,
        sealed bytea not null
      )`);
  }
}
