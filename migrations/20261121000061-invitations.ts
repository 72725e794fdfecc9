// Invitations to create an account.
import { Migration } from '@mikro-orm/migrations';

export class Invitations extends Migration {
  override up(): void {
    // `account_id` is who used it. It is checked at the end of the transaction, so that an invitation may be taken before its account is
    // written. `by_account` stays when the account that invited is gone: then the invitation is worth nothing.
    this.addSql(`
      create table invitation (
        id uuid primary key,
        email text not null,
        roles jsonb not null,
        organization_id text,
        locale text not null,
        token_hash text not null constraint invitation_token_unique unique,
        inviter_id uuid references account (id) on delete set null,
        by_account boolean not null,
        created_at timestamptz not null,
        sent_at timestamptz not null,
        expires_at timestamptz not null,
        used_at timestamptz,
        account_id uuid references account (id) on delete set null deferrable initially deferred,
        revoked_at timestamptz
      )`);
    this.addSql(`create unique index invitation_open_unique on invitation (lower(email), coalesce(organization_id, ''))
      where used_at is null and revoked_at is null`);
    this.addSql('create index invitation_created on invitation (created_at, id)');
    this.addSql('create index invitation_inviter on invitation (inviter_id) where inviter_id is not null');
    this.addSql('create index invitation_account on invitation (account_id) where account_id is not null');
  }
}
