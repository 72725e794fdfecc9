// Changes of an account's e-mail address: waiting for proof, or done and still to be undone by the old address.
import { Migration } from '@mikro-orm/migrations';

export class EmailChanges extends Migration {
  override up(): void {
    this.addSql(`
      create table email_change (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        old_email text,
        old_verified_at timestamptz,
        new_email text not null,
        requested_at timestamptz not null,
        completed_at timestamptz,
        expires_at timestamptz not null
      )`);
    // One that waits; of those that are done each can be undone for a while.
    this.addSql(
      'create unique index email_change_pending_unique on email_change (account_id) where completed_at is null',
    );
    this.addSql('create index email_change_account on email_change (account_id, requested_at)');
    this.addSql('create index email_change_expiry on email_change (expires_at)');
  }
}
