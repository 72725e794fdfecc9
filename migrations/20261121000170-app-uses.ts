// When an account first and last used which app, for the list that its owner sees.
import { Migration } from '@mikro-orm/migrations';

export class AppUses extends Migration {
  override up(): void {
    // An app that is described by a document at its own address has no row among the clients, so nothing is referenced there.
    this.addSql(`
      create table app_use (
        account_id uuid not null references account (id) on delete cascade,
        client_id text not null,
        first_used_at timestamptz not null,
        last_used_at timestamptz not null,
        primary key (account_id, client_id)
      )`);
  }
}
