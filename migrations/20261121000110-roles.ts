// Roles of an operator's own.
import { Migration } from '@mikro-orm/migrations';

export class RolesOfOperators extends Migration {
  override up(): void {
    this.addSql(`
      create table role (
        id text primary key,
        name text not null,
        rank integer not null check (rank between 0 and 5),
        inherits jsonb not null,
        permissions jsonb not null,
        audience text,
        source text not null check (source in ('yaml', 'database')),
        created_at timestamptz not null,
        updated_at timestamptz not null
      )`);
  }
}
