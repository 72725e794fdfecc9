// Everything beside the password that proves who somebody is: authenticator, passkeys, recovery codes, mailed links and codes, trusted devices.
import { Migration } from '@mikro-orm/migrations';

export class Factors extends Migration {
  override up(): void {
    // `last_step` is the newest time step that was ever accepted: none is accepted twice (RFC 6238, 5.2).
    this.addSql(`
      create table totp (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        sealed bytea not null,
        last_step integer not null,
        created_at timestamptz not null,
        last_used_at timestamptz,
        constraint totp_account_unique unique (account_id)
      )`);
    this.addSql(`
      create table totp_pending (
        account_id uuid primary key references account (id) on delete cascade,
        sealed bytea not null,
        expires_at timestamptz not null
      )`);
    this.addSql('create index totp_pending_expiry on totp_pending (expires_at)');
    this.addSql(`
      create table recovery_code (
        account_id uuid not null references account (id) on delete cascade,
        hash bytea not null,
        created_at timestamptz not null,
        primary key (account_id, hash)
      )`);
    // WebAuthn's user handle: random, so that an authenticator that is asked about it tells nothing about the account.
    this.addSql(`
      create table passkey_handle (
        account_id uuid primary key references account (id) on delete cascade,
        handle text not null constraint passkey_handle_unique unique
      )`);
    this.addSql(`
      create table passkey (
        id uuid primary key,
        account_id uuid not null references account (id) on delete cascade,
        credential_id text not null constraint passkey_credential_unique unique,
        public_key bytea not null,
        counter bigint not null,
        transports text not null,
        aaguid uuid not null,
        name text not null,
        device_type text not null check (device_type in ('singleDevice', 'multiDevice')),
        is_backed_up boolean not null,
        is_way_in boolean not null,
        created_at timestamptz not null,
        last_used_at timestamptz
      )`);
    this.addSql('create index passkey_account on passkey (account_id, created_at)');
    // One row per mail: taking it by its link or by its code deletes it. It dies with a change of the account's credentials. The account is
    // checked at the end of the transaction, so that an account and its first mail may be written in any order.
    this.addSql(`
      create table mailed_secret (
        id uuid primary key,
        purpose text not null,
        subject text not null,
        account_id uuid references account (id) on delete cascade deferrable initially deferred,
        credential_version integer,
        browser_hash text not null,
        link_hash text not null constraint mailed_secret_link_unique unique,
        code_hash bytea not null,
        tries integer not null default 0,
        sealed bytea not null,
        link_expires_at timestamptz not null,
        code_expires_at timestamptz not null,
        created_at timestamptz not null
      )`);
    this.addSql('create index mailed_secret_subject on mailed_secret (subject, purpose)');
    this.addSql('create index mailed_secret_account on mailed_secret (account_id) where account_id is not null');
    this.addSql('create index mailed_secret_expiry on mailed_secret (link_expires_at)');
    this.addSql(`
      create table trusted_device (
        hash text primary key,
        account_id uuid not null references account (id) on delete cascade,
        credential_version integer not null,
        created_at timestamptz not null,
        expires_at timestamptz not null
      )`);
    this.addSql('create index trusted_device_account on trusted_device (account_id)');
    this.addSql('create index trusted_device_expiry on trusted_device (expires_at)');
  }
}
