// Why an administrator did something, in their own words.
import { Migration } from '@mikro-orm/migrations';

export class AuditNote extends Migration {
  override up(): void {
    this.addSql('alter table audit_event add column note text');
  }
}
