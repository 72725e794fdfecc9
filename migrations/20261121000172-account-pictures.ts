// Pictures that people uploaded of themselves.
import { Migration } from '@mikro-orm/migrations';

export class AccountPictures extends Migration {
  override up(): void {
    // The id stands in the address that apps are told; a new picture has a new one.
    this.addSql(`
      create table account_picture (
        account_id uuid primary key references account (id) on delete cascade,
        id text not null constraint account_picture_id_unique unique,
        type text not null check (type in ('image/png', 'image/jpeg', 'image/webp')),
        content bytea not null,
        created_at timestamptz not null
      )`);
  }
}
