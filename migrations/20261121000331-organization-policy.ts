// What an organization asks of the sign-ins that are for it: which ways count, and for how long. A session notes by which way it began.
import { Migration } from '@mikro-orm/migrations';

export class OrganizationPolicy extends Migration {
  override up(): void {
    this.addSql('alter table organization add column sign_in_ways jsonb');
    this.addSql('alter table organization add column session_ttl integer check (session_ttl > 0)');
    this.addSql('alter table browser_session add column way text');
  }
}
