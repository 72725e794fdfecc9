// Ids of clients that were deleted: what such a client still held must never come to life under another one of its name.
import { Migration } from '@mikro-orm/migrations';

export class DeletedClients extends Migration {
  override up(): void {
    this.addSql(`create table deleted_client (client_id text primary key, deleted_at timestamptz not null)`);
  }
}
