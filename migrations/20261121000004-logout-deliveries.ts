// Back-channel logout: what each app was told, when, and whether it listened.
import { Migration } from '@mikro-orm/migrations';

export class LogoutDeliveries extends Migration {
  override up(): void {
    this.addSql(`
      create table logout_delivery (
        id uuid primary key,
        client_id text not null,
        subject text not null,
        sid text,
        state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
        attempts integer not null default 0,
        next_attempt_at timestamptz not null,
        last_status integer,
        last_error text,
        created_at timestamptz not null,
        finished_at timestamptz
      )`);
    this.addSql(`create index logout_delivery_waiting on logout_delivery (next_attempt_at) where state = 'waiting'`);
    this.addSql('create index logout_delivery_client on logout_delivery (client_id, created_at)');
  }
}
