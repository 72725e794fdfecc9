// What of one kind was refused: where that is rare, every failure would be looked at for it.
import { Migration } from '@mikro-orm/migrations';

export class AuditFailedActions extends Migration {
  override up(): void {
    this.addSql("create index audit_event_action_failure on audit_event (action, id) where result = 'failure'");
  }
}
