// Accounts that confirm their sign-ins in the bot: which of their linked Telegram accounts is asked.
import { Migration } from '@mikro-orm/migrations';

export class TelegramFactor extends Migration {
  override up(): void {
    // Taken away with the linked identity.
    this.addSql(`
      create table telegram_factor (
        account_id uuid primary key references account (id) on delete cascade,
        identity_id uuid not null constraint telegram_factor_identity_unique unique
          references linked_identity (id) on delete cascade,
        telegram_id bigint not null,
        created_at timestamptz not null,
        last_used_at timestamptz
      )`);
  }
}
