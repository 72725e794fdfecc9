// Notices that wait to be written to a chat, for a while what became of them, and which kinds of notice somebody does not want on which channel.
import { Migration } from '@mikro-orm/migrations';

export class ChatNotices extends Migration {
  override up(): void {
    // `sealed` holds the link; it goes as soon as nothing is left to send. What is left of an account's notices goes with the account.
    this.addSql(`
      create table outbox_chat (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade deferrable initially deferred,
        telegram_id bigint not null,
        kind text not null,
        locale text not null,
        sealed bytea,
        state text not null default 'queued' check (state in ('queued', 'sent', 'failed', 'expired')),
        attempts integer not null default 0,
        next_attempt_at timestamptz not null,
        attempted_at timestamptz,
        claimed_until timestamptz,
        expires_at timestamptz not null,
        last_error_code text,
        created_at timestamptz not null,
        finished_at timestamptz,
        constraint outbox_chat_sealed_while_queued check ((state = 'queued') = (sealed is not null))
      )`);
    this.addSql(`create index outbox_chat_queued on outbox_chat (next_attempt_at) where state = 'queued'`);
    this.addSql(`create index outbox_chat_finished on outbox_chat (finished_at) where state <> 'queued'`);
    this.addSql('create index outbox_chat_account on outbox_chat (account_id)');
    this.addSql('create index outbox_chat_chat on outbox_chat (telegram_id, attempted_at)');
    // A row is a "no"; without one everything is told on every channel.
    this.addSql(`
      create table silenced_notice (
        account_id uuid not null references account (id) on delete cascade,
        kind text not null check (kind in ('sign-in', 'change')),
        channel text not null check (channel in ('mail', 'telegram')),
        silenced_at timestamptz not null,
        primary key (account_id, kind, channel)
      )`);
  }
}
