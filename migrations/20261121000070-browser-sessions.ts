// Where and how an account is signed in, for the list that its owner sees.
import { Migration } from '@mikro-orm/migrations';

export class BrowserSessions extends Migration {
  override up(): void {
    // Found by a hash of the engine's own id of the session, so that nothing here signs anybody in.
    this.addSql(`
      create table browser_session (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        session_key text not null constraint browser_session_key_unique unique,
        name text,
        address text not null,
        user_agent text not null,
        methods text not null,
        acr text,
        created_at timestamptz not null,
        signed_in_at timestamptz not null,
        last_used_at timestamptz not null,
        expires_at timestamptz not null,
        ended_at timestamptz
      )`);
    this.addSql('create index browser_session_account on browser_session (account_id, last_used_at)');
    this.addSql('create index browser_session_expiry on browser_session (expires_at)');
  }
}
