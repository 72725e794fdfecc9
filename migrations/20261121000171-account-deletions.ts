// When an account whose owner deleted it will be gone; until then they can take it back.
import { Migration } from '@mikro-orm/migrations';

export class AccountDeletions extends Migration {
  override up(): void {
    this.addSql('alter table account add column purge_at timestamptz');
    this.addSql('create index account_purge on account (purge_at) where purge_at is not null');
  }
}
