// What an upstream calls somebody beside the key of ours: Telegram's OpenID Connect has another number for each person and bot.
import { Migration } from '@mikro-orm/migrations';

export class UpstreamSubject extends Migration {
  override up(): void {
    this.addSql('alter table linked_identity add column upstream_subject text');
  }
}
