// What was refused at one app or from one network: with the index of all failures every one would be looked at until enough are found, and with that of
// the app every event.
import { Migration } from '@mikro-orm/migrations';

export class AuditFailures extends Migration {
  override up(): void {
    this.addSql(
      "create index audit_event_client_failure on audit_event (client_id, id) where result = 'failure' and client_id is not null",
    );
    this.addSql(
      "create index audit_event_network_failure on audit_event (network, id) where result = 'failure' and network is not null",
    );
  }
}
