// The chain over audit events: each row's place in it and its hash, and both ends of the chain.
import { Migration } from '@mikro-orm/migrations';

export class AuditChain extends Migration {
  override up(): void {
    this.addSql('alter table audit_event add column seq bigint, add column hash bytea');
    this.addSql('create unique index audit_event_seq on audit_event (seq) where seq is not null');
    this.addSql('create index audit_event_unchained on audit_event (id) where seq is null');
    this.addSql('create index audit_event_action on audit_event (action, id)');
    // `base` is what came before the oldest row that is still there. Both ends carry a code that only the process can make.
    this.addSql(`
      create table audit_chain (
        id boolean primary key default true check (id),
        seq bigint not null,
        hash bytea not null,
        mac bytea not null,
        base_seq bigint not null,
        base_hash bytea not null,
        base_mac bytea not null
      )`);
    this.addSql("insert into audit_chain values (true, 0, ''::bytea, ''::bytea, 0, ''::bytea, ''::bytea)");
  }
}
