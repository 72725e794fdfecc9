// A new cookie key is known to every process before the first cookie is signed with it, as with signing keys.
import { Migration } from '@mikro-orm/migrations';

export class CookieKeyTimes extends Migration {
  override up(): void {
    this.addSql('alter table sealed_secret add column active_at timestamptz');
  }
}
