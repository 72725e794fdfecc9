// Who somebody is at upstreams. An identity belongs to one account for as long as it is linked: the unique key decides who was first.
import { Migration } from '@mikro-orm/migrations';

export class LinkedIdentities extends Migration {
  override up(): void {
    this.addSql(`
      create table linked_identity (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        upstream text not null,
        issuer text not null,
        subject text not null,
        username text,
        email text,
        picture text,
        linked_at timestamptz not null,
        last_used_at timestamptz,
        constraint linked_identity_key_unique unique (upstream, issuer, subject)
      )`);
    this.addSql('create index linked_identity_account on linked_identity (account_id, linked_at)');
    // Only where the settings keep them.
    this.addSql(`
      create table linked_identity_tokens (
        identity_id uuid primary key references linked_identity (id) on delete cascade,
        sealed bytea not null
      )`);
  }
}
