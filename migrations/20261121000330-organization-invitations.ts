// What an invitation into an organization makes of whoever accepts it, and whether those who look after an organization may invite at all.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationInvitations extends Migration {
  override up(): void {
    // Null, as a version before writes it, is a member.
    this.addSql(`alter table invitation add column organization_role text
      constraint invitation_organization_role check (organization_role in ('owner', 'admin', 'member'))`);
    this.addSql(`create index invitation_organization on invitation (organization_id, created_at, id)
      where organization_id is not null`);
    this.addSql('alter table organization add column invitations_allowed boolean not null default true');
  }
}
