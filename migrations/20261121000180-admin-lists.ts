// What the lists of administrators are searched and filtered by. Words of names and addresses, by their beginnings: full text needs no extension,
// so that it is there on every database.
import { Migration } from '@mikro-orm/migrations';

/** What would make a number, a path or an address of several words is a space. */
const GLUE = `'@._-+/:<>&~', '           '`;

export class AdminLists extends Migration {
  override up(): void {
    this.addSql(`create index account_words on account using gin (to_tsvector('simple', translate(
      coalesce(name, '') || ' ' || coalesce(given_name, '') || ' ' || coalesce(family_name, '') || ' ' ||
      coalesce(username, '') || ' ' || coalesce(email, ''), ${GLUE})))`);
    this.addSql('create index account_status on account (status, created_at, id)');
    this.addSql(`create index client_words on client using gin (to_tsvector('simple', translate(
      client_id || ' ' || coalesce(metadata->>'client_name', ''), ${GLUE})))`);
  }
}
