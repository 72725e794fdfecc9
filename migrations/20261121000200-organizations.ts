// Organizations and who belongs to them.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationsAndMembers extends Migration {
  override up(): void {
    this.addSql(`
      create table organization (
        id uuid primary key,
        slug text not null constraint organization_slug_unique unique,
        name text not null,
        logo_uri text,
        domains jsonb not null,
        second_factor_required boolean not null,
        created_at timestamptz not null,
        updated_at timestamptz not null
      )`);
    this.addSql(`
      create table membership (
        organization_id uuid not null references organization (id) on delete cascade,
        account_id uuid not null references account (id) on delete cascade,
        role text not null check (role in ('owner', 'admin', 'member')),
        created_at timestamptz not null,
        primary key (organization_id, account_id)
      )`);
    this.addSql('create index membership_account on membership (account_id, organization_id)');
  }
}
