// Codes that are sent to the chat of a proven phone number.
import { Migration } from '@mikro-orm/migrations';

export class PhoneCodes extends Migration {
  override up(): void {
    this.addSql(`
      create table phone_code (
        id uuid primary key,
        subject text not null,
        account_id uuid references account (id) on delete cascade,
        credential_version integer,
        browser_hash text not null,
        code_hash bytea not null,
        tries integer not null default 0,
        sealed bytea not null,
        expires_at timestamptz not null,
        created_at timestamptz not null
      )`);
    this.addSql('create index phone_code_subject on phone_code (subject)');
    this.addSql('create index phone_code_account on phone_code (account_id) where account_id is not null');
    this.addSql('create index phone_code_expiry on phone_code (expires_at)');
  }
}
