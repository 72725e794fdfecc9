// What an account has allowed a client, so that it is not asked again in a later session.
import { Migration } from '@mikro-orm/migrations';

export class Consents extends Migration {
  override up(): void {
    this.addSql(`
      create table consent (
        account_id uuid not null references account (id) on delete cascade,
        client_id text not null references client (client_id) on delete cascade,
        scope text not null,
        claims jsonb not null,
        resources jsonb not null,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        primary key (account_id, client_id)
      )`);
  }
}
