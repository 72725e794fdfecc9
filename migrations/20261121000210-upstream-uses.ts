// When an upstream last signed somebody in, for the page of administrators: without it every identity would be read.
import { Migration } from '@mikro-orm/migrations';

export class UpstreamUses extends Migration {
  override up(): void {
    this.addSql('create index linked_identity_used on linked_identity (upstream, last_used_at desc)');
  }
}
