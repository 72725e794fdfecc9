// Codes that went through the Telegram Gateway, and what it reported of them.
import { Migration } from '@mikro-orm/migrations';

export class Gateway extends Migration {
  override up(): void {
    this.addSql(`
      create table telegram_gateway_delivery (
        request_id text primary key,
        state text not null check (state in ('sent', 'delivered', 'read', 'expired', 'revoked')),
        created_at timestamptz not null,
        updated_at timestamptz not null
      )`);
    this.addSql('create index telegram_gateway_delivery_age on telegram_gateway_delivery (created_at)');
  }
}
