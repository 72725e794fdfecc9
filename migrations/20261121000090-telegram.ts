// The bot: updates that were handled, who can be written to, approvals, signed data that was used, phone numbers; and who does what only one
// process may do.
import { Migration } from '@mikro-orm/migrations';

export class Telegram extends Migration {
  override up(): void {
    this.addSql(`
      create table lease (
        name text primary key,
        holder uuid not null,
        expires_at timestamptz not null
      )`);
    this.addSql(`
      create table telegram_update (
        update_id bigint primary key,
        at timestamptz not null
      )`);
    this.addSql('create index telegram_update_at on telegram_update (at)');
    // A private chat has the number of its person. Not reachable: the person blocked the bot, or asked it to be silent.
    this.addSql(`
      create table telegram_chat (
        telegram_id bigint primary key,
        is_reachable boolean not null,
        locale text,
        updated_at timestamptz not null
      )`);
    this.addSql(`
      create table telegram_approval (
        id uuid primary key,
        handle_hash text not null constraint telegram_approval_handle_unique unique,
        browser_hash text not null,
        sealed bytea not null,
        state text not null check (state in ('open', 'claimed', 'approved', 'denied', 'taken')),
        telegram_id bigint,
        person bytea,
        answer text not null,
        created_at timestamptz not null,
        expires_at timestamptz not null
      )`);
    this.addSql('create index telegram_approval_expiry on telegram_approval (expires_at)');
    this.addSql(`
      create table telegram_used_data (
        fingerprint text primary key,
        expires_at timestamptz not null
      )`);
    this.addSql('create index telegram_used_data_expiry on telegram_used_data (expires_at)');
    this.addSql(`
      create table telegram_phone (
        phone_number text primary key,
        telegram_id bigint not null,
        proof text not null check (proof in ('oidc-phone', 'contact', 'gateway')),
        proven_at timestamptz not null
      )`);
    this.addSql('create index telegram_phone_person on telegram_phone (telegram_id)');
  }
}
