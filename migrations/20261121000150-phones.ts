// A proven phone number belongs to one account, and falls with the Telegram identity that proved it. Nothing wrote to the table before. Codes
// that are sent to such a number have a table of their own.
import { Migration } from '@mikro-orm/migrations';

export class Phones extends Migration {
  override up(): void {
    this.addSql('delete from telegram_phone');
    this.addSql(`
      alter table telegram_phone
        add column account_id uuid not null constraint telegram_phone_account_unique unique references account (id) on delete cascade,
        add column identity_id uuid not null references linked_identity (id) on delete cascade`);
    this.addSql('create index telegram_phone_identity on telegram_phone (identity_id)');
  }
}
