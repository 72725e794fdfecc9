// What administrators search the audit by: each way in ends with the order of the pages, so that a page is read from the index however many
// events there are. Ids of targets are unique without their kind.
import { Migration } from '@mikro-orm/migrations';

export class AuditSearch extends Migration {
  override up(): void {
    this.addSql('create index audit_event_target_id on audit_event (target_id, id) where target_id is not null');
    this.addSql('drop index audit_event_target');
    this.addSql('create index audit_event_network on audit_event (network, id) where network is not null');
    this.addSql('create index audit_event_client on audit_event (client_id, id) where client_id is not null');
    this.addSql("create index audit_event_failure on audit_event (id) where result = 'failure'");
  }
}
