// The logo of an organization: a picture of ours, where there was an address of somebody else's that no page could show.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationLogo extends Migration {
  override up(): void {
    this.addSql(`
      create table organization_logo (
        organization_id uuid primary key references organization (id) on delete cascade,
        id text not null constraint organization_logo_unique unique,
        type text not null,
        content bytea not null,
        created_at timestamptz not null
      )`);
  }
}
