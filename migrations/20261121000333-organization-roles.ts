// Roles that an organization makes for its apps, and which of its members have them.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationRoles extends Migration {
  override up(): void {
    this.addSql(`
      create table organization_role (
        organization_id uuid not null references organization (id) on delete cascade,
        id text not null,
        name text not null,
        given_by text not null check (given_by in ('owner', 'admin')),
        created_at timestamptz not null,
        constraint organization_role_unique primary key (organization_id, id)
      )`);
    this.addSql(`
      create table membership_role (
        organization_id uuid not null,
        account_id uuid not null,
        role_id text not null,
        created_at timestamptz not null,
        primary key (organization_id, account_id, role_id),
        foreign key (organization_id, account_id) references membership (organization_id, account_id) on delete cascade,
        foreign key (organization_id, role_id) references organization_role (organization_id, id) on delete cascade
      )`);
    this.addSql('create index membership_role_role on membership_role (organization_id, role_id)');
    this.addSql('create index membership_role_account on membership_role (account_id)');
  }
}
