// Mails that wait to be sent, and for a while what became of them.
import { Migration } from '@mikro-orm/migrations';

export class Outbox extends Migration {
  override up(): void {
    // `sealed` holds codes and links; it goes as soon as nothing is left to send. The account is checked at the end of the transaction, so
    // that a mail may be written before the account it is about; what is left of an account's mails goes with the account.
    this.addSql(`
      create table outbox_mail (
        id uuid primary key,
        kind text not null,
        recipient text not null,
        account_id uuid references account (id) on delete cascade deferrable initially deferred,
        locale text not null,
        sealed bytea,
        is_resend boolean not null,
        state text not null default 'queued' check (state in ('queued', 'sent', 'failed', 'expired')),
        attempts integer not null default 0,
        next_attempt_at timestamptz not null,
        attempted_at timestamptz,
        claimed_until timestamptz,
        expires_at timestamptz not null,
        server_message_id text,
        last_error_code text,
        created_at timestamptz not null,
        finished_at timestamptz,
        constraint outbox_mail_sealed_while_queued check ((state = 'queued') = (sealed is not null))
      )`);
    this.addSql(`create index outbox_mail_queued on outbox_mail (next_attempt_at) where state = 'queued'`);
    this.addSql(`create index outbox_mail_finished on outbox_mail (finished_at) where state <> 'queued'`);
    this.addSql('create index outbox_mail_account on outbox_mail (account_id) where account_id is not null');
    this.addSql('create index outbox_mail_recipient on outbox_mail (lower(recipient), created_at)');
  }
}
